"""The model invocation log: each call of the runtime as an entry in S3, as the account's logging asks for it.

Form: Bedrock user guide, model invocation logging. Objects are gzip of one entry a line; bodies above 100 KB lie beside
them. The real service delivers within some minutes; here it is half a second.
"""

from __future__ import annotations

import gzip
import json
import logging
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.bedrock_simulator.catalog import ACCOUNT, REGION
from local.bedrock_simulator.objects import ObjectMissingError, ObjectStore

_SECONDS_BETWEEN = 0.5
_LARGEST_BODY = 100_000
_CHECK = "amazon-bedrock-logs-permission-check"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Logged:
    """One call to be logged.

    Attributes
    ----------
    at : datetime
        When.
    operation, model_id : str
        As the caller named them.
    caller : str or None
        Who called.
    request : dict
        The body.
    response : object
        The body of the answer; ``None`` for a call that failed.
    tokens : tuple of int
        Read and written.
    cached : tuple of int
        Read from a cache and written to one; beside ``tokens``.
    metadata : mapping
        ``requestMetadata``.
    error : str or None
        The error's code.
    """

    at: datetime
    operation: str
    model_id: str
    caller: str | None
    request: dict[str, Any]
    response: object = None
    tokens: tuple[int, int] = (0, 0)
    cached: tuple[int, int] = (0, 0)
    metadata: Mapping[str, str] | None = None
    error: str | None = None


class InvocationLog:
    """Gathers calls while logging is on, and writes them to its bucket.

    Parameters
    ----------
    objects : ObjectStore
        The account's S3.

    Attributes
    ----------
    config : dict or None
        ``loggingConfig`` as it was put; ``None`` where logging is off.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self.config: dict[str, Any] | None = None
        self._objects = objects
        self._waiting: list[Logged] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def put(self, config: dict[str, Any]) -> None:
        """Turn logging on, or move it.

        Raises
        ------
        ObjectMissingError
            Where there is no such bucket.
        """
        if "s3Config" in config:
            place = config["s3Config"]
            self._objects.write(place["bucketName"], f"{_root(place)}/{_CHECK}", b"")
        self.flush()
        self.config = config
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="invocation-log", daemon=True)
            self._thread.start()

    def delete(self) -> None:
        """Turn logging off; what was called before is still written."""
        self.flush()
        self.config = None

    def add(self, call: Logged) -> None:
        """Log a call, if the account wants texts to be logged in S3."""
        config = self.config
        if config and "s3Config" in config and config.get("textDataDeliveryEnabled", True):
            with self._lock:
                self._waiting.append(call)

    def flush(self) -> None:
        """Write what is waiting; a bucket that is gone loses its entries, as in the service."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        if not waiting or self.config is None:
            return
        place = self.config["s3Config"]
        hours: dict[str, list[Logged]] = {}
        for call in waiting:
            hours.setdefault(f"{_root(place)}/{REGION}/{call.at.astimezone(UTC):%Y/%m/%d/%H}", []).append(call)
        try:
            for folder, calls in hours.items():
                self._write(place["bucketName"], folder, calls)
        except ObjectMissingError:
            _LOG.warning("the bucket of the invocation log is gone: %d entries are lost", len(waiting))

    def close(self) -> None:
        """Write the rest and end the thread."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def _write(self, bucket: str, folder: str, calls: list[Logged]) -> None:
        name = f"{calls[0].at.astimezone(UTC):%Y%m%dT%H%M%S%f}Z_{uuid.uuid4().hex[:16]}"
        lines = [
            json.dumps(self._entry(bucket, f"{folder}/data/{name}_{place}", call), ensure_ascii=False).encode()
            for place, call in enumerate(calls)
        ]
        self._objects.write(bucket, f"{folder}/{name}.json.gz", gzip.compress(b"\n".join(lines) + b"\n"))

    def _entry(self, bucket: str, offloaded: str, call: Logged) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "timestamp": call.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "accountId": ACCOUNT,
            "region": REGION,
            "requestId": str(uuid.uuid4()),
            "operation": call.operation,
            "modelId": call.model_id,
            "input": self._part("input", call.request, call.tokens[0], bucket, offloaded),
            "schemaType": "ModelInvocationLog",
            "schemaVersion": "1.0",
        }
        read, written = call.cached
        entry["input"] |= {"cacheReadInputTokenCount": read, "cacheWriteInputTokenCount": written}
        if call.caller:
            entry["identity"] = {"arn": call.caller}
        if call.metadata:
            entry["requestMetadata"] = dict(call.metadata)
        if call.error:
            return entry | {"errorCode": call.error}
        return entry | {"output": self._part("output", call.response, call.tokens[1], bucket, offloaded)}

    def _part(self, side: str, body: object, tokens: int, bucket: str, offloaded: str) -> dict[str, Any]:
        part: dict[str, Any] = {f"{side}ContentType": "application/json"}
        text = json.dumps(body, ensure_ascii=False).encode()
        if len(text) > _LARGEST_BODY:
            key = f"{offloaded}_{side}.json.gz"
            self._objects.write(bucket, key, gzip.compress(text))
            part[f"{side}BodyS3Path"] = f"s3://{bucket}/{key}"
        else:
            part[f"{side}BodyJson"] = body
        return part | {f"{side}TokenCount": tokens}

    def _run(self) -> None:
        while not self._ended.wait(_SECONDS_BETWEEN):
            self.flush()


def _root(place: Mapping[str, str]) -> str:
    prefix = place.get("keyPrefix", "").strip("/")
    return f"{prefix}/" * bool(prefix) + f"AWSLogs/{ACCOUNT}/BedrockModelInvocationLogs"
