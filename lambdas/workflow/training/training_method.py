"""Whether the student is distilled or fine-tuned, also after Bedrock has refused the pair."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from lambdas.domain.errors import DistillationFailed

if TYPE_CHECKING:
    from lambdas.domain.task.model_choice import ModelChoice
    from lambdas.workflow.stage import Stage

_ABOUT_THE_PAIR = re.compile(
    # No part of a name: those of our bucket, role and jobs may have such words in them.
    r"(?<![\w./:-])(teacher|student|distil)\w*(?![\w/:-])|not support|customization ?type|access ?denied",
    re.IGNORECASE,
)
_ABOUT_OURS = re.compile(r"not authorized to perform|\bassumed?\b|\brole\b|\bbucket\b|s3://|\bkms\b", re.IGNORECASE)
"""Words of refusals that fine-tuning would get as well, now or until what they name is mended."""

_INTERNAL = re.compile(r"Internal(Server(Exception|Error)|Failure)")

_UPLOAD_AGAIN = (
    "in task.json and upload again (a retry keeps the old one): the teacher's answers are not paid for again"
)
"""A run is pinned to its version of ``task.json``; answers are kept by their content."""


def models_now(stage: Stage) -> ModelChoice:
    """Give the plan's models, fine-tuned where Bedrock refused to distil them in this attempt."""
    models = stage.plan.models
    refused = stage.pipeline.registry.run(stage.run.run_id).facts.get("pair_refused")
    if refused and refused["attempt"] == stage.attempt:
        return replace(models, training="fine_tuning")
    return models


def take_the_other_way(stage: Stage, models: ModelChoice, refusal: str) -> None:
    """Note that the pair was refused, so that the next call fine-tunes on the same data.

    Raises
    ------
    DistillationFailed
        The task forces its way of training, there is no other way left, the refusal is not about the pair, or the
        training file has records that fine-tuning cannot use.
    """
    about_the_pair = _ABOUT_THE_PAIR.search(refusal) and not _ABOUT_OURS.search(refusal)
    if stage.task.training == "auto" and models.training == "distillation" and about_the_pair:
        _check_answers(stage, refusal)
        stage.pipeline.registry.record_facts(
            stage.run.run_id, pair_refused={"attempt": stage.attempt, "message": refusal[:1000]}
        )
        return
    way = models.training.replace("_", "-")
    advice = ""
    if stage.task.training == "distillation":
        advice = f'. To train without the pair, set \'training\' to "auto" or "fine_tuning" {_UPLOAD_AGAIN}'
    raise DistillationFailed(f"Bedrock refused the {way} job, nothing was paid for it: {refusal.rstrip('.')}{advice}")


def explain_error(models: ModelChoice, error: str) -> str:
    """Say what an error of the service itself may mean when it comes again and again.

    Bedrock was seen to answer the creation of a distillation job so where the pair is not open to the account, with
    no word of the pair. It may as well be an outage: so nobody but a person decides for the other way.
    """
    if models.training != "distillation" or not _INTERNAL.search(error):
        return error
    return (
        f"{error.rstrip('.')}. If this goes on, the pair of teacher and student may not be open in this account, which "
        f"Bedrock does not always say: to train without it, set 'training' to \"fine_tuning\" {_UPLOAD_AGAIN}"
    )


def _check_answers(stage: Stage, refusal: str) -> None:
    """Refuse to fine-tune on prompts alone: CollectTeacherData checked the file as one for distillation.

    Its 100 to 15,000 records lie within the 8 to 20,000 that fine-tuning takes (Nova user guide, prepare data).
    """
    facts = stage.teacher_data()
    without = facts["training_records"] - facts["labelled_records"]
    if without:
        raise DistillationFailed(
            f"Bedrock refused the distillation job, nothing was paid for it: {refusal.rstrip('.')}. The same file "
            f"cannot fine-tune the student: {without:,} of its {facts['training_records']:,} records have no answer. "
            f"Set 'teacher_data.mode' to \"label\" {_UPLOAD_AGAIN}"
        )
