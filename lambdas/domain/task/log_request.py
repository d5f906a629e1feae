"""``<name>.logs.json``: which part of the production traffic a run is made of, and where it lies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from lambdas.domain.documents import InvalidDocument, check_document, parse_document
from lambdas.domain.errors import InvalidUpload
from lambdas.domain.identity import LOGS_SUFFIX as SUFFIX
from lambdas.domain.model_ids import model_behind

MAX_DAYS = 92
"""Longest range: its hours are listed one by one."""

DELIVERY = timedelta(hours=1)
"""How much later than its call an entry may be delivered: the hours of the key are those of the delivery."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogSource:
    """A log location of the settings: the only ones that may be read."""

    bucket: str
    prefix: str
    key: str | None

    def root(self, account: str, region: str) -> str:
        """Give the prefix under which Bedrock delivers (Bedrock user guide, model invocation logging)."""
        head = f"{self.prefix}/" if self.prefix else ""
        return f"{head}AWSLogs/{account}/BedrockModelInvocationLogs/{region}/"

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


@dataclass(frozen=True, kw_only=True, slots=True)
class LogRequest:
    """A range of time in one log source, and what a call must have to be taken.

    ``conversation`` is the key of the request metadata that names the conversation of a call, where there is one.
    ``rule`` takes the calls of one found task only: see :class:`~lambdas.domain.discovery.task_rule.TaskRule`.
    """

    bucket: str
    prefix: str
    start: datetime
    end: datetime
    models: tuple[str, ...]
    operations: tuple[str, ...]
    metadata: Mapping[str, str]
    conversation: str | None = None
    rule: Mapping[str, Any] | None = None

    @classmethod
    def from_text(cls, text: bytes) -> Self:
        """Parse the file as uploaded.

        Raises
        ------
        InvalidUpload
            With the key and what is allowed.
        """
        try:
            document = parse_document(text, f"the file *{SUFFIX} is ")
        except InvalidDocument as problem:
            raise InvalidUpload(str(problem)) from None
        return cls.from_document(document)

    @classmethod
    def from_document(cls, document: object) -> Self:
        """Check a parsed request and fill in its defaults.

        Raises
        ------
        InvalidUpload
            With the key and what is allowed.
        """
        try:
            checked = check_document(document, "logs.schema.json")
        except InvalidDocument as problem:
            raise InvalidUpload(f"*{SUFFIX}: {problem}") from None
        start, end = _moment("from", checked["from"]), _moment("to", checked["to"])
        if not start < end <= start + timedelta(days=MAX_DAYS):
            raise InvalidUpload(f"*{SUFFIX}: 'to' must be after 'from', by at most {MAX_DAYS} days")
        return cls(
            bucket=checked["bucket"],
            prefix=checked["prefix"].strip("/"),
            start=start,
            end=end,
            models=tuple(checked["models"]),
            operations=tuple(checked["operations"]),
            metadata=checked["metadata"],
            conversation=checked.get("conversation"),
            rule=checked.get("rule"),
        )

    def to_document(self) -> dict[str, Any]:
        """Give the file's content."""
        return {
            "bucket": self.bucket,
            "prefix": self.prefix,
            "from": _written(self.start),
            "to": _written(self.end),
            "models": list(self.models),
            "operations": list(self.operations),
            "metadata": dict(self.metadata),
            **({} if self.conversation is None else {"conversation": self.conversation}),
            **({} if self.rule is None else {"rule": dict(self.rule)}),
        }

    def source(self, allowed: Iterable[LogSource]) -> LogSource:
        """Find the log source of the settings.

        Raises
        ------
        InvalidUpload
            Where the settings do not have it; with those that they have.
        """
        sources = list(allowed)
        for source in sources:
            if (source.bucket, source.prefix) == (self.bucket, self.prefix):
                return source
        wanted = LogSource(bucket=self.bucket, prefix=self.prefix, key=None)
        names = ", ".join(map(str, sources)) or "none"
        message = f"{wanted} is no log source of this environment; allowed: {names}"
        raise InvalidUpload(f"{message}. Add it to 'log_sources' of the settings in cdk.json and deploy again")

    def check_over(self, now: datetime) -> None:
        """Refuse a range that is still being written: two readings of it would differ.

        Raises
        ------
        InvalidUpload
        """
        if self.end > now:
            raise InvalidUpload(
                f"*{SUFFIX}: 'to' is {_written(self.end)}, which is still to come; choose an earlier one"
            )

    def hours(self) -> Iterator[str]:
        """Give the parts ``YYYY/MM/DD/HH/`` of the keys under which the range's entries may lie, in order."""
        hour, last = self.start.replace(minute=0, second=0, microsecond=0), self.end + DELIVERY
        while hour < last:
            yield hour.strftime("%Y/%m/%d/%H/")
            hour += timedelta(hours=1)

    def takes(self, entry: Mapping[str, Any]) -> bool:
        """Tell whether an entry of the log is in the range and passes the filters."""
        try:
            moment = _moment("timestamp", entry["timestamp"])
        except (KeyError, InvalidUpload):
            return False
        if not self.start <= moment < self.end:
            return False
        model = str(entry.get("modelId", ""))
        if self.models and model_behind(model) not in map(model_behind, self.models):
            return False
        if self.operations and entry.get("operation") not in self.operations:
            return False
        given = entry.get("requestMetadata")
        metadata = given if isinstance(given, dict) else {}
        return all(metadata.get(name) == value for name, value in self.metadata.items())


def _moment(name: str, text: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise InvalidUpload(f"*{SUFFIX}: '{name}' is no ISO time, for example 2026-11-01T00:00:00Z") from None
    if moment.tzinfo is None:
        raise InvalidUpload(f"*{SUFFIX}: '{name}' has no time zone; add one, for example Z for UTC")
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError):
        raise InvalidUpload(f"*{SUFFIX}: '{name}' is out of range") from None


def _written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
