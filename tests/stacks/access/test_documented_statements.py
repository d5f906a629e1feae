"""Each KMS, S3 and Bedrock statement of AWS's guides that a first run rests on, held against roles and key policy.

A row says where it comes from: page, then the statement or the sentence on that page. Pages of the Amazon Bedrock user
guide unless the row says Nova. A guide's ``*`` is narrowed here to what the pipeline makes.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from lambdas.domain.bedrock_names import ENVIRONMENT_TAG
from local.bedrock_simulator.policies import trusts_bedrock
from local.embedded_aws.lifecycle import ACCOUNT, REGION
from tests.faults.world import NAMES
from tests.least_privilege.grants import Grants, uncovered
from tests.least_privilege.needs import PROFILE, Need
from tests.stacks.templates import Deployment, Json, listed, text_of

KEY, RUNS = NAMES["MODEL_KEY_ARN"], f"arn:aws:s3:::{NAMES['RUNS_BUCKET']}"
ROOT = f"arn:aws:bedrock:{REGION}"
MODEL, JOB, BATCH = (
    f"{ROOT}:{ACCOUNT}:{kind}/one" for kind in ("custom-model", "model-customization-job", "model-invocation-job")
)
THROUGHPUT, DEPLOYMENT = f"{ROOT}:{ACCOUNT}:provisioned-model/one", f"{ROOT}:{ACCOUNT}:custom-model-deployment/one"
STUDENT = f"{ROOT}::foundation-model/amazon.nova-micro-v1:0:128k"
TEACHER, BEHIND = f"{ROOT}:{ACCOUNT}:inference-profile/us.amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0"
OF_THE_PROFILE = [f"arn:aws:bedrock:{region}::foundation-model/{BEHIND}" for region in ("us-east-1", "us-west-2")]

CUSTOMIZE = ("kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:CreateGrant")
INVOKE = ("kms:Decrypt", "kms:GenerateDataKey")
VIA_BEDROCK = {"kms:ViaService": f"bedrock.{REGION}.amazonaws.com"}
VIA_S3 = {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}

ASKING_STUDENTS = ("EvaluateStudent", "PromoteStudent", "RollBackChampion", "BakeStudent", "ReapIdleThroughput")
BUYING = ("PromoteStudent", "RollBackChampion", "BakeStudent")
DEPLOYING = ("DeployCandidate", *BUYING, "ReapIdleThroughput")
CUSTOMIZER, CUSTOMIZATION, BATCHING, BATCHES = (
    ("LaunchDistillation",),
    ("Customization",),
    ("RunTeacherBatch",),
    ("Batch",),
)

ENVIRONMENT = "dev"
OURS = ((f"aws:ResourceTag/{ENVIRONMENT_TAG}", ENVIRONMENT),)
TAGGED = ((ENVIRONMENT_TAG, ENVIRONMENT),)


@dataclass(frozen=True)
class Row:
    """One statement of a guide: who needs which actions on which resources, in which context."""

    source: str
    roles: tuple[str, ...]
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    context: tuple[tuple[str, str], ...] = ()

    def needs(self) -> set[Need]:
        """Give what AWS checks; what the guides leave to any resource is narrowed to this environment's tag."""
        return {
            Need(action, resource, self.context + (OURS if action.startswith("bedrock:") else ()), TAGGED)
            for action in self.actions
            for resource in self.resources
        }


def row(source: str, roles: tuple[str, ...], actions: tuple[str, ...], *on: str, **context: str) -> Row:
    keys = {name.replace("__", ":"): value for name, value in context.items()}
    return Row(source, roles, actions, on, tuple(sorted(keys.items())))


def key_row(source: str, roles: tuple[str, ...], actions: tuple[str, ...], via: dict[str, str]) -> Row:
    return Row(source, roles, actions, (KEY,), tuple(via.items()))


