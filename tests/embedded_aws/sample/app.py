"""A small app with the resources that the embedded AWS's tests need, deployed by the real CDK command line."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))

from stacks.node import use_bundled_node

use_bundled_node()

from aws_cdk import App, CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3

app = App(analytics_reporting=False)
stack = Stack(app, "Sample")

key = kms.Key(stack, "Key", removal_policy=RemovalPolicy.DESTROY)
uploads = s3.Bucket(
    stack, "Uploads", encryption_key=key, versioned=True, enforce_ssl=True, removal_policy=RemovalPolicy.DESTROY
)
resource = uploads.node.default_child
assert isinstance(resource, s3.CfnBucket)
resource.add_property_override("NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled", True)
table = dynamodb.TableV2(
    stack,
    "Seen",
    partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
    removal_policy=RemovalPolicy.DESTROY,
)
function = lambda_.Function(
    stack,
    "Function",
    runtime=lambda_.Runtime.PYTHON_3_14,
    architecture=lambda_.Architecture.ARM_64,
    handler="index.handler",
    code=lambda_.Code.from_asset(str(HERE / "function")),
    layers=[lambda_.LayerVersion(stack, "Layer", code=lambda_.Code.from_asset(str(HERE / "layer")))],
)
function.add_to_role_policy(
    iam.PolicyStatement(actions=["s3:GetObject"], resources=[uploads.arn_for_objects("allowed/*")])
)
function.add_to_role_policy(iam.PolicyStatement(actions=["dynamodb:PutItem"], resources=[table.table_arn]))
put_version = {
    "do": "call",
    "service": "dynamodb",
    "operation": "put_item",
    "arguments": {
        "TableName": table.table_name,
        "Item": {
            "id": {"S": events.EventField.from_path("$.detail.object.key")},
            "version": {"S": events.EventField.from_path("$.detail.object.version-id")},
        },
    },
}
events.Rule(
    stack,
    "Uploaded",
    event_pattern=events.EventPattern(
        source=["aws.s3"], detail_type=["Object Created"], detail={"bucket": {"name": [uploads.bucket_name]}}
    ),
    targets=[targets.LambdaFunction(function.current_version, event=events.RuleTargetInput.from_object(put_version))],
)
role = iam.Role(stack, "MachineRole", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
function.current_version.grant_invoke(role)

for name, value in {
    "BucketName": uploads.bucket_name,
    "TableName": table.table_name,
    "FunctionName": function.function_name,
    "FunctionRole": function.role.role_arn if function.role else "",
    "Version": function.current_version.function_arn,
    "MachineRoleArn": role.role_arn,
}.items():
    CfnOutput(stack, name, value=value)

app.synth()
