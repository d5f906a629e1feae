"""Objects in S3: the uploads (read a pinned version of) and the runs bucket (read and written)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from lambdas.gateways.aws.service_errors import refusal

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class NewestVersion:
    """The version of an object that a reader gets, and when it was written (aware)."""

    key: str
    version: str
    written_at: datetime


_MISSING = ("NoSuchKey", "404", "NoSuchVersion")
_WRITTEN_MEANWHILE = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
_LONGEST_FIELD = 32 * 1024**2
"""Characters of one field of a query's result: Athena allows 32 MB in a row (Athena quotas)."""


class Bucket:
    """One bucket.

    Parameters
    ----------
    client : S3 client
    name : str
    """

    def __init__(self, client: S3Client, name: str) -> None:
        self._client, self.name = client, name

    def read(self, key: str) -> bytes:
        """Read a whole object that must exist."""
        return self._client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def lines(self, key: str) -> Iterator[bytes]:
        """Read an object that must exist line by line, so that only one line is in memory."""
        yield from self._client.get_object(Bucket=self.name, Key=key)["Body"].iter_lines(chunk_size=65_536)

    def read_json(self, key: str) -> Any:  # noqa: ANN401 - any JSON value
        """Read and parse a JSON object that must exist."""
        return json.loads(self.read(key))

    def find(self, key: str) -> bytes | None:
        """Read an object, or ``None`` where it does not exist.

        It is looked for by listing: without a right to list the whole bucket, S3 answers a missing key with 403.
        """
        return self.read(key) if next(self.keys(key), None) == key else None

    def find_json(self, key: str) -> Any:  # noqa: ANN401 - any JSON value
        """Read and parse a JSON object, or ``None`` where it does not exist."""
        text = self.find(key)
        return None if text is None else json.loads(text)

    def read_if_kept(self, key: str) -> bytes | None:
        """Read an object that was written once, or ``None`` where it has expired.

        For roles that may not list the bucket, to whom S3 answers 403 then.
        """
        try:
            return self.read(key)
        except ClientError as problem:
            if refusal(problem) in (*_MISSING, "AccessDenied"):
                return None
            raise

    def newest_version(self, key: str) -> str | None:
        """Give the id of the newest version of an object, or ``None`` where it does not exist."""
        try:
            return self._client.head_object(Bucket=self.name, Key=key).get("VersionId", "null")
        except ClientError as problem:
            if refusal(problem) in _MISSING:
                return None
            raise

    def metadata(self, key: str, version: str) -> dict[str, str]:
        """Give the user-defined metadata of one version of an object; empty where it was deleted."""
        try:
            return self._client.head_object(Bucket=self.name, Key=key, VersionId=version).get("Metadata", {})
        except ClientError as problem:
            if refusal(problem) in _MISSING:
                return {}
            raise

    def newest_versions(self, after: str) -> tuple[list[NewestVersion], str]:
        """List a page of the bucket's objects, deleted ones left out.

        Parameters
        ----------
        after : str
            The key after which the page begins; empty for the first one.

        Returns
        -------
        tuple
            The newest version of each object, and the key after which the next page begins; empty after the last one.
        """
        marker = {"KeyMarker": after} if after else {}
        page = self._client.list_object_versions(Bucket=self.name, **marker)  # type: ignore[arg-type]
        newest = [
            NewestVersion(item["Key"], item.get("VersionId", "null"), item["LastModified"])
            for item in page.get("Versions", [])
            if item["IsLatest"]
        ]
        return newest, page.get("NextKeyMarker", "") if page.get("IsTruncated") else ""

    def open_version(self, key: str, version: str) -> IO[bytes] | None:
        """Open one version for streaming, or ``None`` where it was deleted."""
        try:
            body = self._client.get_object(Bucket=self.name, Key=key, VersionId=version)["Body"]
        except ClientError as problem:
            if refusal(problem) in _MISSING:
                return None
            raise
        return cast("IO[bytes]", body)

    def write(self, key: str, content: bytes, content_type: str = "application/x-ndjson") -> None:
        """Write an object; the bucket's default encryption applies."""
        self._client.put_object(Bucket=self.name, Key=key, Body=content, ContentType=content_type)

    def write_json(self, key: str, document: object) -> None:
        """Write a JSON object, readable by people."""
        text = json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
        self.write(key, text.encode(), "application/json")

    def write_new(self, key: str, content: bytes) -> bool:
        """Write an object unless it exists; tell whether it was written (conditional writes, S3 user guide)."""
        try:
            self._client.put_object(Bucket=self.name, Key=key, Body=content, IfNoneMatch="*")
        except ClientError as problem:
            if refusal(problem) in _WRITTEN_MEANWHILE:
                return False
            raise
        return True

    def delete_all(self, prefix: str) -> int:
        """Delete every object under a prefix, and give how many there were; older versions expire by themselves.

        Raises
        ------
        OSError
            S3 kept some of them; with the first one's key and reason.
        """
        deleted = 0
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        for page in pages:
            found = [{"Key": item["Key"]} for item in page.get("Contents", [])]
            if not found:
                continue
            kept = self._client.delete_objects(Bucket=self.name, Delete={"Objects": found, "Quiet": True}).get("Errors")  # type: ignore[typeddict-item]
            if kept:
                first = kept[0]
                raise OSError(f"S3 did not delete {first.get('Key')}: {first.get('Code')} {first.get('Message')}")
            deleted += len(found)
        return deleted

    def table_rows(self, key: str) -> Iterator[dict[str, str]]:
        """Read a CSV with a header row by row, as Athena writes the result of a query."""
        import codecs  # noqa: PLC0415 - discovery alone reads tables
        import csv  # noqa: PLC0415

        body = cast("IO[bytes]", self._client.get_object(Bucket=self.name, Key=key)["Body"])
        text = codecs.getreader("utf-8")(body)
        csv.field_size_limit(_LONGEST_FIELD)
        yield from csv.DictReader(text)

    def upload(self, key: str, file: IO[bytes]) -> None:
        """Write an object from a seekable file, from its beginning."""
        file.seek(0)
        self._client.put_object(Bucket=self.name, Key=key, Body=file, ContentType="application/x-ndjson")

    def keys(self, prefix: str) -> Iterator[str]:
        """List the keys under a prefix in alphabetical order."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        for page in pages:
            for item in page.get("Contents", []):
                yield item["Key"]
