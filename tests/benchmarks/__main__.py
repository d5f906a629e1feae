"""Print one line a figure: ``bench/<name> <value> <unit>``. What a figure is about goes to the other stream."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from random import Random
from secrets import randbits
from typing import TYPE_CHECKING, NamedTuple

from stacks.node import use_bundled_node

use_bundled_node()

from tests.benchmarks import asking, intake
from tests.benchmarks.calling import OWN_CALLS, QUESTIONS, measure_overhead
from tests.benchmarks.discovery import CALLS, MANY_CALLS, measure_discovery, measure_on_duckdb
from tests.benchmarks.discovery_events import synthesized
from tests.benchmarks.example_run import REPETITIONS, measure_example_run
from tests.benchmarks.imports import slowest_first_event, slowest_import
from tests.benchmarks.month_export import measure_month_export
from tests.benchmarks.synthesis import synthesis_ratio
from tests.benchmarks.teacher_dollars import NEW_SHARE, PROMPTS, measure_teacher_dollars
from tests.gate_simulation.verdicts import (
    false_promotions,
    fidelity_false_claims,
    power_at_planned_size,
    worst_cells,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


VERDICTS = 2_000
"""Simulated verdicts a cell: a rate of 5 % is then known to half a point."""


class Figure(NamedTuple):
    """One line of the output, and how it was measured."""

    name: str
    value: str
    unit: str
    about: str


def synthesis(workdir: Path) -> Iterator[Figure]:
    """Measure the templates."""
    ratio = synthesis_ratio(workdir)
    yield Figure(
        "synth_vs_one_bucket",
        f"{ratio:.2f}",
        "ratio",
        "processor time of app.py, the layer not installed; aim 1.5: docs/decisions/0116, 0181 and 0230",
    )


def handler_start(workdir: Path) -> Iterator[Figure]:
    """Measure what every Lambda needs until it can work."""
    templates = synthesized(workdir / "synthesis")
    imported = slowest_import(templates, workdir / "imports")
    made = f"{imported.folder} with every client that its role allows, {', '.join(imported.clients)}; aim 1.4"
    yield Figure("handler_import_vs_boto3_max", f"{imported.ratio:.2f}", "ratio", made)
    first = slowest_first_event(templates[-1], workdir / "first-events")
    made = f"{first.folder}: import and a first event less the same event once more, so that nothing is only moved"
    yield Figure("handler_first_event_vs_boto3_max", f"{first.ratio:.2f}", "ratio", made)


def reading(workdir: Path) -> Iterator[Figure]:
    """Measure the reading of uploads."""
    for name, value, unit in intake.measure(workdir):
        made = "every check and the split against a bare json.loads loop; aim 3.0, and 150 MB for 1,000,000 records"
        yield Figure(name, f"{value:.2f}", unit, made)


def model_calls(_: Path) -> Iterator[Figure]:
    """Measure how model calls are spread."""
    for name, value in asking.measured().items():
        made = (
            f"{asking.PROMPTS} prompts, {asking.HOLDOUT} holdout records, {asking.SECONDS} s a call, "
            f"{asking.QUOTA} calls at once at a model; aim 1.2, and 0.02 throttled"
        )
        yield Figure(name, f"{value:.3f}", "ratio", made)


def client(workdir: Path) -> Iterator[Figure]:
    """Measure what the installed client adds to a call."""
    overhead = measure_overhead(workdir)
    paired = f"p50 of {QUESTIONS} calls, each beside a bare converse of the same question; aim 0.3"
    yield Figure("client_overhead_p50_ms", f"{overhead.p50_ms:.3f}", "ms", paired)
    own = f"processor time of ask without a network, p99 of {OWN_CALLS}; aim 0.1"
    yield Figure("client_own_cpu_p99_ms", f"{overhead.own_p99_ms:.3f}", "ms", own)


def teacher_dollars(workdir: Path, prompts: int) -> Iterator[Figure]:
    """Measure what the teacher's answers cost."""
    dollars = measure_teacher_dollars(workdir, prompts)
    asked = f"the simulator's bill for {prompts:,} prompts against each asked on demand, simulated"
    yield Figure("teacher_usd_first_vs_on_demand", f"{dollars.first_share:.3f}", "ratio", f"{asked}; aim 0.5")
    grown = f"{asked}; uploaded again, reordered, with {NEW_SHARE:.0%} new ones; aim 0.05"
    yield Figure("teacher_usd_second_vs_on_demand", f"{dollars.second_share:.3f}", "ratio", grown)
    own = f"{asked}; Bedrock's own calls to the teacher under DISTILLATION, none with mode logged"
    yield Figure("teacher_usd_bedrocks_own_vs_on_demand", f"{dollars.bedrocks_own_share:.3f}", "ratio", own)


