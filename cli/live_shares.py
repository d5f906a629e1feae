"""What callers of a task really meet, beside what was foreseen when its routing was adopted."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from cli.fitting_table import TableColumn, print_table
from cli.screen import SIMULATED
from lambdas.domain.serving.live_share import FEWEST_REQUESTS, LiveTraffic, counted_since, leaves_bounds
from lambdas.gateways.aws.caller_metrics import read_live
from lambdas.workflow.stage import iso, utc_now

if TYPE_CHECKING:
    from cli.session import Session
    from lambdas.gateways.registry.champions import TaskState


def live_status(session: Session, task: str, state: TaskState) -> None:
    """Show shares, reasons and dollars of the last day, or since the present way to serve was chosen."""
    now, deployment, champion = utc_now(), session.deployment, state.champion
    mine = state.choice if state.choice and champion and state.choice.for_run == champion.run_id else None
    since = counted_since(now, mine.at if mine else None)
    live = read_live(deployment.client("cloudwatch"), deployment.environment, task, since, now)
    expected = dict(mine.expected) if mine else {}
    wrong = leaves_bounds(expected, live) if mine and mine.mode == "cascade" else None
    document: dict[str, Any] = {
        "task": task,
        "run_id": champion.run_id if champion else None,
        "mode": mine.mode if mine else "student",
        "since": iso(since),
        "requests": live.requests,
        "share": live.share,
        "share_bounds": live.bounds,
        "reasons": dict(live.escalated),
        "unanswered": live.unanswered,
        "capped": live.capped,
        "capped_in_outage": live.capped_in_outage,
        "usd": live.usd,
        "expected": expected,
        "wrong": wrong,
    }
    if session.as_json:
        session.show(document)
        return
    session.screen.print(f"{task} is served by the {document['mode']} of run {document['run_id']}.", soft_wrap=True)
    span = f"Since {iso(since)[:16]}Z" if mine and since == datetime.fromisoformat(mine.at) else "In the last day"
    columns = (
        TableColumn(span),
        TableColumn("Callers met", right=True),
        TableColumn("Foreseen", rank=1, right=True),
    )
    print_table(session.screen, columns, _rows(live, expected))
    if live.requests < FEWEST_REQUESTS:
        session.screen.print(
            f"Fewer than {FEWEST_REQUESTS} questions were counted: callers whose clients write no "
            "embedded metrics are not seen here (docs/callers.md).",
            soft_wrap=True,
        )
    if wrong:
        session.screen.print(f"Out of bounds: {wrong}.", soft_wrap=True)
    if deployment.local:
        session.screen.print(SIMULATED)


def _rows(live: LiveTraffic, expected: dict[str, Any]) -> list[tuple[str, str, str]]:
    foreseen = (
        f"{expected['share']:.1%} ({expected['share_low']:.1%} to {expected['share_high']:.1%})" if expected else ""
    )
    met = (
        ""
        if live.share is None or live.bounds is None
        else f"{live.share:.1%} ({live.bounds[0]:.1%} to {live.bounds[1]:.1%})"
    )
    per_1k = f"{1000 * live.usd / live.requests:.4f}" if live.requests else ""
    return [
        ("questions", f"{live.requests:,}", ""),
        ("escalated for quality", met, foreseen),
        *((f"  {reason.replace('_', ' ')}", f"{count:,}", "") for reason, count in live.escalated.items() if count),
        ("kept back by the cap of quality", f"{live.capped:,}", ""),
        ("kept back by the cap of outages", f"{live.capped_in_outage:,}", ""),
        ("unanswered", f"{live.unanswered:,}", "0"),
        ("dollars by token per 1,000", per_1k, f"{expected['usd_per_1k_requests']:.4f}" if expected else ""),
    ]
