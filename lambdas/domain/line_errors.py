"""Why a line of an upload is not used."""

from __future__ import annotations


class RejectedLine(ValueError):
    """A line that cannot be used, with the reason and what is allowed."""


class DamagedLine(RejectedLine):
    """A line that is no text or no JSON: the file was cut, mixed up or wrongly written, so more may be lost than it."""
