"""Take what a batch inference job left, however it ended, and write down what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lambdas.domain.bedrock_names import RUN_TAG, s3_uri
from lambdas.domain.costs.ledger import BatchUse
from lambdas.domain.training.batch_inference import BatchOutput
from lambdas.gateways.aws.bedrock import Found
from lambdas.workflow.training.job_costs import paid_job

if TYPE_CHECKING:
    from lambdas.domain.questions.answers import Question
    from lambdas.workflow.stage import Stage
    from lambdas.workflow.training.teacher_questions import Asking

MANIFEST = "manifest.json.out"
OUTPUT_SUFFIX = ".jsonl.out"

NOT_FOUND = "not found"
"""In place of the service's word, for a job that was created and that the service does not know."""


def harvest(stage: Stage, asking: Asking, job: Found, *, payer: str | None = None) -> dict[str, int]:
    """Store the answers of a job that has ended; doing it again changes nothing.

    The ledger comes first: the money is spent even if the answers were lost in the next moment. Its line is named by
    the job and belongs to the run that started it, so that it is counted once, whoever reads the output.

    Parameters
    ----------
    payer : str, optional
        The run that started the job, where its tags cannot be asked.

    Returns
    -------
    dict of str to int
        What the output had.
    """
    output = read_output(stage, job, asking.questions, asking.teacher)
    record_batch_cost(stage, asking.teacher, job, output, payer=payer)
    if output.answers:
        asking.keep(output.answers[key] for key in sorted(output.answers))
    return dict(sorted(output.counts.items()))


def read_output(stage: Stage, job: Found, questions: Mapping[str, Question], teacher: str) -> BatchOutput:
    """Read what a job that has ended wrote; answers to other than the given questions only count as paid."""
    output = BatchOutput()
    keys = sorted(_output_keys(stage, job))
    for key in keys:
        if key.endswith(OUTPUT_SUFFIX):
            output.read(stage.pipeline.runs.lines(key), questions, teacher)
    for key in keys:
        if key.endswith(MANIFEST):
            output.read_manifest(stage.pipeline.runs.read(key))
    return output


def _output_keys(stage: Stage, job: Found) -> list[str]:
    """List the objects that the job wrote: under its own id, below the prefix that its request named."""
    uri = urlsplit(job.details["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"])
    if uri.netloc != stage.pipeline.runs.name:
        return []
    return list(stage.pipeline.runs.keys(f"{uri.path.strip('/')}/{job_id(job.arn)}/"))


def job_id(arn: str) -> str:
    """Give the last part of a job's ARN."""
    return arn.rsplit("/", 1)[-1]


def harvest_unknown(stage: Stage, asking: Asking, name: str, arn: str) -> bool:
    """Store what a job of this run wrote that Bedrock does not know any more; whether it had come to its end."""
    config = {"s3OutputDataConfig": {"s3Uri": s3_uri(stage.pipeline.runs.name, stage.run.files.batch_output(name))}}
    details = {"outputDataConfig": config}
    job = Found(arn=arn, name=name, status=NOT_FOUND, model_arn=None, failure="", details=details)
    if not any(key.endswith(MANIFEST) for key in _output_keys(stage, job)):
        return False  # the manifest is written last
    harvest(stage, asking, job, payer=stage.run.run_id)
    return True


def record_batch_cost(stage: Stage, teacher: str, job: Found, output: BatchOutput, *, payer: str | None = None) -> None:
    """Write into the ledger of the run that started a job what its output says that it used."""
    use = BatchUse(
        calls=output.counts.total() - output.counts["cut lines"],
        wasted=output.counts["duplicates"] + output.counts["without answer"],
        input_tokens=output.input_tokens,
        output_tokens=output.output_tokens,
    )
    if not use.tokens:
        return
    payer = payer or stage.pipeline.bedrock.tags(job.arn).get(RUN_TAG, stage.run.run_id)
    stage.ledger.of(payer).write_batch(paid_job(job_id(job.arn), job), teacher, use)
