"""Print one line a figure: ``bench/<name> <value> <unit>``. What a figure is about goes to the other stream."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from stacks.node import use_bundled_node

use_bundled_node()

from tests.benchmarks import asking, intake
from tests.benchmarks.example_run import REPETITIONS, measure_example_run
from tests.benchmarks.imports import slowest_handler
from tests.benchmarks.synthesis import PIPELINE_TEMPLATE, synthesis_ratio
from tests.benchmarks.teacher_dollars import NEW_SHARE, PROMPTS, measure_teacher_dollars


def main() -> None:
    """Measure everything; about eight minutes on two cores."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--teacher-prompts", type=int, default=PROMPTS, help="prompts of which the teacher's answers are bought"
    )
    teacher_prompts = options.parse_args().teacher_prompts
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        workdir = Path(folder)
        ratio, assembly = synthesis_ratio(workdir / "synthesis")
        figure(
            "synth_vs_one_bucket", f"{ratio:.2f}", "ratio", "the process of app.py, the layer not installed; aim 1.6"
        )
        slowest = slowest_handler(assembly / PIPELINE_TEMPLATE, workdir / "imports")
        made = f"{slowest.folder} with its clients {', '.join(slowest.clients)}; aim 1.5"
        figure("handler_import_vs_boto3_max", f"{slowest.ratio:.2f}", "ratio", made)
        for name, value, unit in intake.measure(workdir / "intake"):
            made = "every check and the split against a bare json.loads loop; aim 3.0, and 150 MB for 1,000,000 records"
            figure(name, f"{value:.2f}", unit, made)
        for name, value in asking.measured().items():
            made = (
                f"{asking.PROMPTS} prompts, {asking.HOLDOUT} holdout records, {asking.SECONDS} s a call, "
                f"{asking.QUOTA} calls at once at a model; aim 1.2, and 0.02 throttled"
            )
            figure(name, f"{value:.3f}", "ratio", made)
        dollars = measure_teacher_dollars(workdir / "teacher-dollars", teacher_prompts)
        asked = f"the simulator's bill for {teacher_prompts:,} prompts against each asked on demand, simulated"
        figure("teacher_usd_first_vs_on_demand", f"{dollars.first_share:.3f}", "ratio", f"{asked}; aim 0.5")
        grown = f"{asked}; uploaded again, reordered, with {NEW_SHARE:.0%} new ones; aim 0.05"
        figure("teacher_usd_second_vs_on_demand", f"{dollars.second_share:.3f}", "ratio", grown)
        own = f"{asked}; Bedrock's own calls to the teacher under DISTILLATION, none with mode logged"
        figure("teacher_usd_bedrocks_own_vs_on_demand", f"{dollars.bedrocks_own_share:.3f}", "ratio", own)
        run = measure_example_run(workdir / "embedded-aws")
        whole = (
            f"median of {REPETITIONS} runs of {run.seconds:.1f} s, {run.bedrock_seconds:g} s of them simulated Bedrock"
        )
        figure("run_overhead_seconds", f"{run.overhead_seconds:.1f}", "seconds", whole)
        counted = (
            f"StateEntered events, polls among them, and {run.in_maps} for the states of the maps' child executions"
        )
        figure("state_transitions", str(run.transitions), "count", counted)
        shares = ", ".join(f"{service} ${usd:.4f}" for service, usd in run.own.usd.items())
        carried = f"10,000 prompts and a 24-hour training job, carried on from a run's history: {shares}; aim 0.05"
        figure("run_usd_outside_bedrock", f"{run.own.total:.4f}", "USD", carried)


def figure(name: str, value: str, unit: str, about: str) -> None:
    """Print one figure, and to the other stream how it was measured."""
    print(f"bench/{name} {value} {unit}", flush=True)
    print(f"    {about}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
