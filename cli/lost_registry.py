"""Work out, from the reports in S3 and from what exists in Bedrock, what the registry knew.

A report says what a run was and what it made. Whether that still exists, and which model an endpoint serves today, only
Bedrock can say: nothing becomes a champion that Bedrock does not know under this environment's tags.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from lambdas.domain.costs.ledger import LedgerEntry
from lambdas.domain.identity import Upload
from lambdas.domain.outcomes import FAILED, PROMOTED
from lambdas.domain.run_facts import RunFacts
from lambdas.domain.serving.idle_rules import Thing
from lambdas.gateways.registry.champions import Champion
from lambdas.gateways.registry.resources import (
    CREATED,
    CUSTOM_MODEL,
    DEPLOYMENT,
    IN_USE,
    KEPT,
    THROUGHPUT,
    Resource,
)
from lambdas.gateways.registry.runs import ENDED, Run

MODES = {THROUGHPUT: "provisioned_throughput", DEPLOYMENT: "on_demand"}
UNDER_WAY = "the registry was lost while this attempt was under way; it was rebuilt from an unfinished report"


@dataclass(frozen=True, kw_only=True)
class Report:
    """The newest report of a run."""

    document: Mapping[str, Any]
    page_key: str
    sha256: str
    written_at: str

    @property
    def run_id(self) -> str:
        """The run that it is about."""
        return str(self.document["run_id"])

    @property
    def task(self) -> str:
        """The run's task."""
        return str(self.document["task"])

    @property
    def model_arn(self) -> str | None:
        """The custom model that the run trained or adopted."""
        arn = (self.document.get("models") or {}).get("student_custom_model_arn")
        return str(arn) if arn else None

    @property
    def ended_at(self) -> str:
        """When the run ended, or when an unfinished report was written."""
        return str(self.document.get("ended_at") or self.written_at)


@dataclass(frozen=True, kw_only=True)
class Served:
    """An endpoint of this environment that exists, and the model that it serves."""

    thing: Thing
    model_arn: str


@dataclass
class Rebuilt:
    """What goes into the table.

    Attributes
    ----------
    runs, resources : list
    ledger : dict
        By run.
    champions, former : dict
        By task; ``former`` latest first.
    doubts : list of str
        What the reports say and Bedrock does not confirm, each a sentence with what to do.
    """

    runs: list[Run] = field(default_factory=list)
    ledger: dict[str, list[LedgerEntry]] = field(default_factory=dict)
    resources: list[Resource] = field(default_factory=list)
    champions: dict[str, Champion] = field(default_factory=dict)
    former: dict[str, list[Champion]] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)


def rebuild(
    reports: Iterable[Report],
    served: Iterable[Served],
    models: Iterable[Thing],
    *,
    pointers: Mapping[str, str],
    keep_champions: int,
    keep_models_until: str,
) -> Rebuilt:
    """Work out the registry.

    Parameters
    ----------
    reports
        The newest of each run.
    served, models
        Endpoints and custom models that exist and carry this environment's tags.
    pointers : mapping
        Task to the run that callers read of in SSM: of two runs on the same model it names the champion.
    keep_champions : int
        How many former champions are kept.
    keep_models_until : str
        Until when models are kept that nothing serves, so that failed runs can be retried; ISO 8601.
    """
    rebuilt, known = Rebuilt(), sorted(reports, key=lambda report: report.ended_at)
    endpoints, existing = list(served), {thing.arn: thing for thing in models}
    for report in known:
        rebuilt.runs.append(_run(report))
        rebuilt.ledger[report.run_id] = list(_ledger(report))
    for task in sorted({report.task for report in known}):
        of_task = [report for report in known if report.task == task and report.document["outcome"] == PROMOTED]
        _champions(rebuilt, task, of_task, endpoints, existing, pointers.get(task), keep_champions)
    in_use = {arn for one in rebuilt.champions.values() for arn in (one.model_arn, one.endpoint_arn)}
    in_use |= {one.model_arn for some in rebuilt.former.values() for one in some}
    by_run = {report.run_id: report for report in known}
    for thing in [*(one.thing for one in endpoints), *existing.values()]:
        rebuilt.resources += _resource(rebuilt, thing, by_run, in_use, keep_models_until)
    return rebuilt


