"""The charges of a month that no run pays: what served, and what was kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from lambdas.domain.bedrock_names import is_candidate
from lambdas.domain.costs.ledger import ENDPOINT_CALLS
from lambdas.domain.documents import load_schema
from lambdas.domain.focus.serving import (
    TOKEN_METRICS,
    USAGE_OF_METRIC,
    Existing,
    existence_charges,
    token_charges,
    unpriced,
)
from lambdas.domain.model_ids import foundation_model_id
from lambdas.gateways.registry.resources import CUSTOM_MODEL, DEPLOYMENT, THROUGHPUT, Resource
from lambdas.gateways.registry.runs import ENDED, QUEUED, RUNNING

if TYPE_CHECKING:
    from lambdas.domain.focus.charges import Charge
    from lambdas.domain.prices.price_book import PriceBook
    from lambdas.gateways.aws.endpoint_metrics import Usage
    from lambdas.gateways.registry.resources import ResourceBook
    from lambdas.gateways.registry.runs import Registry, Run
    from lambdas.gateways.registry.tasks import TaskBook
    from lambdas.workflow.money.ledger_charges import Line

KINDS = {THROUGHPUT: "throughput", DEPLOYMENT: "deployment", CUSTOM_MODEL: "model"}
LOOKED_BACK = timedelta(
    days=load_schema("settings.schema.json")["properties"]["keep_unused_models_days"]["maximum"] + 31
)
"""How long before a month a run may have ended whose model was kept into it: the most that the setting allows, whatever
it is now, and a month for a release that comes late."""


@dataclass(kw_only=True, slots=True)
class ServedMonth:
    """What a month's serving came to.

    Attributes
    ----------
    charges : list of Charge
    requests : dict of (str, date) to int
        Answered requests by task and day, without the pipeline's own.
    idle : list of Charge
        Of ``charges``: of a throughput, on days on which nobody asked it.
    unpriced : dict of str to list of str
        What exists and has no price, by task, for a person.
    """

    charges: list[Charge] = field(default_factory=list)
    requests: dict[tuple[str, date], int] = field(default_factory=dict)
    idle: list[Charge] = field(default_factory=list)
    unpriced: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServingReader:
    """Reads what existed in a month.

    Attributes
    ----------
    registry, tasks, resources : Registry, TaskBook, ResourceBook
    usage : Usage
        CloudWatch's metrics of endpoints.
    prices : PriceBook
    student_model : str
        Base of a student of which the registry does not say another.
    now : callable
    """

    registry: Registry
    tasks: TaskBook
    resources: ResourceBook
    usage: Usage
    prices: PriceBook
    student_model: str
    now: Callable[[], datetime]

    def read(self, month: str, lines: Iterable[Line]) -> ServedMonth:
        """Read the charges of a month up to now.

        Parameters
        ----------
        month : str
            ``YYYY-MM``, of UTC.
        lines : iterable of (Run, LedgerEntry)
            The ledger lines of that month: the pipeline's own questions to an endpoint are in both.
        """
        begins = datetime.fromisoformat(f"{month}-01T00:00:00+00:00")
        ends = (begins + timedelta(days=31)).replace(day=1)
        existing = [thing for thing in self.existing(begins) if thing.begins < ends and thing.ends > begins]
        served, paid = ServedMonth(), _own_questions(lines)
        endpoints = [thing for thing in existing if thing.kind != "model"]
        counted = self.usage.sums_by_day(
            [thing.arn for thing in endpoints],
            ["Invocations", *TOKEN_METRICS],
            begins,
            min(ends, next_midnight(self.now())),
        )
        for thing in existing:
            if missing := unpriced(thing, self.prices):
                said = f"{thing.arn}: the price book has no price for {missing}"
                served.unpriced.setdefault(thing.task, []).append(said)
            if thing.kind == "deployment":
                continue
            for charge in existence_charges(thing, self.prices, month):
                served.charges.append(charge)
                if thing.kind == "throughput" and not counted.get((thing.arn, charge.day), {}).get("Invocations"):
                    served.idle.append(charge)
        for thing in endpoints:
            self._count(thing, counted, paid, served)
        return served

    def existing(self, begins: datetime) -> list[Existing]:
        """Find what existed after a moment, each thing once."""
        bases = self._bases()
        found: dict[str, Existing] = {}
        for run_id in self._runs(begins):
            for resource in self.resources.of_run(run_id):
                if resource.kind in KINDS and resource.arn and not is_candidate(resource.name):
                    thing = self._thing(resource, bases)
                    known = found.get(thing.arn)  # a model that another run adopted has an item of each
                    if known is None or (thing.begins, thing.run_id) < (known.begins, known.run_id):
                        found[thing.arn] = thing
                    if known is not None:
                        found[thing.arn] = _joined(found[thing.arn], known, thing)
        return sorted(found.values(), key=lambda thing: thing.arn)

    def _thing(self, resource: Resource, bases: dict[str, str]) -> Existing:
        ends = datetime.fromisoformat(resource.released_at) if resource.released_at else self.now()
        return Existing(
            kind=KINDS[resource.kind],
            task=resource.task,
            run_id=resource.run_id,
            arn=str(resource.arn),
            base_model=bases.get(resource.run_id, foundation_model_id(self.student_model)),
            begins=datetime.fromisoformat(resource.created_at),
            ends=ends,
            usd_per_hour=resource.usd_per_hour,
            model_units=resource.model_units,
            commitment=resource.commitment,
        )

    def _bases(self) -> dict[str, str]:
        """Give the base model of each run whose student serves or served."""
        found = {}
        for task in self.tasks.all_tasks():
            state = self.tasks.state(task)
            for champion in (state.champion, *state.former):
                if champion is not None:
                    found[champion.run_id] = foundation_model_id(champion.base_model)
        return found

    def _runs(self, begins: datetime) -> list[str]:
        """Name the runs that may have something that existed after a moment: open, promoted once, or ended lately."""
        found = {resource.run_id: None for resource in self.resources.open()}
        for task in self.tasks.all_tasks():
            found |= {str(line["run_id"]): None for line in self.tasks.history(task)}
        for state, after in ((QUEUED, None), (RUNNING, None), (ENDED, begins - LOOKED_BACK)):
            found |= {run.run_id: None for run in self._in_state(state, after)}
        return list(found)

    def _in_state(self, state: str, after: datetime | None) -> Iterator[Run]:
        for run in self.registry.in_state(state, newest_first=True, at_once=300):
            if after is not None and run.ended_at and datetime.fromisoformat(run.ended_at) < after:
                return
            yield run

    def _count(
        self,
        thing: Existing,
        counted: dict[tuple[str, date], dict[str, float]],
        paid: dict[tuple[str, date], dict[str, float]],
        served: ServedMonth,
    ) -> None:
        """Count an endpoint's requests, and a deployment's tokens, day by day.

        What ``paid`` has of the pipeline's own is taken off, at most what was counted here: no line says which of
        several deployments of a task it asked, so that the rest is left for the next one.
        """
        for (arn, day), values in counted.items():
            if arn != thing.arn:
                continue
            calls = 0.0
            if thing.kind == "deployment":
                own = paid.get((thing.task, day), {})
                calls = _take(own, ENDPOINT_CALLS, values.get("Invocations", 0.0))
                taken = {usage: _take(own, usage, values.get(name, 0.0)) for name, usage in USAGE_OF_METRIC.items()}
                served.charges.extend(token_charges(thing, day, values, taken, self.prices))
            key = (thing.task, day)
            served.requests[key] = served.requests.get(key, 0) + round(values.get("Invocations", 0.0) - calls)


def _own_questions(lines: Iterable[Line]) -> dict[tuple[str, date], dict[str, float]]:
    """Add up what ledgers have of the pipeline's own questions to deployments, by task and day: calls and tokens."""
    found: dict[tuple[str, date], dict[str, float]] = {}
    for run, entry in lines:
        if not entry.usage.get(ENDPOINT_CALLS):
            continue
        sums = found.setdefault((run.task, date.fromisoformat((entry.at or run.paid_at)[:10])), {})
        counts = ((ENDPOINT_CALLS, entry.usage[ENDPOINT_CALLS]), *((one.usage, one.quantity) for one in entry.priced))
        for name, quantity in counts:
            sums[name] = sums.get(name, 0.0) + quantity
    return found


def _take(own: dict[str, float], name: str, most: float) -> float:
    """Take a count away, at most so many; give how many."""
    taken = min(own.get(name, 0.0), most)
    own[name] = own.get(name, 0.0) - taken
    return taken


def _joined(first: Existing, *both: Existing) -> Existing:
    """Complete what is known of one thing from what two runs wrote down of it."""
    told = next((one for one in both if one.model_units), first) if first.model_units is None else first
    price = next((one.usd_per_hour for one in (first, *both) if one.usd_per_hour is not None), None)
    return replace(
        first, ends=max(one.ends for one in both), usd_per_hour=price, model_units=told.model_units,
        commitment=told.commitment,
    )  # fmt: skip


def next_midnight(moment: datetime) -> datetime:
    """Give the next midnight of UTC: what is read by the day is read to its end."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
