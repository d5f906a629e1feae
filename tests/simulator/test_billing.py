"""The billing record: one entry for each billable thing, and none for what is free."""

from __future__ import annotations

import json

import pytest

from lambdas.domain.costs.training_cost import TrainingVolume
from lambdas.domain.dataset.records import parse_line
from lambdas.domain.prices.price_book import PriceBook
from lambdas.domain.questions.prompts import training_line
from lambdas.domain.task.task_definition import TaskDefinition
from local.bedrock_simulator.control import Charge
from tests.simulator import toy
from tests.simulator.conftest import JOB_SECONDS, STOP_SECONDS, Account, refusal
from tests.simulator.teacher_stages import MODELS


def of_kind(account: Account, kind: str) -> list[Charge]:
    return [charge for charge in account.control.billing() if charge.kind == kind]


def test_a_call_costs_its_tokens_at_its_models_price(account: Account) -> None:
    # Given one call to the teacher
    usage = account.ask("us.amazon.nova-pro-v1:0", "drone over a beach")["usage"]

    # When the record is read
    (charge,) = account.control.billing()

    # Then it carries quantities and price
    assert charge.usage == {
        "USE1-NovaPro-input-tokens": usage["inputTokens"],
        "USE1-NovaPro-output-tokens": usage["outputTokens"],
    }
    assert charge.usd == pytest.approx((usage["inputTokens"] * 0.80 + usage["outputTokens"] * 3.20) / 1e6)
    assert (charge.model, charge.resource[-23:]) == ("amazon.nova-pro-v1:0", "us.amazon.nova-pro-v1:0")


def test_a_global_profile_has_its_own_price(account: Account) -> None:
    # Given the same call through two profiles
    for scope in ("us", "global"):
        account.ask(f"{scope}.anthropic.claude-haiku-4-5-20251001-v1:0", "hello")

    # When / Then the regional one is a tenth dearer per token
    regional, worldwide = account.control.billing()

    def per_token(charge: Charge, way: str) -> float:
        return sum(quantity for name, quantity in charge.usage.items() if way in name)

    assert regional.usd == pytest.approx(
        (per_token(regional, "input") * 1.1 + per_token(regional, "output") * 5.5) / 1e6
    )
    assert worldwide.usd == pytest.approx((per_token(worldwide, "input") + per_token(worldwide, "output") * 5) / 1e6)


def test_a_refused_call_is_free(account: Account) -> None:
    # Given / When
    refusal(lambda: account.ask("amazon.nova-premier-v1:0", "hello"))
    account.control.order_error("Converse", "ThrottlingException")
    refusal(lambda: account.ask("amazon.nova-micro-v1:0", "hello"))

    # Then
    assert account.control.billing() == []


