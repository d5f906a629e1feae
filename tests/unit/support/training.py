"""How tests of LaunchDistillation start a training and look after it."""

from __future__ import annotations

from lambdas.gateways.registry.runs import Run
from lambdas.states.launch_distillation.stage import execute
from lambdas.workflow.stage import Result
from tests.unit.support.workshop import Workshop


def launch(workshop: Workshop, run: Run) -> Result:
    return execute(workshop.stage("LaunchDistillation", run))


def started(workshop: Workshop) -> tuple[Run, str]:
    run = workshop.run()
    workshop.plan(run)
    return run, launch(workshop, run)["job_name"]
