"""Take what a batch inference job left, however it ended, and write down what it cost."""

from __future__ import annotations

from urllib.parse import urlsplit

from lambdas.domain.ledger import LedgerEntry
from lambdas.domain.teacher_batch import BatchOutput
from lambdas.gateways.bedrock_control import Found
from lambdas.pipeline import Stage
from lambdas.run_teacher_batch.asking import Asking

MANIFEST = "manifest.json.out"
OUTPUT_SUFFIX = ".jsonl.out"


def harvest(stage: Stage, asking: Asking, job: Found) -> dict[str, int]:
    """Store the answers of a job that has ended; doing it again changes nothing.

    The ledger comes first: the money is spent even if the answers were lost in the next moment. Its line is named by
    the job and belongs to the run that started it, so that it is counted once, whoever reads the output.

    Returns
    -------
    dict of str to int
        What the output had.
    """
    output = BatchOutput()
    keys = sorted(_output_keys(stage, job))
    for key in keys:
        if key.endswith(OUTPUT_SUFFIX):
            output.read(stage.pipeline.runs.lines(key), asking.questions, asking.teacher)
    for key in keys:
        if key.endswith(MANIFEST):
            output.read_manifest(stage.pipeline.runs.read(key))
    _record_cost(stage, asking, job, output)
    if output.answers:
        asking.keep(output.answers[key] for key in sorted(output.answers))
    return dict(sorted(output.counts.items()))


def _output_keys(stage: Stage, job: Found) -> list[str]:
    """List the objects that the job wrote: under its own id, below the prefix that its request named."""
    uri = urlsplit(job.details["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"])
    if uri.netloc != stage.pipeline.runs.name:
        return []
    return list(stage.pipeline.runs.keys(f"{uri.path.strip('/')}/{job_id(job.arn)}/"))


def job_id(arn: str) -> str:
    """Give the last part of a job's ARN."""
    return arn.rsplit("/", 1)[-1]


def _record_cost(stage: Stage, asking: Asking, job: Found, output: BatchOutput) -> None:
    tokens = {"batch_input": output.input_tokens, "batch_output": output.output_tokens}
    if not any(tokens.values()):
        return
    payer = stage.pipeline.bedrock.tags(job.arn).get("run", stage.run.run_id)
    entry = LedgerEntry(
        id=f"batch.{job_id(job.arn)}",
        stage=stage.name,
        model=asking.teacher,
        kind="actual",
        usage={
            "batch_calls": output.counts.total() - output.counts["cut lines"],
            "input_tokens": output.input_tokens,
            "output_tokens": output.output_tokens,
        },
        usd=sum(stage.pipeline.prices.usd(asking.teacher, usage, quantity) for usage, quantity in tokens.items()),
    )
    stage.pipeline.registry.record_cost(payer, entry)
