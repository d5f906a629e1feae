"""Look into the output folder of a completed job: was everything taken that was sent, and how did the loss fall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from lambdas.domain.errors import DistillationFailed
from lambdas.domain.training.training_output import (
    MANIFEST_FILE,
    METRICS_FILE,
    LossCurve,
    read_counts,
    read_losses,
    training_document,
)

if TYPE_CHECKING:
    from lambdas.gateways.aws.bedrock import Found
    from lambdas.workflow.stage import Stage

_VALIDATION = "/validation"


def read_output(stage: Stage, job: Found) -> dict[str, Any]:
    """Read what the job left.

    The folder is found by listing: its inner layout is documented in part only.
    """
    bucket = stage.pipeline.runs
    facts = stage.teacher_data()
    prefix = _folder(bucket.name, job)
    keys = list(bucket.keys(prefix)) if prefix else []
    ours = [key for key in keys if _VALIDATION not in key.removeprefix(prefix or "")]
    counts = read_counts(bucket.read(key) for key in ours if key.endswith(MANIFEST_FILE))
    curves = [read_losses(bucket.read(key)) for key in ours if key.endswith(METRICS_FILE)]
    losses = max(curves, key=lambda curve: len(curve.points), default=LossCurve())
    api_loss = (job.details.get("trainingMetrics") or {}).get("trainingLoss")
    source = f"s3://{bucket.name}/{prefix}" if prefix else ""
    return training_document(facts["training_records"], counts, losses, source, api_loss)


def keep_output(stage: Stage, document: dict[str, Any]) -> None:
    """Keep what a job left as ``training.json`` of this attempt, for the report."""
    stage.pipeline.runs.write_json(stage.run.files.training(stage.attempt), document)


def loss_of_records(stage: Stage, document: dict[str, Any]) -> str | None:
    """Say how many records were not taken where they are more than the setting allows.

    Where the job tells no counts, nothing is claimed.
    """
    counts, limit = document["counts"], stage.pipeline.environment.settings.training_data_max_rejected_rate
    if counts is None or document["lost_share"] <= limit:
        return None
    used = counts["accepted"] + counts["partially_accepted"]
    what = f"Bedrock trained on {used:,} of the {document['sent']:,} records sent"
    if counts["processed"] > document["sent"]:
        sent = f"{document['sent']:,} were sent"
        what = f"Bedrock counts {counts['processed']:,} records where {sent}, {used:,} of them trained on"
    return (
        f"{what} ({document['lost_share']:.1%} lost, "
        f"'training_data_max_rejected_rate' allows {limit:.1%}); the reasons lie under {document['output']}"
    )


def refuse_student(reason: str, *, earlier: list[str]) -> NoReturn:
    """Refuse a student that learnt from less than it was sent.

    Parameters
    ----------
    reason : str
        What :func:`loss_of_records` said.
    earlier : list of str
        Jobs for the same training file that lost too many records before.

    Raises
    ------
    DistillationFailed
        Always, with what a person can do.
    """
    accept = "raise the setting and retry: the model is adopted while it is kept"
    if earlier:
        raise DistillationFailed(
            f"{reason}. Job {', '.join(earlier)} lost too many of the same records before, so no further job is paid. "
            f"Mend the prompts and upload them again; or, to accept the loss, {accept}"
        )
    raise DistillationFailed(
        f"{reason}. Where the records are to blame, mend the prompts and upload them again. Where the service is, "
        f"retry: one more job is paid, and no third. To accept the loss, {accept}"
    )


def _folder(bucket: str, job: Found) -> str | None:
    """Give the prefix of the job's own folder in the runs bucket; another run's job lies under that run."""
    uri = str((job.details.get("outputDataConfig") or {}).get("s3Uri", ""))
    start = f"s3://{bucket}/"
    if not uri.startswith(start):
        return None
    return f"{uri.removeprefix(start).rstrip('/')}/model-customization-job-{job.arn.rsplit('/', 1)[-1]}/"
