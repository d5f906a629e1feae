"""Statements of which the permissions of the Lambdas are made: one method a thing that may be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.bedrock_names import ENVIRONMENT_TAG
from stacks.access.log_access import LogAccess
from stacks.access.model_access import ModelAccess
from stacks.access.permissions import Permission, allow
from stacks.data_stack import REGISTRY_INDEX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aws_cdk import Stack

    from lambdas.domain.task.settings import Settings
    from stacks.data_stack import DataExports

RUN_KEYS = "Keys of runs are made at run time; the wildcard covers one prefix of one bucket."
BEDROCK_IDS = "Bedrock makes the ids at run time; the wildcard covers one kind of resource in this account and Region."
NO_RESOURCE = "The service authorization reference names no resource for these actions."


def of_bedrock(*actions: str, on: Sequence[str], to: str) -> Permission:
    """Allow actions on resources whose ids Bedrock makes."""
    return allow(*actions, on=on, to=to, because=BEDROCK_IDS)


def send_answer(to: str) -> Permission:
    """Allow an answer to an execution that waits."""
    because = f"{NO_RESOURCE} What can be answered is bounded by the token, which only two roles may read."
    return allow("states:SendTaskSuccess", on=["*"], to=to, because=because)


def without_resource(*actions: str, to: str) -> Permission:
    """Allow actions that know no resource."""
    return allow(*actions, on=["*"], to=to, because=NO_RESOURCE)


class PermissionParts:
    """Statements that several Lambdas of one environment share.

    Parameters
    ----------
    stack : Stack
        Gives partition, Region and account.
    environment : str
        Environment name, a part of parameter names.
    settings : Settings
        Names the models.
    data : DataExports
        Buckets, tables and key.
    profiles : mapping
        ARN of the application inference profile by model.
    """

    def __init__(
        self,
        stack: Stack,
        *,
        environment: str,
        settings: Settings,
        data: DataExports,
        profiles: Mapping[str, str],
    ) -> None:
        self._stack = stack
        self._environment = environment
        self._settings = settings
        self._data = data
        self._models = ModelAccess(stack, profiles)
        self._logs = LogAccess(stack, settings)

    def _read_uploads(self, *actions: str) -> list[Permission]:
        uploads = self._data.uploads_bucket_arn
        return [
            allow(
                *(actions or ("s3:GetObjectVersion",)),
                on=[f"{uploads}/*"],
                to="read the upload in the version to which the run is pinned",
                because="People choose the keys of their uploads; the role may only read, and only this bucket.",
            ),
            self._list_uploads(),
        ]

    def _list_uploads(self) -> Permission:
        # Without it S3 answers 403 instead of 404 for a task.json that is not there.
        return allow(
            "s3:ListBucket",
            on=[self._data.uploads_bucket_arn],
            to="learn that an optional file was not uploaded, or has arrived",
        )

    def _ask_and_keep(self) -> list[Permission]:
        return [self._answers("s3:GetObject", "s3:PutObject"), self._list_runs_bucket("answers/*")]

    def _ask_judge_and_report(self) -> list[Permission]:
        return [
            self._runs("s3:GetObject", "s3:PutObject"),
            self._answers("s3:GetObject", "s3:PutObject"),
            self._list_runs_bucket("answers/*"),
            self._list_runs_bucket("runs/*"),
            *self._ask(self._settings.judge_models),
        ]

    def _ask(self, models: Iterable[str]) -> list[Permission]:
        return self._models.ask(models, by_caller=True)

    def _ask_students(self, *kinds: str, to: str) -> list[Permission]:
        """Allow asking custom models behind their endpoints.

        Looking model and throughput up is listed beside it (Bedrock user guide, prerequisites for running inference).
        """
        looked_up = [
            of_bedrock("bedrock:GetCustomModel", on=[self._bedrock("custom-model")], to="ask custom models"),
            of_bedrock(
                "bedrock:GetProvisionedModelThroughput",
                on=[self._bedrock("provisioned-model")],
                to="ask through throughput",
            ),
        ]
        asked = self._on_ours("bedrock:InvokeModel", on=[self._bedrock(kind) for kind in kinds], to=to)
        return [asked, *(looked_up if "provisioned-model" in kinds else looked_up[:1])]

    def _list_trained(self) -> Permission:
        return without_resource(
            "bedrock:ListModelCustomizationJobs",
            "bedrock:ListCustomModels",
            to="find jobs and custom models again by name",
        )

    def _list_endpoints(self) -> Permission:
        return without_resource(
            "bedrock:ListCustomModelDeployments",
            "bedrock:ListProvisionedModelThroughputs",
            to="find endpoints again by name",
        )

    def _stop_jobs(self) -> list[Permission]:
        trainings, batches = self._bedrock("model-customization-job"), self._bedrock("model-invocation-job")
        return [
            of_bedrock("bedrock:GetModelCustomizationJob", on=[trainings], to="see how trainings ended"),
            self._on_ours("bedrock:StopModelCustomizationJob", on=[trainings], to="stop trainings under way"),
            of_bedrock("bedrock:GetModelInvocationJob", on=[batches], to="see how batches ended"),
            self._on_ours("bedrock:StopModelInvocationJob", on=[batches], to="stop batches under way"),
            without_resource("bedrock:ListModelInvocationJobs", to="find batches by name"),
            of_bedrock("bedrock:ListTagsForResource", on=[trainings, batches], to="recognise our jobs"),
        ]

    def _delete(self, operation: str, kind: str, why: str) -> list[Permission]:
        """Allow deleting what is tagged as this environment's; what is gone has no tags, so looking needs none."""
        things = [self._bedrock(kind)]
        return [
            of_bedrock(f"bedrock:Get{operation}", on=things, to="see that it is there, or gone"),
            self._on_ours(f"bedrock:Delete{operation}", on=things, to=why),
        ]

    def _delete_throughputs(self) -> list[Permission]:
        return self._delete(
            "ProvisionedModelThroughput", "provisioned-model", "delete throughput, which bills by the hour"
        )

    def _delete_models(self) -> list[Permission]:
        return self._delete("CustomModel", "custom-model", "delete custom models, which bill by the month")

    def _delete_deployments(self) -> list[Permission]:
        return self._delete("CustomModelDeployment", "custom-model-deployment", "delete deployments that nobody uses")

    def _on_ours(self, *actions: str, on: Sequence[str], to: str) -> Permission:
        """Allow actions on what carries this environment's tag: things of others are in the same account."""
        tagged = {"StringEquals": {f"aws:ResourceTag/{ENVIRONMENT_TAG}": self._environment}}
        return allow(*actions, on=on, to=to, when=tagged, because=BEDROCK_IDS)

    def _record_progress(self, *more: str) -> list[Permission]:
        return [self._registry("GetItem", "UpdateItem", *more)]

    def _record_in_runs(self, *more: str) -> list[Permission]:
        """Allow the same on items of runs alone, for roles that need neither tasks nor slots nor what is reserved."""
        return [
            allow(
                *(f"dynamodb:{operation}" for operation in ("GetItem", "UpdateItem", *more)),
                on=[self._data.registry_table_arn],
                to="keep the run's state in the registry, among items of runs",
                when={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["RUN#*"]}},
            )
        ]

    def _registry_items(self, keys: list[str], *operations: str) -> Permission:
        """Allow operations on items of some kinds alone, by the beginning of their partition key."""
        return allow(
            *(f"dynamodb:{operation}" for operation in operations),
            on=[self._data.registry_table_arn],
            to="keep to the items of the registry that it needs",
            when={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": keys}},
        )

    def _registry(self, *operations: str) -> Permission:
        return allow(
            *(f"dynamodb:{operation}" for operation in operations),
            on=[self._data.registry_table_arn],
            to="keep the run's state in the registry",
        )

    def _find_by_state(self) -> Permission:
        index = f"{self._data.registry_table_arn}/index/{REGISTRY_INDEX}"
        return allow("dynamodb:Query", on=[index], to="find in the registry what is queued or open")

    def _approvals(self, *operations: str) -> Permission:
        return allow(
            *(f"dynamodb:{operation}" for operation in operations),
            on=[self._data.approvals_table_arn],
            to="keep, or use up, the task token of an approval",
        )

    def _runs(self, *actions: str) -> Permission:
        files = f"{self._data.runs_bucket_arn}/runs/*"
        return allow(*actions, on=[files], to=f"{_verbs(actions)} files of runs", because=RUN_KEYS)

    def _policies(self) -> Permission:
        prompts = f"{self._data.runs_bucket_arn}/policies/*"
        return allow("s3:PutObject", on=[prompts], to="write the fallback's prompt for callers", because=RUN_KEYS)

    def _answers(self, *actions: str) -> Permission:
        answers = f"{self._data.runs_bucket_arn}/answers/*"
        return allow(*actions, on=[answers], to=f"{_verbs(actions)} bought answers", because=RUN_KEYS)

    def _list_runs_bucket(self, prefix: str) -> Permission:
        return allow(
            "s3:ListBucket",
            on=[self._data.runs_bucket_arn],
            to="list what is there, and learn that a key is missing",
            when={"StringLike": {"s3:prefix": prefix}},
        )

    def _bedrock(self, kind: str) -> str:
        return self._models.account_resource(kind)

    def _tag(self, *resources: str) -> list[Permission]:
        return [
            self._tag_as_ours(*resources),
            of_bedrock("bedrock:ListTagsForResource", on=resources, to="recognise what is ours"),
        ]

    def _tag_as_ours(self, *resources: str) -> Permission:
        """Allow tagging what is made as this environment's, and never what carries another environment's tag."""
        tagged = {
            "StringEquals": {f"aws:RequestTag/{ENVIRONMENT_TAG}": self._environment},
            "StringEqualsIfExists": {f"aws:ResourceTag/{ENVIRONMENT_TAG}": self._environment},
        }
        return allow("bedrock:TagResource", on=resources, to="write down whose it is", when=tagged, because=BEDROCK_IDS)

    def _champion_parameters(self, *more: str) -> Permission:
        root = f"arn:{self._stack.partition}:ssm:{self._stack.region}:{self._stack.account}:parameter/distillation"
        return allow(
            "ssm:PutParameter",
            *more,
            on=[f"{root}/{self._environment}/*"],
            to="publish the champion where callers read it, and see what stands there",
            because="Tasks are named by uploads; the wildcard covers the parameters of this environment.",
        )

    def _pass_to_bedrock(self, role: str, job: str) -> Permission:
        to_bedrock = {"StringEquals": {"iam:PassedToService": "bedrock.amazonaws.com"}}
        return allow("iam:PassRole", on=[role], to=f"hand Bedrock the role of the {job}, and no other", when=to_bedrock)


def _verbs(actions: Iterable[str]) -> str:
    return " and ".join({"s3:GetObject": "read", "s3:PutObject": "write"}[action] for action in actions)
