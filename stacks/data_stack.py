"""What must never be lost: uploads, runs, the registry, and the key that encrypts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3

from lambdas.domain.discovery.discovery_files import KEPT_DAYS
from stacks.access.data_key import DataKey

if TYPE_CHECKING:
    from aws_cdk import Environment
    from constructs import Construct

    from lambdas.domain.task.settings import Settings

REGISTRY_INDEX = "by_state"


@dataclass(frozen=True, kw_only=True, slots=True)
class DataExports:
    """Names and ARNs of the data stack, as other stacks see them: the whole interface between them.

    They are exported whether or not somebody imports them, so that a stack which stops using one can be deployed.
    """

    uploads_bucket: str
    uploads_bucket_arn: str
    runs_bucket: str
    runs_bucket_arn: str
    registry_table: str
    registry_table_arn: str
    approvals_table: str
    approvals_table_arn: str
    key_arn: str


class DataStack(Stack):
    """Buckets, tables and key: retained, and the stack protected against termination.

    Parameters
    ----------
    scope, construct_id
        As everywhere in CDK.
    settings : Settings
        Retention times.
    env : Environment
        Account and Region.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings, env: Environment) -> None:
        super().__init__(
            scope,
            construct_id,
            env=env,
            termination_protection=True,
            description="Distillation: uploads, runs and registry. Retained; never delete it while a student serves.",
        )
        self.key = DataKey(self, "DataKey").key
        self._access_logs = self._access_log_bucket(settings)
        self.uploads = self._uploads_bucket(settings)
        self.runs = self._runs_bucket(settings)
        self.registry = self._registry_table()
        self.approvals = self._approvals_table()
        self.exports = self._exports()
        CfnOutput(self, "UploadsBucket", value=self.uploads.bucket_name, description="Upload <task>/<name>.jsonl here")
        CfnOutput(self, "RunsBucket", value=self.runs.bucket_name, description="Datasets, answers and reports of runs")
        CfnOutput(self, "RegistryTable", value=self.registry.table_name, description="Runs, attempts, champions")

    def _access_log_bucket(self, settings: Settings) -> s3.Bucket:
        """Keep who read what; the log delivery of S3 writes only with the bucket's own encryption (S3 user guide)."""
        return s3.Bucket(
            self,
            "AccessLogs",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            versioned=True,
            removal_policy=RemovalPolicy.RETAIN,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="expire",
                    expiration=Duration.days(settings.access_log_retention_days),
                    noncurrent_version_expiration=Duration.days(1),
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                )
            ],
        )

    def _uploads_bucket(self, settings: Settings) -> s3.Bucket:
        """Receive prompts. People put objects; no role of the pipeline may, so the pipeline cannot trigger itself."""
        bucket = self._data_bucket(
            "Uploads",
            lifecycle_rules=[
                # A run is pinned to a version; a retry may need it for as long as the run's own data are kept.
                s3.LifecycleRule(
                    id="old-versions",
                    noncurrent_version_expiration=Duration.days(settings.run_data_retention_days),
                    expired_object_delete_marker=True,
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                )
            ],
        )
        # The L2 flag `event_bridge_enabled` would bring a custom resource with a Lambda and a role of its own.
        resource = cast("s3.CfnBucket", bucket.node.default_child)
        resource.add_property_override("NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled", True)
        return bucket

    def _runs_bucket(self, settings: Settings) -> s3.Bucket:
        """Hold what runs write: datasets, paid answers, training output, reports."""
        return self._data_bucket(
            "Runs",
            lifecycle_rules=[
                s3.LifecycleRule(
                    id=prefix,
                    prefix=f"{prefix}/",
                    expiration=Duration.days(days),
                    noncurrent_version_expiration=Duration.days(30),
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                )
                for prefix, days in (
                    ("runs", settings.run_data_retention_days),
                    ("answers", settings.answers_retention_days),
                    ("discovery", KEPT_DAYS),
                )
            ],
        )

    def _data_bucket(self, construct_id: str, *, lifecycle_rules: list[s3.LifecycleRule]) -> s3.Bucket:
        return s3.Bucket(
            self,
            construct_id,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self.key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            versioned=True,
            server_access_logs_bucket=self._access_logs,
            server_access_logs_prefix=f"{construct_id.lower()}/",
            removal_policy=RemovalPolicy.RETAIN,
            lifecycle_rules=lifecycle_rules,
        )

    def _registry_table(self) -> dynamodb.Table:
        """Keep runs, attempts, ledger, champions and created resources; the index finds them by state."""
        table = self._table("Registry", partition="pk", sort="sk")
        table.add_global_secondary_index(
            index_name=REGISTRY_INDEX,
            partition_key=dynamodb.Attribute(name="state_group", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="since", type=dynamodb.AttributeType.STRING),
            projection_type=dynamodb.ProjectionType.ALL,
        )
        return table

    def _approvals_table(self) -> dynamodb.Table:
        """Keep task tokens apart from the registry: whoever reads one can answer in a person's place."""
        return self._table("Approvals", partition="run_id", time_to_live="expires")

    def _table(
        self, construct_id: str, *, partition: str, sort: str | None = None, time_to_live: str | None = None
    ) -> dynamodb.Table:
        return dynamodb.Table(
            self,
            construct_id,
            partition_key=dynamodb.Attribute(name=partition, type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name=sort, type=dynamodb.AttributeType.STRING) if sort else None,
            time_to_live_attribute=time_to_live,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=self.key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=True,
            removal_policy=RemovalPolicy.RETAIN,
        )

    def _exports(self) -> DataExports:
        return DataExports(
            uploads_bucket=self._exported(self.uploads.bucket_name),
            uploads_bucket_arn=self._exported(self.uploads.bucket_arn),
            runs_bucket=self._exported(self.runs.bucket_name),
            runs_bucket_arn=self._exported(self.runs.bucket_arn),
            registry_table=self._exported(self.registry.table_name),
            registry_table_arn=self._exported(self.registry.table_arn),
            approvals_table=self._exported(self.approvals.table_name),
            approvals_table_arn=self._exported(self.approvals.table_arn),
            key_arn=self._exported(self.key.key_arn),
        )

    def _exported(self, value: str) -> str:
        exported: str = self.export_value(value)
        return exported
