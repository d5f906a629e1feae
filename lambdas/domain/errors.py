"""Errors that end a run, each with the text that the person who must act reads.

Step Functions matches a Lambda's error by the exact class name, never by base class. So :func:`permanent_error_names`
lists every concrete class here, and the state machine is built from that list: a new error cannot be forgotten.
"""

from __future__ import annotations


class PipelineError(Exception):
    """Base of the errors that trying again cannot mend; they are never retried."""


class InvalidTaskDefinition(PipelineError):
    """``task.json`` is not what it may be."""


class InvalidSettings(PipelineError):
    """The settings of the deployment are not what they may be."""


class InvalidUpload(PipelineError):
    """The uploaded object cannot be read as prompts."""


class SecretsFound(PipelineError):
    """The prompts hold what looks like a secret, and the task does not say what to do with such lines."""


class DatasetRefused(PipelineError):
    """The prompts are readable, but too few are left to train or to prove anything."""


class ModelUnavailable(PipelineError):
    """No model of a preference list can be used for its role.

    Parameters
    ----------
    message : str
    said : str
        What the service said of the model, where it was asked.
    useless : str
        Why every answer so far was of no use, most often; empty where the model gave none.
    """

    def __init__(self, message: str, *, said: str = "", useless: str = "") -> None:
        super().__init__(message)
        self.said, self.useless = said, useless


class PriceMissing(PipelineError):
    """The price book has no price for something that the run would pay for."""


class BudgetExceeded(PipelineError):
    """The estimate is above the task's ``budget_usd``."""


class QuotaTooLow(PipelineError):
    """The account may not create what the run needs."""


class CeilingExceeded(PipelineError):
    """The task asks for more than the settings of the environment allow."""


class MonthlyLimitExceeded(PipelineError):
    """The run could take the environment's month above its setting ``max_monthly_usd``."""


class TeacherDataRefused(PipelineError):
    """Too many of the teacher's answers had to be dropped."""


class TeacherBatchLost(PipelineError):
    """A batch inference job that was started, and may be paid, is unknown to the service."""


class TeacherBatchDenied(PipelineError):
    """Whoever starts the teacher's batch inference, or the role that Bedrock takes for it, may not do what it needs."""


class DistillationFailed(PipelineError):
    """The customization job failed, was stopped or stalled."""


class DeploymentFailed(PipelineError):
    """The candidate's deployment failed."""


class EvaluationIncomplete(PipelineError):
    """Records of the holdout were not measured, so that no verdict is possible."""


class ChampionChanged(PipelineError):
    """The task got another champion since the report was written."""


class HourlyLimitExceeded(PipelineError):
    """Another endpoint would take the environment above its setting ``max_hourly_usd``."""


class LeaseTaken(PipelineError):
    """Another run is promoting a student of the same task."""


class PromotionFailed(PipelineError):
    """The endpoint failed or did not pass its smoke test."""


class RollbackRefused(PipelineError):
    """There is nothing to which a task could be rolled back, or another rollback is in progress."""


class RoutingRefused(PipelineError):
    """A task cannot be served in that way: nothing was adopted for it, or its champion is another one."""


class StudentRolledBack(PipelineError):
    """The new champion did badly in its first hours; the one before it serves again."""


class RunNotFound(PipelineError):
    """The registry knows no such run."""


class DocumentTooNew(PipelineError):
    """A stored document was written by a later version, which means something else by its fields."""


class ItemDamaged(PipelineError):
    """An item of the registry lacks what every item of its kind has."""


class ReasonTooLong(PipelineError):
    """A person's reason is longer than what is kept."""


class EnvironmentClosed(PipelineError):
    """The environment is being torn down: nothing is started or created any more."""


class StopRefused(PipelineError):
    """The run has ended, so there is nothing to stop."""


class AnswerRefused(PipelineError):
    """An approval was answered too late, twice or for another report."""


class LabelsRefused(PipelineError):
    """People's scores came too late, twice, or are of other answers than those that they would count for."""


class ForgetRefused(PipelineError):
    """The run is not as it was when a person decided to forget it."""


class ProofRefused(PipelineError):
    """A proof of identity is missing, forged, expired, used, or for something else."""


class RetryRefused(PipelineError):
    """The run is in no state from which it can be tried again."""


class AttemptSuperseded(PipelineError):
    """A call of an attempt after which another one was begun."""


class DeadlineExceeded(PipelineError):
    """A deadline of the settings has passed; raised by the state machine itself."""


class MalformedResult(PipelineError):
    """A stage returned what the machine does not know; raised by the state machine itself."""


class RetryLater(Exception):
    """A passing condition (throttling, a service's internal error): the same call may succeed later.

    Parameters
    ----------
    message : str
    busy : bool
        Whether a model throttled or failed for as long as it was waited for, and it is not our own time that was over.
    """

    def __init__(self, message: str, *, busy: bool = False) -> None:
        super().__init__(message)
        self.busy = busy


class IdentityUnknown(RetryLater):
    """STS could not be asked who makes a call; nothing was done."""


class DailyQuotaUsed(RetryLater):
    """A quota of the day is used up: it passes, but not before the service resets it. The message has its words."""

    def __init__(self, message: str) -> None:
        super().__init__(message, busy=True)


class OutOfTime(RetryLater):
    """The Lambda's time is over, but it made progress: what it paid for is kept, and the next one goes on."""


def permanent_error_names() -> list[str]:
    """Name every error that the state machine must not retry.

    Returns
    -------
    list of str
        Class names in alphabetical order, as Step Functions sees them in ``ErrorEquals``.
    """
    return sorted(error.__name__ for error in PipelineError.__subclasses__())
