"""The rule of one found task without the deployment's salt, so that a run's reader takes its calls and no others.

Discovery's rules are of salted digests, and the salt is read by nobody but discovery. Whoever may read the log sees the
text of the calls: of that the same digests are made without a salt, and written into ``<name>.logs.json``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from lambdas.domain.discovery.calls import LoggedCall, call_of, prompt_texts
from lambdas.domain.discovery.masking import feature, names_of

if TYPE_CHECKING:
    from lambdas.domain.discovery.rules import Caller

NO_SALT = ""


@dataclass(frozen=True, slots=True)
class RulePart:
    """One condition: so many of these features must be among a call's."""

    need: int
    features: frozenset[int]

    def holds(self, features: Iterable[int]) -> bool:
        """Tell whether a call with these features keeps it."""
        return len(self.features.intersection(features)) >= self.need


Parts = tuple[RulePart, ...]


@dataclass(frozen=True, slots=True)
class RuleWay:
    """All parts must hold, for one of the callers, and of no group of ``unless`` may all parts hold.

    Those are the rules of other tasks that come first for the same callers: a call that two rules meet is the first's.
    """

    callers: frozenset[Caller]
    parts: Parts
    unless: tuple[Parts, ...] = ()

    def meets(self, call: LoggedCall) -> bool:
        """Tell whether the parts hold, whoever comes first."""
        if (call.principal or "", call.tools_digest or "") not in self.callers or call.features is None:
            return False
        return all(part.holds(call.features) for part in self.parts)

    def takes(self, call: LoggedCall) -> bool:
        """Tell whether a call is taken."""
        return self.meets(call) and self.first_before(call) is None

    def first_before(self, call: LoggedCall) -> Parts | None:
        """Give the first of ``unless`` of which all parts hold."""
        features = call.features or ()
        return next((parts for parts in self.unless if all(part.holds(features) for part in parts)), None)


