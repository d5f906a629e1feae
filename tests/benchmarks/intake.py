"""Validation and split of an upload, against a bare loop that only parses the same lines.

Measured: 2.75 times the bare loop at 1,000,000 records, where one microsecond a line goes to the set of a million
identities and to the choice: both wait for memory that is no longer in the processor's cache. 4.6 times at 15,000,
since near-duplicates are looked for among the records that are chosen: all of these, one in forty of a million.

Both sides are measured in CPU time, and the least of their turns counts: other work on the machine only adds to it.

Where the time of a line goes, in microseconds at 15,000 records, where the bare loop takes 3.4 and all of it 9.7:

- 0.4: reading, splitting into lines, the SHA-256 of the upload.
- 7.1: checking it. JSON takes 0.4 of it for a short record, the normal form and its SHA-256 1.2, the search for secrets
  0.3, the search for keys that stand twice 0.2, the record itself 0.5; the rest is calls and type checks. A record in
  another script or a conversation takes half as much again.
- 2.2: duplicates, split, choice, order, and giving the memory back.
- 5.3 for each record that is chosen: its words in masked form, and whether a held-out record has the same.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from lambdas.domain.dataset.builder import build_dataset
from lambdas.domain.dataset.line_reader import HashedStream, read_lines
from lambdas.domain.evaluation.planned_holdout import planned_split
from lambdas.domain.task.task_definition import TaskDefinition
from tests.benchmarks.layer import REPOSITORY
from tests.benchmarks.measuring import interleaved

SIZES = {"15k": (15_000, 20), "1m": (1_000_000, 2)}
"""Name to records and repetitions."""

_WORDS = (
    "red",
    "cats",
    "running",
    "along",
    "a",
    "beach",
    "at",
    "dusk",
    "quiet",
    "talk",
    "about",
    "the",
    "rain",
    "1984",
)
_FOREIGN = ("café", "夜", "Größe", "ночь")
_KINDS = ("visual", "audio", "transcription", "metadata", "balanced")
_PEAK = """
import sys
from pathlib import Path
from tests.benchmarks.intake import intake_seconds
intake_seconds(Path(sys.argv[1]))
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""
# Not ru_maxrss: a child inherits it from the process that started it, which may have been larger.


def measure(workdir: Path) -> Iterable[tuple[str, float, str]]:
    """Measure both sizes.

    Parameters
    ----------
    workdir : Path
        Folder for the uploads, of 100 MB at most.

    Yields
    ------
    tuple of (str, float, str)
        Name without ``bench/``, value, and unit. The peak is that of a whole process, in 10**6 bytes, with the
        interpreter and the imports.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    for name, (records, repetitions) in SIZES.items():
        upload = workdir / f"{name}.jsonl"
        write_upload(upload, records)
        sides = {"ours": lambda path=upload: intake_seconds(path), "bare": lambda path=upload: bare_seconds(path)}
        seconds = interleaved(sides, repetitions, of_values=min)
        yield f"intake_vs_json_loads_{name}", seconds["ours"] / seconds["bare"], "ratio"
        yield f"intake_peak_mb_{name}", peak_mb(upload), "MB"
        upload.unlink()


def write_upload(path: Path, records: int) -> None:
    """Write prompts of 3 to 24 words, the same each time: most in the short form, a fifth as conversations.

    One in ten has a word that is no ASCII, one in a hundred a reserved word, and one in fifty repeats the one before.
    """
    choose = random.Random(2024)  # noqa: S311 - the same file each time, nothing secret
    line = ""
    with path.open("w", encoding="utf-8") as file:
        for number in range(records):
            words = [*choose.choices(_WORDS, k=choose.randint(3, 24)), str(number)]
            if number % 10 == 3:
                words.append(_FOREIGN[number // 10 % len(_FOREIGN)])
            prompt = ("System: " if number % 100 == 1 else "") + " ".join(words)
            line = line if number % 50 == 49 else json.dumps(_record(number, prompt), ensure_ascii=False) + "\n"
            file.write(line)


def _record(number: int, prompt: str) -> dict[str, object]:
    slices = {"intent": _KINDS[number % len(_KINDS)]}
    if number % 5:
        return {"prompt": prompt, "slices": slices}
    messages = [{"role": "user", "content": [{"text": prompt}]}]
    return {"schemaVersion": "bedrock-conversation-2024", "messages": messages, "slices": slices}


def bare_seconds(path: Path) -> float:
    """Time the loop that anyone would write first."""
    started = time.process_time()
    with path.open("rb") as file:
        for line in file:
            json.loads(line)
    return time.process_time() - started


def intake_seconds(path: Path) -> float:
    """Time what PrepareDataset does between reading and writing, the hash of the upload included."""
    started = time.process_time()
    with path.open("rb") as file:
        stream = HashedStream(file)
        planned = planned_split(TaskDefinition.default()).records
        build_dataset(read_lines(stream), lambda _: None, holdout_groups=planned)
        stream.sha256()
    return time.process_time() - started


def peak_mb(path: Path) -> float:
    """Measure the largest resident size of a fresh process that takes in an upload, in 10**6 bytes."""
    done = subprocess.run(  # noqa: S603 - this interpreter, with code of this repository
        [sys.executable, "-c", _PEAK, str(path)], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return int(done.stdout) * 1024 / 1e6
