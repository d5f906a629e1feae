"""Ask the student that serves a task, and its fallback only where the task's policy says so."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import hashlib
import logging
import math
import os
import re
import threading
import time
import weakref
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NotConnected
from urllib3.exceptions import HTTPError

from bedrock_student.breaker import Breaker, Budget
from bedrock_student.cached import Cached
from bedrock_student.metrics import Metrics, chosen_metrics
from bedrock_student.policy import (
    BREAKER_OPEN,
    BY_POLICY,
    FALLBACK,
    LOW_CONFIDENCE,
    OUTAGE,
    STUDENT,
    UNANSWERED,
    Answer,
    Call,
    Leg,
    Policy,
    StudentError,
    read_policy,
)

Messages = str | Sequence[Mapping[str, Any]]
"""What is asked: a text, or messages as Converse takes them."""

OWN_METADATA = ("task", "run", "leg", "policy", "variant", "reason")
"""Keys of ``requestMetadata`` that are the client's own; the pipeline finds a task's calls by them."""

MOST_METADATA, LONGEST_METADATA = 16, 256
"""Limits of Converse's ``requestMetadata`` (Bedrock API reference)."""

_NOT_METADATA = re.compile(r"[^a-zA-Z0-9\s:_@$#=/+,.\-]", re.ASCII)
_PASSING = (408, 424, 425, 429)
"""Statuses below 500 that say nothing against the request (timed out, model error, too early, throttled)."""
_GONE, _NO_SUCH_MODEL = 404, "provided model identifier is invalid"
_CALLERS_OWN = ("validation", "accessdenied")
_OUT_OF_REACH = (HTTPClientError, NotConnected, HTTPError)
"""No answer came over the network: botocore's errors of a connection that was made, of one that was not, and those of
urllib3, which come as they are where a stream is read."""
_STUDENTS: weakref.WeakSet[Student] = weakref.WeakSet()
_log = logging.getLogger("bedrock_student")


@dataclass(frozen=True)
class _Asked:
    """A question: its messages, the caller's own system text, and by what its calls are to be known."""

    messages: Sequence[Mapping[str, Any]]
    system: str
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Tried:
    """What one leg gave: without a text it did not answer, without a reason nothing is wrong with it."""

    leg: str
    text: str | None = None
    repaired: bool = False
    reason: str | None = None
    gone: bool = False


@dataclass
class _Watched:
    """A call in progress: its tokens, whether a piece of it was shown, and the error that ended it."""

    usage: Mapping[str, int] = field(default_factory=dict)
    shown: bool = False
    problem: Exception | None = None


@dataclass
class _Streamed:
    """A stream in progress: its calls, what kept it from the fallback, and once known what is told of its answer."""

    calls: list[Call] = field(default_factory=list)
    capped: list[str] = field(default_factory=list)
    given: tuple[Policy, _Tried, _Tried] | None = None


