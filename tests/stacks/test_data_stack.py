"""What must never be lost: retained, protected, encrypted, closed to the public."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stacks.templates import Deployment, Json, build, listed, synthesize, text_of

RETAINED = ("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::KMS::Key")


@pytest.fixture(scope="module")
def data(deployment: Deployment) -> dict[str, Json]:
    found: dict[str, Json] = deployment.templates["data"]["Resources"]
    return found


def test_everything_that_holds_data_is_retained_and_in_the_data_stack(
    deployment: Deployment, data: dict[str, Json]
) -> None:
    stores = [resource for resource in data.values() if resource["Type"] in RETAINED]
    assert len(stores) == 6
    for store in stores:
        assert (store["DeletionPolicy"], store["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert not [name for name, found in deployment.resources.items() if found["Type"] in RETAINED and name not in data]


def test_the_stack_and_the_tables_cannot_be_deleted_by_mistake(
    deployment: Deployment, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # Given
    assembly = build({"dev": {}}, tmp_path_factory.mktemp("assembly")).synth()
    # When
    protected = {stack.stack_name: stack.termination_protection for stack in assembly.stacks}
    # Then
    assert protected["distillation-dev-data"] is True
    assert all(table["DeletionProtectionEnabled"] for table in deployment.of_type("AWS::DynamoDB::Table").values())


def test_no_bucket_is_public_and_none_answers_without_tls(deployment: Deployment) -> None:
    policies = deployment.of_type("AWS::S3::BucketPolicy")
    for name, bucket in deployment.of_type("AWS::S3::Bucket").items():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        [policy] = [found for found in policies.values() if found["Bucket"] == {"Ref": name}]
        denied = [found for found in policy["PolicyDocument"]["Statement"] if found["Effect"] == "Deny"]
        assert {"Bool": {"aws:SecureTransport": "false"}} in [found["Condition"] for found in denied]


def test_uploads_and_runs_are_encrypted_with_the_customer_s_key_and_their_readers_logged(
    deployment: Deployment,
) -> None:
    for beginning in ("Uploads", "Runs"):
        bucket = deployment.the("AWS::S3::Bucket", beginning)
        [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
        assert text_of(rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"]).startswith("<DataKey")
        assert text_of(bucket["LoggingConfiguration"]["DestinationBucketName"]).startswith("<AccessLogs")


def test_only_uploads_are_announced_and_by_the_bucket_s_own_property(deployment: Deployment) -> None:
    announced = {
        name: bucket["NotificationConfiguration"]
        for name, bucket in deployment.of_type("AWS::S3::Bucket").items()
        if "NotificationConfiguration" in bucket
    }
    [(name, configuration)] = announced.items()
    assert name.startswith("Uploads")
    assert configuration == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}


def test_each_prefix_expires_when_its_setting_says(tmp_path: Path) -> None:
    # Given
    days = {"run_data_retention_days": 90, "answers_retention_days": 200, "access_log_retention_days": 31}
    # When
    deployment = synthesize({"dev": days}, tmp_path)["dev"]
    # Then
    rules = deployment.the("AWS::S3::Bucket", "Runs")["LifecycleConfiguration"]["Rules"]
    assert {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules} == {
        "runs/": 90, "answers/": 200, "discovery/": 100,
    }  # fmt: skip
    [access] = deployment.the("AWS::S3::Bucket", "AccessLogs")["LifecycleConfiguration"]["Rules"]
    assert access["ExpirationInDays"] == 31
    # A retry reads the version of the upload that the run is pinned to.
    [uploads] = deployment.the("AWS::S3::Bucket", "Uploads")["LifecycleConfiguration"]["Rules"]
    assert uploads["NoncurrentVersionExpiration"]["NoncurrentDays"] == 90


def test_what_was_replaced_or_left_unfinished_expires(deployment: Deployment) -> None:
    for beginning in ("Uploads", "Runs", "AccessLogs"):
        for rule in deployment.the("AWS::S3::Bucket", beginning)["LifecycleConfiguration"]["Rules"]:
            assert rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] <= 7
            assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] >= 1


def test_the_current_version_of_an_upload_never_expires(deployment: Deployment) -> None:
    rules = deployment.the("AWS::S3::Bucket", "Uploads")["LifecycleConfiguration"]["Rules"]
    assert not [rule for rule in rules if "ExpirationInDays" in rule]


def test_the_registry_has_its_keys_and_the_index_by_state(deployment: Deployment) -> None:
    registry = deployment.the("AWS::DynamoDB::Table", "Registry")
    assert [(key["AttributeName"], key["KeyType"]) for key in registry["KeySchema"]] == [
        ("pk", "HASH"),
        ("sk", "RANGE"),
    ]
    [index] = registry["GlobalSecondaryIndexes"]
    assert index["IndexName"] == "by_state"
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["state_group", "since"]
    assert index["Projection"] == {"ProjectionType": "ALL"}
    assert "TimeToLiveSpecification" not in registry


def test_approvals_expire_and_both_tables_can_be_restored(deployment: Deployment) -> None:
    approvals = deployment.the("AWS::DynamoDB::Table", "Approvals")
    assert approvals["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    for table in deployment.of_type("AWS::DynamoDB::Table").values():
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert table["SSESpecification"]["SSEType"] == "KMS"


def test_the_key_rotates_and_serves_each_service_only_under_a_condition(deployment: Deployment) -> None:
    # Given
    key = deployment.the("AWS::KMS::Key", "DataKey")
    # When
    services = {
        text_of(statement["Principal"]["Service"]): statement
        for statement in key["KeyPolicy"]["Statement"]
        if "Service" in statement["Principal"]
    }
    # Then
    assert key["EnableKeyRotation"] is True
    assert set(services) == {
        "logs.us-east-1.amazonaws.com",
        "cloudwatch.amazonaws.com",
        "events.amazonaws.com",
        "bedrock.amazonaws.com",
    }
    assert all(statement.get("Condition") for statement in services.values())
    assert services["bedrock.amazonaws.com"]["Condition"] == {
        "ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": "aws:bedrock:custom-model"},
        "StringEqualsIfExists": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
    }
    assert all("AWS::AccountId" in str(statement["Condition"]) for statement in services.values())
    for statement in services.values():
        assert "kms:*" not in listed(statement["Action"])


def test_the_outputs_that_the_command_line_looks_up_are_there(deployment: Deployment) -> None:
    assert {"UploadsBucket", "RunsBucket", "RegistryTable"} <= set(deployment.templates["data"]["Outputs"])
    pipeline = {"StateMachineArn", "StartRunFunction", "AnswerApprovalFunction", "ReleaseFunction"}
    pipeline |= {"RecordLabelsFunction"}
    assert pipeline <= set(deployment.templates["pipeline"]["Outputs"])
    assert "TopicArn" in deployment.templates["operations"]["Outputs"]
