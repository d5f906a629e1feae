"""The policy of docs/access.md is what the client needs, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from bedrock_student import Metrics, Student
from lambdas.domain.model_ids import foundation_model_id
from local.bedrock_simulator.policies import RolePolicies, allows
from local.embedded_aws.lifecycle import ACCOUNT, REGION
from tests.faults.__main__ import local_deployment
from tests.faults.world import NAMES, World, deployed
from tests.least_privilege.needs import Need, Needs
from tests.least_privilege.scene import TASK, order, promoted
from tests.least_privilege.walks import ON_DEMAND, THROUGHPUT
from tests.stacks.templates import listed

pytestmark = pytest.mark.timeout(900)

PAGE = Path(__file__).resolve().parents[2] / "docs/access.md"
CALLER = "caller"
QUESTION = "slow motion goal with loud crowd"


def documented(model: str) -> dict[str, Any]:
    """Read the policy of the page, with this account's names put in."""
    text = re.search(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert text
    names = {
        "REGION": REGION,
        "ACCOUNT": ACCOUNT,
        "ENVIRONMENT": "local",
        "PROFILE": model,
        "MODEL": foundation_model_id(model),
        "BUCKET": NAMES["RUNS_BUCKET"],
        "KEY": NAMES["MODEL_KEY_ARN"].rpartition("/")[2],
    }
    filled = re.sub(r"\b(?:" + "|".join(names) + r")\b", lambda found: names[found[0]], text[1])
    policy: dict[str, Any] = json.loads(filled)
    return policy


@pytest.fixture(scope="module")
def seen() -> tuple[set[Need], str]:
    """Ask students of both modes, in whole and in pieces, and their fallback; what that needed, and the fallback."""
    needs, models = Needs(), set()
    for mode in (THROUGHPUT, ON_DEMAND):
        with deployed(local_deployment()) as world:
            promoted(world, serving=mode)
            needs.listen(world)
            models.add(ask_everything(world, mode["mode"]))
    assert needs.unknown == set()
    [model] = models
    return needs.of[CALLER], model


def ask_everything(world: World, mode: str) -> str:
    """Ask as applications do, then once more in an outage; give the fallback."""
    clients = {name: world.aws.client(name) for name in ("ssm", "bedrock-runtime", "s3")}
    student = Student(TASK, environment="local", clients=clients, metrics=Metrics())
    world.running = CALLER
    try:
        assert student.ask(QUESTION).leg == "student"
        assert "".join(student.stream(QUESTION))
        kind = {"provisioned_throughput": "provisioned-model", "on_demand": "custom-model-deployment"}[mode]
        order(world, kind="endpoint_errors", error="ServiceUnavailableException", fraction=1.0, resource=kind)
        assert student.ask(QUESTION).leg == "fallback"
        assert "".join(student.stream(QUESTION))
        return student.ask(QUESTION).calls[-1].model
    finally:
        world.running = ""


def statements(policy: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give each action on each resource as a statement of its own."""
    for statement in policy["Statement"]:
        for action, resource in product(listed(statement["Action"]), listed(statement["Resource"])):
            yield {**statement, "Action": action, "Resource": resource}


def granted(statement: list[dict[str, Any]], need: Need) -> bool:
    policies = RolePolicies(identity=[{"Version": "2012-10-17", "Statement": statement}])
    return allows(policies, "arn:aws:iam::0:role/any", need.permission())


def test_the_client_may_do_what_it_does(seen: tuple[set[Need], str]) -> None:
    needed, model = seen
    assert {need.action for need in needed} >= {"ssm:GetParameters", "s3:GetObject", "bedrock:InvokeModel"}
    assert [str(need) for need in needed if not granted(documented(model)["Statement"], need)] == []


def test_nothing_is_granted_that_the_client_does_not_use(seen: tuple[set[Need], str]) -> None:
    needed, model = seen
    every = list(statements(documented(model)))
    unused = [
        f"{one['Sid']}: {one['Action']} on {one['Resource']}"
        for one in every
        if not any(granted([one], need) for need in needed)
    ]
    # A statement of several actions and kinds has pairs that mean nothing, such as looking a model up as a throughput.
    assert [text for text in unused if not text.startswith("LookItUp")] == []
    assert {one["Action"] for one in every} <= {need.action for need in needed}


@pytest.mark.parametrize(
    ("action", "resource", "context"),
    [
        ("bedrock:InvokeModel", "provisioned-model/abcdefghijkl", {"aws:ResourceTag/distillation:environment": "prod"}),
        ("bedrock:InvokeModel", "provisioned-model/abcdefghijkl", {}),
        ("bedrock:InvokeModel", "inference-profile/us.anthropic.claude-opus-4-1-20250805-v1:0", {}),
        ("bedrock:CreateProvisionedModelThroughput", "custom-model/x", {}),
        ("bedrock:DeleteProvisionedModelThroughput", "provisioned-model/abcdefghijkl",
         {"aws:ResourceTag/distillation:environment": "local"}),
    ],
    ids=["another environment", "nobody's", "another model", "what bills by the hour", "deletion"],
)  # fmt: skip
def test_what_a_caller_may_not(
    seen: tuple[set[Need], str], action: str, resource: str, context: dict[str, str]
) -> None:
    need = Need(action, f"arn:aws:bedrock:{REGION}:{ACCOUNT}:{resource}", tuple(context.items()))
    assert not granted(documented(seen[1])["Statement"], need)


def test_a_caller_reads_no_run_and_writes_no_pointer(seen: tuple[set[Need], str]) -> None:
    bucket = f"arn:aws:s3:::{NAMES['RUNS_BUCKET']}"
    parameter = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/distillation"
    refused = [
        Need("s3:GetObject", f"{bucket}/runs/x/report.json"),
        Need("s3:PutObject", f"{bucket}/policies/x/y/z.txt"),
        Need("ssm:PutParameter", f"{parameter}/local/x/policy"),
        Need("ssm:GetParameters", f"{parameter}/prod/x/champion"),
    ]
    assert [str(need) for need in refused if granted(documented(seen[1])["Statement"], need)] == []
