"""Reading production traffic: the log sources of the settings and nothing else; without one, no statement at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacks.access.permissions import Permission, allow

if TYPE_CHECKING:
    from aws_cdk import Stack

    from lambdas.domain.task.settings import Settings

_LOG_KEYS = "Bedrock makes the keys of its logs; the wildcard covers what it delivers for this account and Region."


class LogAccess:
    """Statements for the log sources of an environment.

    Parameters
    ----------
    stack : Stack
        Gives partition, Region and account.
    settings : Settings
        Names the sources.
    """

    def __init__(self, stack: Stack, settings: Settings) -> None:
        self._stack = stack
        self._sources = settings.allowed_logs()
        self._region = settings.region

    def listed(self) -> list[Permission]:
        """Allow listing where Bedrock delivers."""
        return [
            allow(
                "s3:ListBucket",
                on=[self._bucket(source.bucket)],
                to="list the hours of a log source",
                when={"StringLike": {"s3:prefix": f"{source.root(self._stack.account, self._region)}*"}},
            )
            for source in self._sources
        ]

    def located(self) -> list[Permission]:
        """Allow learning in which Region a source lies, as Athena asks before it reads."""
        buckets = sorted({source.bucket for source in self._sources})
        return [allow("s3:GetBucketLocation", on=[self._bucket(name) for name in buckets], to="find a log source")]

    def read(self) -> list[Permission]:
        """Allow reading what Bedrock delivered, and the key of a source where it has one."""
        objects = [
            f"{self._bucket(source.bucket)}/{source.root(self._stack.account, self._region)}*"
            for source in self._sources
        ]
        keys = sorted({source.key for source in self._sources if source.key})
        through_s3 = {"StringEquals": {"kms:ViaService": f"s3.{self._region}.amazonaws.com"}}
        return [
            *(
                [
                    allow(
                        "s3:GetObject",
                        on=objects,
                        to="read invocation logs and the bodies beside them",
                        because=_LOG_KEYS,
                    )
                ]
                if objects
                else []
            ),
            *(
                [allow("kms:Decrypt", on=keys, to="read a log source that has a key of its own", when=through_s3)]
                if keys
                else []
            ),
        ]

    def _bucket(self, name: str) -> str:
        return f"arn:{self._stack.partition}:s3:::{name}"
