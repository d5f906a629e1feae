"""The request for approval as people read it: the verdict, what approving costs, and how to answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from lambdas.domain.explicit_reasons import ExplicitReason, sentences
from lambdas.domain.serving.break_even import advice, pays_up_to
from lambdas.domain.serving.notification import subject_line
from lambdas.domain.text.plain_text import one_line

if TYPE_CHECKING:
    from lambdas.domain.task.task_definition import Serving

COMMITMENT_DAYS = {"OneMonth": 30, "SixMonths": 180}
"""Days that a commitment binds; Bedrock names the exact end in ``commitmentExpirationTime`` once it is purchased."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ApprovalRequest:
    """What a person must know before the word that begins to bill.

    Attributes
    ----------
    rules_passed : int
        Lines of the gate that the student kept.
    break_even : mapping
        ``break_even`` of ``report.json``.
    explicit_reasons : tuple of ExplicitReason
        What needs an explicit word.
    notes : tuple of str
        What a person should know besides, one sentence each.
    expires : str
        ISO 8601 in UTC.
    prompting : str
        That prompting alone is enough, where the run shows it.
    """

    environment: str
    run_id: str
    task: str
    serving: Serving
    decision: str
    rules_passed: int
    break_even: Mapping[str, Any]
    explicit_reasons: tuple[ExplicitReason, ...]
    notes: tuple[str, ...] = ()
    expires: str
    report_uri: str
    report_sha256: str
    simulated: bool
    prompting: str = ""

    @property
    def usd_per_hour(self) -> float | None:
        """What the endpoint costs an hour, for all model units; ``None`` where no price is known."""
        hour: float | None = self.break_even["provisioned_throughput_usd_per_hour"]
        return hour

    @property
    def price_wanted(self) -> bool:
        """Whether approving needs the price of a model-unit hour from the person."""
        return self.serving.mode == "provisioned_throughput" and self.usd_per_hour is None

    @property
    def pays_up_to(self) -> float | None:
        """Dollars of a model-unit hour above which a price that is wanted needs an explicit word."""
        return pays_up_to(self.break_even) if self.price_wanted else None


def approval_message(request: ApprovalRequest, now: datetime) -> tuple[str, str]:
    """Write subject and text of a request for approval. The task token is never part of it."""
    lines = [
        f"Run {request.run_id} of task {request.task} ({request.environment}) asks for approval.",
        *([f"{request.prompting.rstrip('.')}."] if request.prompting else []),
        f"Verdict: {request.decision}; the student kept all {request.rules_passed} rules of its gate.",
        _consequence(request, now),
        advice(request.break_even),
        *(f"Needs your explicit word (--explicitly): {sentence}." for sentence in sentences(request.explicit_reasons)),
        *(f"Note: {sentence.rstrip('.')}." for sentence in request.notes),
        *(["All figures are simulated."] if request.simulated else []),
        f"Read the report first: {request.report_uri}",
        f"Its report.json has SHA-256 {request.report_sha256}.",
        f"Then answer until {request.expires}: {_command(request)}",
        f'Or refuse: python -m cli reject {request.run_id} --why "..."',
    ]
    return subject_line(f"Approval wanted: distillation of {request.task} ({request.environment})"), _text(lines)


def reminder_message(*, environment: str, run_id: str, task: str, expires: str) -> tuple[str, str]:
    """Write subject and text of the one reminder before a request expires."""
    lines = [
        f"Run {run_id} of task {task} ({environment}) still waits for approval; the request expires at {expires}.",
        "Then everything that the run made is released, its trained model after the days of the settings.",
        f"Read the report: python -m cli report {run_id}",
        f'Answer: python -m cli approve {run_id} --why "..." (or: python -m cli reject {run_id} --why "...")',
    ]
    return subject_line(f"Approval expires soon: distillation of {task} ({environment})"), _text(lines)


def _consequence(request: ApprovalRequest, now: datetime) -> str:
    serving, hour = request.serving, request.usd_per_hour
    if serving.mode == "on_demand":
        return "Approving serves the student on demand: it is paid by the token and nothing bills by the hour."
    price = "at a price per hour that is not known" if hour is None else f"for ${hour:,.2f} an hour"
    begin = f"Approving serves the student on provisioned throughput {price}"
    if serving.commitment == "none":
        return f"{begin}, billed until it is deleted.{_where_the_price_is(request)}"
    days = COMMITMENT_DAYS[serving.commitment]
    end = (now + timedelta(days=days)).date().isoformat()
    total = "" if hour is None else f", ${hour * 24 * days:,.2f} in all"
    bound = f"{begin}, for a commitment of {serving.commitment}{total}, which cannot be ended before {end}"
    return f"{bound} or later, by when you answer.{_where_the_price_is(request)}"


def _where_the_price_is(request: ApprovalRequest) -> str:
    if not request.price_wanted:
        return ""
    limit, volume = request.pays_up_to, request.serving.expected_requests_per_month
    dear = ""
    if limit is not None:
        dear = f" Above ${limit:,.4f} it does not pay at {volume:,} requests a month and needs --explicitly as well."
    return (
        " AWS publishes no price of this throughput: read it on the Bedrock console (Provisioned Throughput, Purchase) "
        "or in your price agreement, and state the dollars of one model-unit hour with --hourly-price."
        f"{dear}"
    )


def _command(request: ApprovalRequest) -> str:
    options = [
        *(["--hourly-price USD"] if request.price_wanted else []),
        *(["--explicitly"] if request.explicit_reasons else []),
        f"--report-sha256 {request.report_sha256[:12]}",
        '--why "..."',
    ]
    return f"python -m cli approve {request.run_id} {' '.join(options)}"


def _text(lines: list[str]) -> str:
    return "\n".join(map(one_line, lines)) + "\n"