def example_run(workdir: Path) -> Iterator[Figure]:
    """Measure whole runs on the embedded AWS."""
    run = measure_example_run(workdir)
    whole = f"median of {REPETITIONS} runs of {run.seconds:.1f} s, {run.bedrock_seconds:g} s of them simulated Bedrock"
    yield Figure("run_overhead_seconds", f"{run.overhead_seconds:.1f}", "seconds", whole)
    counted = f"StateEntered events, polls among them, and {run.in_maps} for the states of the maps' child executions"
    yield Figure("state_transitions", str(run.transitions), "count", counted)
    shares = ", ".join(f"{service} ${usd:.4f}" for service, usd in run.own.usd.items())
    carried = f"10,000 prompts and a 24-hour training job, carried on from a run's history: {shares}; aim 0.05"
    yield Figure("run_usd_outside_bedrock", f"{run.own.total:.4f}", "USD", carried)


def month_export(_: Path) -> Iterator[Figure]:
    """Measure what the daily export of the month's money costs."""
    export = measure_month_export()
    made = f"30 exports of a month with {export.rows} rows, {export.calls} calls each, list prices"
    yield Figure("export_usd_a_month", f"{export.usd_a_month:.4f}", "USD", made)


def discovery(workdir: Path) -> Iterator[Figure]:
    """Measure how long the account's own logs take to become tasks."""
    found = measure_discovery(workdir)
    made = (
        f"{CALLS:,} calls of a week, every query through the embedded AWS and the grouping; {found.tasks} tasks; aim 90"
    )
    yield Figure("discover_seconds_200k", f"{found.seconds:.1f}", "seconds", made)
    made = "bytes that stage one scanned against the size of the log objects; aim 1.05"
    yield Figure("discover_scanned_vs_objects", f"{found.scanned_share:.3f}", "ratio", made)


def million_calls(workdir: Path) -> Iterator[Figure]:
    """Measure the same without the embedded AWS, for an account with many calls."""
    seconds, tasks = measure_on_duckdb(workdir)
    made = f"{MANY_CALLS:,} calls of a week, every query on plain DuckDB and the grouping; {tasks} tasks; aim 240"
    yield Figure("discover_seconds_1m_duckdb", f"{seconds:.1f}", "seconds", made)


def gate(_: Path) -> Iterator[Figure]:
    """Measure how often the real gate is wrong about simulated students, in the cells where it is most often."""
    seed = randbits(32)
    cells = worst_cells()
    with ProcessPoolExecutor() as executor:
        found = list(executor.map(false_promotions, cells, [VERDICTS] * len(cells), map(Random, range(seed, seed + 9))))
    worst, cell = max(zip(found, cells, strict=True), key=lambda pair: pair[0].share)
    made = (
        f"simulated: {VERDICTS} verdicts on a student at the margin, {cell.population.name}, {cell.records} records in "
        f"clusters of {cell.cluster}, {cell.evidence}; upper 99 % limit {worst.limit:.3f}; aim 0.065"
    )
    yield Figure("gate_false_promotion_worst", f"{worst.share:.4f}", "ratio", made)
    power, planned = power_at_planned_size(VERDICTS // 2, Random(seed))  # noqa: S311 - a simulation
    made = (
        f"simulated: as good as its reference with a spread of 0.8 points, 99.5 % valid, five slices down to 5 %; "
        f"{planned} records are planned; aim 0.80 with 600 at most"
    )
    yield Figure("gate_power_at_planned_size", f"{power.share:.3f}", "ratio", made)
    claims = fidelity_false_claims(VERDICTS // 4, Random(seed))  # noqa: S311 - a simulation
    made = (
        "simulated: a teacher right in 80 %, copied in 95 %, a baseline right in 92 %, 300 records without "
        f"trusted answers; upper 99 % limit {claims.limit:.3f}; aim 0.05"
    )
    yield Figure("gate_fidelity_false_claim", f"{claims.share:.3f}", "ratio", made)


def measurements(teacher_prompts: int = PROMPTS) -> Mapping[str, Callable[[Path], Iterator[Figure]]]:
    """Give what can be measured, by name."""
    return {
        "synthesis": synthesis,
        "handler-start": handler_start,
        "reading": reading,
        "model-calls": model_calls,
        "client": client,
        "teacher-dollars": partial(teacher_dollars, prompts=teacher_prompts),
        "gate": gate,
        "example-run": example_run,
        "month-export": month_export,
        "discovery": discovery,
        "million-calls": million_calls,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure everything, about ten minutes on two cores, or what is named."""
    names = list(measurements())
    options = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    options.add_argument(
        "names", nargs="*", metavar="NAME", help=f"what to measure; all without one: {', '.join(names)}"
    )
    options.add_argument(
        "--teacher-prompts", type=int, default=PROMPTS, help="prompts of which the teacher's answers are bought"
    )
    given = options.parse_args(arguments)
    unknown = sorted(set(given.names) - set(names))
    if unknown:
        options.error(f"'{unknown[0]}' cannot be measured; known: {', '.join(names)}")
    known = measurements(given.teacher_prompts)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        for name in given.names or names:
            for figure in known[name](Path(folder) / name):
                print(f"bench/{figure.name} {figure.value} {figure.unit}", flush=True)
                print(f"    {figure.about}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
