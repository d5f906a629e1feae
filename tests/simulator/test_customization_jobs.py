"""A customization job's rules, states and outputs."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.bedrock_simulator.customization import training_data
from tests.simulator import toy
from tests.simulator.conftest import JOB_SECONDS, STOP_SECONDS, Account, distillation, record, refusal

if TYPE_CHECKING:
    from mypy_boto3_bedrock.type_defs import TagTypeDef


def artifact(account: Account, name: str) -> str:
    return next(body for (_, key), body in account.objects.objects.items() if key.endswith(name)).decode()


def failed(account: Account, **changes: Any) -> str:
    """Run a job that must fail, and return why."""
    arn = account.create_job(**changes)
    account.clock.advance(JOB_SECONDS)
    job = account.job(arn)
    assert job["status"] == "Failed"
    assert job["statusDetails"]["validationDetails"]["status"] == "Failed"
    assert job["statusDetails"]["trainingDetails"]["status"] == "NotStarted"
    return str(job["failureMessage"])


class TestWhatIsRefusedAtOnce:
    def test_a_training_file_that_is_not_there(self, account: Account) -> None:
        # Given no training file
        # When a job is asked for
        code, status, message = refusal(account.create_job)

        # Then the request is refused, with bucket and key
        assert (code, status) == ("ValidationException", 400)
        assert "runs at key data/train.jsonl" in message

    @pytest.mark.parametrize(
        ("change", "code", "said"),
        [
            ({"baseModelIdentifier": "amazon.nova-micro-v1:0"}, "ValidationException", "does not support DISTILLATION"),
            ({"baseModelIdentifier": "amazon.nova-nano-v1:0"}, "ValidationException", "invalid"),
            ({"customizationConfig": None}, "ValidationException", "distillationConfig"),
            ({"customizationType": "FINE_TUNING"}, "ValidationException", "DISTILLATION only"),
            (
                {"customizationConfig": distillation("amazon.nova-lite-v1:0")},
                "ValidationException",
                "not supported with",
            ),
            (
                {"customizationConfig": distillation("anthropic.claude-sonnet-4-6")},
                "ValidationException",
                "not supported",
            ),
            ({"customizationConfig": distillation("no.such-model")}, "ValidationException", "teacher"),
            (
                {"customizationConfig": distillation("us.amazon.nova-premier-v1:0")},
                "ResourceNotFoundException",
                "reached the end of its life",
            ),
        ],
    )
    def test_models_that_do_not_go_together(
        self, account: Account, change: dict[str, Any], code: str, said: str
    ) -> None:
        # Given good training data
        account.put_training(toy.queries(120, "train"))

        # When the models cannot be combined
        refused = refusal(lambda: account.create_job(**change))

        # Then the service says so
        assert refused[0] == code
        assert said in refused[2]

    def test_a_legacy_student_takes_no_new_jobs(self, account: Account) -> None:
        # Given the student has become Legacy
        account.put_training(toy.queries(120, "train"))
        account.control.change(models={"amazon.nova-micro-v1:0:128k": {"status": "LEGACY"}})

        # When / Then no new job is accepted
        assert "Legacy" in refusal(account.create_job)[2]

    def test_a_teacher_that_answers_through_a_profile_only(self, account: Account) -> None:
        # Given Nova Premier were still alive
        account.put_training(toy.queries(120, "train"))
        account.control.change(models={"amazon.nova-premier-v1:0": {"end_of_life": "2027-09-14T00:00:00+00:00"}})

        # When / Then its bare id is refused and its profile is not
        bare = distillation("amazon.nova-premier-v1:0")
        assert "inference profile only" in refusal(lambda: account.create_job(customizationConfig=bare))[2]
        assert account.create_job(customizationConfig=distillation("us.amazon.nova-premier-v1:0"))

    def test_more_jobs_than_the_quota(self, account: Account) -> None:
        # Given a quota of one job, which is running
        account.put_training(toy.queries(120, "train"))
        account.control.change(quotas={"L-0406044C": 1})
        account.create_job()

        # When / Then the second is refused
        second = refusal(lambda: account.create_job(jobName="job-2", customModelName="model-2"))
        assert second[:2] == ("ServiceQuotaExceededException", 400)


class TestNamesAndTokens:
    def test_a_job_name_is_never_freed(self, account: Account) -> None:
        # Given a job that ended, whose model was deleted
        account.put_training(toy.queries(120, "train"))
        model = account.train()
        account.bedrock.delete_custom_model(modelIdentifier=model)

        # When / Then its name cannot be used again, while the model's can
        code, status, _ = refusal(lambda: account.create_job(customModelName="model-2"))
        assert (code, status) == ("ConflictException", 400)
        assert account.create_job(jobName="job-2")

    def test_two_models_cannot_have_one_name(self, account: Account, trained: str) -> None:
        # Given a custom model
        # When a job would make another of its name
        code, _, message = refusal(lambda: account.create_job(jobName="job-2"))

        # Then it is refused
        assert code == "ConflictException"
        assert "model-1" in message
        assert trained in str(account.control.resources().models)

    def test_a_token_gives_the_same_job_again(self, account: Account) -> None:
        # Given a job that was made with a token
        account.put_training(toy.queries(120, "train"))
        first = account.create_job(clientRequestToken="run-1")

        # When the same request comes again, even after the job ended
        account.clock.advance(JOB_SECONDS)
        again = account.create_job(clientRequestToken="run-1")

        # Then it is the same job
        assert again == first
        assert len(account.control.resources().jobs) == 1

    def test_a_token_with_other_parameters_is_a_conflict(self, account: Account) -> None:
        # Given a job that was made with a token
        account.put_training(toy.queries(120, "train"))
        account.create_job(clientRequestToken="run-1")

        # When / Then the token comes with another name
        other = refusal(lambda: account.create_job(clientRequestToken="run-1", jobName="job-2"))
        assert other[0] == "ConflictException"


class TestTrainingData:
    def test_invalid_records_are_dropped_without_a_word(self, account: Account) -> None:
        # Given 120 good records and six that break the format, each in its own way
        good = [json.dumps(record(query)) for query in toy.queries(120, "train")]
        bad: list[Any] = [record(f"query {number}") for number in range(6)]
        bad[0]["schemaVersion"] = "bedrock-conversation-2023"
        bad[1]["messages"][0]["role"] = "assistant"
        bad[2]["messages"][0]["content"].append({"text": "second"})
        bad[3]["note"] = "extra key"
        bad[4]["messages"][0]["content"][0]["text"] = "   "
        bad[5]["messages"] = []
        account.put_lines([*good, *map(json.dumps, bad), "{not json"])

        # When the job runs
        account.train()

        # Then it completes, and only its report tells
        report = next(csv.DictReader(io.StringIO(artifact(account, "manifest.report.csv"))))
        assert report["totalProcessedRecordCount"] == "127"
        assert report["acceptedRecordCount"] == "120"
        assert report["rejectedRecordCount"] == "7"

    @pytest.mark.parametrize(("count", "said"), [(99, "is 99"), (15_001, "is 15001"), (0, "is 0")])
    def test_distillation_takes_100_to_15000_prompts(self, account: Account, count: int, said: str) -> None:
        # Given a file with too few or too many
        account.put_lines([json.dumps(record(f"query {number}")) for number in range(count)])

        # When / Then the job fails and says both numbers
        message = failed(account)
        assert said in message
        assert "100 to 15000" in message

    @pytest.mark.parametrize("word", ["User:", "Bot:", "Assistant:", "System:", "<image>", "<video>", "[EOS]"])
    def test_a_reserved_word_anywhere_in_a_prompt_fails_the_job(self, account: Account, word: str) -> None:
        # Given one prompt among 120 that contains a reserved word
        prompts = [*toy.queries(119, "train"), f"find the scene where {word} is written on a wall"]
        account.put_training(prompts)

        # When / Then the job fails and names the word and the record
        message = failed(account)
        assert word in message
        assert "record 120" in message

    def test_fine_tuning_drops_records_without_an_answer(self, account: Account) -> None:
        # Given ten answered prompts and five bare ones
        prompts = toy.queries(15, "train")
        answered = [json.dumps(record(prompt, json.dumps(toy.answer(prompt)))) for prompt in prompts[:10]]
        account.put_lines([*answered, *(json.dumps(record(prompt)) for prompt in prompts[10:])])

        # When the job runs
        account.train(customizationType="FINE_TUNING", customizationConfig=None)

        # Then only the answered ones were used, and no teacher was asked
        assert ",15,10,0,5" in artifact(account, "manifest.report.csv")
        assert "teacher_calls" not in {charge.kind for charge in account.control.billing()}

    @given(st.binary(max_size=400))
    def test_any_bytes_are_read_and_the_counts_add_up(self, body: bytes) -> None:
        # Given / When anything is read as a training file
        file = training_data.read(body, "DISTILLATION")

        # Then nothing raises and no line is lost
        assert file.processed == file.rejected + len(file.records)
        assert file.processed == sum(bool(line.strip()) for line in body.split(b"\n"))


class TestStates:
    def test_phases_follow_the_clock(self, account: Account) -> None:
        # Given a new job
        account.put_training(toy.queries(120, "train"))
        arn = account.create_job()
        seen = []

        # When time goes on
        for seconds in (0, 9, 10, 30, 51):
            account.clock.advance(seconds)
            job = account.job("job-1")
            seen.append((job["status"], *(phase["status"] for phase in job["statusDetails"].values())))

        # Then one phase after the other begins and completes
        assert seen == [
            ("InProgress", "InProgress", "NotStarted", "NotStarted"),
            ("InProgress", "InProgress", "NotStarted", "NotStarted"),
            ("InProgress", "Completed", "InProgress", "NotStarted"),
            ("InProgress", "Completed", "Completed", "InProgress"),
            ("Completed", "Completed", "Completed", "Completed"),
        ]
        assert account.job(arn)["endTime"] > account.job(arn)["creationTime"]

    def test_a_completed_job_leaves_a_learning_curve_that_falls(self, account: Account, trained: str) -> None:
        # Given a completed job
        # When its metrics are read
        rows = list(csv.DictReader(io.StringIO(artifact(account, "step_wise_training_metrics.csv"))))

        # Then the loss was measured step by step, and the API shows the last one
        losses = [float(row["training_loss"]) for row in rows]
        assert losses[-1] < losses[0] / 2
        assert account.job("job-1")["trainingMetrics"]["trainingLoss"] == pytest.approx(losses[-1], abs=1e-6)
        assert account.bedrock.get_custom_model(modelIdentifier=trained)["jobName"] == "job-1"

    def test_a_stalled_job_never_gets_on_but_can_be_stopped(self, account: Account) -> None:
        # Given a job that stalls before training, as seen in August 2026
        account.put_training(toy.queries(120, "train"))
        account.control.order("stall_job")
        account.create_job()

        # When days go by
        account.clock.advance(3 * 86_400)
        job = account.job("job-1")

        # Then it is in progress, without a failure message
        assert job["status"] == "InProgress"
        assert job["statusDetails"]["dataProcessingDetails"]["status"] == "Completed"
        assert job["statusDetails"]["trainingDetails"]["status"] == "NotStarted"
        assert "failureMessage" not in job

        # When it is stopped
        account.bedrock.stop_model_customization_job(jobIdentifier="job-1")
        assert account.job("job-1")["status"] == "Stopping"
        account.clock.advance(STOP_SECONDS)

        # Then it stops, with no model and no training charged
        assert account.job("job-1")["status"] == "Stopped"
        assert account.control.resources().models == []
        assert "training" not in {charge.kind for charge in account.control.billing()}

    def test_a_stall_may_be_old_from_the_first_look_on(self, account: Account) -> None:
        # Given
        account.put_training(toy.queries(120, "train"))
        account.control.order("stall_job", phase="dataProcessing", hours=13)

        # When
        account.create_job()
        job = account.job("job-1")

        # Then
        details = job["statusDetails"]
        assert details["validationDetails"]["status"] == "Completed"
        assert details["dataProcessingDetails"]["status"] == "InProgress"
        assert account.clock.now() - job["creationTime"] == timedelta(hours=13)

    def test_a_job_that_ended_cannot_be_stopped(self, account: Account, trained: str) -> None:
        # Given a completed job
        assert trained

        # When / Then stopping it is a conflict
        stopped = refusal(lambda: account.bedrock.stop_model_customization_job(jobIdentifier="job-1"))
        assert stopped[0] == "ConflictException"

    def test_a_job_that_is_ordered_to_fail(self, account: Account) -> None:
        # Given an internal error in data processing
        account.put_training(toy.queries(120, "train"))
        account.control.order("fail_job", phase="dataProcessing")
        account.create_job()

        # When it gets there
        account.clock.advance(JOB_SECONDS)
        job = account.job("job-1")

        # Then it failed there, with the message that others saw
        assert job["status"] == "Failed"
        assert "internal error" in job["failureMessage"]
        assert job["statusDetails"]["dataProcessingDetails"]["status"] == "Failed"

    def test_a_job_that_is_not_there(self, account: Account) -> None:
        # Given / When / Then
        assert refusal(lambda: account.job("nothing"))[:2] == ("ResourceNotFoundException", 404)


def test_jobs_and_models_are_listed_page_by_page(account: Account) -> None:
    # Given five jobs
    account.put_training(toy.queries(120, "train"))
    for number in range(5):
        account.create_job(jobName=f"job-{number}", customModelName=f"model-{number}")
        account.clock.advance(1)

    # When they are listed two by two, newest first
    pages = list(
        account.bedrock.get_paginator("list_model_customization_jobs").paginate(PaginationConfig={"PageSize": 2})
    )

    # Then none is missing and none twice
    names = [job["jobName"] for page in pages for job in page["modelCustomizationJobSummaries"]]
    assert names == ["job-4", "job-3", "job-2", "job-1", "job-0"]

    # When they complete
    account.clock.advance(JOB_SECONDS)

    # Then their models are found by a part of the name
    found = account.bedrock.list_custom_models(nameContains="model-3")["modelSummaries"]
    assert [model["modelName"] for model in found] == ["model-3"]


def test_tags_follow_what_they_were_given_to(account: Account) -> None:
    # Given a job with tags for itself and for its model
    account.put_training(toy.queries(120, "train"))
    tags: list[TagTypeDef] = [{"key": "run", "value": "r1"}]
    model = account.train(jobTags=tags, customModelTags=[{"key": "task", "value": "t1"}])
    job = account.job("job-1")["jobArn"]

    # When they are read, added to, and taken away
    account.bedrock.tag_resource(resourceARN=model, tags=[{"key": "stage", "value": "candidate"}])
    account.bedrock.untag_resource(resourceARN=model, tagKeys=["task"])

    # Then each resource has its own
    assert account.bedrock.list_tags_for_resource(resourceARN=job)["tags"] == tags
    assert account.bedrock.list_tags_for_resource(resourceARN=model)["tags"] == [{"key": "stage", "value": "candidate"}]

    # And the fifty-first is one too many
    many: list[TagTypeDef] = [{"key": f"k{number}", "value": ""} for number in range(50)]
    over = refusal(lambda: account.bedrock.tag_resource(resourceARN=model, tags=many))
    assert over[:2] == ("TooManyTagsException", 400)
