"""What each role needs: every call that its Lambda really makes, as the IAM actions and resources that AWS checks.

Bedrock's and Service Quotas' needs are what the simulator asks of the caller, the other services' are read from the
parameters of the call. Sources: the service authorization reference, and the services' guides where they are named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from local.bedrock_simulator.policies import Permission
from local.embedded_aws.lifecycle import ACCOUNT, REGION
from tests.faults.world import NAMES, World

KEY = NAMES["MODEL_KEY_ARN"]
OWN_BUCKETS = (NAMES["UPLOADS_BUCKET"], NAMES["RUNS_BUCKET"])
PROFILE = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:application-inference-profile"

TRANSACTED = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
ASKED_BY_SIMULATOR = ("bedrock", "bedrock-runtime", "service-quotas")

SERVING = ("CustomModelDeployment", "ProvisionedModelThroughput")
STUDENTS = ("custom-model-deployment", "provisioned-model")

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Need:
    """One check that AWS makes of a role."""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    def permission(self) -> Permission:
        return Permission(self.action, self.resource, dict(self.context), dict(self.tags))

    def __str__(self) -> str:
        return f"{self.action} on {self.resource}" + "".join(f" with {key} {value}" for key, value in self.context)


Recorded = tuple[dict[str, set[Need]], set[str], set[tuple[str, str]]]


@dataclass
class Needs:
    """What was needed.

    Attributes
    ----------
    of : dict
        Needs of each Lambda's role, by its folder, and of the roles that Bedrock takes, by their ARN.
    unknown : set of str
        Calls of which nobody has said what they need.
    taken : set of (role, source)
        ARN of each role that Bedrock took, and of the job for which it did.
    """

    of: dict[str, set[Need]] = field(default_factory=lambda: defaultdict(set))
    unknown: set[str] = field(default_factory=set)
    taken: set[tuple[str, str]] = field(default_factory=set)

    def recorded(self) -> Recorded:
        """Give everything, for another process."""
        return dict(self.of), self.unknown, self.taken

    def add(self, recorded: Recorded) -> None:
        """Add what another process recorded."""
        of, unknown, taken = recorded
        for role, found in of.items():
            self.of[role] |= found
        self.unknown |= unknown
        self.taken |= taken

    def listen(self, world: World) -> None:
        """Listen to everything that a world's Lambdas call from now on."""
        events, access = world.aws.session.events, world.aws.simulator.access
        events.register("before-parameter-build", partial(self._called, world))
        events.register("after-call", self._answered)
        # Of this world only: another has an access of its own.
        vars(access).update(require=partial(self._asked, world), require_job_role=partial(self._asked_of_job, world))

    def _called(self, world: World, params: Params, event_name: str, context: dict[str, Any], **_: Any) -> None:
        service, operation = event_name.split(".")[1:]
        if not world.running:
            return
        context["called"] = (world.running, service, params)
        if (service, operation) == ("bedrock", "CreateModelCustomizationJob"):
            self.of[world.running] |= set(_key_for_model(params))
        if (service, operation) == ("sts", "GetCallerIdentity"):
            return  # no right is needed, and none can be denied (STS API reference); it is signed by somebody else
        if service not in ASKED_BY_SIMULATOR:
            try:
                self.of[world.running] |= set(needs(service, operation, params))
            except KeyError:
                self.unknown.add(f"{service} {operation}")

    def _answered(self, context: Mapping[str, Any], parsed: Mapping[str, Any], **_: Any) -> None:
        folder, service, params = context.get("called", ("", "", {}))
        if service == "s3" and parsed.get("Error", {}).get("Code") in ("NoSuchKey", "NoSuchVersion", "404"):
            self.of[folder].add(_listing(str(params["Bucket"]), str(params["Key"])))

    def _asked(self, world: World, _caller: str | None, permissions: Sequence[Permission]) -> None:
        for need in [_need(world, permission) for permission in permissions if world.running]:
            self.of[world.running] |= {need, *_key_for_student(need), *_looked_up(need)}

    def _asked_of_job(
        self, world: World, _caller: str | None, role: str, source: str, asked: Sequence[Permission]
    ) -> None:
        self.taken.add((role, source))
        for need in [_need(world, permission) for permission in asked]:
            self.of[role] |= {need, *_key_for_object(need)}


def needs(service: str, operation: str, params: Params) -> Iterator[Need]:
    """Give what AWS checks for a call; :class:`KeyError` for a call that this table does not know."""
    return _NEEDS[service, operation](params)