ENCRYPTION = "Nova, customize-fine-tune-encrypt"
TABLE = [
    # Keys
    key_row(f"{ENCRYPTION}: PermissionsModelCustomization, who customizes", CUSTOMIZER, CUSTOMIZE, VIA_BEDROCK),
    key_row(f"{ENCRYPTION}: PermissionsModelCustomization, the job's role", CUSTOMIZATION, CUSTOMIZE, VIA_BEDROCK),
    key_row(f"{ENCRYPTION}: PermissionsModelInvocation", ASKING_STUDENTS, INVOKE, VIA_BEDROCK),
    key_row("encryption-custom-job: Encrypt a model", (*CUSTOMIZER, *CUSTOMIZATION), CUSTOMIZE, VIA_BEDROCK),
    key_row("encryption-custom-job: Allow access to an encrypted model", ASKING_STUDENTS, INVOKE[:1], VIA_BEDROCK),
    key_row("prov-thru-prereq: 3, throughput for an encrypted model", BUYING, INVOKE, VIA_BEDROCK),
    key_row("custom-model-inference-prerequisites: the model's key", DEPLOYING, INVOKE, VIA_BEDROCK),
    key_row(
        "as the two before: another encrypted model behind an endpoint", ("ReleaseResources",), INVOKE, VIA_BEDROCK
    ),
    key_row("custom-model-job-access-security: encrypted training and output data", CUSTOMIZATION, INVOKE, VIA_S3),
    key_row("batch-iam-sr: BatchInferenceCustomerManagedKey", BATCHES, INVOKE, VIA_S3),
    # Customization
    row(
        "custom-model-job-access-security: training data",
        CUSTOMIZATION,
        ("s3:GetObject",),
        f"{RUNS}/runs/one/teacher_data/train.jsonl",
    ),
    row(
        "custom-model-job-access-security: output data",
        CUSTOMIZATION,
        ("s3:GetObject", "s3:PutObject"),
        f"{RUNS}/runs/one/distillation/model-customization-job-one/metrics.csv",
    ),
    row("custom-model-job-access-security: both buckets", CUSTOMIZATION, ("s3:ListBucket",), RUNS),
    row("custom-models-cross-region-inference-profile-permissions", CUSTOMIZATION, ("bedrock:InvokeModel",), TEACHER),
    row(
        "custom-models-cross-region-inference-profile-permissions: the model in each Region",
        CUSTOMIZATION,
        ("bedrock:InvokeModel",),
        *OF_THE_PROFILE,
        bedrock__InferenceProfileArn=TEACHER,
    ),
    row(
        "service authorization: CreateModelCustomizationJob; the job's ARN as AWS's own error text names it",
        CUSTOMIZER,
        ("bedrock:CreateModelCustomizationJob",),
        STUDENT,
        MODEL,
        JOB,
    ),
    row("service authorization: tags of a new job and model", CUSTOMIZER, ("bedrock:TagResource",), JOB, MODEL),
    row(
        "service authorization: the job is watched and stopped",
        CUSTOMIZER,
        ("bedrock:GetModelCustomizationJob", "bedrock:StopModelCustomizationJob"),
        JOB,
    ),
    row(
        "custom-model-job-service-role: the role is passed to Bedrock",
        CUSTOMIZER,
        ("iam:PassRole",),
        NAMES["CUSTOMIZATION_ROLE_ARN"],
        iam__PassedToService="bedrock.amazonaws.com",
    ),
    # Batch
    row("batch-iam-sr: S3Access, input", BATCHES, ("s3:GetObject",), f"{RUNS}/runs/one/teacher_batch/1/input.jsonl"),
    row("batch-iam-sr: S3Access, output", BATCHES, ("s3:PutObject",), f"{RUNS}/runs/one/teacher_batch/1/output/a.out"),
    row("batch-iam-sr: S3Access, list", BATCHES, ("s3:ListBucket",), RUNS, s3__prefix="runs/one/teacher_batch/1/"),
    row("batch-inference-permissions: CreateBatchInferenceJob", BATCHING, ("bedrock:CreateModelInvocationJob",), BATCH),
    row(
        "batch-inference-permissions: BatchInference",
        BATCHING,
        ("bedrock:GetModelInvocationJob", "bedrock:StopModelInvocationJob", "bedrock:TagResource"),
        BATCH,
    ),
    row("batch-inference-permissions: BatchInference, list", BATCHING, ("bedrock:ListModelInvocationJobs",), "*"),
    row(
        "batch-inference-permissions-service: the role is passed to Bedrock",
        BATCHING,
        ("iam:PassRole",),
        NAMES["BATCH_ROLE_ARN"],
        iam__PassedToService="bedrock.amazonaws.com",
    ),
    # Deployment and throughput
    row(
        "service authorization: CreateCustomModelDeployment", DEPLOYING, ("bedrock:CreateCustomModelDeployment",), MODEL
    ),
    row("service authorization: a deployment is watched", DEPLOYING, ("bedrock:GetCustomModelDeployment",), DEPLOYMENT),
    row("service authorization: tags of a deployment", DEPLOYING, ("bedrock:TagResource",), DEPLOYMENT),
    row(
        "prov-thru-prereq: PermissionsForProvisionedThroughput",
        BUYING,
        ("bedrock:CreateProvisionedModelThroughput",),
        MODEL,
    ),
    row(
        "prov-thru-prereq: PermissionsForProvisionedThroughput, throughput",
        BUYING,
        (
            "bedrock:GetProvisionedModelThroughput",
            "bedrock:UpdateProvisionedModelThroughput",
            "bedrock:InvokeModel",
            "bedrock:TagResource",
            "bedrock:ListTagsForResource",
        ),
        THROUGHPUT,
    ),
    row("prov-thru-prereq: list", BUYING, ("bedrock:ListProvisionedModelThroughputs",), "*"),
    row("prov-thru-prereq: the custom model", BUYING, ("bedrock:GetCustomModel",), MODEL),
    row(
        "prov-thru-prereq: what is bought is deleted",
        ("ReleaseResources", "ReapIdleThroughput"),
        ("bedrock:DeleteProvisionedModelThroughput",),
        THROUGHPUT,
    ),
    # Invocation
    row("inference-prereq: InvokeModel on a deployment", ASKING_STUDENTS, ("bedrock:InvokeModel",), DEPLOYMENT),
    row("inference-prereq: GetCustomModel", ASKING_STUDENTS, ("bedrock:GetCustomModel",), MODEL),
    row(
        "inference-prereq: throughput",
        ASKING_STUDENTS[:4],
        ("bedrock:InvokeModel", "bedrock:GetProvisionedModelThroughput"),
        THROUGHPUT,
    ),
    row(
        "inference-prereq: GetInferenceProfile",
        ("GenerateTeacherData", "EvaluateStudent"),
        ("bedrock:GetInferenceProfile",),
        TEACHER,
    ),
]


