"""Look into the output folder of a completed job: was everything taken that was sent, and how did the loss fall."""

from __future__ import annotations

from typing import Any

from lambdas.domain.errors import DistillationFailed
from lambdas.domain.training_output import MANIFEST_FILE, METRICS_FILE, read_counts, read_losses, training_document
from lambdas.gateways.bedrock_control import Found
from lambdas.pipeline import Stage

_VALIDATION = "/validation"


def read_output(stage: Stage, job: Found) -> dict[str, Any]:
    """Read what the job left, and keep it as ``training.json`` of this attempt.

    The folder is found by listing: its inner layout is documented in part only.
    """
    bucket = stage.pipeline.runs
    facts = bucket.read_json(stage.run.files.teacher_data("teacher_data.json"))
    prefix = _folder(bucket.name, job)
    keys = list(bucket.keys(prefix)) if prefix else []
    ours = [key for key in keys if _VALIDATION not in key.removeprefix(prefix or "")]
    counts = read_counts(bucket.read(key) for key in ours if key.endswith(MANIFEST_FILE))
    curves = [bucket.read(key) for key in ours if key.endswith(METRICS_FILE)]
    losses = read_losses(curves[0]) if curves else []
    api_loss = (job.details.get("trainingMetrics") or {}).get("trainingLoss")
    source = f"s3://{bucket.name}/{prefix}" if prefix else ""
    document = training_document(facts["training_records"], counts, losses, source, api_loss)
    bucket.write_json(stage.run.files.training(stage.attempt), document)
    return document


def check_taken(stage: Stage, document: dict[str, Any]) -> None:
    """Refuse a student that learnt from less than it was sent.

    Raises
    ------
    DistillationFailed
        More records than the setting allows were not taken. Where the job tells no counts, nothing is claimed.
    """
    counts, limit = document["counts"], stage.pipeline.environment.settings.training_data_max_rejected_rate
    if counts is None or document["lost_share"] <= limit:
        return
    used = counts["accepted"] + counts["partially_accepted"]
    message = (
        f"Bedrock trained on {used:,} of the {document['sent']:,} records sent ({document['lost_share']:.1%} lost, "
        f"'training_data_max_rejected_rate' allows {limit:.1%}). See the reasons under {document['output']}, "
        "mend the prompts and upload them again"
    )
    raise DistillationFailed(message)


def _folder(bucket: str, job: Found) -> str | None:
    """Give the prefix of the job's own folder in the runs bucket; another run's job lies under that run."""
    uri = str((job.details.get("outputDataConfig") or {}).get("s3Uri", ""))
    start = f"s3://{bucket}/"
    if not uri.startswith(start):
        return None
    return f"{uri.removeprefix(start).rstrip('/')}/model-customization-job-{job.arn.rsplit('/', 1)[-1]}/"
