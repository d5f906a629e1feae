"""End a lever in something to do: the changed request, the input of a batch job, or the key of answers given again.

Files have prompts as they are, since nothing else could be sent. They are written where the person says, for that
person alone, and nothing of them is kept elsewhere.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.discovery.account_logs import calls_of, wanted_of
from cli.discovery.one_opportunity import measured_first
from cli.errors import CHECK_FAILED, USAGE_ERROR, CliError
from cli.screen import SIMULATED
from lambdas.domain.costs.prompt_caching import SUPPORT
from lambdas.domain.discovery.batch_records import MOST_RECORDS, batch_file, job_request
from lambdas.domain.discovery.changed_requests import answer_keys, converse_requests, on_flex_tier, to_model
from lambdas.domain.discovery.lever import LeverBasis, RankedLever
from lambdas.domain.discovery.logged_request import LeverNotWritten, LoggedRequest
from lambdas.domain.discovery.request_levers import characters_a_token
from lambdas.domain.discovery.shared_prompt import CachedRequest, cached_after_beginning, cached_after_moving
from lambdas.domain.discovery.spend import FLEX_WAY, priced_name
from lambdas.domain.errors import PriceMissing
from lambdas.domain.identity import task_slug
from lambdas.domain.model_ids import foundation_model_id
from lambdas.domain.report.figures import usd
from lambdas.domain.training.batch_inference import BatchLimits
from lambdas.gateways.aws.inference_profiles import models_of_profiles

if TYPE_CHECKING:
    from cli.deployment import Deployment
    from cli.session import Session
    from lambdas.domain.discovery.opportunities import Opportunities, Opportunity
    from lambdas.domain.discovery.spend import Flow

_JOB_NAME_CHARACTERS = 40


@dataclass(kw_only=True)
class LeverFiles:
    """What is to be written, and what a person is told of it.

    Attributes
    ----------
    texts : dict of Path to bytes
        The first is the one that the person named.
    about : list of str
        Sentences.
    commands : list of str
        What to type next.
    """

    texts: dict[Path, bytes] = field(default_factory=dict)
    about: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Writing:
    """What the files of one lever are made of."""

    deployment: Deployment
    each: Opportunity
    lever: RankedLever
    requests: list[LoggedRequest]
    path: Path

    def tokens(self, characters: int) -> float:
        """Estimate the tokens of a part of the task's prompts."""
        settings = self.deployment.settings
        basis = LeverBasis(task=self.each.task, prices=settings.price_book(), settings=settings)
        return characters / characters_a_token(basis)

    def profiles(self) -> Mapping[str, str]:
        """Ask what the application inference profiles of the calls were made of, where they named any."""
        named = {one.model for one in self.requests}
        own = {model for model in named if ":application-inference-profile/" in model}
        return models_of_profiles(self.deployment.client("bedrock"), own) if own else {}


def write_lever(session: Session, found: Opportunities, each: Opportunity, name: str | None, path: Path) -> None:
    """Write the files of a lever and say what to do with them.

    Raises
    ------
    CliError
        The lever is stopped or ends elsewhere, the log may not be read, or its calls are of a form in which the lever
        cannot be written. Nothing was written then.
    """
    lever = _chosen(each, name)
    for there in (path, _logged(path), _job(path)):
        if there.exists():
            raise CliError(f"{there} is there already and is not written over: name another file.", USAGE_ERROR)
    deployment = session.deployment
    wanted = wanted_of(deployment, found, each.task, MOST_RECORDS)
    read = calls_of(deployment, replace(wanted, text_only=False))
    requests = [one for call in read.calls if (one := LoggedRequest.of(call.entry, call.body)) is not None]
    writing = Writing(deployment=deployment, each=each, lever=lever, requests=requests, path=path)
    try:
        made = _WRITERS[lever.name](writing)
    except LeverNotWritten as problem:
        raise CliError(f"{lever.title} of '{each.task.task}': {problem}. Nothing was written.", CHECK_FAILED) from None
    _write(made)
    _tell(session, writing, made, read.unread)


