"""Rows of stage 3 become found tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date

from lambdas.domain.discovery.found_task import FoundTask, ModelTraffic
from lambdas.domain.discovery.masking import PREFIX_CHARACTERS
from lambdas.domain.evaluation.confidence_bounds import percentile


def found_tasks(rows: Iterable[Mapping[str, str]]) -> list[FoundTask]:
    """Read the rows of :func:`lambdas.domain.discovery.queries.figures`, as Athena writes them into CSV.

    Returns
    -------
    list of FoundTask
        By descending calls; the unassigned calls are one of them.

    Raises
    ------
    KeyError, ValueError
        A row has other columns than the query.
    """
    return sorted((_task(row) for row in rows), key=lambda task: (-task.calls, task.task, task.named_by))


def _task(row: Mapping[str, str]) -> FoundTask:
    calls = _count(row["calls"])
    whole_days = (date.fromisoformat(row["last_day"]) - date.fromisoformat(row["first_day"])).days + 1
    by_day = [int(fields[0]) for fields in _elements(row["calls_by_day"])]
    every_day = [*by_day, *[0] * (whole_days - len(by_day))]
    scripts = {fields[0]: int(fields[1]) for fields in _elements(row["scripts"])}
    place = _count(row["prefix_place"])

    def share(column: str) -> float:
        return _count(row[column]) / calls if calls else 0.0

    return FoundTask(
        task=row["task"],
        named_by=row["named_by"],
        first_day=row["first_day"],
        last_day=row["last_day"],
        days=len(by_day),
        calls=calls,
        failed_calls=_count(row["failed_calls"]),
        calls_a_day_p50=float(percentile(every_day, 0.5)),
        calls_a_day_p95=float(percentile(every_day, 0.95)),
        models=tuple(sorted(_models(row["models"]), key=lambda use: (-use.calls, use.model))),
        principals=tuple(sorted(_principals(row["principals"]), key=lambda found: (-found[1], found[0]))),
        input_tokens_p50=_number(row["input_tokens_p50"]),
        input_tokens_p95=_number(row["input_tokens_p95"]),
        output_tokens_p50=_number(row["output_tokens_p50"]),
        output_tokens_p95=_number(row["output_tokens_p95"]),
        json_share=_number(row["json_share"]),
        tools_share=_number(row["tools_share"]),
        tool_use_share=_number(row["tool_use_share"]),
        image_share=_number(row["image_share"]),
        stream_share=_number(row["stream_share"]),
        truncated_share=_number(row["truncated_share"]),
        multi_turn_share=_number(row["multi_turn_share"]),
        scripts={script: found / sum(scripts.values()) for script, found in sorted(scripts.items())},
        duplicate_share=share("repeated_calls"),
        prompt_characters=_number(row["prompt_characters"]),
        prefix_characters=PREFIX_CHARACTERS[place - 1] if place else 0,
        shared_characters=_count(row["shared_characters"]),
        gap_seconds_p50=_number(row["gap_seconds_p50"]),
        peak_calls_a_minute=_count(row["peak_calls_a_minute"]),
        busiest_hours_share=share("busiest_calls"),
        batchable_share=share("batchable_calls"),
        offloaded_calls=_count(row["offloaded_calls"]),
        unread_calls=_count(row["unread_calls"]),
        damaged_lines=_count(row["damaged_lines"]),
    )


def _models(text: str) -> Iterator[ModelTraffic]:
    for model, *numbers in _elements(text):
        calls, tokens, reads, writes, output = (int(number) for number in numbers)
        yield ModelTraffic(
            model=model,
            calls=calls,
            input_tokens=tokens,
            cache_read_tokens=reads,
            cache_write_tokens=writes,
            output_tokens=output,
        )


def _principals(text: str) -> Iterator[tuple[str, int]]:
    for name, calls in _elements(text):
        yield name, int(calls)


def _elements(text: str | None) -> list[list[str]]:
    return [element.split("\t") for element in text.split("\n")] if text else []


def _number(text: str | None) -> float:
    return float(text) if text else 0.0


def _count(text: str | None) -> int:
    return int(float(text)) if text else 0
