"""Make the report page: one HTML text that needs no network, no script and no other file."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from lambdas.domain.report import break_even, cascade, charts, dataset, files, judging, sections, training
from lambdas.domain.report.answered import answered_facts
from lambdas.domain.report.comparison import ROLE_NAMES, comparison_columns, comparison_rows
from lambdas.domain.report.decision_card import decision_card
from lambdas.domain.report.figures import NOT_MEASURED, pick, usd
from lambdas.domain.report.headline import read_headline
from lambdas.domain.report.ledger import read_ledger
from lambdas.domain.report.resources import resources_left
from lambdas.domain.report.serving_table import serving_table
from lambdas.domain.report.texts import short
from lambdas.domain.report.tiles import key_figures

if TYPE_CHECKING:
    from jinja2 import Environment

MOST_CONTESTANTS = 8
_TEMPLATES = Path(__file__).parent / "templates"


def render_report(report: dict[str, Any]) -> str:
    """Write the report as one self-contained HTML page.

    Parameters
    ----------
    report : dict
        The document of ``report.json``. Every field may be null or missing where the run did not get that far; every
        text in it is taken as hostile.

    Returns
    -------
    str
        HTML, encodable as UTF-8 and equal for equal reports. It stays under 150 KB however long prompts and answers
        are and however many rows a table has.
    """
    return _environment().get_template("page.html.j2").render(_context(report))


def _context(report: dict[str, Any]) -> dict[str, Any]:
    rows = comparison_rows(report)[:MOST_CONTESTANTS]
    resources, hourly = resources_left(report)
    worst = sections.worst_answers(report)
    endpoint = pick(report, "endpoint", "arn")
    context = {
        "task": short(report.get("task") or "unnamed task", 120),
        "attempt": report.get("attempt"),
        "simulated": report.get("simulated") is True,
        "headline": read_headline(report),
        "card": decision_card(report),
        "drops": training.drop_samples(report),
        "error_name": short(pick(report, "error", "name") or "", 120),
        "endpoint": short(endpoint, 250) if endpoint else None,
        "endpoint_mode": short(pick(report, "endpoint", "mode") or "", 60).replace("_", " "),
        "endpoint_usd": usd(pick(report, "endpoint", "usd_per_hour")),
        "run": [*sections.run_facts(report), *answered_facts(report)],
        "tiles": key_figures(report, rows),
        "gate": sections.gate_lines(report),
        "gate_summary": sections.gate_summary(report),
        "rows": rows,
        "columns": comparison_columns(rows),
        "holdout_records": judging.holdout_records(rows),
        "quality_note": judging.quality_note(report, rows),
        "quality": charts.quality_chart(rows, report.get("gate")),
        "latency": charts.latency_chart(rows),
        "cost": charts.cost_chart(rows),
        "measures": judging.task_measures(report, rows),
        "left_out": judging.left_out(report),
        "judge": judging.judge_facts(report),
        "break_even": break_even.break_even_chart(report, rows),
        "advice": break_even.serving_advice(report),
        "serving": serving_table(report),
        "cascade": cascade.cascade_section(report),
        "cascade_plot": (cascade.PLOT_WIDTH, cascade.PLOT_HEIGHT),
        "plot": (break_even.PLOT_WIDTH, break_even.PLOT_HEIGHT),
        "worst": worst,
        "worst_indented": any(text and text.indented for row in worst.rows for text in (row.reference, row.answer)),
        "dataset": dataset.dataset_facts(report),
        "training": [*training.training_facts(report), *training.outcome_facts(report)],
        "failed_tries": training.failed_tries(report),
        "dropped_answers": training.dropped_answers(report),
        "loss": training.loss_chart(report),
        "loss_plot": (training.LOSS_WIDTH, training.LOSS_HEIGHT),
        "phases": training.training_phases(report),
        "models": sections.chosen_models(report),
        "considered": sections.models_considered(report),
        "ledger": read_ledger(report),
        "resources": resources,
        "resources_known": isinstance(report.get("resources"), list),
        "resources_usd": hourly,
        "commitment_term": break_even.commitment_term(report),
        "files": files.file_facts(report),
    }
    return {**context, "not_reached": _not_reached(report, context)}


def _not_reached(report: dict[str, Any], context: dict[str, Any]) -> list[str]:
    """Name the parts of the page that this run has nothing to say about."""
    parts = {
        "the dataset": report.get("dataset"),
        "the choice of models": context["models"],
        "the training": context["training"],
        "the evaluation": context["rows"],
        "the gate": context["gate"].rows,
    }
    return [name for name, content in parts.items() if not content]


def templates_in(folder: Path) -> Environment:
    """Read templates that take every value as text and refuse a name that has none."""
    from jinja2 import (  # noqa: PLC0415 - a tenth of a Lambda's start, and not every call makes a page
        Environment,
        FileSystemLoader,
        StrictUndefined,
    )

    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@cache
def _environment() -> Environment:
    """Prepare the templates once; the style sheet's hash lets the page forbid every other style and every script."""
    environment = templates_in(_TEMPLATES)
    style = (_TEMPLATES / "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment.globals.update(
        style=Markup(style),  # noqa: S704 - our own file, nothing of the report in it
        style_hash=f"sha256-{digest}",
        not_measured=NOT_MEASURED,
        roles=frozenset(ROLE_NAMES),
    )
    return environment
