"""What discovery may do: read the log sources of the settings, write under one prefix, ask Athena in one workgroup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacks.access.key_access import data_key
from stacks.access.log_access import LogAccess
from stacks.access.permissions import Permission, allow
from stacks.data_stack import REGISTRY_INDEX

if TYPE_CHECKING:
    from aws_cdk import Stack

    from lambdas.domain.task.settings import Settings
    from stacks.data_stack import DataExports

_OWN_FILES = "Days, rules and results are named at run time; the wildcard covers one prefix of one bucket."
_TABLES = "Athena asks for the catalog and the database beside the tables; the wildcard covers this database's tables."


class DiscoveryPermissions:
    """Statements for the Lambdas of discovery: one method a Lambda, named like its folder.

    Parameters
    ----------
    stack : Stack
        Gives partition, Region and account.
    settings : Settings
        Names the log sources.
    data : DataExports
        The runs bucket.
    """

    def __init__(self, stack: Stack, *, settings: Settings, data: DataExports) -> None:
        self._logs, self._bucket = LogAccess(stack, settings), data.runs_bucket_arn
        self._registry = data.registry_table_arn
        here = f"arn:{stack.partition}:bedrock:{stack.region}:{stack.account}"
        self._profiles = f"{here}:application-inference-profile/*"

    def plan_discovery(self) -> list[Permission]:
        """List the logs and what was read of them, keep the salt."""
        return [
            *self._logs.listed(),
            self._list("days/*"),
            allow(
                "s3:GetObject",
                "s3:PutObject",
                on=[f"{self._bucket}/discovery/salt/salt.txt"],
                to="make the secret of the digests once, and keep it from expiring",
            ),
        ]

    def prepare_day(self) -> list[Permission]:
        """Empty a day."""
        return [
            self._list("calls/*", "bodies/*", "days/*"),
            self._files("s3:DeleteObject", "calls/*", "bodies/*", "days/*", to="empty a day before it is read"),
        ]

    def read_offloaded_bodies(self) -> list[Permission]:
        """Read log objects and the bodies beside them, write their digests and that the day was read."""
        return [
            *self._logs.read(),
            self._files("s3:GetObject", "results/*", "salt/*", to="read what the query named, and the salt"),
            self._files("s3:PutObject", "bodies/*", "days/*", to="write digests, and that the day was read"),
        ]

    def group_calls(self) -> list[Permission]:
        """Read the sample, write rules."""
        return [
            self._files("s3:GetObject", "results/*", to="read the sample"),
            self._files("s3:PutObject", "rules/*", to="write the rules"),
        ]

    def rank_opportunities(self) -> list[Permission]:
        """Read figures, write what was found, and count what of it somebody acted on."""
        registry = self._registry
        return [
            allow(
                "dynamodb:GetItem",
                on=[registry],
                to="see which task has a champion",
                when={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["TASK#*"]}},
            ),
            allow(
                "dynamodb:Query",
                on=[f"{registry}/index/{REGISTRY_INDEX}"],
                to="see which task has a run",
            ),
            allow(
                "bedrock:GetInferenceProfile",
                on=[self._profiles],
                to="learn of which model a profile in the log was made",
                because="Profiles are those that callers named; the wildcard covers this account's own.",
            ),
            self._files("s3:GetObject", "results/*", to="read the figures"),
            self._files("s3:PutObject", "opportunities/*", to="write what was found"),
        ]

    def _list(self, *folders: str) -> Permission:
        return allow(
            "s3:ListBucket",
            on=[self._bucket],
            to="see what was read already",
            when={"StringLike": {"s3:prefix": [f"discovery/{folder}" for folder in folders]}},
        )

    def _files(self, action: str, *folders: str, to: str) -> Permission:
        files = [f"{self._bucket}/discovery/{folder}" for folder in folders]
        return allow(action, on=files, to=to, because=_OWN_FILES)


def machine_permissions(
    stack: Stack, *, settings: Settings, data: DataExports, database: str, workgroup: str
) -> list[Permission]:
    """Allow queries: Athena reads tables, logs and results with the rights of whoever asks.

    Statements as in "Call Athena with Step Functions" (Step Functions developer guide) and "Fine-grained access to
    databases and tables" (Athena user guide).
    """
    here = f"{stack.region}:{stack.account}"
    catalog = f"arn:{stack.partition}:glue:{here}"
    named = [f"{catalog}:catalog", f"{catalog}:database/{database}"]
    logs, bucket = LogAccess(stack, settings), data.runs_bucket_arn
    own = [
        allow(
            "s3:GetObject",
            "s3:PutObject",
            "s3:AbortMultipartUpload",
            "s3:ListMultipartUploadParts",
            on=[f"{bucket}/discovery/*"],
            to="read and write rows and results",
            because=_OWN_FILES,
        ),
        allow(
            "s3:ListBucket",
            on=[bucket],
            to="find rows and results",
            when={"StringLike": {"s3:prefix": ["discovery/*"]}},
        ),
        allow("s3:GetBucketLocation", "s3:ListBucketMultipartUploads", on=[bucket], to="write results"),
    ]
    return [
        allow(
            "athena:StartQueryExecution",
            "athena:StopQueryExecution",
            "athena:GetQueryExecution",
            on=[f"arn:{stack.partition}:athena:{here}:workgroup/{workgroup}"],
            to="run queries in one workgroup, which bounds what a query may scan",
        ),
        allow(
            "athena:GetDataCatalog",
            on=[f"arn:{stack.partition}:athena:{here}:datacatalog/AwsDataCatalog"],
            to="find the tables",
        ),
        allow("glue:GetDatabase", on=named, to="find the database of the tables"),
        allow(
            "glue:GetTable",
            "glue:GetPartitions",
            on=[*named, f"{catalog}:table/{database}/*"],
            to="read the definitions of the tables",
            because=_TABLES,
        ),
        *logs.listed(),
        *logs.read(),
        *logs.located(),
        *own,
        *data_key(own, key=data.key_arn, region=stack.region),
    ]
