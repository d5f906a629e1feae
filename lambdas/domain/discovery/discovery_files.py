"""Where the files of discovery lie in the runs bucket: keys and nothing else."""

from __future__ import annotations

ROOT = "discovery"

KEPT_DAYS = 100
"""Days after which whatever lies under it expires: longer than the longest range."""

SALT = f"{ROOT}/salt/salt.txt"
"""One line: the secret that digests of prompts are made with."""

LATEST = f"{ROOT}/opportunities/latest.json"
"""What the last finished discovery found."""


def calls_prefix(source: int, day: str) -> str:
    """Give the prefix of the rows of a day (``YYYY-MM-DD``) of a log source, counted from 0 as in the settings."""
    return f"{ROOT}/calls/source={source}/day={day}/"


def bodies_prefix(source: int, day: str) -> str:
    """Give the prefix of the rows of a day whose bodies lay beside the log."""
    return f"{ROOT}/bodies/source={source}/day={day}/"


def marker(source: int, day: str) -> str:
    """Give the key of the file that says that a day was read, with its counts."""
    return f"{markers(source)}{day}.json"


def markers(source: int) -> str:
    """Give the prefix of these files of a log source."""
    return f"{ROOT}/days/source={source}/"


def rules(generation: str) -> str:
    """Give the key of the rules of one discovery."""
    return f"{ROOT}/rules/{generation}/rules.json"


def result(query: str) -> str:
    """Give the key of what an Athena query returned; ``query`` is its execution id."""
    return f"{ROOT}/results/{query}.csv"


def opportunities(generation: str) -> str:
    """Give the key of what one discovery found."""
    return f"{ROOT}/opportunities/{generation}.json"
