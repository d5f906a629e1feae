"""Event streams as the services send them: framed messages with headers and two checksums.

Source: the AWS Smithy specification, Amazon event stream (``application/vnd.amazon.eventstream``).
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable
from typing import Any

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7
_CHECKSUM_BYTES, _PRELUDE_BYTES = 4, 8
Event = tuple[str, dict[str, Any]]


def encoded(events: Iterable[Event], exceptions: Iterable[str]) -> bytes:
    """Write events one after the other.

    Parameters
    ----------
    events : iterable of (str, dict)
        Member of the stream and its content.
    exceptions : iterable of str
        The members that are errors: they end the stream.
    """
    errors = frozenset(exceptions)
    return b"".join(_message(name, content, is_error=name in errors) for name, content in events)


def _message(name: str, content: dict[str, Any], *, is_error: bool) -> bytes:
    kind = "exception" if is_error else "event"
    headers = b"".join(
        _header(key, value)
        for key, value in (
            (f":{kind}-type", name),
            (":content-type", "application/json"),
            (":message-type", kind),
        )
    )
    payload = json.dumps(content, ensure_ascii=False).encode()
    total = _PRELUDE_BYTES + _CHECKSUM_BYTES + len(headers) + len(payload) + _CHECKSUM_BYTES
    prelude = struct.pack("!II", total, len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack("!I", zlib.crc32(message))


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return struct.pack("!B", len(key)) + key + struct.pack("!BH", _STRING, len(text)) + text
