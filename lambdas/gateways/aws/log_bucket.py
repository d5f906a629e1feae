"""The bucket of a log source: read only, under the prefix where Bedrock delivers, and only if this account owns it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from botocore.exceptions import ClientError

from lambdas.gateways.aws.service_errors import refusal

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# S3 answers a missing key with 403, not 404, to a role that may not list the whole bucket; so it does where the policy
# of the bucket or its key refuses. Both are said in the reason, and counted.
_MISSING = ("NoSuchKey", "404", "AccessDenied", "403")


class LogObject(NamedTuple):
    """One object of the log: its key, what it holds (ETag) and its bytes as stored."""

    key: str
    etag: str
    size: int


class LogBucket:
    """One log source.

    Parameters
    ----------
    client : S3 client
    bucket : str
    root : str
        Prefix under which everything lies that may be read.
    owner : str
        Account that must own the bucket: one that was deleted and made by somebody else is refused by S3.
    """

    def __init__(self, client: S3Client, bucket: str, root: str, owner: str) -> None:
        self._client, self._bucket, self._root, self._owner = client, bucket, root, owner

    def entries_of(self, hour: str) -> Iterator[LogObject]:
        """List the objects with entries of an hour (``YYYY/MM/DD/HH/``), in the order of their keys.

        Offloaded bodies under ``data/`` are not entries.
        """
        prefix = f"{self._root}{hour}"
        request: dict[str, Any] = {"Bucket": self._bucket, "Prefix": prefix, "ExpectedBucketOwner": self._owner}
        for page in self._client.get_paginator("list_objects_v2").paginate(**request):
            for item in page.get("Contents", []):
                if "/" not in item["Key"].removeprefix(prefix) and item["Size"]:
                    yield LogObject(item["Key"], item["ETag"], item["Size"])

    def open(self, key: str) -> IO[bytes] | None:
        """Open an object of the listing, or ``None`` where it was deleted since or may not be read."""
        request: dict[str, Any] = {"Bucket": self._bucket, "Key": key, "ExpectedBucketOwner": self._owner}
        try:
            return cast("IO[bytes]", self._client.get_object(**request)["Body"])
        except ClientError as problem:
            if refusal(problem) in _MISSING:
                return None
            raise

    def open_body(self, path: str) -> IO[bytes] | None:
        """Open an offloaded body, or ``None`` where its path leads out of the log source or to nothing."""
        inside = f"s3://{self._bucket}/{self._root}"
        return self.open(path.removeprefix(f"s3://{self._bucket}/")) if path.startswith(inside) else None