@pytest.fixture(scope="session")
def grants(deployment: Deployment) -> Grants:
    return Grants(deployment)


@pytest.fixture(scope="session")
def own_profile(deployment: Deployment) -> str:
    """ARN of the application inference profile that copies the teacher's."""
    [name] = [
        name
        for name, profile in deployment.of_type("AWS::Bedrock::ApplicationInferenceProfile").items()
        if text_of(profile["ModelSource"]["CopyFrom"]).endswith("/us.amazon.nova-pro-v1:0")
    ]
    return f"{PROFILE}/{name}"


@pytest.mark.parametrize("statement", TABLE, ids=lambda statement: statement.source)
def test_what_a_guide_lists_is_granted(grants: Grants, statement: Row) -> None:
    for role in statement.roles:
        assert uncovered(grants.of_role(grants.beginning(f"{role}Role")), statement.needs()) == []


@pytest.mark.parametrize("statement", [found for found in TABLE if KEY in found.resources], ids=lambda row: row.source)
def test_the_key_is_granted_through_the_named_service_only(grants: Grants, statement: Row) -> None:
    for role in statement.roles:
        granted = grants.of_role(grants.beginning(f"{role}Role"))
        for via in (
            {"kms:ViaService": f"ec2.{REGION}.amazonaws.com"},
            {"kms:ViaService": "bedrock.eu-west-1.amazonaws.com"},
            {},
        ):
            needs = {Need(action, KEY, tuple(via.items())) for action in statement.actions}
            assert set(uncovered(granted, needs)) == needs


@pytest.mark.parametrize("role", ["Batch", "GenerateTeacherData", "EvaluateStudent"])
def test_an_application_profile_leads_to_its_model_in_each_region_of_it(
    grants: Grants, own_profile: str, role: str
) -> None:
    # Given batch-iam-sr (ApplicationInferenceProfile) and inference-profiles-prereq (the condition)
    through = (("bedrock:InferenceProfileArn", own_profile),)
    asked = [Need("bedrock:InvokeModel", own_profile), Need("bedrock:InvokeModel", TEACHER)]
    behind = {Need("bedrock:InvokeModel", model, through) for model in OF_THE_PROFILE}
    granted = grants.of_role(grants.beginning(f"{role}Role"))
    # Then
    assert uncovered(granted, {*asked, *behind}) == []
    # And never past the profile
    past = {Need("bedrock:InvokeModel", model) for model in OF_THE_PROFILE}
    assert set(uncovered(granted, past)) == past


@pytest.mark.parametrize(("role", "job"), [("Customization", JOB), ("Batch", BATCH)])
def test_trust_is_as_documented(grants: Grants, role: str, job: str) -> None:
    # custom-model-job-service-role-trust-relationship, batch-iam-sr-trust
    name = grants.beginning(f"{role}Role")
    assert trusts_bedrock(grants.policies(name), f"arn:aws:iam::{ACCOUNT}:role/{role}", job)


def test_the_key_policy_leaves_iam_to_the_account_and_serves_throughput(deployment: Deployment) -> None:
    # Given
    [key] = deployment.of_type("AWS::KMS::Key", "data").values()
    statements: list[Json] = key["KeyPolicy"]["Statement"]
    # Then the account's IAM policies count: every row above rests on it (KMS developer guide, default key policy)
    [of_account] = [found for found in statements if "kms:*" in listed(found["Action"])]
    assert text_of(of_account["Principal"]["AWS"]).endswith(":<AWS::AccountId>:root")
    assert "Condition" not in of_account
    # And Nova, customize-fine-tune-encrypt: PermissionsNovaProvisionedThroughput
    [served] = [found for found in statements if found.get("Principal") == {"Service": "bedrock.amazonaws.com"}]
    assert set(listed(served["Action"])) == set(INVOKE)
    assert served["Condition"]["ForAnyValue:StringEquals"] == {"kms:EncryptionContextKeys": "aws:bedrock:custom-model"}


def test_no_role_may_use_the_key_without_naming_the_service(deployment: Deployment) -> None:
    for role, statements in deployment.policy_documents().items():
        for statement in statements:
            if any(action.startswith("kms:") for action in listed(statement["Action"])):
                assert "kms:ViaService" in statement["Condition"]["StringEquals"], role
