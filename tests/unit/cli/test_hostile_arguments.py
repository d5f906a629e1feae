"""Arguments and folders made at random, with a fixed seed: every verb ends with an exit code, never a traceback."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

from cli.errors import CHECK_FAILED, NOT_REACHED, OK, UNKNOWN_RUN, USAGE_ERROR
from tests.unit.cli.conftest import FakeAws

SEED = 20_261_129
VERBS = [
    "validate", "estimate", "submit", "watch", "runs", "report", "approve", "reject", "retry", "rollback", "champions",
    "costs", "confirm", "reap", "doctor", "stop", "forget", "rebuild-registry", "teardown", "nonsense", "--help", "-h",
]  # fmt: skip
WORDS = [
    "", " ", "latest", "x" * 5_000, "\u202e", "é", "..", "/", "-", "--", "0", "-1", "NaN", "inf", "1e400", "9" * 400,
    "\x1b[1A", "a\nb", "local", "intent-dee3326a", "Intent", "*", "%s", "{}", "\ud800", "s3://", "s3://b/p",
    "2026-01-01T00:00:00Z", "2026-13-01", "now", "--limit", "--json", "--why", "--file", "--task", "--holdout", "--out",
    "--offline", "--from-logs", "--from", "--to", "--model", "--operation", "Converse", "--metadata", "a=b", "a",
    "--hourly-price", "--explicitly", "--report-sha256", "0" * 12, "--delete", "--idle", "--answers", "--dry-run",
    "--write", "--yes",
]  # fmt: skip


def folders(root: Path) -> list[str]:
    """Make task folders in which something is wrong, and give every path in them."""
    made = {name: root / name for name in ("t1", "t2", "t3", "t4")}
    for folder in made.values():
        folder.mkdir()
    (made["t1"] / "prompts.jsonl").write_bytes(b'{"prompt":"x"}\n')
    (made["t1"] / "task.json").write_text("{}")
    (made["t2"] / "a.jsonl").write_bytes(b"\xff\xfe")
    (made["t2"] / "task.json").write_text('{"budget_usd": 1e400}')
    (made["t3"] / "a.jsonl.gz").write_bytes(b"\x1f\x8bnot gzip")
    (made["t3"] / "holdout.jsonl").mkdir()
    (made["t4"] / "calibration.jsonl").write_bytes(b"[]\n" * 20)
    (made["t4"] / "p.jsonl").write_bytes(b'{"prompt":"cats"}\n' * 30)
    (root / "empty.json").write_bytes(b"")
    (root / "deep.json").write_text('{"output_schema":' + '{"a":' * 2_000 + "1" + "}" * 2_001)
    (root / "dangling.jsonl").symlink_to("/nonexistent")
    return [str(path) for path in [*root.rglob("*"), root / "nope"]]


def test_every_call_ends_with_a_documented_exit_code(aws: FakeAws, call: Callable[..., Result], tmp_path: Path) -> None:
    # Given
    dice = random.Random(SEED)  # noqa: S311 - the same every time
    words = [*WORDS, *folders(tmp_path)]
    for _ in range(250):
        arguments = [dice.choice(VERBS), *(dice.choice(words) for _ in range(dice.choice([0, 1, 1, 2, 2, 3, 4, 6])))]
        if dice.random() < 0.15:
            arguments.insert(0, "--json")
        # When: whatever a verb asks AWS, nothing answers
        begun = time.process_time()
        result = call(*arguments)
        # Then
        assert result.exception is None or isinstance(result.exception, SystemExit), (arguments, result.exception)
        assert result.exit_code in (OK, CHECK_FAILED, USAGE_ERROR, NOT_REACHED, UNKNOWN_RUN), arguments
        assert "\x1b[1A" not in result.output
        assert time.process_time() - begun < 2, arguments
    aws.stubs.clear()
