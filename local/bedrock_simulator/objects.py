"""Where jobs read their input and write their output: S3, or a dictionary in a test."""

from __future__ import annotations

from typing import Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


class ObjectMissingError(LookupError):
    """There is no such bucket or key."""


class ObjectStore(Protocol):
    """The little of S3 that a job needs."""

    def read(self, bucket: str, key: str) -> bytes:
        """Return an object's bytes; raise :class:`ObjectMissingError` where there is none."""
        ...

    def write(self, bucket: str, key: str, body: bytes) -> None:
        """Store an object; raise :class:`ObjectMissingError` where there is no such bucket."""
        ...

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """Return the keys below a prefix; raise :class:`ObjectMissingError` where there is no such bucket."""
        ...


class MemoryObjectStore:
    """A dictionary that stands for S3."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}

    def read(self, bucket: str, key: str) -> bytes:
        """Return an object's bytes."""
        try:
            return self.objects[bucket, key]
        except KeyError:
            raise ObjectMissingError(f"s3://{bucket}/{key} does not exist") from None

    def write(self, bucket: str, key: str, body: bytes) -> None:
        """Store an object."""
        self.objects[bucket, key] = body

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """Return the keys below a prefix."""
        return sorted(key for held, key in self.objects if held == bucket and key.startswith(prefix))


class S3ObjectStore:
    """The embedded AWS's S3, read with its root test credentials.

    Whether the *job's role* may read is the access check's business, not this class's.

    Parameters
    ----------
    endpoint_url : str
        Where the embedded AWS listens.
    region : str
        The region of its buckets.
    """

    def __init__(self, endpoint_url: str, region: str) -> None:
        self._client = boto3.client(
            "s3",
            endpoint_url=endpoint_url,
            region_name=region,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 (the emulator's documented root key)
            config=Config(proxies={}, s3={"addressing_style": "path"}, retries={"mode": "standard", "max_attempts": 3}),
        )

    def read(self, bucket: str, key: str) -> bytes:
        """Return an object's bytes."""
        try:
            return self._client.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as error:
            raise ObjectMissingError(f"s3://{bucket}/{key}: {error}") from error

    def write(self, bucket: str, key: str, body: bytes) -> None:
        """Store an object."""
        try:
            self._client.put_object(Bucket=bucket, Key=key, Body=body)
        except ClientError as error:
            raise ObjectMissingError(f"s3://{bucket}/{key}: {error}") from error

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """Return the keys below a prefix."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        try:
            return [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        except ClientError as error:
            raise ObjectMissingError(f"s3://{bucket}/{prefix}: {error}") from error


def split_uri(uri: str) -> tuple[str, str]:
    """Split an S3 URI into bucket and key."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
