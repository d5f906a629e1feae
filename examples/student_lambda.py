"""A Lambda that asks a student, for callers in other languages; its package has the client beside it."""

import os
from typing import Any

from bedrock_student import Student

student = Student(os.environ.get("TASK", "video-search-intent"))


def handler(event: dict[str, str], _context: object) -> dict[str, Any]:
    """Answer ``{"text": ...}``."""
    answer = student.ask(event["text"], tags={"app": event.get("app", "unknown")})
    return {"text": answer.text, "leg": answer.leg, "valid": answer.valid, "reason": answer.reason, "usd": answer.usd}
