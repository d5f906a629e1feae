"""What each Lambda may do: one method a Lambda, named like its folder under ``lambdas/``."""

from __future__ import annotations

from stacks.access.permission_parts import RUN_KEYS, PermissionParts, of_bedrock, send_answer, without_resource
from stacks.access.permissions import Permission, allow


class StagePermissions(PermissionParts):
    """Statements for the Lambdas of one environment, each from the parts of :class:`PermissionParts`."""

    # Intake

    def start_run(self, machine: str) -> list[Permission]:
        """Claim a run, pin its task definition's version, start its execution."""
        return [
            # The proof of who uploaded lies with the version that a run is made of.
            *self._read_uploads("s3:GetObject", "s3:GetObjectVersion"),
            self._registry("GetItem", "PutItem", "UpdateItem", "Query"),
            allow("states:StartExecution", on=[machine], to="start the run's execution"),
        ]

    def list_invocation_logs(self) -> list[Permission]:
        """Read the uploaded range, list the log sources of the settings, write down what is to be read."""
        return [*self._read_uploads(), *self._logs.listed(), self._runs("s3:PutObject"), *self._record_in_runs()]

    def read_invocation_logs(self) -> list[Permission]:
        """Read entries and offloaded bodies of the log sources, write prompts."""
        return [
            *self._read_uploads(),
            *self._logs.read(),
            self._runs("s3:GetObject", "s3:PutObject"),
            *self._record_in_runs(),
        ]

    def prepare_dataset(self) -> list[Permission]:
        """Read the upload, write the dataset."""
        return [
            # The version of a file that has arrived after the prompts is read of its newest one.
            *self._read_uploads("s3:GetObject", "s3:GetObjectVersion"),
            self._runs("s3:GetObject", "s3:PutObject"),
            # Whether an attempt before this one has planned a holdout.
            self._list_runs_bucket("runs/*/dataset/*"),
            *self._record_progress(),
        ]

    def check_run(self) -> list[Permission]:
        """Look at models and quotas, and ask each chosen model one question."""
        settings = self._settings
        models = [
            *settings.teacher_models,
            *settings.judge_models,
            *settings.baseline_models,
            settings.student_model,
        ]
        return [
            self._list_uploads(),
            self._runs("s3:GetObject", "s3:PutObject"),
            *self._ask_and_keep(),
            # What the run's attempts have cost counts in the month beside the estimate.
            *self._record_progress("PutItem", "Query"),
            *self._ask(models),
            # Whether the run has a calibration set is found by listing.
            self._list_runs_bucket("runs/*/dataset/*"),
            # The champion's own run may be older than its files.
            self._list_runs_bucket("runs/*/task.json"),
            # Whether profiles are active is among what asking through them takes.
            allow(
                "bedrock:GetFoundationModel",
                on=[self._models.foundation_model("*")],
                to="see that the models exist and are offered",
                because="Descriptions of models are the same for all; names would take a sixth of the role's room.",
            ),
            without_resource(
                "bedrock:GetFoundationModelAvailability", to="see that the account has access to the models"
            ),
            without_resource("servicequotas:GetServiceQuota", to="see that a first champion fits into the quota"),
            without_resource("servicequotas:ListServiceQuotas", to="hold the estimate against the models' quotas"),
        ]

    def calibrate_judge(self) -> list[Permission]:
        """Ask the judge about known scores; where it cannot be believed, write the report."""
        return [*self._ask_judge_and_report(), *self._record_in_runs("PutItem", "Query")]

    # Teacher data and training

    def run_teacher_batch(self, batch_role: str) -> list[Permission]:
        """Start, watch and stop batch inference jobs; hand Bedrock the batch role."""
        jobs, teachers = self._bedrock("model-invocation-job"), self._settings.teacher_models
        asked = [
            *self._models.describable(teachers),
            *self._models.profiles(teachers),
            *self._models.attributed(teachers),
        ]
        return [
            of_bedrock("bedrock:CreateModelInvocationJob", on=[*asked, jobs], to="start batches"),
            of_bedrock("bedrock:GetModelInvocationJob", on=[jobs], to="watch batches"),
            self._on_ours("bedrock:StopModelInvocationJob", on=[jobs], to="stop batches at the deadline"),
            without_resource("bedrock:ListModelInvocationJobs", to="find batches again by name"),
            *self._tag(jobs),
            self._pass_to_bedrock(batch_role, "batch"),
            without_resource("servicequotas:ListServiceQuotas", to="keep within the account's batch quotas"),
            self._runs("s3:GetObject", "s3:PutObject"),
            self._answers("s3:GetObject", "s3:PutObject"),
            allow(
                "s3:ListBucket",
                on=[self._data.runs_bucket_arn],
                to="find answers that are bought, and output of batches",
                when={"StringLike": {"s3:prefix": ["answers/*", "runs/*"]}},
            ),
            *self._record_progress("PutItem", "Query"),
        ]

    def generate_teacher_data(self) -> list[Permission]:
        """Ask the teachers, keep every answer."""
        return [
            self._runs("s3:GetObject"),
            *self._ask_and_keep(),
            *self._record_in_runs("PutItem"),
            *self._ask(self._settings.teacher_models),
        ]

    def collect_teacher_data(self) -> list[Permission]:
        """Read the answers, write the training file."""
        return [
            self._runs("s3:GetObject", "s3:PutObject"),
            self._answers("s3:GetObject"),
            self._list_runs_bucket("answers/*"),
            *self._record_in_runs(),
        ]

    def launch_distillation(self, customization_role: str) -> list[Permission]:
        """Start, watch and adopt a customization job; hand Bedrock the customization role."""
        jobs, models = self._bedrock("model-customization-job"), self._bedrock("custom-model")
        student = self._models.foundation_model(self._settings.student_customization_model)
        through_bedrock = {"StringEquals": {"kms:ViaService": f"bedrock.{self._stack.region}.amazonaws.com"}}
        return [
            of_bedrock("bedrock:CreateModelCustomizationJob", on=[student, models, jobs], to="start the training"),
            of_bedrock("bedrock:GetModelCustomizationJob", on=[jobs], to="watch the training"),
            self._on_ours("bedrock:StopModelCustomizationJob", on=[jobs], to="stop the training at its deadline"),
            of_bedrock("bedrock:GetCustomModel", on=[models], to="see that the student is there"),
            self._list_trained(),
            *self._tag(jobs),
            self._tag_as_ours(models),
            self._pass_to_bedrock(customization_role, "training"),
            allow(
                "kms:DescribeKey",
                "kms:CreateGrant",
                on=[self._data.key_arn],
                to="let Bedrock encrypt the student",
                when=through_bedrock,
            ),
            self._runs("s3:GetObject", "s3:PutObject"),
            self._list_runs_bucket("runs/*/distillation/*"),
            *self._record_progress("PutItem", "Query"),
        ]

    # Evaluation

    def deploy_candidate(self) -> list[Permission]:
        """Put the student behind an on-demand deployment."""
        models, deployments = self._bedrock("custom-model"), self._bedrock("custom-model-deployment")
        return [
            self._on_ours("bedrock:CreateCustomModelDeployment", on=[models], to="deploy the candidate"),
            of_bedrock("bedrock:GetCustomModelDeployment", on=[deployments], to="watch the deployment"),
            without_resource("bedrock:ListCustomModelDeployments", to="find the deployment again by name"),
            *self._tag(deployments),
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
            self._runs("s3:GetObject", "s3:PutObject"),
            # Whether the champion's prompt is still there, and whether another shard has left the champion or the
            # prompted base out.
            self._list_runs_bucket("runs/*/task.json"),
            self._list_runs_bucket("runs/*/evaluation/left_out*.json"),
            *self._ask_and_keep(),
            *self._record_progress("PutItem"),
            *self._ask(asked),
            *self._ask_students("custom-model-deployment", "provisioned-model", to="ask the student and the champion"),
        ]

    def score_evaluation(self) -> list[Permission]:
        """Read the measurements, measure the judge again, write the verdict."""
        return [*self._ask_judge_and_report(), *self._record_progress("PutItem", "Query")]

    # Approval and promotion

    def request_approval(self, topic: str) -> list[Permission]:
        """Keep the task token and tell a person."""
        return [
            self._approvals("PutItem"),
            allow("sns:Publish", on=[topic], to="ask a person for approval"),
            self._runs("s3:GetObject"),
            *self._record_in_runs(),
        ]

    def answer_approval(self) -> list[Permission]:
        """Find the task token and answer with it."""
        return [
            self._approvals("GetItem", "DeleteItem"),
            send_answer(to="answer the execution that waits"),
            *self._record_in_runs(),
            # Who serves the task now, and whether a proof of identity was used before.
            self._registry_items(["TASK#*", "PROOF#*"], "GetItem"),
            self._registry_items(["PROOF#*"], "UpdateItem"),
        ]

    def record_labels(self) -> list[Permission]:
        """Keep people's scores of answers, and answer the execution that waits so that its gate decides anew."""
        scores = f"{self._data.runs_bucket_arn}/runs/*/labels/*"
        return [
            self._approvals("GetItem", "DeleteItem"),
            send_answer(to="let the execution that waits go back to its gate"),
            self._runs("s3:GetObject"),
            self._list_runs_bucket("runs/*"),
            # Neither a verdict nor a report: those are ScoreEvaluation's.
            allow("s3:PutObject", on=[scores], to="keep people's scores, and nothing else of a run", because=RUN_KEYS),
            *self._record_in_runs(),
            self._registry_items(["PROOF#*"], "GetItem", "UpdateItem"),
        ]

    def promote_student(self) -> list[Permission]:
        """Create or repoint an endpoint, try it, publish the champion."""
        return self._serve_students()

    def roll_back_champion(self) -> list[Permission]:
        """Put a former champion back: repoint or create an endpoint, try it, publish the champion."""
        return self._serve_students()

    def bake_student(self, topic: str) -> list[Permission]:
        """Read the new endpoint's metrics; put the former champion back where they are bad."""
        return [
            without_resource("cloudwatch:GetMetricData", to="read the endpoint's errors and latency"),
            allow("sns:Publish", on=[topic], to="tell people of a rollback"),
            *self.roll_back_champion(),
        ]

    def _serve_students(self) -> list[Permission]:
        models, throughputs = self._bedrock("custom-model"), self._bedrock("provisioned-model")
        deployments = self._bedrock("custom-model-deployment")
        return [
            self._on_ours(
                "bedrock:CreateProvisionedModelThroughput",
                "bedrock:CreateCustomModelDeployment",
                on=[models],
                to="buy what serves a student",
            ),
            self._on_ours(
                "bedrock:UpdateProvisionedModelThroughput", on=[models, throughputs], to="repoint throughput"
            ),
            self._on_ours("bedrock:UpdateCustomModelDeployment", on=[models, deployments], to="repoint a deployment"),
            of_bedrock("bedrock:GetCustomModelDeployment", on=[deployments], to="wait until the deployment serves"),
            *self._ask_students(
                "provisioned-model", "custom-model-deployment", to="try the endpoint before callers get it"
            ),
            self._list_endpoints(),
            *self._tag(throughputs, deployments),
            self._list_runs_bucket("runs/*"),
            self._champion_parameters(),
            self._policies(),
            self._runs("s3:GetObject"),
            *self._record_progress("PutItem", "Query"),
        ]

    # Whatever happened

    def release_resources(self) -> list[Permission]:
        """Look up and delete what runs created, wherever a run stopped; write down what its jobs cost."""
        models, throughputs = self._bedrock("custom-model"), self._bedrock("provisioned-model")
        deployments = self._bedrock("custom-model-deployment")
        return [
            *self._stop_jobs(),
            *self._delete_models(),
            self._list_trained(),
            *self._delete_deployments(),
            *self._delete_throughputs(),
            self._on_ours(
                "bedrock:UpdateProvisionedModelThroughput",
                on=[throughputs, models],
                to="point throughput back to the former champion",
            ),
            self._on_ours(
                "bedrock:UpdateCustomModelDeployment",
                on=[deployments, models],
                to="point a deployment back to the former champion",
            ),
            of_bedrock(
                "bedrock:ListTagsForResource",
                on=[models, throughputs, deployments],
                to="delete only what is tagged as this environment's",
            ),
            self._list_endpoints(),
            self._runs("s3:GetObject"),
            self._list_runs_bucket("runs/*"),
            self._registry("GetItem", "PutItem", "UpdateItem", "Query"),
        ]

    def publish_report(self, topic: str) -> list[Permission]:
        """Write the report and tell whoever subscribed."""
        return [
            self._runs("s3:GetObject", "s3:PutObject"),
            self._list_runs_bucket("runs/*"),
            self._registry("GetItem", "Query", "UpdateItem"),
            allow("sns:Publish", on=[topic], to="tell people how the run ended"),
        ]

    def reconcile_runs(self, machine: str, executions: str, functions: list[str], topic: str) -> list[Permission]:
        """Finish what an execution left behind, remind of approvals, and start the next run of the queue."""
        return [
            allow(
                "states:DescribeExecution",
                on=[executions],
                to="see whether an execution still lives",
                because="Executions are named after runs; the wildcard covers those of this machine.",
            ),
            allow(
                "states:StopExecution",
                on=[executions],
                to="stop a run for a person",
                because="Executions are named after runs; the wildcard covers those of this machine.",
            ),
            allow("states:StartExecution", on=[machine], to="start the next run of the queue"),
            allow(
                "lambda:InvokeFunction", on=functions, to="release, report, roll back and start as stages and events do"
            ),
            allow(
                "s3:ListBucketVersions", on=[self._data.uploads_bucket_arn], to="find uploads whose event never came"
            ),
            self._list_runs_bucket("runs/*"),
            allow("sns:Publish", on=[topic], to="remind of open approvals"),
            self._registry("GetItem", "UpdateItem", "Query"),
            self._find_by_state(),
        ]

    def export_costs(self) -> list[Permission]:
        """Read what a month cost and saved, and write it where tools load it from."""
        return [
            self._registry("GetItem", "Query", "DescribeTable"),
            self._find_by_state(),
            without_resource(
                "cloudwatch:GetMetricData", to="count what endpoints answered, and what the environment's services did"
            ),
            without_resource("lambda:ListFunctions", to="find the environment's Lambdas and their memory"),
            self._runs("s3:GetObject"),
            self._list_runs_bucket("runs/*"),
            allow(
                "s3:PutObject",
                on=[f"{self._data.runs_bucket_arn}/focus/*"],
                to="write the month's rows",
                because="A partition is a month; the wildcard covers those of this environment's bucket.",
            ),
        ]

    def reap_idle_throughput(self, topic: str) -> list[Permission]:
        """Find what idles, delete it, or put a champion behind a deployment."""
        models, throughputs = self._bedrock("custom-model"), self._bedrock("provisioned-model")
        deployments = self._bedrock("custom-model-deployment")
        return [
            *self._stop_jobs(),
            without_resource("bedrock:ListModelCustomizationJobs", to="find trainings whose run is over"),
            without_resource("bedrock:ListCustomModels", to="find models that nobody uses"),
            self._list_endpoints(),
            of_bedrock(
                "bedrock:ListTagsForResource", on=[models, throughputs, deployments], to="recognise what is ours"
            ),
            *self._tag(deployments),
            *self._delete_throughputs(),
            self._on_ours(
                "bedrock:CreateCustomModelDeployment",
                on=[models],
                to="put a champion behind a deployment that bills by use",
            ),
            *self._delete_deployments(),
            *self._ask_students("custom-model-deployment", to="try that deployment before callers get it"),
            *self._delete_models(),
            allow(
                "bedrock:GetFoundationModel",
                on=[self._models.foundation_model(self._settings.student_customization_model)],
                to="see whether a champion's model can be deployed",
            ),
            without_resource("cloudwatch:GetMetricData", to="read when an endpoint was last asked"),
            self._champion_parameters("ssm:GetParameter"),
            self._policies(),
            # The plan of an old champion may have expired.
            self._list_runs_bucket("runs/*"),
            allow("sns:Publish", on=[topic], to="tell people what idles and what was deleted"),
            self._runs("s3:GetObject"),
            self._registry("GetItem", "PutItem", "UpdateItem"),
            self._find_by_state(),
        ]
