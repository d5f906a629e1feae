"""A found task: a group of logged calls that ask the same kind of question, with the figures that levers need."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

_ADDED_LATER = ("damaged_lines", "unread_days")
"""Fields that earlier documents have not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelTraffic:
    """What one model was asked for a found task.

    ``model`` is the ``modelId`` of the log: a foundation model, an inference profile or its ARN. Tokens are sums over
    the range; ``input_tokens`` are those that were neither read from a cache nor written to one.
    """

    model: str
    calls: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundTask:
    """Figures of one group of calls over a range of whole UTC days.

    Parameters
    ----------
    task : str
        ``t-`` and ten hex digits of its rule, or the value of the request metadata that names the task;
        ``unassigned`` for the calls that no rule takes.
    named_by : str
        ``metadata``, ``rule`` or ``none``.
    first_day, last_day : str
        The range, ISO days, both included. ``days`` is how many of them have calls.
    calls, failed_calls : int
        Calls without and with an error code; every share below is of those without that were read.
    calls_a_day_p50, calls_a_day_p95 : float
        Over the days of the range, days without a call included.
    models : tuple of ModelTraffic
        By descending calls.
    principals : tuple of (str, int)
        Role or user names of the callers and their calls, by descending calls.
    input_tokens_p50, input_tokens_p95, output_tokens_p50, output_tokens_p95 : float
        Tokens of a call; those of the cache count as input.
    json_share, tools_share, tool_use_share, image_share, stream_share, truncated_share, multi_turn_share : float
        Answers that begin like JSON; requests that offer tools; answers that use one; requests with an image, document
        or video; streamed calls; answers cut at the token limit; requests of more than one turn of the user.
    scripts : dict
        Share of calls by the script of what the user wrote (``latin``, ``cyrillic``, ``cjk``, ``arabic``, ``other``).
    duplicate_share : float
        Calls whose whole request is a repetition of an earlier one of the range.
    prompt_characters : float
        Mean length of system text and first user turn.
    prefix_characters : int
        Length of the longest measured beginning that at least 80 % of the calls share.
    shared_characters : int
        Length of the lines that at least 90 % of the calls share, wherever they stand.
    gap_seconds_p50 : float
        Median time between neighbouring calls.
    peak_calls_a_minute : int
        Most calls in a minute of the range.
    busiest_hours_share : float
        Share of the calls in the busiest tenth of the hours that have calls.
    batchable_share : float
        Share of the calls in minutes of at least 30 calls.
    offloaded_calls, unread_calls : int
        Calls whose bodies lie beside the log, and calls whose request was not read: those of them that were not, and
        requests of a form that nothing here reads.
    damaged_lines : int
        Lines of the log that are not entries; of ``unassigned`` only.
    unread_days : int
        Days of the range whose log was not read, in no source: no year is worked out from them.
    """

    task: str
    named_by: str
    first_day: str
    last_day: str
    days: int
    calls: int
    failed_calls: int
    calls_a_day_p50: float
    calls_a_day_p95: float
    models: tuple[ModelTraffic, ...]
    principals: tuple[tuple[str, int], ...]
    input_tokens_p50: float
    input_tokens_p95: float
    output_tokens_p50: float
    output_tokens_p95: float
    json_share: float
    tools_share: float
    tool_use_share: float
    image_share: float
    stream_share: float
    truncated_share: float
    multi_turn_share: float
    scripts: dict[str, float]
    duplicate_share: float
    prompt_characters: float
    prefix_characters: int
    shared_characters: int
    gap_seconds_p50: float
    peak_calls_a_minute: int
    busiest_hours_share: float
    batchable_share: float
    offloaded_calls: int
    unread_calls: int
    damaged_lines: int = 0
    unread_days: int = 0

    def to_document(self) -> dict[str, Any]:
        """Give the figures as JSON has them."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Read what :meth:`to_document` gave; unknown fields are left out.

        Raises
        ------
        KeyError
            A field is missing.
        """
        known = {name: document[name] for name in cls.__slots__ if name in document or name not in _ADDED_LATER}
        known["models"] = tuple(ModelTraffic(**use) for use in known["models"])
        known["principals"] = tuple((str(name), int(calls)) for name, calls in known["principals"])
        return cls(**known)
