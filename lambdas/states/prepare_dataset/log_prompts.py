"""What ReadInvocationLogs wrote, as the lines of an upload: in the order of the log, each known by object and line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from lambdas.domain.dataset.builder import Dataset, build_dataset
from lambdas.domain.dataset.line_errors import RejectedLine
from lambdas.domain.dataset.records import Record, RecordParser
from lambdas.domain.logs.log_reader import LogCounts, written
from lambdas.domain.logs.logged_answers import LoggedAnswers
from lambdas.domain.text.secret_scan import secret_kinds

if TYPE_CHECKING:
    from lambdas.domain.run_files import RunFiles
    from lambdas.domain.task.task_definition import TaskDefinition
    from lambdas.gateways.aws.storage import Bucket

Reject = Callable[[dict[str, Any]], None]


class LogPrompts:
    """The prompts of a run that comes from logs.

    Parameters
    ----------
    runs : Bucket
    files : RunFiles
    reject : callable
        Called with ``{"object", "line", "reason"}`` for every entry that is not used.
    """

    def __init__(self, runs: Bucket, files: RunFiles, reject: Reject) -> None:
        self._runs, self._files, self._reject = runs, files, reject
        self._hash = hashlib.sha256()
        self._origin: dict[str, Any] = {}
        self.rejected = 0
        self.listing: dict[str, Any] = runs.read_json(files.logs("listing.json"))

    def lines(self) -> Iterator[bytes]:
        """Give each prompt as a line of the documented dataset format."""
        for found in self._found():
            self._origin = {"object": found["object"], "line": found["line"]}
            if "reason" in found:
                self.rejected += 1
                self._reject({**self._origin, "reason": found["reason"]})
                continue
            yield written(found["record"])

    def rejected_line(self, rejection: dict[str, Any]) -> None:
        """Keep a line that the checks of records refused, under the name that it has in the log."""
        where = {} if "file" in rejection else self._origin
        self._reject({**rejection, **where})

    def place(self, _number: int) -> str:
        """Name the entry that was given last, as it is known in the log."""
        return f"{self._origin['object']} line {self._origin['line']}"

    def sha256(self) -> str:
        """Give the SHA-256 of everything that was read."""
        return self._hash.hexdigest()

    def summary(self) -> dict[str, Any]:
        """Give what ``dataset.json`` says of the logs: objects, stored bytes and what became of the entries."""
        counts = LogCounts()
        for shard in self.listing["shards"]:
            counts.add(self._runs.read_json(self._files.logs(f"counts/{shard}.json")))
        return {"objects": self.listing["objects"], "bytes": self.listing["bytes"], **counts.to_document()}

    def answers(self, train: list[Record], task: TaskDefinition) -> LoggedAnswers:
        """Find the logged answers of training records; a record that merged others has those of its very words.

        An answer that holds what looks like a secret is left out unless they are allowed: the teacher is asked instead.
        """
        wanted = {record.id: record for record in train}
        allow_secrets = task.secrets == "allow"
        answers = LoggedAnswers()
        parser = RecordParser(
            system_prompt=task.student_system_prompt, allow_secrets=allow_secrets, answer_tokens=task.max_answer_tokens
        )
        for found in self._found():
            if "answer" not in found:
                continue
            try:
                record = parser.parse(written(found["record"]))
            except RejectedLine:
                continue
            kept = wanted.get(record.id)
            same = kept is not None and (kept.system, kept.turns) == (record.system, record.turns)
            if same and (allow_secrets or not secret_kinds(json.dumps(found["answer"], ensure_ascii=False))):
                answers.add(record.id, found["answer"])
        return answers

    def _found(self) -> Iterator[dict[str, Any]]:
        self._hash = hashlib.sha256()
        for shard in self.listing["shards"]:
            text = self._runs.read(self._files.logs(f"prompts/{shard}.jsonl"))
            self._hash.update(text)
            for line in text.split(b"\n"):
                if line:
                    yield json.loads(line)


def build_from_logs(
    prompts: LogPrompts, trusted: Iterable[bytes] | None, task: TaskDefinition, most: int, holdout_groups: int
) -> Dataset:
    """Build the dataset of a run that comes from logs, by the code that builds those of uploads.

    Parameters
    ----------
    prompts : LogPrompts
    trusted : iterable of bytes, optional
        Lines of the task's own ``holdout.jsonl``.
    task : TaskDefinition
    most : int
        Most training records.
    holdout_groups : int
        Groups to hold out where there is no such file.
    """
    dataset = build_dataset(
        prompts.lines(),
        prompts.rejected_line,
        own_holdout=trusted,
        task=task,
        place=prompts.place,
        most=most,
        holdout_groups=holdout_groups,
    )
    dataset.sha256["invocation logs"] = prompts.sha256()
    dataset.counts.lines += prompts.rejected
    dataset.counts.rejected += prompts.rejected
    dataset.logs = prompts.summary()
    if task.teacher_data.takes_logged_answers:
        answers = prompts.answers(dataset.train, task)
        dataset.logged_answers = answers.to_json_lines()
        dataset.logs["answers"] = len(answers)
    return dataset
