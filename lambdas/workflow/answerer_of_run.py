"""What asks models for a run. Apart from the frame of all stages: most of them ask nobody, and need not load it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.gateways.answering.answer_recorder import Books, Kept
from lambdas.gateways.answering.answer_store import AnswerStore
from lambdas.gateways.answering.answerer import Answerer
from lambdas.gateways.answering.failure_store import FailureStore
from lambdas.gateways.aws import clients

if TYPE_CHECKING:
    from lambdas.workflow.stage import Stage


def answerer_of(stage: Stage) -> Answerer:
    """Make what asks models for a stage's run, keeps the answers and writes the dollars down."""
    pipeline = stage.pipeline
    runs, task = pipeline.runs, stage.run.task
    kept = Kept(AnswerStore(runs, task), FailureStore(runs, task, stage.owner))
    return Answerer(
        clients.bedrock_runtime(),
        Books(kept, stage.ledger),
        limits=pipeline.limits,
        seconds_left=stage.seconds_left,
        callable_model=pipeline.environment.callable_model,
    )
