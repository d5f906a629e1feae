"""Read calls of a found task from the log, under the caller's own right, for as long as a verb needs them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from cli.errors import CHECK_FAILED, CliError
from lambdas.domain.dataset.line_errors import RejectedLine
from lambdas.domain.discovery import discovery_files
from lambdas.domain.discovery.task_rule import Parts, TaskRule, call_with
from lambdas.domain.logs.log_entry import LoggedAnswer, answer_of, conversation_of, is_error, prompt_of
from lambdas.domain.logs.log_reader import readable_entries
from lambdas.domain.task.log_request import LogSource
from lambdas.gateways.aws.log_bucket import LogBucket
from lambdas.workflow.discovery import body_beside

if TYPE_CHECKING:
    from cli.deployment import Deployment
    from lambdas.domain.discovery.found_task import FoundTask
    from lambdas.domain.discovery.opportunities import Opportunities

MOST_BYTES = 2 * 10**9
"""Bytes of log objects after which no more are read for one found task."""


@dataclass(frozen=True, kw_only=True)
class FoundCall:
    """One call of the task: the record a run would make of it, and its answer where it is text.

    ``record`` is empty where no run could be made of the call, which only :attr:`Wanted.text_only` lets through.
    """

    entry: dict[str, Any]
    body: Any
    record: dict[str, Any]
    answer: LoggedAnswer | None


@dataclass(kw_only=True)
class FoundCalls:
    """Calls of a task in one log source, the newest hour first.

    Attributes
    ----------
    unread : int
        Log objects and bodies beside the log that could not be opened: deleted, or not to be read by the caller.
    left : list of (entry, body)
        Calls that meet the rule and are another task's, whose rule comes first: those by which it is known what these
        rules say, each with a feature of one that none before it has.
    said : dict of Parts to set of int
        Features of each such rule that the calls in ``left`` have.
    unfit : Counter of str
        Calls of the task of which no run can be made and that were left out for it, by reason.
    """

    source: LogSource
    start: datetime
    calls: list[FoundCall] = field(default_factory=list)
    left: list[tuple[dict[str, Any], Any]] = field(default_factory=list)
    said: dict[Parts, set[int]] = field(default_factory=dict)
    read_bytes: int = 0
    unread: int = 0
    unfit: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which calls are wanted.

    Attributes
    ----------
    rule : TaskRule or None
        ``None`` where metadata name the task; its features have the salt.
    distinct : int
        Different calls after which no further hour is read.
    conversation : str or None
        Key of the request metadata that names a call's conversation.
    text_only : bool
        Whether calls that no run can use are left out: with tools or images, or of a form that nothing here reads.
    """

    task: FoundTask
    rule: TaskRule | None
    salt: str
    distinct: int
    conversation: str | None = None
    text_only: bool = True


def metadata_key(deployment: Deployment) -> str | None:
    """Give the key of the request metadata that names a task, as the settings say."""
    asked = deployment.settings.discovered()
    return asked.metadata_key if asked else None


def log_buckets(deployment: Deployment) -> list[tuple[LogSource, LogBucket]]:
    """Open each log source of the settings.

    Raises
    ------
    CliError
        There is none.
    """
    account = deployment.output("pipeline", "StateMachineArn").split(":")[4]
    region, client = deployment.settings.region, deployment.client("s3")
    sources = deployment.settings.allowed_logs()
    if not sources:
        raise CliError("The settings have no 'log_sources': there is no log that could be read.", CHECK_FAILED)
    return [(one, LogBucket(client, one.bucket, one.root(account, region), account)) for one in sources]


def wanted_of(deployment: Deployment, found: Opportunities, task: FoundTask, distinct: int) -> Wanted:
    """Read a task's rule with the salt that it was made with; no rule where metadata name the task.

    Raises
    ------
    CliError
        Rules or salt have expired.
    """
    if task.named_by == "metadata":
        return Wanted(task=task, rule=None, salt="", distinct=distinct)
    salt = deployment.runs.find(discovery_files.SALT)
    rules = deployment.runs.find(discovery_files.rules(found.generation))
    if salt is None or rules is None:
        raise CliError("The rules of that discovery have expired: discover again.", CHECK_FAILED)
    lines = (json.loads(line) for line in rules.splitlines() if line.strip())
    rule = TaskRule.salted(task.task, lines, metadata_key(deployment))
    return Wanted(task=task, rule=rule, salt=salt.decode().strip(), distinct=distinct)