class Student:
    """The student that serves a task. Safe for threads, after a fork, and where a Lambda is frozen between calls.

    Parameters
    ----------
    task : str
    environment : str, optional
        Name of the deployment; ``DISTILLATION_ENVIRONMENT``, else ``dev``, unless given.
    tags : mapping of str to str, optional
        Go with every call as request metadata, so that invocation logs know whose it is.
    session : boto3.Session, optional
    clients : mapping of str to client, optional
        Ready clients by service (``ssm``, ``bedrock-runtime``, ``s3``); after a fork they are used on as they are.
    metrics : Metrics, optional
        Where figures go; chosen by what is there unless given.
    timeout_s : float
        Seconds for which one call of a model may be silent.
    threads : int
        Most calls of :meth:`aask` at a time.

    Raises
    ------
    StudentError
        At the first call: no student serves the task, or this client is too old for it.
    """

    def __init__(
        self,
        task: str,
        *,
        environment: str | None = None,
        tags: Mapping[str, str] | None = None,
        session: boto3.Session | None = None,
        clients: Mapping[str, Any] | None = None,
        metrics: Metrics | None = None,
        timeout_s: float = 30.0,
        threads: int = 32,
    ) -> None:
        named = environment or os.environ.get("DISTILLATION_ENVIRONMENT") or "dev"
        self._task, self._tags, self._threads, self._timeout_s = task, dict(tags or {}), threads, timeout_s
        self._every_tag = _pairs(self._tags)
        self._names = [f"/distillation/{named}/{task}/{name}" for name in ("champion", "policy")]
        self._session, self._given = session, dict[str, Any](clients or {})
        self._metrics = metrics or chosen_metrics(named)
        self._prompts: dict[str, str] = {}
        self._last: tuple[tuple[str | None, ...], Policy] | None = None
        self._pointer: Cached[Policy] = Cached(self._read)
        self.after_fork()
        _STUDENTS.add(self)

    def ask(self, text: Messages, *, system: str = "", tags: Mapping[str, str] | None = None) -> Answer:
        """Ask a question.

        Parameters
        ----------
        text : str or sequence of messages
        system : str
            Where the task has no system prompt of its own.
        tags : mapping of str to str, optional
            As those of the student, for this question.

        Raises
        ------
        StudentError
            Nobody could answer; its ``calls`` say what was tried.
        botocore.exceptions.ClientError
            The request is wrong or not allowed: another model would refuse it too.
        """
        begun, answer = time.perf_counter(), None
        capped: list[str] = []
        try:
            answer = self._answered(self._asked(text, system, tags), capped)
        finally:
            self._metrics.answered(self._task, answer, time.perf_counter() - begun, capped="".join(capped))
        return answer

    async def aask(self, text: Messages, *, system: str = "", tags: Mapping[str, str] | None = None) -> Answer:
        """Ask without blocking the event loop; see :meth:`ask`."""
        run = contextvars.copy_context().run  # the caller's span goes along
        asked = functools.partial(run, self.ask, text, system=system, tags=tags)
        return await asyncio.get_running_loop().run_in_executor(self._pool, asked)

    def stream(self, text: Messages, *, system: str = "", tags: Mapping[str, str] | None = None) -> Iterator[str]:
        """Give the answer's text as it comes.

        What was shown cannot be taken back: the fallback is asked only where the student gives not one piece, and
        nothing else is checked against the schema.

        Raises
        ------
        StudentError, botocore.exceptions.ClientError
            As :meth:`ask`, also in the middle.
        """
        begun, told = time.perf_counter(), _Streamed()
        try:
            yield from self._pieces(self._asked(text, system, tags), told)
        except Exception:
            told.given = None  # whatever was shown, it is not an answer
            raise
        finally:  # also where the caller has heard enough
            answer = self._answer(*told.given, told.calls) if told.given else None
            self._metrics.answered(self._task, answer, time.perf_counter() - begun, capped="".join(told.capped))

    def after_fork(self) -> None:
        """Begin anew in a child process: connections and locks of the parent are not its own."""
        self._made = dict(self._given)
        self._making = threading.Lock()
        self._breakers: dict[str, Breaker] = {}
        self._budget = Budget()
        self._pool = ThreadPoolExecutor(self._threads, "student")
        self._pointer.after_fork()

    # One question

    def _answered(self, asked: _Asked, capped: list[str]) -> Answer:
        policy, calls = self._pointer.get(), list[Call]()
        ends = time.monotonic() + policy.deadline_s
        if policy.variant == FALLBACK:
            first = _Tried(STUDENT, reason=BY_POLICY)
        else:
            policy, first = self._ask_student(policy, asked, calls)
        fallback, why = self._next(policy, first, capped, ends), first.reason
        if fallback is None:
            return self._answer(policy, first, first, calls)
        spare = first.text is not None
        second = self._try(fallback, asked, policy, calls, why=why, must=not spare, spare=spare)
        if second.text is None and second.reason == UNANSWERED and not spare and time.monotonic() < ends:
            second = self._try(fallback, asked, policy, calls, why=why)
        return self._answer(policy, _better(first, second), first, calls)

    def _next(self, policy: Policy, first: _Tried, capped: list[str], ends: float = math.inf) -> Leg | None:
        """Give the fallback where it is to be asked; the budget is told in any case."""
        reason, fallback = first.reason, policy.fallback
        if reason is None or fallback is None or not policy.escalates(reason):
            self._budget.pass_by()
            return None
        kind, late = ("outage" if reason in OUTAGE else "quality"), time.monotonic() >= ends
        if late or (reason != BY_POLICY and not self._budget.take(kind, policy.share(reason))):
            capped.append(kind)
            return None
        return fallback

    def _ask_student(self, policy: Policy, asked: _Asked, calls: list[Call]) -> tuple[Policy, _Tried]:
        """Ask the student; where its endpoint is gone, read the pointer again, once."""
        alone = policy.fallback is None
        tried = self._try(policy.student, asked, policy, calls, must=alone)
        if tried.gone:
            was, policy = policy.student.model, self._reread(policy)
            if policy.student.model != was:
                tried = self._try(policy.student, asked, policy, calls, must=True)
        elif tried.text is None and alone:
            tried = self._try(policy.student, asked, policy, calls, must=True)
        return policy, tried

    def _reread(self, policy: Policy) -> Policy:
        """Read the pointer again; what is known where that fails."""
        with contextlib.suppress(BotoCoreError, ClientError, StudentError):
            return self._pointer.reread()
        return policy

    def _try(
        self,
        leg: Leg,
        asked: _Asked,
        policy: Policy,
        calls: list[Call],
        *,
        why: str | None = None,
        must: bool = False,
        spare: bool = False,
    ) -> _Tried:
        """Ask one model once; ``must`` asks where its breaker is open too, because nobody else could answer.

        ``spare`` says that there is an answer already: then no error is raised.
        """
        with self._watched(leg, calls, must=must, spare=spare) as call:
            if call is None:
                return _Tried(leg.name, reason=BREAKER_OPEN)
            given = self._client("bedrock-runtime").converse(**self._request(leg, asked, policy, why))
            call.usage = given["usage"]
        if call.problem:
            return _Tried(leg.name, reason=UNANSWERED, gone=_is_gone(call.problem))
        text = "".join(block.get("text", "") for block in given["output"]["message"]["content"])
        return _Tried(leg.name, *policy.judged(text, given["stopReason"], leg=leg.name))

    def _pieces(self, asked: _Asked, told: _Streamed) -> Iterator[str]:
        """Give the pieces of who answers; whoever has shown one is asked to the end, and nobody else."""
        policy, first = self._pointer.get(), _Tried(STUDENT, reason=BY_POLICY)
        if policy.variant != FALLBACK:
            alone = policy.fallback is None
            first = yield from self._streamed(policy.student, asked, policy, told, must=alone)
            if first.gone:
                was, policy = policy.student.model, self._reread(policy)
                if policy.student.model != was:
                    first = yield from self._streamed(policy.student, asked, policy, told, must=True)
        if told.given:
            return
        given = first
        if fallback := self._next(policy, first, told.capped):
            second = yield from self._streamed(fallback, asked, policy, told, first, must=first.text is None)
            given = _better(first, second)
        if given.text is None:
            raise self._error(f"nobody answered ({first.reason})", told.calls)
        told.given = (policy, given, first)

    def _streamed(
        self, leg: Leg, asked: _Asked, policy: Policy, told: _Streamed, first: _Tried | None = None, *, must: bool
    ) -> Generator[str, None, _Tried]:
        """Give one model's pieces; ``first`` is what the student gave, where the fallback is asked."""
        given, stopped = _Tried(leg.name, ""), ""
        spare = first is not None and first.text is not None
        with self._watched(leg, told.calls, must=must, spare=spare) as call:
            if call is None:
                return _Tried(leg.name, reason=BREAKER_OPEN)
            request = self._request(leg, asked, policy, first.reason if first else None)
            for event in self._client("bedrock-runtime").converse_stream(**request)["stream"]:
                call.usage = event.get("metadata", {}).get("usage", call.usage)
                stopped = event.get("messageStop", {}).get("stopReason", stopped)
                if piece := event.get("contentBlockDelta", {}).get("delta", {}).get("text"):
                    if not call.shown:
                        call.shown, told.given = True, (policy, given, first or given)
                        if first is None:
                            self._budget.pass_by()
                    yield piece
        if call.problem and call.shown:
            raise self._error(f"the stream broke off ({_name(call.problem)})", told.calls) from call.problem
        if call.problem:
            return _Tried(leg.name, reason=UNANSWERED, gone=_is_gone(call.problem))
        return given if call.shown else _Tried(leg.name, *policy.judged("", stopped, leg=leg.name))

    @contextlib.contextmanager
    def _watched(self, leg: Leg, calls: list[Call], *, must: bool, spare: bool = False) -> Iterator[_Watched | None]:
        """Watch a call: its breaker and the books are told of it, and an outage ends here. ``None``: do not call."""
        breaker = self._breakers.setdefault(leg.model, Breaker())
        ticket = breaker.ticket()
        if ticket is None and not must:
            yield None
            return
        call, begun = _Watched(), time.perf_counter()
        ok: bool | None = None
        try:
            yield call
            ok = True
        except (BotoCoreError, ClientError, HTTPError) as problem:
            call.problem = problem
            if _is_outage(problem):
                ok = False
            elif call.shown or not spare:
                raise
            else:
                _log.warning("task %s keeps its student's answer: %s of the %s", self._task, _name(problem), leg.name)
        except GeneratorExit:  # the caller has heard enough, and nobody says any more what it costs
            calls.append(Call(leg.name, leg.model, 1000 * (time.perf_counter() - begun), usd=None))
            raise
        finally:
            breaker.record(ticket or 0, ok=(call.shown or None) if ok is None else ok)
        tokens = _tokens(call.usage)
        usd, error = (0.0, _name(call.problem)) if call.problem else (leg.usd(*tokens), None)
        calls.append(Call(leg.name, leg.model, 1000 * (time.perf_counter() - begun), *tokens, usd, error))
        self._metrics.called(self._task, calls[-1])

    def _answer(self, policy: Policy, given: _Tried, first: _Tried, calls: list[Call]) -> Answer:
        if given.text is None:
            raise self._error(f"not answered ({first.reason})", calls)
        is_valid = given.reason is None or given.reason == LOW_CONFIDENCE
        escalated = first.reason is not None and policy.escalates(first.reason)
        about = policy.run_id, policy.version, policy.variant, escalated
        return Answer(given.text, given.leg, first.reason, is_valid, given.repaired, tuple(calls), *about)

    def _error(self, text: str, calls: Sequence[Call]) -> StudentError:
        tried = ", ".join(f"{call.leg} {call.error}" for call in calls) or "every circuit breaker is open"
        problem = StudentError(f"task '{self._task}': {text}: {tried}")
        problem.calls = tuple(calls)
        return problem

    # What is sent and read

    def _asked(self, text: Messages, system: str, tags: Mapping[str, str] | None) -> _Asked:
        messages = [{"role": "user", "content": [{"text": text}]}] if isinstance(text, str) else text
        return _Asked(messages, system, _pairs({**self._tags, **tags}) if tags else self._every_tag)

    def _request(self, leg: Leg, asked: _Asked, policy: Policy, why: str | None) -> dict[str, Any]:
        said = zip(
            OWN_METADATA, (self._task, policy.run_id, leg.name, policy.version, policy.variant, why), strict=True
        )
        request: dict[str, Any] = {"modelId": leg.model, "messages": asked.messages, "inferenceConfig": leg.settings}
        request["requestMetadata"] = _metadata((*(pair for pair in said if pair[1]), *asked.tags)).copy()
        if system := leg.system or asked.system:
            request["system"] = [{"text": system}]
        return request

    def _read(self) -> Policy:
        found = self._client("ssm").get_parameters(Names=self._names)["Parameters"]
        values = {parameter["Name"]: parameter["Value"] for parameter in found}
        pointer, policy = (values.get(name) for name in self._names)
        if pointer is None:
            raise StudentError(f"no student serves task '{self._task}': there is no parameter {self._names[0]}")
        return read_policy(pointer, policy, self._prompt)

    def _prompt(self, fallback: Mapping[str, Any]) -> str | None:
        """Read the fallback's prompt, once for each hash; empty where it has none."""
        place = fallback.get("prompt")
        if not place:
            return ""
        wanted = str(place["sha256"])
        if wanted not in self._prompts:
            try:
                body = self._client("s3").get_object(Bucket=place["bucket"], Key=place["key"])["Body"].read()
            except (BotoCoreError, ClientError) as problem:
                _log.warning("task %s has no fallback: its prompt cannot be read: %s", self._task, _name(problem))
                return None
            if hashlib.sha256(body).hexdigest() != wanted:
                _log.warning("task %s has no fallback: its prompt is not the one of its policy", self._task)
                return None
            self._prompts[wanted] = body.decode()
        return self._prompts[wanted]

    def _client(self, service: str) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
        if service not in self._made:
            with self._making:
                if service not in self._made:
                    asks = service == "bedrock-runtime"
                    config = Config(
                        connect_timeout=2,
                        read_timeout=self._timeout_s if asks else 3,
                        retries={"mode": "standard", "total_max_attempts": 1 if asks else 2},
                        max_pool_connections=max(self._threads, 10),
                        tcp_keepalive=True,
                    )
                    session: Any = self._session or boto3.Session()
                    self._made[service] = session.client(service, config=config)
        return self._made[service]


