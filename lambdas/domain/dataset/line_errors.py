"""Why a line of an upload is not used."""

from __future__ import annotations


class RejectedLine(ValueError):
    """A line that cannot be used, with the reason and what is allowed."""


class DamagedLine(RejectedLine):
    """A damaged line is not valid UTF-8 or JSON: the file was cut, mixed up or wrongly written, so more may be lost."""


class SecretLine(RejectedLine):
    """A line that holds what looks like a secret: the reason names its kinds and no part of it.

    Parameters
    ----------
    kinds : list of str
    """

    def __init__(self, kinds: list[str]) -> None:
        super().__init__(f"it holds what looks like a secret ({', '.join(kinds)}); remove it from the text")
        self.kinds = kinds
