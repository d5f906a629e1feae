"""Where a run goes: the definition walked with given results, down to the history that it would write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lambdas.domain.task.settings import MAX_HISTORY_EVENTS, TEACHER_POLL_LIMIT
from tests.stacks.machine.asl_walk import TaskFailed, Walk, Walker
from tests.stacks.templates import Deployment, Json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NEVER = 10**9
WAIT_SECONDS = 600
LOOPS = {
    "LaunchDistillation": "distillation_deadline_hours",
    "DeployCandidate": "endpoint_deadline_minutes",
    "PromoteStudent": "endpoint_deadline_minutes",
}
STAGES_BEFORE_RELEASE = [
    "PrepareDataset",
    "CheckRun",
    "CalibrateJudge",
    "RunTeacherBatch",
    "EachTeacherShard",
    "CollectTeacherData",
    "LaunchDistillation",
    "DeployCandidate",
    "EachHoldoutShard",
    "ScoreEvaluation",
    "RequestApproval",
    "PromoteStudent",
]


class Results:
    """Results of Tasks as the Lambdas give them; a run that is promoted unless something else is said.

    Parameters
    ----------
    decision, approval, answer : str
        Verdict of the gate, how the task is approved, and what a person answers.
    needs_a_person : bool
        Whether the verdict says that something needs an explicit word.
    baking : bool
        Whether the new champion gives no reason to end its watch early.
    polls : dict, optional
        How often a polled Task says IN_PROGRESS before COMPLETED; never again after a number too large.
    failing : dict, optional
        Task or map to the error with which it fails.
    registry_says : str, optional
        Outcome that PublishReport finds in the registry, whatever it was told.
    believed : bool
        Whether the judge agrees with known scores.
    broken : dict, optional
        Task to what it returns instead.
    """

    def __init__(
        self,
        *,
        decision: str = "PROMOTE",
        approval: str = "required",
        answer: str = "approved",
        answers: Sequence[str] = (),
        needs_a_person: bool = False,
        baking: bool = False,
        polls: dict[str, int] | None = None,
        failing: dict[str, TaskFailed] | None = None,
        registry_says: str | None = None,
        believed: bool = True,
        broken: dict[str, Any] | None = None,
    ) -> None:
        self._broken = broken or {}
        self._registry_says = registry_says
        self._polls = dict(polls or {})
        self._failing = failing or {}
        self._payloads: Json = {
            "ListInvocationLogs": {"log_shards": ["00000", "00001"]},
            "PrepareDataset": {"teacher_shards": ["00-15"], "holdout_shards": ["00-07", "08-15"]},
            "CheckRun": {"approval": approval},
            "CalibrateJudge": {"believed": believed},
            "CollectTeacherData": {"training_records": 900},
            "ScoreEvaluation": {"decision": decision, "reasons": [], "needs_a_person": needs_a_person},
        }
        if baking:
            self._payloads["BakeStudent"] = {"status": "BAKING"}
        self._answer, self._answers = answer, list(answers)

    def __call__(self, state: str, sent: Json) -> Any:
        if state in self._failing:
            raise self._failing[state]
        if state in self._broken:
            result = self._broken[state]
            return result if state == "RequestApproval" else {"StatusCode": 200, "Payload": result}
        if state.startswith("Each"):
            return ["00-15"]
        if state == "RequestApproval":
            return {"answer": self._answers.pop(0) if self._answers else self._answer}
        if state == "PublishReport":
            return {"StatusCode": 200, "Payload": {"run_id": "run", "outcome": self._registry_says or sent["outcome"]}}
        if state in self._payloads:
            return {"StatusCode": 200, "Payload": self._payloads[state]}
        left = self._polls.get(state, 0)
        self._polls[state] = left - 1
        status = "IN_PROGRESS" if left > 0 else "COMPLETED"
        return {"StatusCode": 200, "Payload": {"status": status, "wait_seconds": WAIT_SECONDS}}


@pytest.fixture(scope="module")
def walked(deployment: Deployment) -> Callable[..., Walk]:
    definition = deployment.definition()
    return lambda **results: Walker(definition, Results(**results)).walk()


@pytest.mark.parametrize("stage", ["ListInvocationLogs", "EachLogShard"])
def test_logs_that_cannot_be_read_end_the_run_before_anything_is_paid(deployment: Deployment, stage: str) -> None:
    results = Results(failing={stage: TaskFailed("InvalidUpload")})
    walk = Walker(deployment.definition(), results, from_logs=True).walk()
    assert (walk.status, walk.error) == ("FAILED", "InvalidUpload")
    assert "CheckRun" not in walk.path
    assert walk.path[walk.path.index(stage) + 1] == "ReleaseResources"


def test_a_run_from_logs_reads_them_first_and_an_upload_does_not(
    deployment: Deployment, walked: Callable[..., Walk]
) -> None:
    # When
    walk = Walker(deployment.definition(), Results(), from_logs=True).walk()
    # Then
    beginning = ["BeginRun", "ComesFromLogs", "ListInvocationLogs", "EachLogShard", "PrepareDataset"]
    assert walk.path[: len(beginning)] == beginning
    assert walk.last_payload("ListInvocationLogs") == {"run_id": "run", "attempt": 1}
    assert walked().path[:3] == ["BeginRun", "ComesFromLogs", "PrepareDataset"]


# Errors


@pytest.mark.parametrize("stage", STAGES_BEFORE_RELEASE)
def test_an_error_in_any_stage_is_released_reported_and_fails_the_execution(
    walked: Callable[..., Walk], stage: str
) -> None:
    # When
    walk = walked(failing={stage: TaskFailed("BudgetExceeded", "61 dollars of 50")})
    # Then
    assert walk.path[walk.path.index(stage) + 1] == "ReleaseResources"
    assert walk.last_payload("ReleaseResources")["outcome"] == "FAILED"
    report = walk.last_payload("PublishReport")
    assert report["outcome"] == "FAILED"
    assert report["error"] == {"Error": "BudgetExceeded", "Cause": "61 dollars of 50"}
    assert (walk.status, walk.error, walk.cause) == ("FAILED", "BudgetExceeded", "61 dollars of 50")


def test_an_error_without_a_cause_still_ends_in_fail(walked: Callable[..., Walk]) -> None:
    walk = walked(failing={"CheckRun": TaskFailed("States.Timeout", None)})
    assert (walk.status, walk.error) == ("FAILED", "States.Timeout")
    assert walk.cause


@pytest.mark.parametrize(("stage", "setting"), LOOPS.items())
def test_a_loop_that_reaches_its_deadline_names_the_setting(
    walked: Callable[..., Walk], deployment: Deployment, stage: str, setting: str
) -> None:
    # When
    walk = walked(polls={stage: NEVER})
    # Then
    allowed = (
        deployment.settings.distillation_polls if stage == "LaunchDistillation" else deployment.settings.endpoint_polls
    )
    assert walk.visits(stage) == allowed
    assert (walk.status, walk.error) == ("FAILED", "DeadlineExceeded")
    assert setting in walk.cause
    assert walk.last_payload("PublishReport")["error"]["Error"] == "DeadlineExceeded"


@pytest.mark.parametrize("stage", LOOPS)
def test_a_deadline_names_what_the_stage_waited_for(walked: Callable[..., Walk], stage: str) -> None:
    waiting = {"status": "IN_PROGRESS", "waits_for": "Too many jobs. Ask for more in Service Quotas"}
    walk = walked(broken={stage: waiting})
    assert walk.error == "DeadlineExceeded"
    assert walk.cause.endswith("in cdk.json. It waited for this: Too many jobs. Ask for more in Service Quotas")


def test_a_batch_that_never_ends_leads_to_questions_on_demand(walked: Callable[..., Walk]) -> None:
    walk = walked(polls={"RunTeacherBatch": NEVER})
    assert walk.visits("RunTeacherBatch") == TEACHER_POLL_LIMIT
    assert walk.visits("EachTeacherShard") == 1
    assert walk.status == "SUCCEEDED"


def test_a_release_that_fails_is_reported_and_left_to_the_schedule(walked: Callable[..., Walk]) -> None:
    walk = walked(failing={"ReleaseResources": TaskFailed("RetryLater")})
    assert walk.path[-3:] == ["PublishReport", "HasFailed", "RunEnded"]
    assert walk.last_payload("PublishReport")["outcome"] == "PROMOTED"


def test_a_release_that_never_ends_does_not_hold_the_report_back(
    walked: Callable[..., Walk], deployment: Deployment
) -> None:
    walk = walked(polls={"ReleaseResources": NEVER})
    assert walk.visits("ReleaseResources") == deployment.settings.endpoint_polls
    assert walk.status == "SUCCEEDED"


def test_a_report_that_fails_fails_the_execution_with_the_first_error(walked: Callable[..., Walk]) -> None:
    failing = {"CheckRun": TaskFailed("ModelUnavailable"), "PublishReport": TaskFailed("RetryLater")}
    assert walked(failing=failing).error == "ModelUnavailable"
    assert walked(failing={"PublishReport": TaskFailed("RetryLater")}).error == "RetryLater"


@pytest.mark.parametrize("stage", ["CalibrateJudge", "RunTeacherBatch", "ScoreEvaluation", "RequestApproval"])
@pytest.mark.parametrize("result", ["ok", {}, [], {"decision": "promote, please", "answer": "perhaps"}], ids=str)
def test_a_broken_result_is_neither_a_promotion_nor_a_rejection(
    walked: Callable[..., Walk], stage: str, result: Any
) -> None:
    # When
    walk = walked(broken={stage: result})
    # Then
    assert "PromoteStudent" not in walk.path
    assert walk.path[-5:] == ["ReleaseResources", "AreResourcesReleased", "PublishReport", "HasFailed", "RunFailed"]
    report = walk.last_payload("PublishReport")
    assert (report["outcome"], report["error"]["Error"]) == ("FAILED", "MalformedResult")
    assert "the log of its Lambda" in report["error"]["Cause"]


@pytest.mark.parametrize("result", ["ok", {}, [], {"outcome": "maybe"}], ids=str)
def test_a_broken_result_of_the_report_fails_the_execution_with_the_first_error(
    walked: Callable[..., Walk], result: Any
) -> None:
    assert walked(broken={"PublishReport": result}).error == "MalformedResult"
    failing = {"CheckRun": TaskFailed("ModelUnavailable")}
    assert walked(broken={"PublishReport": result}, failing=failing).error == "ModelUnavailable"


@pytest.mark.parametrize("stage", LOOPS)
def test_a_broken_result_of_what_is_paid_for_by_then_is_asked_for_again_until_the_deadline(
    walked: Callable[..., Walk], stage: str
) -> None:
    assert walked(broken={stage: {}}).error == "DeadlineExceeded"


def test_every_choice_decides_by_what_it_knows(deployment: Deployment) -> None:
    # Given where a Choice goes at an answer that it does not know
    choices = {
        name: state["Default"] for name, state in deployment.definition()["States"].items() if state["Type"] == "Choice"
    }
    # Then it asks again, asks a person, or fails the run; only an upload is told by what it is not
    assert choices == {
        "ComesFromLogs": "PrepareDataset",
        "IsJudgeBelieved": "ReleaseResources",
        "IsTeacherBatchCompleted": "ReleaseResources",
        "IsTeacherBatchOutOfReach": "WaitForTeacherBatch",
        "IsDistillationCompleted": "WaitForDistillation",
        "IsDistillationOutOfReach": "WaitForDistillation",
        "IsCandidateDeployed": "WaitForDeployment",
        "IsStudentGoodEnough": "ReleaseResources",
        "NeedsApproval": "RequestApproval",
        "IsApproved": "ReleaseResources",
        "IsStudentServing": "WaitForPromotion",
        "IsStudentBaked": "WaitForRollback",
        "AreResourcesReleased": "WaitForRelease",
        "HasFailed": "RunFailed",
    }


# Verdicts: the execution succeeds


def test_a_judge_that_is_not_believed_ends_the_run_before_anything_is_bought(walked: Callable[..., Walk]) -> None:
    # When
    walk = walked(believed=False)
    # Then
    assert "EachTeacherShard" not in walk.path
    assert walk.last_payload("ReleaseResources")["outcome"] == "REJECTED"
    assert walk.last_payload("PublishReport")["outcome"] == "REJECTED"
    assert walk.status == "SUCCEEDED"


@pytest.mark.parametrize("decision", ["REJECT", "INSUFFICIENT EVIDENCE"])
def test_a_student_that_is_not_good_enough_is_rejected_and_nothing_is_asked_of_anybody(
    walked: Callable[..., Walk], decision: str
) -> None:
    walk = walked(decision=decision)
    assert walk.last_payload("PublishReport")["outcome"] == "REJECTED"
    assert walk.last_payload("ReleaseResources")["outcome"] == "REJECTED"
    assert walk.status == "SUCCEEDED"
    assert not {"RequestApproval", "PromoteStudent"} & set(walk.path)


def test_an_approval_that_nobody_gave_expires(walked: Callable[..., Walk]) -> None:
    walk = walked(failing={"RequestApproval": TaskFailed("States.Timeout")})
    assert walk.last_payload("PublishReport") == {"run_id": "run", "attempt": 1, "outcome": "EXPIRED", "error": None}
    assert walk.status == "SUCCEEDED"
    assert "PromoteStudent" not in walk.path


def test_labels_lead_back_to_the_gate_and_to_another_request(walked: Callable[..., Walk]) -> None:
    # Given people who score twice before somebody approves
    walk = walked(answers=["labelled", "labelled"])
    # Then
    asked = [state for state in walk.path if state in ("ScoreEvaluation", "RequestApproval", "PromoteStudent")]
    assert asked == ["ScoreEvaluation", "RequestApproval"] * 3 + ["PromoteStudent"]
    assert walk.last_payload("PublishReport")["outcome"] == "PROMOTED"


def test_a_refused_approval_is_a_rejection(walked: Callable[..., Walk]) -> None:
    walk = walked(answer="rejected")
    assert walk.last_payload("PublishReport")["outcome"] == "REJECTED"
    assert "PromoteStudent" not in walk.path


def test_an_approved_student_is_promoted(walked: Callable[..., Walk]) -> None:
    # When
    walk = walked(polls={"LaunchDistillation": 2, "DeployCandidate": 1, "PromoteStudent": 1, "ReleaseResources": 1})
    # Then
    assert walk.last_payload("RequestApproval") == {"run_id": "run", "attempt": 1, "task_token": "token"}
    assert walk.last_payload("PublishReport") == {"run_id": "run", "attempt": 1, "outcome": "PROMOTED", "error": None}
    assert walk.status == "SUCCEEDED"
    assert walk.visits("LaunchDistillation") == 3


def test_an_execution_ends_as_the_report_says_not_as_the_machine_thought(walked: Callable[..., Walk]) -> None:
    # Given a student that was crowned before the state that made it failed
    # When
    walk = walked(failing={"PromoteStudent": TaskFailed("RetryLater")}, registry_says="PROMOTED")
    # Then
    assert walk.last_payload("PublishReport")["outcome"] == "FAILED"
    assert walk.status == "SUCCEEDED"


def test_what_needs_an_explicit_word_is_asked_though_approval_is_automatic(walked: Callable[..., Walk]) -> None:
    walk = walked(approval="automatic", needs_a_person=True)
    assert walk.path.index("RequestApproval") < walk.path.index("PromoteStudent")


def test_a_new_champion_is_watched_for_as_long_as_the_settings_say(
    walked: Callable[..., Walk], deployment: Deployment
) -> None:
    walk = walked(baking=True)
    assert walk.visits("BakeStudent") == deployment.settings.bake_polls
    assert walk.last_payload("PublishReport")["outcome"] == "PROMOTED"


def test_a_champion_that_was_rolled_back_fails_its_run(walked: Callable[..., Walk]) -> None:
    walk = walked(failing={"BakeStudent": TaskFailed("StudentRolledBack", "30 % errors")})
    assert walk.last_payload("PublishReport")["outcome"] == "FAILED"
    assert (walk.status, walk.error) == ("FAILED", "StudentRolledBack")


def test_automatic_approval_asks_nobody(walked: Callable[..., Walk]) -> None:
    walk = walked(approval="automatic")
    assert "RequestApproval" not in walk.path
    assert walk.last_payload("PublishReport")["outcome"] == "PROMOTED"


# History


def test_the_longest_history_is_within_what_the_settings_promise(
    walked: Callable[..., Walk], deployment: Deployment
) -> None:
    # Given every poll loop exhausted to its last allowed round
    settings = deployment.settings
    polls = {
        "RunTeacherBatch": NEVER,
        "LaunchDistillation": settings.distillation_polls - 1,
        "DeployCandidate": settings.endpoint_polls - 1,
        "PromoteStudent": settings.endpoint_polls - 1,
        "BakeStudent": NEVER,
        "ReleaseResources": NEVER,
    }
    # When
    walk = walked(polls=polls)
    # Then
    assert walk.status == "SUCCEEDED"
    assert walk.visits("LaunchDistillation") == settings.distillation_polls
    assert walk.events <= settings.worst_case_history_events() < MAX_HISTORY_EVENTS
    assert walk.events > 0.7 * settings.worst_case_history_events(), "the promise is far from the truth"


def test_the_waits_of_every_loop_fit_into_the_machine_s_own_time_out(
    walked: Callable[..., Walk], deployment: Deployment
) -> None:
    polls = dict.fromkeys(("RunTeacherBatch", "LaunchDistillation", "DeployCandidate", "PromoteStudent"), 10)
    walk = walked(polls=polls | {"ReleaseResources": NEVER})
    assert 0 < walk.waited_seconds < deployment.definition()["TimeoutSeconds"]