def _chosen(each: Opportunity, name: str | None) -> RankedLever:
    """Give the lever that is meant: by default the best.

    Raises
    ------
    CliError
        It is stopped, or what it ends in is not a file.
    """
    task = each.task.task
    lever = each.best if name is None else next((one for one in each.levers if one.name == name), each.best)
    stops = [block.text for block in lever.blocks if block.stops]
    if stops:
        raise CliError(f"{lever.title} of '{task}' is blocked: {'; '.join(stops)}. Nothing was written.", CHECK_FAILED)
    if lever.name not in _WRITERS:
        why = "".join(f" {block.text}." for block in lever.blocks)
        raise CliError(f"{lever.title} of '{task}' is not written into a file. Do: {lever.do}{why}", CHECK_FAILED)
    return lever


def _logged(path: Path) -> Path:
    return path.with_name(f"{path.stem}.logged{path.suffix}")


def _job(path: Path) -> Path:
    return path.with_name(f"{path.stem}.job.json")


def _cached(change: Callable[[Sequence[dict[str, Any]]], CachedRequest]) -> Callable[[Writing], LeverFiles]:
    def write(writing: Writing) -> LeverFiles:
        profiles = writing.profiles()
        models = {one.model: foundation_model_id(priced_name(one.model, profiles) or "") for one in writing.requests}
        able = [one for one in writing.requests if models[one.model] in SUPPORT]
        if not able:
            raise LeverNotWritten(f"{', '.join(sorted(models))} is not known to cache prompts")
        pairs = converse_requests(able)
        made = change([request for _, request in pairs])
        logged = pairs[made.number][0]
        least, tokens = SUPPORT[models[logged.model]].least_tokens, writing.tokens(made.characters)
        if tokens < least:
            raise LeverNotWritten(
                f"{len(pairs):,} calls share {made.characters:,} characters word for word, about {tokens:,.0f} tokens, "
                f"and {logged.model} keeps {least:,} or more"
            )
        files = _changed(writing, logged, made.request)
        files.about.insert(
            0,
            f"The cache point comes after {made.characters:,} characters (about {tokens:,.0f} tokens) that "
            f"{len(pairs):,} calls share word for word.",
        )
        return files

    return write


def _moved(writing: Writing) -> LeverFiles:
    files = _cached(cached_after_moving)(writing)
    files.about.append("What changes from call to call comes last now: mend sentences that point at its old place.")
    return files


def _batch(writing: Writing) -> LeverFiles:
    if writing.path.suffix != ".jsonl":
        return _flex(writing)
    path, book = writing.path, writing.deployment.settings.price_book()
    file = batch_file(writing.requests, book, writing.profiles(), BatchLimits())
    slug = task_slug(writing.each.task.task)[:_JOB_NAME_CHARACTERS].strip("-")
    name = f"{slug}-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    account = writing.deployment.output("pipeline", "StateMachineArn").split(":")[4]
    job = job_request(file, name, "BUCKET", f"arn:aws:iam::{account}:role/ROLE")
    paid = [_usd_of(flow, writing) for flow in (file.in_batch, file.flow)]
    files = LeverFiles(texts={path: b"".join(file.lines), _job(path): _json(job)})
    files.about += [
        f"{len(file.lines):,} records of {file.model} ({file.form}): {paid[0]} in a batch job, {paid[1]} as they were.",
        *(f"Left out: {calls:,} calls, {why}." for why, calls in file.left_out.items()),
        f"Put your bucket and a role that Bedrock takes for batch jobs in place of BUCKET and ROLE in {_job(path)}.",
        "The job asks again what was answered: where answers may wait, write such records in place of calls.",
    ]
    files.commands += [
        f"aws s3 cp {shlex.quote(str(path))} {job['inputDataConfig']['s3InputDataConfig']['s3Uri']}",
        f"aws bedrock create-model-invocation-job --cli-input-json {shlex.quote(f'file://{_job(path)}')}",
    ]
    return files