def calls_of(deployment: Deployment, wanted: Wanted) -> FoundCalls:
    """Read calls of a task, the newest hour first, until there are enough distinct ones.

    Raises
    ------
    CliError
        No call was found, or the log may not be read.
    """
    best: FoundCalls | None = None
    for source, bucket in log_buckets(deployment):
        try:
            found = _read(deployment, source, bucket, wanted)
        except ClientError as problem:
            if problem.response["Error"]["Code"] in ("AccessDenied", "403"):
                message = f"You may not read the log {source}: it takes s3:GetObject and s3:ListBucket there."
                raise CliError(f"{message} docs/access.md has the policy of an analyst.", CHECK_FAILED) from None
            raise
        if best is None or _met(found) > _met(best):
            best = found
    if best is None or not best.calls:
        raise CliError(_none_found(wanted.task.task, best), CHECK_FAILED)
    return best


def _met(found: FoundCalls) -> tuple[int, int, int]:
    return len(found.calls), found.unfit.total(), found.unread


def _none_found(task: str, found: FoundCalls | None) -> str:
    unread = 0 if found is None else found.unread
    if found is not None and found.unfit:
        why = found.unfit.most_common(1)[0][0]
        return f"No run can be made of the calls of '{task}': {found.unfit.total():,} were read. Most often: {why}."
    if not unread:
        return f"No call of '{task}' is in the log any more: discover again."
    return (
        f"No call of '{task}' could be read: {unread:,} objects of the log, or bodies beside it, are deleted or not "
        "for you to read. It takes s3:GetObject on them, and kms:Decrypt where the log has a key of its own."
    )


def _read(deployment: Deployment, source: LogSource, bucket: LogBucket, wanted: Wanted) -> FoundCalls:
    key = metadata_key(deployment)
    found = FoundCalls(source=source, start=_midnight(wanted.task.last_day))
    seen: set[str] = set()
    for hour in hours_back(wanted.task.first_day, wanted.task.last_day):
        if len(seen) >= wanted.distinct or found.read_bytes > MOST_BYTES:
            break
        for item in bucket.entries_of(hour.strftime("%Y/%m/%d/%H/")):
            found.read_bytes += item.size
            stream = bucket.open(item.key)
            found.unread += stream is None
            for entry in readable_entries(stream) if stream else ():
                call = _call(bucket, entry, wanted, key, found)
                if call is not None:
                    found.calls.append(call)
                    seen.add(json.dumps(call.record.get("messages") or call.body, sort_keys=True))
        found.start = hour
    return found


def hours_back(first_day: str, last_day: str) -> Iterator[datetime]:
    """Give the hours of a range, the latest first; entries are delivered up to an hour late."""
    hour, first = _midnight(last_day) + timedelta(days=1), _midnight(first_day)
    while hour >= first:
        yield hour
        hour -= timedelta(hours=1)


def _midnight(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)


def _body(bucket: LogBucket, entry: dict[str, Any], side: str) -> tuple[Any, bool]:
    """Give a body, and whether it lies beside the log and could not be read."""
    part = entry.get(side)
    part = part if isinstance(part, dict) else {}
    inline, path = part.get(f"{side}BodyJson"), part.get(f"{side}BodyS3Path")
    if inline is not None or not isinstance(path, str):
        return inline, False
    found = body_beside(bucket, path)
    return found, found is None


def _call(
    bucket: LogBucket, entry: dict[str, Any], wanted: Wanted, metadata_key: str | None, found: FoundCalls
) -> FoundCall | None:
    """Give the call where it is of the task and a run could be made of it."""
    metadata, rule = entry.get("requestMetadata"), wanted.rule
    named = metadata.get(metadata_key) if isinstance(metadata, dict) and metadata_key else None
    if is_error(entry) or (rule is None and named != wanted.task.task) or (rule is not None and named):
        return None
    body, missing = _body(bucket, entry, "input")
    found.unread += missing
    if body is None or (rule is not None and not _is_of(rule, entry, body, wanted.salt, found)):
        return None
    try:
        record, _ = prompt_of(body)
        record["group"] = conversation_of(record, entry, wanted.conversation)
    except RejectedLine as problem:
        if wanted.text_only:
            found.unfit[str(problem)] += 1
            return None
        return FoundCall(entry=entry, body=body, record={}, answer=None)
    answer = answer_of(str(entry.get("modelId", "")), _body(bucket, entry, "output")[0])
    return FoundCall(entry=entry, body=body, record=record, answer=answer)


def _is_of(rule: TaskRule, entry: dict[str, Any], body: Any, salt: str, found: FoundCalls) -> bool:  # noqa: ANN401
    """Tell whether a call is the rule's, and keep it where it says something new of a rule that comes first.

    A busy task would fill any bound with its own calls, and of the others nobody would know what they take.
    """
    call = call_with(entry, body, salt)
    if rule.takes_call(call):
        return True
    new = False
    for parts in rule.left_to(call):
        said = found.said.setdefault(parts, set())
        more = {one for part in parts for one in part.features.intersection(call.features or ())} - said
        said |= more
        new = new or bool(more)
    if new:
        found.left.append((entry, body))
    return False