@dataclass(frozen=True, slots=True)
class TaskRule:
    """The ways by which a call can be of the task.

    ``metadata_key`` is the key of the request metadata that names a call's task: what it names is left to its name.
    """

    task: str
    ways: tuple[RuleWay, ...]
    metadata_key: str | None = None

    @classmethod
    def salted(cls, task: str, lines: Iterable[Mapping[str, Any]], metadata_key: str | None = None) -> Self:
        """Read a task's rule of the lines of table ``rules``; its features are salted as they are."""
        found: dict[tuple[int, Caller, str], dict[int, tuple[int, set[int]]]] = {}
        for line in lines:
            key = (int(line["order"]), (line["principal"] or "", line["tools"] or ""), line["rule"])
            parts = found.setdefault(key, {})
            parts.setdefault(int(line["part"]), (int(line["need"]), set()))[1].add(int(line["feature"]))
        ways = []
        before: defaultdict[Caller, list[Parts]] = defaultdict(list)
        for (_, caller, name), of_rule in sorted(found.items(), key=lambda item: item[0]):
            made = tuple(RulePart(need, frozenset(features)) for _, (need, features) in sorted(of_rule.items()))
            if name == task:
                ways.append(RuleWay(frozenset({caller}), made, tuple(before[caller])))
            else:
                before[caller].append(made)
        return cls(task, tuple(ways), metadata_key)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read ``rule`` of a checked log request."""
        ways = tuple(
            RuleWay(
                frozenset((caller[0] or "", caller[1] or "") for caller in way["callers"]),
                _parts_of(way["parts"]),
                tuple(_parts_of(parts) for parts in way.get("unless", ())),
            )
            for way in document["ways"]
        )
        return cls(document["task"], ways, document.get("metadata_key"))

    def to_document(self) -> dict[str, Any]:
        """Give ``rule`` of a log request; callers with the same parts are one way."""
        together: dict[tuple[Parts, tuple[Parts, ...]], set[Caller]] = {}
        for way in self.ways:
            together.setdefault((way.parts, way.unless), set()).update(way.callers)
        return {
            "task": self.task,
            **({} if self.metadata_key is None else {"metadata_key": self.metadata_key}),
            "ways": [
                {
                    "callers": sorted(map(list, callers), key=str),
                    "parts": _documents_of(parts),
                    **({"unless": [_documents_of(one) for one in unless]} if unless else {}),
                }
                for (parts, unless), callers in together.items()
            ],
        }

    def takes_call(self, call: LoggedCall) -> bool:
        """Tell whether a call whose features have this rule's salt is of the task."""
        return any(way.takes(call) for way in self.ways)

    def left_to(self, call: LoggedCall) -> Iterator[Parts]:
        """Give the rules of other tasks, one a way, to which a call that meets this rule is left."""
        for way in self.ways:
            before = way.first_before(call) if way.meets(call) else None
            if before is not None:
                yield before

    def takes(self, entry: Mapping[str, Any], body: object) -> bool:
        """Tell whether an entry of the log is of the task, by a rule without a salt."""
        metadata = entry.get("requestMetadata")
        if self.metadata_key is not None and isinstance(metadata, Mapping) and metadata.get(self.metadata_key):
            return False
        return self.takes_call(call_with(entry, body, NO_SALT))

    def without_salt(
        self,
        salt: str,
        seen: Sequence[tuple[Mapping[str, Any], object]],
        left: Sequence[tuple[Mapping[str, Any], object]] = (),
    ) -> TaskRule:
        """Write the rule anew of the text of calls.

        Parameters
        ----------
        salt : str
            Of the deployment.
        seen : sequence of (entry, body)
            Calls that the rule takes. What none of them says is left out, and a part needs at most what is left.
        left : sequence of (entry, body)
            Calls that it meets and leaves to rules that come first: of those that nobody met, nothing is said.
        """
        plain = _plain_features(seen, salt)
        plain_of_all = _plain_features(left, salt) | plain
        tools = {
            call_with(entry, body, salt).tools_digest: call_with(entry, body, NO_SALT).tools_digest
            for entry, body in seen
        }
        ways = []
        for way in self.ways:
            callers = frozenset((who, tools[offered]) for who, offered in way.callers if offered in tools)
            parts = []
            for part in way.parts:
                known = frozenset(plain[one] for one in part.features if one in plain)
                parts.append(RulePart(min(part.need, len(known)), known))
            if callers and all(part.features for part in parts):
                unless = (_translated(one, plain_of_all) for one in way.unless)
                ways.append(RuleWay(callers, tuple(parts), tuple(one for one in unless if one)))
        return replace(self, ways=tuple(ways))


def _plain_features(calls: Iterable[tuple[Mapping[str, Any], object]], salt: str) -> dict[int, int]:
    """Give each feature of the calls with the salt, and what it is without one."""
    names = (name for _, body in calls for name in names_of(*prompt_texts(body)))
    return {feature(name, salt): feature(name, NO_SALT) for name in names}


def _translated(parts: Parts, plain: Mapping[int, int]) -> Parts:
    """Give the parts without the salt; none where no call was met that has enough of each."""
    made = tuple(RulePart(part.need, frozenset(plain[one] for one in part.features if one in plain)) for part in parts)
    return made if all(len(part.features) >= part.need for part in made) else ()


def _parts_of(documents: Iterable[Mapping[str, Any]]) -> Parts:
    return tuple(RulePart(part["need"], frozenset(part["features"])) for part in documents)


def _documents_of(parts: Parts) -> list[dict[str, Any]]:
    return [{"need": part.need, "features": sorted(part.features)} for part in parts]


def call_with(entry: Mapping[str, Any], body: object, salt: str) -> LoggedCall:
    """Give the row of a call whose body was read already; its answer is not looked at."""
    return call_of({**entry, "input": {"inputBodyJson": body}, "output": {}}, lambda _path: None, salt, None)
