"""Callers are checked against their roles' policies, with the condition keys that Bedrock sets."""

from __future__ import annotations

from typing import Any

import pytest

from local.bedrock_simulator.policies import RolePolicies
from tests.simulator import toy
from tests.simulator.conftest import ROLE, Account, distillation, refusal

KEY = "ASIAEXAMPLE"
CALLER = "arn:aws:sts::000000000000:assumed-role/evaluate/session"
ACCOUNT = "arn:aws:bedrock:us-east-1:000000000000"
PROFILE = f"{ACCOUNT}:inference-profile/us.amazon.nova-pro-v1:0"
PRO_ANYWHERE = "arn:aws:bedrock:*::foundation-model/amazon.nova-pro-v1:0"


def allow(action: str | list[str], resource: str | list[str], **condition: Any) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Action": action,
        "Resource": resource,
        **({"Condition": condition} if condition else {}),
    }


def grant(account: Account, *statements: dict[str, Any], boundary: dict[str, Any] | None = None) -> None:
    """Let the caller's role have these statements, and register its access key."""
    identity = [{"Version": "2012-10-17", "Statement": list(statements)}]
    limits = {"Version": "2012-10-17", "Statement": [boundary]} if boundary else None
    account.policies.roles["evaluate"] = RolePolicies(identity=identity, boundary=limits)
    account.control.register(KEY, CALLER)


def ask_as_role(account: Account, model_id: str) -> Any:
    runtime = account.client("bedrock-runtime", KEY)
    return runtime.converse(modelId=model_id, messages=[{"role": "user", "content": [{"text": "a guitar song"}]}])


class TestConverse:
    def test_a_role_without_policies_may_nothing(self, account: Account) -> None:
        # Given a registered role that has no statement
        grant(account)

        # When / Then it is denied, by name, action and resource, and nothing is billed
        code, status, message = refusal(lambda: ask_as_role(account, "amazon.nova-pro-v1:0"))
        assert (code, status) == ("AccessDeniedException", 403)
        assert CALLER in message
        assert (
            "bedrock:InvokeModel on resource: arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0"
            in message
        )
        assert account.control.billing() == []
        assert account.control.calls()[-1].caller == CALLER

    def test_a_grant_on_the_model_is_enough_for_the_model(self, account: Account) -> None:
        # Given / When / Then
        grant(account, allow("bedrock:InvokeModel", PRO_ANYWHERE))
        assert ask_as_role(account, "amazon.nova-pro-v1:0")
        assert refusal(lambda: ask_as_role(account, "amazon.nova-micro-v1:0"))[0] == "AccessDeniedException"
        assert refusal(lambda: ask_as_role(account, "us.amazon.nova-pro-v1:0"))[0] == "AccessDeniedException"

    def test_a_profile_needs_itself_and_its_model_through_it(self, account: Account) -> None:
        # Given the profile alone
        grant(account, allow("bedrock:InvokeModel", PROFILE))
        assert "foundation-model" in refusal(lambda: ask_as_role(account, "us.amazon.nova-pro-v1:0"))[2]

        # When the model is granted under the condition that it is reached through the profile
        through = allow("bedrock:InvokeModel", PRO_ANYWHERE, StringEquals={"bedrock:InferenceProfileArn": PROFILE})
        grant(account, allow("bedrock:InvokeModel", PROFILE), through)

        # Then the profile answers, and the bare model does not
        assert ask_as_role(account, "us.amazon.nova-pro-v1:0")
        assert refusal(lambda: ask_as_role(account, "amazon.nova-pro-v1:0"))[0] == "AccessDeniedException"

    def test_a_global_profile_needs_the_arn_without_a_region_too(self, account: Account) -> None:
        # Given the model in this region only
        name = "anthropic.claude-haiku-4-5-20251001-v1:0"
        here = f"arn:aws:bedrock:us-east-1::foundation-model/{name}"
        profile = allow("bedrock:InvokeModel", f"{ACCOUNT}:inference-profile/global.{name}")
        grant(account, profile, allow("bedrock:InvokeModel", here))
        assert "arn:aws:bedrock:::foundation-model" in refusal(lambda: ask_as_role(account, f"global.{name}"))[2]

        # When / Then the region-less one is added, it answers
        grant(account, profile, allow("bedrock:InvokeModel", [here, f"arn:aws:bedrock:::foundation-model/{name}"]))
        assert ask_as_role(account, f"global.{name}")

    @pytest.mark.parametrize("kind", ["deny", "boundary"])
    def test_a_deny_or_a_boundary_wins(self, account: Account, kind: str) -> None:
        # Given a grant that something else takes back
        everything = allow("bedrock:*", "*")
        deny = {"Effect": "Deny", "Action": "bedrock:InvokeModel", "Resource": "*"}
        if kind == "deny":
            grant(account, everything, deny)
        else:
            grant(account, everything, boundary=allow("bedrock:Get*", "*"))

        # When / Then
        assert refusal(lambda: ask_as_role(account, "amazon.nova-pro-v1:0"))[0] == "AccessDeniedException"

    def test_a_deployment_is_its_own_resource(self, account: Account, trained: str) -> None:
        # Given a deployment
        endpoint = account.deploy(trained)
        grant(account, allow("bedrock:InvokeModel", f"{ACCOUNT}:custom-model-deployment/*"))

        # When / Then
        assert ask_as_role(account, endpoint)


