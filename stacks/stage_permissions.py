"""What each Lambda may do: one method a Lambda, named like its folder under ``lambdas/``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacks.data_key import ENCRYPT_AND_DECRYPT
from stacks.data_stack import REGISTRY_INDEX
from stacks.log_access import LogAccess
from stacks.model_access import ModelAccess
from stacks.permissions import Permission, allow

if TYPE_CHECKING:
    from aws_cdk import Stack

    from lambdas.domain.settings import Settings
    from stacks.data_stack import DataExports

_RUN_KEYS = "Keys of runs are made at run time; the wildcard covers one prefix of one bucket."
_BEDROCK_IDS = "Bedrock makes the ids at run time; the wildcard covers one kind of resource in this account and Region."
_NO_RESOURCE = "The service authorization reference names no resource for these actions."


class StagePermissions:
    """Statements for the Lambdas of one environment.

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
    """

    def __init__(self, stack: Stack, *, environment: str, settings: Settings, data: DataExports) -> None:
        self._stack = stack
        self._environment = environment
        self._settings = settings
        self._data = data
        self._models = ModelAccess(stack)
        self._logs = LogAccess(stack, settings)

    # Intake

    def start_run(self, machine: str) -> list[Permission]:
        """Claim a run, pin its task definition's version, start its execution."""
        return [
            *self._read_uploads(),
            self._registry("GetItem", "PutItem", "UpdateItem", "Query"),
            allow("states:StartExecution", on=[machine]),
            self._data_key(),
        ]

    def list_invocation_logs(self) -> list[Permission]:
        """Read the uploaded range, list the log sources of the settings, write down what is to be read."""
        return [*self._read_uploads(), *self._logs.listed(), self._runs("s3:PutObject"), *self._record_progress()]

    def read_invocation_logs(self) -> list[Permission]:
        """Read entries and offloaded bodies of the log sources, write prompts."""
        return [
            *self._read_uploads(),
            *self._logs.read(),
            self._runs("s3:GetObject", "s3:PutObject"),
            *self._record_progress(),
        ]

    def prepare_dataset(self) -> list[Permission]:
        """Read the upload, write the dataset."""
        return [*self._read_uploads(), self._runs("s3:GetObject", "s3:PutObject"), *self._record_progress()]

    def check_run(self) -> list[Permission]:
        """Look at models and quotas; nothing here costs anything."""
        settings = self._settings
        models = [
            *settings.teacher_models,
            *settings.judge_models,
            *settings.baseline_models,
            settings.student_model,
        ]
        described = [
            *self._models.describable(models),
            self._models.foundation_model(settings.student_customization_model),
        ]
        return [
            self._runs("s3:GetObject", "s3:PutObject"),
            allow("bedrock:GetFoundationModel", on=described),
            allow("bedrock:GetFoundationModelAvailability", on=["*"], because=_NO_RESOURCE),
            allow("bedrock:GetInferenceProfile", on=self._models.profiles(models)),
            allow("servicequotas:GetServiceQuota", on=["*"], because=_NO_RESOURCE),
            *self._record_progress(),
        ]

    def calibrate_judge(self) -> list[Permission]:
        """Ask the judge about known scores; where it cannot be believed, write the report."""
        return self._ask_judge_and_report()

    # Teacher data and training

    def run_teacher_batch(self, batch_role: str) -> list[Permission]:
        """Start, watch and stop batch inference jobs; hand Bedrock the batch role."""
        jobs, teachers = self._bedrock("model-invocation-job"), self._settings.teacher_models
        asked = [*self._models.describable(teachers), *self._models.profiles(teachers)]
        return [
            allow("bedrock:CreateModelInvocationJob", on=[*asked, jobs], because=_BEDROCK_IDS),
            allow("bedrock:GetModelInvocationJob", "bedrock:StopModelInvocationJob", on=[jobs], because=_BEDROCK_IDS),
            allow("bedrock:ListModelInvocationJobs", on=["*"], because=_NO_RESOURCE),
            self._tag(jobs),
            allow(
                "iam:PassRole",
                on=[batch_role],
                when={"StringEquals": {"iam:PassedToService": "bedrock.amazonaws.com"}},
            ),
            allow("servicequotas:ListServiceQuotas", on=["*"], because=_NO_RESOURCE),
            self._runs("s3:GetObject", "s3:PutObject"),
            self._answers("s3:GetObject", "s3:PutObject"),
            allow(
                "s3:ListBucket",
                on=[self._data.runs_bucket_arn],
                when={"StringLike": {"s3:prefix": ["answers/*", "runs/*"]}},
            ),
            *self._record_progress("PutItem", "Query"),
        ]

    def generate_teacher_data(self) -> list[Permission]:
        """Ask the teachers, keep every answer."""
        return [*self._ask_and_keep(), *self._models.invoke(self._settings.teacher_models)]

    def collect_teacher_data(self) -> list[Permission]:
        """Read the answers, write the training file."""
        return [
            self._runs("s3:GetObject", "s3:PutObject"),
            self._answers("s3:GetObject"),
            self._list_runs_bucket("answers/*"),
            *self._record_progress(),
        ]

    def launch_distillation(self, customization_role: str) -> list[Permission]:
        """Start, watch and adopt a customization job; hand Bedrock the customization role."""
        jobs, models = self._bedrock("model-customization-job"), self._bedrock("custom-model")
        student = self._models.foundation_model(self._settings.student_customization_model)
        through_bedrock = {"StringEquals": {"kms:ViaService": f"bedrock.{self._stack.region}.amazonaws.com"}}
        return [
            allow("bedrock:CreateModelCustomizationJob", on=[student, models, jobs], because=_BEDROCK_IDS),
            allow(
                "bedrock:GetModelCustomizationJob", "bedrock:StopModelCustomizationJob", on=[jobs], because=_BEDROCK_IDS
            ),
            allow("bedrock:GetCustomModel", on=[models], because=_BEDROCK_IDS),
            self._list_trained(),
            self._tag(jobs, models),
            allow(
                "iam:PassRole",
                on=[customization_role],
                when={"StringEquals": {"iam:PassedToService": "bedrock.amazonaws.com"}},
            ),
            allow("kms:DescribeKey", "kms:CreateGrant", on=[self._data.key_arn], when=through_bedrock),
            self._runs("s3:GetObject", "s3:PutObject"),
            self._list_runs_bucket("runs/*/distillation/*"),
            *self._record_progress("PutItem", "Query"),
        ]

    # Evaluation

    def deploy_candidate(self) -> list[Permission]:
        """Put the student behind an on-demand deployment."""
        models, deployments = self._bedrock("custom-model"), self._bedrock("custom-model-deployment")
        return [
            allow("bedrock:CreateCustomModelDeployment", on=[models, deployments], because=_BEDROCK_IDS),
            allow("bedrock:GetCustomModelDeployment", on=[deployments], because=_BEDROCK_IDS),
            allow("bedrock:ListCustomModelDeployments", on=["*"], because=_NO_RESOURCE),
            self._tag(deployments),
            *self._record_progress("PutItem"),
        ]

    def evaluate_student(self) -> list[Permission]:
        """Ask all contestants and the judge."""
        settings = self._settings
        asked = [
            *settings.teacher_models,
            *settings.baseline_models,
            *settings.judge_models,
            settings.student_model,
        ]
        return [
            *self._ask_and_keep(),
            *self._models.invoke(asked),
            allow(
                "bedrock:InvokeModel",
                on=[self._bedrock("custom-model-deployment"), self._bedrock("provisioned-model")],
                because=_BEDROCK_IDS,
            ),
        ]

    def score_evaluation(self) -> list[Permission]:
        """Read the measurements, measure the judge again, write the verdict."""
        return self._ask_judge_and_report()

    # Approval and promotion

    def request_approval(self, topic: str) -> list[Permission]:
        """Keep the task token and tell a person."""
        return [
            self._approvals("PutItem"),
            allow("sns:Publish", on=[topic]),
            self._runs("s3:GetObject"),
            self._registry("GetItem", "UpdateItem"),
            self._data_key(),
        ]

    def answer_approval(self) -> list[Permission]:
        """Find the task token and answer with it."""
        return [
            self._approvals("GetItem", "DeleteItem"),
            allow(
                "states:SendTaskSuccess",
                on=["*"],
                because=f"{_NO_RESOURCE} What can be answered is bounded by the token, which only this role may read.",
            ),
            self._registry("GetItem", "UpdateItem"),
            self._data_key(),
        ]

    def promote_student(self) -> list[Permission]:
        """Create or repoint an endpoint, try it, publish the champion."""
        return [
            *self._serve_students(),
            self._list_runs_bucket("runs/*"),
            self._champion_parameters(),
            self._runs("s3:GetObject"),
            *self._record_progress("PutItem", "Query"),
        ]

    def roll_back_champion(self) -> list[Permission]:
        """Put a former champion back: repoint or create an endpoint, try it, publish the champion."""
        return [
            *self._serve_students(),
            self._list_runs_bucket("runs/*"),
            self._champion_parameters(),
            self._runs("s3:GetObject"),
            *self._record_progress("PutItem", "Query"),
        ]

    def bake_student(self, topic: str) -> list[Permission]:
        """Read the new endpoint's metrics; put the former champion back where they are bad."""
        return [
            allow("cloudwatch:GetMetricData", on=["*"], because=_NO_RESOURCE),
            allow("sns:Publish", on=[topic]),
            *self.roll_back_champion(),
        ]

    def _serve_students(self) -> list[Permission]:
        models, throughputs = self._bedrock("custom-model"), self._bedrock("provisioned-model")
        deployments = self._bedrock("custom-model-deployment")
        return [
            allow(
                "bedrock:CreateProvisionedModelThroughput",
                "bedrock:UpdateProvisionedModelThroughput",
                on=[models, throughputs],
                because=_BEDROCK_IDS,
            ),
            allow(
                "bedrock:CreateCustomModelDeployment",
                "bedrock:UpdateCustomModelDeployment",
                on=[models, deployments],
                because=_BEDROCK_IDS,
            ),
            allow("bedrock:GetProvisionedModelThroughput", on=[throughputs], because=_BEDROCK_IDS),
            allow("bedrock:GetCustomModelDeployment", on=[deployments], because=_BEDROCK_IDS),
            allow("bedrock:InvokeModel", on=[throughputs, deployments], because=_BEDROCK_IDS),
            self._list_endpoints(),
            self._tag(throughputs, deployments),
        ]

    # Whatever happened

    def release_resources(self) -> list[Permission]:
        """Look up and delete what runs created, wherever a run stopped."""
        jobs, models = self._bedrock("model-customization-job"), self._bedrock("custom-model")
        deployments, throughputs = self._bedrock("custom-model-deployment"), self._bedrock("provisioned-model")
        return [
            allow(
                "bedrock:GetModelCustomizationJob", "bedrock:StopModelCustomizationJob", on=[jobs], because=_BEDROCK_IDS
            ),
            allow(
                "bedrock:GetModelInvocationJob",
                "bedrock:StopModelInvocationJob",
                on=[self._bedrock("model-invocation-job")],
                because=_BEDROCK_IDS,
            ),
            allow("bedrock:ListModelInvocationJobs", on=["*"], because=_NO_RESOURCE),
            allow("bedrock:GetCustomModel", "bedrock:DeleteCustomModel", on=[models], because=_BEDROCK_IDS),
            self._list_trained(),
            allow(
                "bedrock:GetCustomModelDeployment",
                "bedrock:DeleteCustomModelDeployment",
                on=[deployments],
                because=_BEDROCK_IDS,
            ),
            allow(
                "bedrock:GetProvisionedModelThroughput",
                "bedrock:DeleteProvisionedModelThroughput",
                on=[throughputs],
                because=_BEDROCK_IDS,
            ),
            allow("bedrock:UpdateProvisionedModelThroughput", on=[throughputs, models], because=_BEDROCK_IDS),
            allow("bedrock:UpdateCustomModelDeployment", on=[deployments, models], because=_BEDROCK_IDS),
            self._list_endpoints(),
            self._registry("GetItem", "UpdateItem", "Query", index=True),
            self._data_key(),
        ]

    def publish_report(self, topic: str) -> list[Permission]:
        """Write the report and tell whoever subscribed."""
        return [
            self._runs("s3:GetObject", "s3:PutObject"),
            self._list_runs_bucket("runs/*"),
            self._registry("GetItem", "Query", "UpdateItem"),
            allow("sns:Publish", on=[topic]),
            self._data_key(),
        ]

    def reconcile_runs(self, machine: str, executions: str, functions: list[str], topic: str) -> list[Permission]:
        """Finish what an execution left behind, remind of approvals, and start the next run of the queue."""
        return [
            allow(
                "states:DescribeExecution",
                on=[executions],
                because="Executions are named after runs; the wildcard covers those of this machine.",
            ),
            allow("states:StartExecution", on=[machine]),
            allow("lambda:InvokeFunction", on=functions),
            allow("sns:Publish", on=[topic]),
            self._registry("GetItem", "UpdateItem", "Query", index=True),
            self._data_key(),
        ]

    def reap_idle_throughput(self, topic: str) -> list[Permission]:
        """Find what idles, delete it, or put a champion behind a deployment."""
        models, throughputs = self._bedrock("custom-model"), self._bedrock("provisioned-model")
        deployments = self._bedrock("custom-model-deployment")
        return [
            allow("bedrock:ListCustomModels", on=["*"], because=_NO_RESOURCE),
            self._list_endpoints(),
            allow("bedrock:ListTagsForResource", on=[models, throughputs, deployments], because=_BEDROCK_IDS),
            self._tag(deployments),
            allow(
                "bedrock:GetProvisionedModelThroughput",
                "bedrock:DeleteProvisionedModelThroughput",
                on=[throughputs],
                because=_BEDROCK_IDS,
            ),
            allow("bedrock:CreateCustomModelDeployment", on=[models, deployments], because=_BEDROCK_IDS),
            allow(
                "bedrock:GetCustomModelDeployment",
                "bedrock:DeleteCustomModelDeployment",
                "bedrock:InvokeModel",
                on=[deployments],
                because=_BEDROCK_IDS,
            ),
            allow("bedrock:GetCustomModel", "bedrock:DeleteCustomModel", on=[models], because=_BEDROCK_IDS),
            allow(
                "bedrock:GetFoundationModel",
                on=[self._models.foundation_model(self._settings.student_customization_model)],
            ),
            allow("cloudwatch:GetMetricData", on=["*"], because=_NO_RESOURCE),
            self._champion_parameters(),
            allow("sns:Publish", on=[topic]),
            self._runs("s3:GetObject"),
            self._registry("GetItem", "PutItem", "UpdateItem", "Query", index=True),
            self._data_key(),
        ]

    # What they are made of

    def _read_uploads(self) -> list[Permission]:
        uploads = self._data.uploads_bucket_arn
        return [
            allow(
                "s3:GetObject",
                "s3:GetObjectVersion",
                on=[f"{uploads}/*"],
                because="People choose the keys of their uploads; the role may only read, and only this bucket.",
            ),
            # Without it S3 answers 403 instead of 404 for a task.json that is not there.
            allow("s3:ListBucket", on=[uploads]),
        ]

    def _ask_and_keep(self) -> list[Permission]:
        return [
            self._runs("s3:GetObject", "s3:PutObject"),
            self._answers("s3:GetObject", "s3:PutObject"),
            self._list_runs_bucket("answers/*"),
            *self._record_progress("PutItem"),
        ]

    def _ask_judge_and_report(self) -> list[Permission]:
        return [
            self._runs("s3:GetObject", "s3:PutObject"),
            self._answers("s3:GetObject", "s3:PutObject"),
            self._list_runs_bucket("answers/*"),
            self._list_runs_bucket("runs/*"),
            *self._models.invoke(self._settings.judge_models),
            *self._record_progress("PutItem", "Query"),
        ]

    def _list_trained(self) -> Permission:
        return allow("bedrock:ListModelCustomizationJobs", "bedrock:ListCustomModels", on=["*"], because=_NO_RESOURCE)

    def _list_endpoints(self) -> Permission:
        return allow(
            "bedrock:ListCustomModelDeployments",
            "bedrock:ListProvisionedModelThroughputs",
            on=["*"],
            because=_NO_RESOURCE,
        )

    def _record_progress(self, *more: str) -> list[Permission]:
        return [self._registry("GetItem", "UpdateItem", *more), self._data_key()]

    def _registry(self, *operations: str, index: bool = False) -> Permission:
        table = self._data.registry_table_arn
        tables = [table, f"{table}/index/{REGISTRY_INDEX}"] if index else [table]
        return allow(*(f"dynamodb:{operation}" for operation in operations), on=tables)

    def _approvals(self, *operations: str) -> Permission:
        return allow(*(f"dynamodb:{operation}" for operation in operations), on=[self._data.approvals_table_arn])

    def _runs(self, *actions: str) -> Permission:
        return allow(*actions, on=[f"{self._data.runs_bucket_arn}/runs/*"], because=_RUN_KEYS)

    def _answers(self, *actions: str) -> Permission:
        return allow(*actions, on=[f"{self._data.runs_bucket_arn}/answers/*"], because=_RUN_KEYS)

    def _list_runs_bucket(self, prefix: str) -> Permission:
        return allow("s3:ListBucket", on=[self._data.runs_bucket_arn], when={"StringLike": {"s3:prefix": prefix}})

    def _bedrock(self, kind: str) -> str:
        return self._models.account_resource(kind)

    def _tag(self, *resources: str) -> Permission:
        return allow("bedrock:TagResource", "bedrock:ListTagsForResource", on=resources, because=_BEDROCK_IDS)

    def _champion_parameters(self) -> Permission:
        root = f"arn:{self._stack.partition}:ssm:{self._stack.region}:{self._stack.account}:parameter/distillation"
        return allow(
            "ssm:PutParameter",
            on=[f"{root}/{self._environment}/*"],
            because="Tasks are named by uploads; the wildcard covers the parameters of this environment.",
        )

    def _data_key(self) -> Permission:
        """Allow the key only through the services that hold encrypted things of ours."""
        through = [
            f"{service}.{self._stack.region}.amazonaws.com" for service in ("bedrock", "dynamodb", "s3", "sns", "sqs")
        ]
        return allow(*ENCRYPT_AND_DECRYPT, on=[self._data.key_arn], when={"StringEquals": {"kms:ViaService": through}})