def _better(first: _Tried, second: _Tried) -> _Tried:
    """Choose between what the student and then the fallback gave."""
    return second if second.text is not None and (second.reason is None or first.text is None) else first


def _pairs(tags: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((str(name), str(value)) for name, value in tags.items())


@functools.lru_cache(maxsize=256)
def _metadata(wanted: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Keep to what Converse takes: so many entries, so long, of these characters; the first of equal names counts."""
    clean: dict[str, str] = {}
    for pair in wanted:
        name, value = (_NOT_METADATA.sub("_", text)[:LONGEST_METADATA] for text in pair)
        if name and name not in clean and len(clean) < MOST_METADATA:
            clean[name] = value
    return clean


def _tokens(usage: Mapping[str, int]) -> tuple[int, int]:
    """Count input and output; what a model caches unasked counts as other input, whose price it has at most."""
    cached = usage.get("cacheReadInputTokens", 0) + usage.get("cacheWriteInputTokens", 0)
    return usage.get("inputTokens", 0) + cached, usage.get("outputTokens", 0)


def _status(problem: Exception) -> int | None:
    if not isinstance(problem, ClientError):
        return None
    return problem.response.get("ResponseMetadata", {}).get("HTTPStatusCode")


def _name(problem: Exception) -> str:
    if isinstance(problem, ClientError):
        return str(problem.response.get("Error", {}).get("Code") or _status(problem))
    return type(problem).__name__


def _is_gone(problem: Exception) -> bool:
    """Tell whether the endpoint is not there any more: Bedrock says so in two ways."""
    return _status(problem) == _GONE or _NO_SUCH_MODEL in str(problem)


def _is_outage(problem: Exception) -> bool:
    """Tell whether the model could not answer, rather than that the request is wrong or not allowed."""
    if not isinstance(problem, ClientError):
        return isinstance(problem, _OUT_OF_REACH)
    if _is_gone(problem):
        return True
    status = _status(problem)
    if status is None or status < 400:  # noqa: PLR2004 - an error within a stream, whose status was 200
        return not _name(problem).lower().startswith(_CALLERS_OWN)
    return status >= 500 or status in _PASSING  # noqa: PLR2004 - the service's own errors


def _begin_anew() -> None:
    for student in list(_STUDENTS):
        student.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
