"""Batch inference under IAM: the caller's role, and the role that Bedrock takes."""

from __future__ import annotations

from typing import Any

import pytest

from local.bedrock_simulator.policies import RolePolicies
from tests.simulator import toy
from tests.simulator.conftest import BATCH_SECONDS, Account, refusal
from tests.simulator.test_access import ACCOUNT, KEY, allow, grant

BATCH_ROLE = "arn:aws:iam::000000000000:role/batch"
PROFILE_ID = "us.amazon.nova-pro-v1:0"
PROFILE = f"{ACCOUNT}:inference-profile/{PROFILE_ID}"
MODEL_HERE = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0"
MODEL_ANYWHERE = "arn:aws:bedrock:*::foundation-model/amazon.nova-pro-v1:0"
CREATE = allow(
    ["bedrock:CreateModelInvocationJob", "bedrock:TagResource", "bedrock:GetModelInvocationJob"],
    [PROFILE, MODEL_HERE, f"{ACCOUNT}:model-invocation-job/*"],
)
PASS = allow("iam:PassRole", BATCH_ROLE, StringEquals={"iam:PassedToService": "bedrock.amazonaws.com"})
LIST = allow("s3:ListBucket", "arn:aws:s3:::runs", StringLike={"s3:prefix": "in/*"})
READ = allow("s3:GetObject", "arn:aws:s3:::runs/in/*")
WRITE = allow("s3:PutObject", "arn:aws:s3:::runs/batch/*")
ASK = allow("bedrock:InvokeModel", [PROFILE, MODEL_ANYWHERE])


def trust(kind: str = "model-invocation-job") -> dict[str, Any]:
    condition = {
        "StringEquals": {"aws:SourceAccount": "000000000000"},
        "ArnEquals": {"aws:SourceArn": f"{ACCOUNT}:{kind}/*"},
    }
    service = {"Principal": {"Service": "bedrock.amazonaws.com"}, "Action": "sts:AssumeRole", "Effect": "Allow"}
    return {"Statement": [{**service, "Condition": condition}]}


def batch_role(account: Account, *statements: dict[str, Any], trusting: dict[str, Any] | None = None) -> None:
    identity = [{"Version": "2012-10-17", "Statement": list(statements)}]
    account.policies.roles["batch"] = RolePolicies(identity, trusting or trust())


def run(account: Account) -> Any:
    """Create a job as the role and run it to its end."""
    account.put_batch(toy.queries(100, "batch"))
    client = account.client("bedrock", KEY)
    request = account.batch_request(modelId=PROFILE_ID, tags=[{"key": "run", "value": "r1"}])
    arn = client.create_model_invocation_job(**request)["jobArn"]
    account.clock.advance(BATCH_SECONDS)
    return client.get_model_invocation_job(jobIdentifier=arn)


def test_all_that_is_needed_is_enough(account: Account) -> None:
    # Given exactly what the documentation asks of caller and role
    grant(account, CREATE, PASS)
    batch_role(account, LIST, READ, WRITE, ASK)

    # When / Then
    assert run(account)["status"] == "Completed"
    assert account.control.billing()[0].caller == "arn:aws:sts::000000000000:assumed-role/evaluate/session"


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        ([PASS], "bedrock:CreateModelInvocationJob"),
        ([CREATE], "iam:PassRole"),
        ([CREATE | {"Resource": [PROFILE, MODEL_HERE]}, PASS], "model-invocation-job/"),
        ([CREATE | {"Resource": [MODEL_HERE, f"{ACCOUNT}:model-invocation-job/*"]}, PASS], "inference-profile/"),
        ([CREATE | {"Action": "bedrock:CreateModelInvocationJob"}, PASS], "bedrock:TagResource"),
    ],
)
def test_the_caller_lacks_something(account: Account, statements: list[Any], said: str) -> None:
    # Given a caller's role without one permission
    grant(account, *statements)
    batch_role(account, LIST, READ, WRITE, ASK)

    # When / Then
    code, status, message = refusal(lambda: run(account))
    assert (code, status) == ("AccessDeniedException", 403)
    assert said in message
    assert account.control.resources().batch_jobs == []


def test_a_role_that_bedrock_cannot_take_for_this_kind_of_job(account: Account) -> None:
    # Given a role that trusts Bedrock for customization jobs
    grant(account, CREATE, PASS)
    batch_role(account, LIST, READ, WRITE, ASK, trusting=trust("model-customization-job"))

    # When / Then
    code, _, message = refusal(lambda: run(account))
    assert (code, "Could not assume" in message) == ("ValidationException", True)


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        ([READ, WRITE, ASK], "s3:ListBucket"),
        ([LIST, WRITE, ASK], "s3:GetObject"),
        ([LIST, READ, ASK], "s3:PutObject"),
        ([LIST, READ, WRITE], "bedrock:InvokeModel"),
        ([LIST, READ, WRITE, allow("bedrock:InvokeModel", PROFILE)], "foundation-model"),
    ],
)
def test_what_the_role_lacks_fails_the_job_in_its_validation(
    account: Account, statements: list[Any], said: str
) -> None:
    # Given a batch role without one permission
    grant(account, CREATE, PASS)
    batch_role(account, *statements)

    # When / Then the job is taken, fails and costs nothing
    job = run(account)
    assert job["status"] == "Failed"
    assert said in job["message"]
    assert account.control.billing() == []