def _run(report: Report) -> Run:
    document, source = report.document, report.document["source"]
    outcome = document.get("outcome") or FAILED
    reasons = document.get("reasons") or []
    endpoint = (document.get("endpoint") or {}).get("arn")
    facts = RunFacts()
    if report.model_arn is not None:
        facts["custom_model_arn"] = report.model_arn
    if endpoint is not None:
        facts["endpoint_arn"] = endpoint
    claimed = Run.claimed(
        Upload(source["bucket"], source["key"], source["version"]),
        document["created_at"],
        task_version=source.get("task_version"),
        holdout_version=source.get("holdout_version"),
        calibration_version=source.get("calibration_version"),
    )
    return replace(
        claimed,
        run_id=report.run_id,
        task=report.task,
        state=ENDED,
        attempt=int(document["attempt"]),
        ended_at=report.ended_at,
        outcome=outcome,
        reason=(reasons[0] if reasons else "its report gives no reason") if document.get("outcome") else UNDER_WAY,
        report_key=report.page_key,
        report_sha256=report.sha256,
        endpoint_arn=endpoint,
        facts=facts,
    )


def _ledger(report: Report) -> Iterator[LedgerEntry]:
    """Give one line a sum of the report: the single payments are not in it."""
    for line in report.document.get("ledger") or []:
        parts = {name: line[name] for name in ("stage", "model", "kind", "usage", "usd")}
        yield LedgerEntry(id=f"rebuilt.{parts['model']}.{parts['kind']}", **parts)


def _champions(
    rebuilt: Rebuilt,
    task: str,
    promoted: list[Report],
    served: list[Served],
    models: Mapping[str, Thing],
    pointer: str | None,
    keep: int,
) -> None:
    """Find the run whose model an endpoint of the task serves today, and those whose models could come back."""
    by_model: dict[str, Report] = {}
    for report in promoted:  # the newest of a model; the one that callers read of, where it is among them
        held = by_model.get(str(report.model_arn))
        if held is None or held.run_id != pointer:
            by_model[str(report.model_arn)] = report
    serving = [
        (one, by_model[one.model_arn])
        for one in served
        if one.thing.task == task and one.thing.name.endswith("-champion") and one.model_arn in by_model
    ]
    serving.sort(key=lambda pair: (pair[1].run_id == pointer, pair[1].ended_at))
    if serving:
        one, report = serving[-1]
        rebuilt.champions[task] = _champion(report, one.thing.arn, one.thing.name, MODES[one.thing.kind])
    elif promoted:
        last = promoted[-1]
        rebuilt.doubts.append(
            f"run {last.run_id} was promoted for task {task}, but Bedrock has no endpoint of this environment that "
            "serves its model: the task gets no champion. Submit its prompts again"
        )
    champion = rebuilt.champions.get(task)
    former = [report for report in reversed(promoted) if report.model_arn in models]
    rebuilt.former[task] = [
        _champion(report, str((report.document.get("endpoint") or {}).get("arn")), "", _mode(report))
        for report in former
        if champion and report.run_id != champion.run_id
    ][:keep]


def _champion(report: Report, endpoint_arn: str, endpoint_name: str, mode: str) -> Champion:
    return Champion(
        run_id=report.run_id,
        model_arn=str(report.model_arn),
        base_model=str(report.document["models"]["student_customization"]),
        endpoint_arn=endpoint_arn,
        endpoint_name=endpoint_name or endpoint_arn.rsplit("/", 1)[-1],
        mode=mode,
        promoted_at=report.ended_at,
        limits=report.document.get("limits"),
    )


def _mode(report: Report) -> str:
    return str((report.document.get("endpoint") or {}).get("mode") or MODES[THROUGHPUT])


def _resource(
    rebuilt: Rebuilt, thing: Thing, runs: Mapping[str, Report], in_use: set[str], keep_until: str
) -> list[Resource]:
    """Write down what exists: what nobody uses is then released by the schedule, as after any run."""
    report = runs.get(str(thing.run_id))
    if report is None:
        rebuilt.doubts.append(
            f"{thing.kind} {thing.name} exists and no report names its run {thing.run_id}: it is left to the janitor"
        )
        return []
    state = IN_USE if thing.arn in in_use else KEPT if thing.kind == CUSTOM_MODEL else CREATED
    return [
        Resource(
            run_id=report.run_id,
            attempt=int(report.document["attempt"]),
            task=report.task,
            kind=thing.kind,
            name=thing.name,
            state=state,
            created_at=thing.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            arn=thing.arn,
            usd_per_hour=thing.usd_per_hour if thing.kind == THROUGHPUT else None,
            keep_until=keep_until if state == KEPT else None,
        )
    ]


def kept_until(now: datetime, days: int) -> str:
    """Say until when a model is kept that nothing serves."""
    return (now + timedelta(days=days)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