def _flex(writing: Writing) -> LeverFiles:
    book, profiles = writing.deployment.settings.price_book(), writing.profiles()
    able = []
    for one in writing.requests:
        name = priced_name(one.model, profiles)
        if name is not None and all(book.find(name, f"{FLEX_WAY}{usage}") for usage in ("input", "output")):
            able.append(one)
    if not able:
        named = ", ".join(sorted({one.model for one in writing.requests}))
        raise LeverNotWritten(f"no flex prices of {named} are known; a file that ends in .jsonl is a batch job's input")
    logged, request = converse_requests(able)[0]
    files = _changed(writing, logged, on_flex_tier(request))
    files.about.append("A file that ends in .jsonl would be the input of a batch job.")
    return files


def _cheaper(writing: Writing) -> LeverFiles:
    models = [name for name in writing.lever.figures.get("models", "").split(" or ") if name]
    if not models:
        raise LeverNotWritten("no cheaper model was named: discover again")
    logged, request = converse_requests(writing.requests)[0]
    files = _changed(writing, logged, to_model(request, models[0]))
    files.about += [f"{other} may be measured in its place." for other in models[1:]]
    return files


def _reuse(writing: Writing) -> LeverFiles:
    document = answer_keys(writing.requests)
    files = LeverFiles(texts={writing.path: _json(document)})
    files.about.append(
        f"{document['different_requests']:,} different requests among {document['calls_read']:,} calls; the file has "
        "how their keys are made and those that are repeated most."
    )
    return files


_WRITERS: dict[str, Callable[[Writing], LeverFiles]] = {
    "cache": _cached(cached_after_beginning),
    "move_and_cache": _moved,
    "batch": _batch,
    "reuse": _reuse,
    "cheaper_model": _cheaper,
}


def _changed(writing: Writing, logged: LoggedRequest, request: dict[str, Any]) -> LeverFiles:
    """Give a changed request beside what was logged."""
    path = writing.path
    files = LeverFiles(texts={path: _json(request), _logged(path): _json(logged.as_logged())})
    if "body" in logged.as_logged():
        files.about.append("The calls use InvokeModel; the changed request is one of Converse.")
    both = " ".join(shlex.quote(str(one)) for one in (_logged(path), path))
    files.commands.append(f"git diff --no-index --word-diff {both}")
    return files


def _usd_of(flow: Flow, writing: Writing) -> str:
    try:
        return usd(float(flow.usd(writing.deployment.settings.price_book())))
    except PriceMissing:
        return "no price"


def _json(document: object) -> bytes:
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False)
    return f"{text}\n".encode("utf-8", "replace")


def _write(made: LeverFiles) -> None:
    """Write files that only their owner may read.

    Raises
    ------
    CliError
        One cannot be written.
    """
    for path, text in made.texts.items():
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(text)
        except OSError as problem:
            raise CliError(f"{path} cannot be written: {problem.strerror}.", USAGE_ERROR) from None


def _tell(session: Session, writing: Writing, made: LeverFiles, unread: int) -> None:
    lever, files = writing.lever, [str(path) for path in made.texts]
    if session.as_json:
        document = {"task": writing.each.task.task, "lever": lever.name, "files": files, "about": made.about}
        cost = None if lever.measure_usd is None else f"{lever.measure_usd:.4f}"
        more = {"commands": made.commands, "measure": lever.measure, "measure_usd": cost, "not_read": unread}
        session.show({**document, "calls": len(writing.requests), **more})
        return
    screen = session.screen
    screen.say(f"{lever.title} of {writing.each.task.task}, from {len(writing.requests):,} calls of the log:")
    for name in files:
        screen.say(f"  {name}")
    for text in made.about:
        screen.say(text)
    if unread:
        screen.say(f"Not read: {unread:,} objects of the log or bodies beside it, deleted or not for you to read.")
    for command in made.commands:
        screen.say(f"  {command}", hang=4)
    if lever.measure:
        screen.say(f"{measured_first(lever)}.")
    screen.say("The files have prompts as they are, not masked: keep them as prompts are kept, and delete them after.")
    if session.deployment.local:
        screen.say(SIMULATED)
