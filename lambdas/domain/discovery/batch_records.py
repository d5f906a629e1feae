"""Logged calls as the input of a batch inference job (Bedrock user guide, format batch inference data)."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.domain.discovery.logged_request import CONVERSE, LeverNotWritten, LoggedRequest
from lambdas.domain.discovery.shared_prompt import without_cache_points
from lambdas.domain.discovery.spend import BATCH_WAY, Flow, priced_name

if TYPE_CHECKING:
    from lambdas.domain.prices.price_book import PriceBook
    from lambdas.domain.training.batch_inference import BatchLimits

MOST_RECORDS = 1_000
"""Calls that are written: enough to see what a job makes of them."""

STREAMED_CALLS, MEDIA_CALLS, TOOLS_CALLS = (
    "streamed: somebody waits",
    "images or documents: not in the log",
    "tools in Converse's form",
)
GUARDRAIL_CALLS, OTHERS_CALLS, REPEATED_CALLS = (
    "with a guardrail: no job has one",
    "of another model or form",
    "logged twice",
)
"""Why a call is not in the file."""

_NO_FIELDS_OF_A_JOB = ("requestMetadata", "serviceTier", "performanceConfig")


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchFile:
    """The input of one job.

    Attributes
    ----------
    model : str
        ``modelId`` of the job, as the calls named it.
    form : str
        Its ``modelInvocationType``.
    left_out : mapping of str to int
        Calls that are not in it, by reason.
    flow : Flow
        Tokens of the calls, paid on demand.
    """

    model: str
    form: str
    lines: tuple[bytes, ...]
    left_out: Mapping[str, int]
    flow: Flow

    @property
    def in_batch(self) -> Flow:
        """The same tokens in a job, where no cache answers."""
        return self.flow.uncached(self.flow.model, BATCH_WAY)


def batch_file(
    requests: Iterable[LoggedRequest], prices: PriceBook, profiles: Mapping[str, str], limits: BatchLimits
) -> BatchFile:
    """Write the calls of the model and form that most of them have; a job has one of each.

    Raises
    ------
    LeverNotWritten
        They are fewer than a job takes, or no such model has batch prices.
    """
    left_out: Counter[str] = Counter()
    groups: dict[tuple[str, str], dict[str, LoggedRequest]] = defaultdict(dict)
    for number, one in enumerate(requests, 1):
        name = priced_name(one.model, profiles)
        why = _why_not(one)
        if name is None or not all(prices.find(name, f"{BATCH_WAY}{usage}") for usage in ("input", "output")):
            left_out[f"of {one.model}: no batch prices"] += 1
        elif why is not None:
            left_out[why] += 1
        else:
            group, name_of_record = groups[one.model, one.form], one.request_id or f"call-{number}"
            left_out[REPEATED_CALLS] += name_of_record in group
            group.setdefault(name_of_record, one)
    (model, form), chosen = max(groups.items(), key=lambda item: len(item[1]), default=(("", ""), {}))
    if len(chosen) < limits.min_records:
        reasons = "; ".join(f"{calls:,} {why}" for why, calls in left_out.most_common() if calls)
        raise LeverNotWritten(
            f"{len(chosen):,} calls could be records, and a batch job takes at least {limits.min_records:,}"
            f"{f'. Left out: {reasons}' if reasons else ''}"
        )
    left_out[OTHERS_CALLS] += sum(len(group) for group in groups.values()) - len(chosen)
    written = dict(list(chosen.items())[: min(MOST_RECORDS, limits.max_records)])
    return BatchFile(
        model=model,
        form=form,
        lines=tuple(_line(name, one) for name, one in written.items()),
        left_out={why: calls for why, calls in left_out.most_common() if calls},
        flow=Flow(
            model=priced_name(model, profiles) or model,
            calls=float(len(written)),
            input_tokens=float(sum(one.input_tokens for one in written.values())),
            cache_read_tokens=float(sum(one.cache_read_tokens for one in written.values())),
            cache_write_tokens=float(sum(one.cache_write_tokens for one in written.values())),
            output_tokens=float(sum(one.output_tokens for one in written.values())),
        ),
    )


def job_request(file: BatchFile, name: str, bucket: str, role: str) -> dict[str, Any]:
    """Give the parameters of CreateModelInvocationJob; input and output lie under ``batch/`` of the bucket."""
    return {
        "jobName": name,
        "roleArn": role,
        "modelId": file.model,
        "modelInvocationType": file.form,
        "inputDataConfig": {
            "s3InputDataConfig": {"s3Uri": f"s3://{bucket}/batch/{name}/input.jsonl", "s3InputFormat": "JSONL"}
        },
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": f"s3://{bucket}/batch/{name}/output/"}},
    }


def _why_not(one: LoggedRequest) -> str | None:
    if one.is_streamed:
        return STREAMED_CALLS
    if one.has_media:
        return MEDIA_CALLS
    if one.form == CONVERSE and one.body.get("toolConfig"):
        return TOOLS_CALLS
    return GUARDRAIL_CALLS if one.body.get("guardrailConfig") else None


def _line(name: str, one: LoggedRequest) -> bytes:
    body: dict[str, Any] = dict(one.body)
    if one.form == CONVERSE:
        asked = without_cache_points(one.as_converse())
        body = {field: value for field, value in asked.items() if field not in ("modelId", *_NO_FIELDS_OF_A_JOB)}
    document = {"recordId": name, "modelInput": body}
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
