"""What a run costs can be told apart by tags: those of what it made, and those of the profiles it asked through."""

from __future__ import annotations

import pytest

from tests.end_to_end.account import Account, example_lines, lenient

pytestmark = pytest.mark.end_to_end


def test_every_call_to_a_model_goes_through_a_tagged_profile(account: Account) -> None:
    # Given
    before = len(account.simulator.calls("Converse"))
    # When
    run = account.ended(account.upload("attributed", example_lines()[:200], **lenient()).run_id)
    # Then
    assert run.outcome == "PROMOTED", run.reason
    named = {str(call.params["modelId"]) for call in account.simulator.calls("Converse")[before:]}
    kinds = {model.split(":", 6)[5].partition("/")[0] for model in named}
    assert kinds == {"application-inference-profile", "custom-model-deployment", "provisioned-model"}
    tags = account.simulator.resources().tags
    for model in (model for model in named if ":application-inference-profile/" in model):
        assert tags[model]["distillation:environment"] == "local"
    # And the report speaks of models, with the prices of models
    report = account.report(run)
    asked = {one["model_id"] for one in report["contestants"] if one["role"] in ("teacher", "baseline")}
    assert asked == {report["models"]["teacher"], report["models"]["baseline"]}
    assert all("application-inference-profile" not in line["model"] for line in report["ledger"])
    assert all(line["usd"] > 0 for line in report["ledger"])


def test_batch_jobs_go_through_the_profile_too_and_everything_that_a_run_makes_has_four_tags(account: Account) -> None:
    # Given, When
    run = account.ended(account.upload("tagged", example_lines()[:400], **lenient()).run_id)
    # Then
    assert run.outcome == "PROMOTED", run.reason
    tags = account.simulator.resources().tags
    made = {arn: held for arn, held in tags.items() if held.get("run") == run.run_id}
    kinds = {arn.split(":", 6)[5].partition("/")[0] for arn in made}
    assert kinds >= {"model-customization-job", "custom-model", "provisioned-model"}
    for held in made.values():
        assert held.keys() == {"distillation:environment", "task", "run", "stage"}
        assert (held["distillation:environment"], held["task"]) == ("local", run.task)
    created = account.simulator.calls("CreateModelInvocationJob")
    jobs = [call for call in created if str(call.params["jobName"]).startswith("local-tagged-")]
    assert jobs
    assert all(":application-inference-profile/" in str(call.params["modelId"]) for call in jobs)