class TestKeys:
    def test_root_passes_and_a_stranger_does_not_once_somebody_is_registered(self, account: Account) -> None:
        # Given nobody registered: the embedded AWS does not enforce IAM
        stranger = account.client("bedrock-runtime", "ASIASTRANGER")
        request: dict[str, Any] = {
            "modelId": "amazon.nova-pro-v1:0",
            "messages": [{"role": "user", "content": [{"text": "hello"}]}],
        }
        assert stranger.converse(**request)

        # When somebody is
        grant(account)

        # Then root still passes, and an unknown key does not
        assert account.runtime.converse(**request)
        assert refusal(lambda: stranger.converse(**request))[0] == "UnrecognizedClientException"

    def test_checks_can_be_switched_off(self, account: Account) -> None:
        # Given a role without policies
        grant(account)
        account.control.change(check_access=False)

        # When / Then
        assert ask_as_role(account, "amazon.nova-pro-v1:0")


class TestJobs:
    TRUST: dict[str, Any] = {  # noqa: RUF012
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "bedrock.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": "000000000000"},
                    "ArnLike": {"aws:SourceArn": f"{ACCOUNT}:model-customization-job/*"},
                },
            }
        ]
    }
    DATA = allow("s3:GetObject", "arn:aws:s3:::runs/data/*")
    OUTPUT = allow("s3:PutObject", "arn:aws:s3:::runs/out/*")
    CREATE = allow(
        ["bedrock:CreateModelCustomizationJob", "bedrock:TagResource"],
        [
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-micro-v1:0:128k",
            f"{ACCOUNT}:custom-model/*",
            f"{ACCOUNT}:model-customization-job/*",
        ],
    )
    PASS = allow("iam:PassRole", ROLE, StringEquals={"iam:PassedToService": "bedrock.amazonaws.com"})

    def create(self, account: Account, **changes: Any) -> Any:
        account.put_training(toy.queries(120, "train"))
        client = account.client("bedrock", KEY)
        return client.create_model_customization_job(**account.job_request(**changes))

    def job_role(self, account: Account, *statements: dict[str, Any], trust: dict[str, Any] | None = None) -> None:
        identity = [{"Version": "2012-10-17", "Statement": list(statements)}]
        account.policies.roles["customization"] = RolePolicies(identity, self.TRUST if trust is None else trust)

    def test_all_that_is_needed_is_enough(self, account: Account) -> None:
        # Given exactly the documented permissions
        grant(account, self.CREATE, self.PASS)
        self.job_role(account, self.DATA, self.OUTPUT)

        # When / Then
        assert self.create(account, jobTags=[{"key": "run", "value": "r1"}])["jobArn"]

    @pytest.mark.parametrize(
        ("statements", "said"),
        [
            ([PASS], "bedrock:CreateModelCustomizationJob"),
            ([CREATE], "iam:PassRole"),
            (
                [CREATE, allow("iam:PassRole", ROLE, StringEquals={"iam:PassedToService": "ecs.amazonaws.com"})],
                "iam:PassRole",
            ),
            ([CREATE | {"Action": "bedrock:CreateModelCustomizationJob"}, PASS], "bedrock:TagResource"),
        ],
    )
    def test_the_caller_lacks_something(self, account: Account, statements: list[Any], said: str) -> None:
        # Given a caller's role without one permission
        grant(account, *statements)
        self.job_role(account, self.DATA, self.OUTPUT)

        # When / Then
        refused = refusal(lambda: self.create(account, jobTags=[{"key": "run", "value": "r1"}]))
        assert refused[0] == "AccessDeniedException"
        assert said in refused[2]

    @pytest.mark.parametrize(
        ("statements", "trust", "said"),
        [
            ([OUTPUT], None, "s3:GetObject"),
            ([DATA], None, "s3:PutObject"),
            ([DATA, OUTPUT], {"Statement": []}, "Could not assume"),
            (
                [DATA, OUTPUT],
                {
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "bedrock.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                            "Condition": {"StringEquals": {"aws:SourceAccount": "111111111111"}},
                        }
                    ]
                },
                "Could not assume",
            ),
        ],
    )
    def test_the_jobs_role_lacks_something(
        self, account: Account, statements: list[Any], trust: dict[str, Any] | None, said: str
    ) -> None:
        # Given a job's role without one permission, or without the right trust
        grant(account, self.CREATE, self.PASS)
        self.job_role(account, *statements, trust=trust)

        # When / Then the request is refused
        refused = refusal(lambda: self.create(account))
        assert refused[0] == "ValidationException"
        assert said in refused[2]

    def test_a_teacher_behind_a_profile_is_asked_with_the_jobs_role(self, account: Account) -> None:
        # Given a job's role that may only read and write
        grant(account, self.CREATE, self.PASS)
        self.job_role(account, self.DATA, self.OUTPUT)
        through = distillation("us.amazon.nova-pro-v1:0")

        # When / Then it lacks the profile, until it has profile and models
        assert "bedrock:InvokeModel" in refusal(lambda: self.create(account, customizationConfig=through))[2]
        self.job_role(account, self.DATA, self.OUTPUT, allow("bedrock:InvokeModel", [PROFILE, PRO_ANYWHERE]))
        assert self.create(account, customizationConfig=through)["jobArn"]


def test_a_tag_condition_sees_the_tags_of_the_resource(account: Account, trained: str) -> None:
    # Given a role that may delete what carries its tag
    account.deploy(trained)
    arn = account.control.resources().deployments[0]["arn"]
    grant(
        account,
        allow("bedrock:DeleteCustomModelDeployment", "*", StringEquals={"aws:ResourceTag/owner": "pipeline"}),
    )
    delete = account.client("bedrock", KEY).delete_custom_model_deployment

    # When / Then it may not, until the tag is there
    assert refusal(lambda: delete(customModelDeploymentIdentifier=arn))[0] == "AccessDeniedException"
    account.bedrock.tag_resource(resourceARN=arn, tags=[{"key": "owner", "value": "pipeline"}])
    delete(customModelDeploymentIdentifier=arn)