def function_arn(folder: str) -> str:
    """Name a Lambda as this account does: by its folder."""
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{folder}"


def _object(action: str, params: Params) -> Iterator[Need]:
    need = Need(f"s3:{action}", f"arn:aws:s3:::{params['Bucket']}/{params['Key']}")
    yield need
    yield from _key_for_object(need)


def _key_for_object(need: Need) -> Iterator[Need]:
    """Give what S3 needs of the key for an object of our buckets (S3 user guide, SSE-KMS)."""
    if need.resource.split(":::")[-1].split("/")[0] in OWN_BUCKETS:
        if need.action.startswith("s3:GetObject"):
            yield from key_needs("s3", "Decrypt")
        elif need.action == "s3:PutObject":
            yield from key_needs("s3", "GenerateDataKey")


def _listing(bucket: str, prefix: str) -> Need:
    """Listing; also what decides whether S3 says of an absent object that it is absent."""
    return Need("s3:ListBucket", f"arn:aws:s3:::{bucket}", (("s3:prefix", prefix),))


def _table(operation: str, params: Params) -> Iterator[Need]:
    table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{params['TableName']}"
    resource = f"{table}/index/{params['IndexName']}" if "IndexName" in params else table
    yield Need(f"dynamodb:{operation}", resource, (("dynamodb:LeadingKeys", _leading_key(params)),))
    # DynamoDB developer guide, "authorizing use of your customer managed key": through the caller, in the same call.
    yield from key_needs("dynamodb")


def _leading_key(params: Params) -> str:
    """Give the partition key of a call (DynamoDB developer guide, conditions); ids are others in every walk: x."""
    if "KeyConditionExpression" in params:
        value = params["ExpressionAttributeValues"][str(params["KeyConditionExpression"]).split()[2]]
    else:
        item = params.get("Key") or params["Item"]
        value = item.get("pk") or {"S": "RUN#"}  # the table of approvals has no other items
    kind, mark, _ = str(value["S"]).partition("#")
    return f"{kind}{mark}{'x' if mark else ''}"


def key_needs(service: str, *operations: str) -> Iterator[Need]:
    for operation in operations or ("Decrypt", "GenerateDataKey"):
        yield Need(f"kms:{operation}", KEY, (("kms:ViaService", f"{service}.{REGION}.amazonaws.com"),))


def _key_for_model(params: Params) -> Iterator[Need]:
    """Give what the caller needs to have a custom model encrypted (Nova user guide, PermissionsModelCustomization)."""
    if "customModelKmsKeyId" in params:
        yield from key_needs("bedrock", "DescribeKey", "CreateGrant", "Decrypt", "GenerateDataKey")


def _key_for_student(need: Need) -> Iterator[Need]:
    """Give what asking an encrypted custom model, or serving it, needs (Nova user guide, PermissionsModelInvocation).

    Serving: Bedrock user guide, prerequisites of throughput and of deployments.
    """
    serves = need.action.startswith(("bedrock:Create", "bedrock:Update")) and need.action.endswith(SERVING)
    if serves or (need.action.startswith("bedrock:InvokeModel") and _kind(need) in STUDENTS):
        yield from key_needs("bedrock")


def _looked_up(need: Need) -> Iterator[Need]:
    """Give what asking takes beside InvokeModel (Bedrock user guide, "Prerequisites for running model inference")."""
    if not need.action.startswith("bedrock:InvokeModel"):
        return
    if _kind(need) in ("inference-profile", "application-inference-profile"):
        yield Need("bedrock:GetInferenceProfile", need.resource)
    if _kind(need) in STUDENTS:
        yield Need("bedrock:GetCustomModel", f"arn:aws:bedrock:{REGION}:{ACCOUNT}:custom-model/one")
    if _kind(need) == "provisioned-model":
        yield Need("bedrock:GetProvisionedModelThroughput", need.resource)


def _kind(need: Need) -> str:
    return need.resource.split(":", 5)[-1].split("/")[0]


def _need(world: World, permission: Permission) -> Need:
    """Take over what the simulator asks, a profile by its logical name: its id is another in every world."""

    def text(value: str) -> str:
        return f"{PROFILE}/{world.profiles[value]}" if value in world.profiles else value

    context = tuple(sorted((key, text(value)) for key, value in permission.context.items()))
    tags = tuple(sorted(permission.request_tags.items()))
    return Need(permission.action, text(permission.resource), context, tags)