def test_distillation_costs_training_the_teachers_answers_and_storage(account: Account) -> None:
    # Given 120 prompts
    prompts = toy.queries(120, "train")
    account.put_training(prompts)

    # When a job runs over them
    account.train()

    # Then the teacher was asked 120 times, with the record's own prompt
    (calls,) = of_kind(account, "teacher_calls")
    asked = sum(-(-len(f"{toy.SHORT_PROMPT}\n{prompt}") // 4) for prompt in prompts)
    assert (calls.requests, calls.model) == (120, "amazon.nova-pro-v1:0")
    assert calls.usage["USE1-NovaPro-input-tokens"] == asked

    # And two epochs over prompts and answers were trained
    (training,) = of_kind(account, "training")
    tokens = training.usage["USE1-NovaMicro-Customization-Training"]
    assert tokens == 2 * (asked + calls.usage["USE1-NovaPro-output-tokens"])
    assert training.usd == pytest.approx(tokens * 0.001 / 1000)

    # And a month of storage costs 1.95, until the model is deleted
    account.clock.advance(730 * 3_600)
    assert of_kind(account, "custom_model_storage")[0].usd == pytest.approx(1.95)
    account.bedrock.delete_custom_model(modelIdentifier="model-1")
    account.clock.advance(730 * 3_600)
    (storage,) = of_kind(account, "custom_model_storage")
    assert storage.usd == pytest.approx(1.95)
    assert storage.end is not None


def test_verbatim_labels_need_no_teacher(account: Account) -> None:
    # Given answered prompts and verbatim semantics
    account.put_training(toy.queries(120, "train"), toy.answer)
    account.control.change(label_semantics="verbatim")

    # When / Then nobody asked the teacher
    account.train()
    assert of_kind(account, "teacher_calls") == []


def test_a_failed_job_costs_no_training(account: Account) -> None:
    # Given a job that fails in training, and one that fails in validation
    account.put_training(toy.queries(120, "train"))
    account.control.order("fail_job", count=1)
    account.create_job()
    account.clock.advance(JOB_SECONDS)
    assert {charge.kind for charge in account.control.billing()} == {"teacher_calls"}
    account.put_training(["too few"])
    account.create_job(jobName="job-2", customModelName="model-2")
    account.clock.advance(JOB_SECONDS)

    # When / Then the teacher's answers of the first are all there is to pay
    assert [charge.kind for charge in account.control.billing()] == ["teacher_calls"]


def test_a_stopped_job_costs_what_was_trained(account: Account) -> None:
    # Given a job that is stopped halfway through training, and its twin that is not
    account.put_training(toy.queries(120, "train"))
    account.create_job()
    account.clock.advance(0.7 * JOB_SECONDS)
    account.bedrock.stop_model_customization_job(jobIdentifier="job-1")
    account.train("2")

    # When / Then it costs half the training
    stopped, whole = of_kind(account, "training")
    assert sum(stopped.usage.values()) == pytest.approx(sum(whole.usage.values()) / 2, abs=1)


@pytest.mark.parametrize("share", [0.05, 0.15, 0.25, 0.35, 0.39, 0.45, 0.7, 0.95])
def test_a_stopped_job_tells_of_its_phases_what_it_bills(account: Account, share: float) -> None:
    # Given a job that is stopped, which takes a while, and its twin that is not
    account.put_training(toy.queries(120, "train"))
    account.create_job()
    account.clock.advance(share * JOB_SECONDS)
    account.bedrock.stop_model_customization_job(jobIdentifier="job-1")
    account.clock.advance(STOP_SECONDS)
    stopped = account.job("job-1")
    calls = sum(charge.requests for charge in of_kind(account, "teacher_calls"))
    account.train("2")

    # When / Then a phase is told as completed only where all of it is billed
    whole = sum(charge.requests for charge in of_kind(account, "teacher_calls")) - calls
    assert stopped["status"] == "Stopped"
    told = stopped["statusDetails"]["dataProcessingDetails"]["status"]
    assert told == ("Completed" if calls == whole else "Stopped" if calls else told)
    assert calls == 0 or told != "NotStarted"
    assert stopped["statusDetails"]["trainingDetails"]["status"] != "Completed"


def test_throughput_costs_unit_hours_and_no_tokens_and_a_deployment_costs_tokens_only(
    account: Account, trained: str
) -> None:
    # Given a throughput and a deployment of one model, each asked once
    account.control.change(throughput_usd_per_unit_hour=20)
    units = account.provision(trained)
    deployment = account.deploy(trained)
    account.ask(units, "a guitar song")
    account.ask(deployment, "a guitar song")

    # When ten hours go by, and the throughput is deleted, and more time goes by
    account.clock.advance(10 * 3600 - 50)
    account.bedrock.delete_provisioned_model_throughput(provisionedModelId=units)
    account.clock.advance(3600)

    # Then the hours are billed up to the deletion
    (hours,) = of_kind(account, "provisioned_throughput")
    assert hours.usage == {"USE1-NovaMicro-ProvisionedThroughput-NoCommit": pytest.approx(10, abs=0.01)}
    assert hours.usd == pytest.approx(200, abs=0.2)

    # And only the deployment's tokens, at the base model's rate
    (tokens,) = of_kind(account, "converse")
    assert tokens.resource == deployment
    assert "USE1-NovaMicro-input-tokens-custom-model" in tokens.usage


def test_a_price_that_nobody_knows_is_no_price(account: Account, trained: str) -> None:
    # Given a throughput without a price in the settings
    account.provision(trained)

    # When / Then
    assert of_kind(account, "provisioned_throughput")[0].usd is None


def test_a_throughput_that_failed_costs_nothing(account: Account, trained: str) -> None:
    # Given a throughput that never came into service
    account.control.order("fail_throughput")
    account.provision(trained)

    # When / Then
    account.clock.advance(3600)
    assert sum(of_kind(account, "provisioned_throughput")[0].usage.values()) == 0
    account.bedrock.delete_provisioned_model_throughput(provisionedModelId="champion")


def test_a_job_costs_what_the_pipeline_derives_from_its_training_file(account: Account) -> None:
    # Given a training file of 400 records, and what the pipeline makes of it
    prompts = toy.queries(400, "train")
    task = TaskDefinition.from_document({"student_system_prompt": toy.SHORT_PROMPT})
    records = [parse_line(json.dumps({"prompt": prompt}).encode()) for prompt in prompts]
    volume = TrainingVolume.of(
        training_line(record, task, json.dumps(toy.answer(prompt)))
        for record, prompt in zip(records, prompts, strict=True)
    )
    account.put_training(prompts)

    # When
    account.train()

    # Then both lines of the ledger are the bill's to the cent
    models, book = MODELS, PriceBook.shipped()
    own = volume.own_calls_entry("own", "LaunchDistillation", models, book)
    training = volume.training_entry("training", "LaunchDistillation", models, book)
    (calls,), (trained,) = of_kind(account, "teacher_calls"), of_kind(account, "training")
    assert own.usd == pytest.approx(calls.usd, abs=0.005)
    assert training.usd == pytest.approx(trained.usd, abs=0.005)
    assert own.usage["calls"] == calls.requests
