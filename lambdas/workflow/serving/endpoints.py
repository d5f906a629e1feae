"""What promotion and rollback share: describe, create, look up and believe the endpoint of a student."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain.bedrock_names import client_token, resource_tags
from lambdas.domain.costs.ledger import ENDPOINT_CALLS
from lambdas.domain.dataset.records import from_json_lines
from lambdas.domain.errors import HourlyLimitExceeded, PriceMissing, QuotaTooLow
from lambdas.domain.gate.evaluation_document import student_of
from lambdas.domain.model_ids import custom_model_of
from lambdas.domain.run_facts import stated_price
from lambdas.domain.serving.break_even import throughput_usage
from lambdas.domain.task.model_unit_quotas import how_to_ask
from lambdas.gateways.aws import clients
from lambdas.gateways.aws.bedrock import REFUSALS, Found
from lambdas.gateways.aws.service_errors import AWS_ERRORS, refusal
from lambdas.gateways.registry.resources import DEPLOYMENT, THROUGHPUT, Resource
from lambdas.workflow.serving.deleter import Deleter
from lambdas.workflow.serving.smoke_test import QUESTIONS, Expected, same_answer, smoke_test

if TYPE_CHECKING:
    from lambdas.domain.questions.answers import Answer
    from lambdas.workflow.stage import Stage

READY = {THROUGHPUT: "InService", DEPLOYMENT: "Active"}
MODE_KIND = {"provisioned_throughput": THROUGHPUT, "on_demand": DEPLOYMENT}


def endpoint_resource(stage: Stage, kind: str, name: str, *, arn: str | None = None) -> Resource:
    """Describe an endpoint; a throughput with its units, their commitment and what they cost an hour.

    Raises
    ------
    PriceMissing
        When neither the price book nor the person who approved knows the price of a throughput hour.
    """
    resource = stage.resource(kind, name, arn=arn)
    if kind != THROUGHPUT:
        return resource
    serving = stage.task.serving
    return replace(
        resource, usd_per_hour=usd_per_hour(stage), model_units=serving.model_units, commitment=serving.commitment
    )


def usd_per_hour(stage: Stage) -> float:
    """Give what the task's throughput costs an hour, from the price book or from the approval."""
    serving, student = stage.task.serving, stage.pipeline.environment.settings.student_model
    usage = throughput_usage(serving.commitment)
    line = stage.pipeline.prices.find(student, usage)
    stated = stated_price(stage.run.facts)
    unit: float | None = line.usd if line else stated
    if unit is None:
        message = (
            f"no price is known for '{usage}' of {student}. Nothing was purchased. Add a line to 'prices' in the "
            "settings, or approve with --hourly-price"
        )
        raise PriceMissing(message)
    return unit * serving.model_units


def create_endpoint(stage: Stage, resource: Resource, model_arn: str) -> str:
    """Create a planned endpoint within the environment's dollars per hour; give its ARN.

    Raises
    ------
    HourlyLimitExceeded, QuotaTooLow
        Nothing was created, and the plan is closed.
    """
    with closed_when_refused(stage, resource):
        return _create(stage, resource, model_arn)


@contextmanager
def closed_when_refused(stage: Stage, resource: Resource) -> Iterator[None]:
    """Close the plan of an endpoint whose create call is refused: nothing comes of it, now or later.

    An earlier call that was killed may have made what this one is refused: what exists stays open. After any other
    error the plan stays open too (decision 0051).
    """
    try:
        yield
    except (HourlyLimitExceeded, QuotaTooLow, ClientError) as problem:
        refused = not isinstance(problem, ClientError) or refusal(problem) in REFUSALS
        if refused and not _exists(stage, resource):
            stage.pipeline.resources.released(resource, stage.now())
        raise


def _exists(stage: Stage, resource: Resource) -> bool:
    """Tell whether there is an endpoint of that name; where that cannot be known, there may be one."""
    try:
        return Deleter(stage.pipeline.bedrock, stage.pipeline.environment.name).finds(resource)
    except AWS_ERRORS:
        return True


def _create(stage: Stage, resource: Resource, model_arn: str) -> str:
    environment, serving = stage.pipeline.environment, stage.task.serving
    shared: dict[str, Any] = {
        "tags": resource_tags(environment.name, stage.run.task, stage.run.run_id, stage.name),
        "clientRequestToken": client_token(resource.name),
    }
    if resource.kind == DEPLOYMENT:
        description = f"Champion of task {stage.run.task}"
        request = {"modelDeploymentName": resource.name, "modelArn": model_arn, "description": description, **shared}
        return stage.pipeline.bedrock.create_deployment(request)
    stage.pipeline.resources.reserve(resource, environment.settings.max_hourly_usd)
    request = {"provisionedModelName": resource.name, "modelId": model_arn, "modelUnits": serving.model_units, **shared}
    if serving.commitment != "none":
        request["commitmentDuration"] = serving.commitment
    try:
        return stage.pipeline.bedrock.create_throughput(request)
    except QuotaTooLow as problem:
        asking = how_to_ask(serving.model_units, serving.commitment, environment.settings.region)
        raise QuotaTooLow(f"{problem}. {asking}. Nothing was purchased") from None


def find_endpoint(stage: Stage, resource: Resource) -> Found | None:
    """Look an endpoint up."""
    return stage.pipeline.bedrock.find_endpoint(str(resource.arn), throughput=resource.kind == THROUGHPUT)


def why_not_moved(found: Found) -> str:
    """Say why an endpoint that was to change its model serves the one before."""
    update = found.details.get("updateDetails", {}).get("updateStatus")
    return found.failure or update or "it gives no reason"


def believe(stage: Stage, endpoint_arn: str) -> None:
    """Try an endpoint with records of the run's holdout and what its evaluation measured.

    Raises
    ------
    PromotionFailed, RetryLater
    """
    records = from_json_lines(stage.pipeline.runs.read(stage.run.files.dataset("holdout.jsonl")))
    smoke_test(
        clients.bedrock_runtime(), endpoint_arn, records, stage.task, _expected(stage), _payer(stage, endpoint_arn)
    )


def _payer(stage: Stage, endpoint_arn: str) -> Callable[[Sequence[Answer]], None]:
    """Write down what a deployment's answers cost; those of a throughput are in the price of its hours."""

    def pay(answers: Sequence[Answer]) -> None:
        if not answers or ":custom-model-deployment/" not in endpoint_arn:
            return
        model = custom_model_of(stage.pipeline.environment.settings.student_model)
        line = stage.ledger.new_line("smoke-test")
        stage.ledger.write_answers(line, stage.name, model, answers, counted_as=ENDPOINT_CALLS)

    return pay


def evaluated_p95_ms(stage: Stage) -> float | None:
    """Read the student's 95th percentile of the service's own latency, as the run's evaluation measured it."""
    student = student_of(stage.evaluation())
    latency = student.get("latency_ms") if student else None
    return latency.get("p95") if latency else None


def _expected(stage: Stage) -> Expected:
    runs, folder = stage.pipeline.runs, stage.run.files.evaluation(stage.attempt, "")
    known: dict[str, str] = {}
    for key in runs.keys(folder):
        if len(known) >= QUESTIONS:
            break
        if key.endswith(".jsonl"):
            known |= _known(runs.read(key))
    return Expected(known=known, p95_ms=evaluated_p95_ms(stage))


def _known(measurements: bytes) -> dict[str, str]:
    lines = (json.loads(line) for line in measurements.splitlines())
    return {
        line["record_id"]: line["reference"]
        for line in lines
        if line.get("role") == "student" and not line["problem"] and same_answer(line["answer"], line["reference"])
    }