def _read(params: Params) -> Iterator[Need]:
    return _object("GetObjectVersion" if params.get("VersionId") else "GetObject", params)


def _written(params: Params) -> Iterator[Need]:
    yield from _object("PutObject", params)
    if "IfMatch" in params:  # S3 user guide, conditional writes
        yield from _object("GetObject", params)


def _transacted(params: Params) -> Iterator[Need]:
    for item in params["TransactItems"]:
        [(kind, inner)] = item.items()
        yield from _table(TRANSACTED[kind], inner)


def _published(params: Params) -> Iterator[Need]:
    yield Need("sns:Publish", params["TopicArn"])
    yield from key_needs("sns")  # SNS developer guide, key management


def _athena(operation: str, params: Params) -> Iterator[Need]:
    """Give what asking Athena needs; each caller here asks in one workgroup, which later calls do not name.

    Results are read with the caller's own right (Athena API reference, GetQueryResults).
    """
    workgroup = params.get("WorkGroup", "distillation-local-discovery")
    yield Need(f"athena:{operation}", f"arn:aws:athena:{REGION}:{ACCOUNT}:workgroup/{workgroup}")
    if operation == "GetQueryResults":
        yield from _object("GetObject", {"Bucket": NAMES["RUNS_BUCKET"], "Key": "discovery/results/one.csv"})


def _on(action: str, resource: Callable[[Params], str]) -> Callable[[Params], Iterator[Need]]:
    return lambda params: iter([Need(action, resource(params))])


def _parameter(action: str) -> Callable[[Params], Iterator[Need]]:
    return _on(action, lambda params: f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{params['Name'].removeprefix('/')}")


_NEEDS: dict[tuple[str, str], Callable[[Params], Iterator[Need]]] = {
    ("s3", "GetObject"): _read,
    ("s3", "HeadObject"): _read,
    ("s3", "PutObject"): _written,
    ("s3", "ListObjectsV2"): lambda params: iter([_listing(params["Bucket"], params.get("Prefix", ""))]),
    ("s3", "ListObjectVersions"): lambda params: iter(
        [Need("s3:ListBucketVersions", f"arn:aws:s3:::{params['Bucket']}")]
    ),
    ("s3", "DeleteObjects"): lambda params: (
        need for item in params["Delete"]["Objects"] for need in _object("DeleteObject", {**params, **item})
    ),
    ("dynamodb", "TransactWriteItems"): _transacted,
    **{
        ("dynamodb", operation): partial(_table, operation)
        for operation in ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query")
    },
    ("dynamodb", "DescribeTable"): _on(
        "dynamodb:DescribeTable", lambda params: f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{params['TableName']}"
    ),
    ("sns", "Publish"): _published,
    ("ssm", "PutParameter"): _parameter("ssm:PutParameter"),
    ("ssm", "GetParameter"): _parameter("ssm:GetParameter"),
    ("ssm", "GetParameters"): lambda params: (
        need for name in params["Names"] for need in _parameter("ssm:GetParameters")({"Name": name})
    ),
    ("cloudwatch", "GetMetricData"): _on("cloudwatch:GetMetricData", lambda _: "*"),
    ("lambda", "ListFunctions"): _on("lambda:ListFunctions", lambda _: "*"),
    ("lambda", "Invoke"): _on("lambda:InvokeFunction", lambda params: function_arn(params["FunctionName"])),
    ("lambda", "GetFunctionConfiguration"): _on(
        "lambda:GetFunctionConfiguration", lambda params: function_arn(params["FunctionName"])
    ),
    ("cloudformation", "DescribeStacks"): _on(
        "cloudformation:DescribeStacks",
        lambda params: f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{params['StackName']}/one",
    ),
    ("sfn", "StopExecution"): _on("states:StopExecution", lambda params: str(params["executionArn"])),
    ("sfn", "StartExecution"): _on("states:StartExecution", lambda params: str(params["stateMachineArn"])),
    ("sfn", "DescribeExecution"): _on("states:DescribeExecution", lambda params: str(params["executionArn"])),
    ("sfn", "GetExecutionHistory"): _on("states:GetExecutionHistory", lambda params: str(params["executionArn"])),
    **{
        ("athena", operation): partial(_athena, operation)
        for operation in ("StartQueryExecution", "GetQueryExecution", "GetQueryResults")
    },
    ("sfn", "SendTaskSuccess"): _on("states:SendTaskSuccess", lambda _: "*"),
}
"""What each call needs; Bedrock's and Service Quotas' are not here: the simulator asks."""
