"""The month on one page that needs nothing else: a picture, a table, and what to know about it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from decimal import Decimal

from lambdas.domain.report.figures import usd
from lambdas.domain.showback.sums import Shown

_STYLE = """
:root { color-scheme: light dark; --runs: #3b6fb6; --serving: #d98b2b; --idle: #b3392f; --saved: #2f8f5b; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } p { margin: .4rem 0; }
table { border-collapse: collapse; width: 100%; margin-top: 1.5rem; }
th, td { padding: .35rem .6rem; text-align: right; }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; } thead th { border-bottom: 2px solid; }
tbody td { border-bottom: 1px solid #8884; } tfoot td { font-weight: 600; }
.chart { margin-top: 1.5rem; }
.line { display: grid; grid-template-columns: 12rem 1fr; gap: .8rem; align-items: center; }
.line span { overflow-wrap: anywhere; } .bar { display: flex; height: 1.1rem; margin: .2rem 0; }
.bar i { display: block; height: 100%; } .runs { background: var(--runs); } .serving { background: var(--serving); }
.idle { background: var(--idle); } .saved { background: var(--saved); }
.legend i { display: inline-block; width: .9rem; height: .9rem; margin: 0 .3rem 0 1rem; vertical-align: -.1rem; }
.note { border-left: 4px solid var(--idle); padding-left: .8rem; }
"""


def showback_page(
    lines: Sequence[Shown], *, month: str, by: str, environment: str, notes: Sequence[str], simulated: bool
) -> str:
    """Give the page as HTML.

    Parameters
    ----------
    lines : sequence of Shown
    month : str
        ``YYYY-MM``.
    by : str
        What a line is about.
    environment : str
    notes : sequence of str
        Warnings and where budgets stand.
    simulated : bool
    """
    title = f"{environment}: what {month} cost and saved, by {by}"
    widest = max(
        [line.runs + line.serving for line in lines] + [line.saved or Decimal() for line in lines] + [Decimal()]
    )
    bars = "".join(_bars(line, widest) for line in lines) or "<p>Nothing was spent.</p>"
    told = "".join(f'<p class="note">{html.escape(note)}</p>' for note in notes)
    made_up = "<p><strong>Every figure is simulated.</strong></p>" if simulated else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style><h1>{html.escape(title)}</h1>{made_up}{told}"
        f'<p class="legend"><i class="runs"></i>runs<i class="serving"></i>serving<i class="idle"></i>of it idle'
        f'<i class="saved"></i>verified savings</p><div class="chart">{bars}</div>{_table(lines, by)}'
        "<p>Savings are what the baseline would have cost for the same requests, at its on-demand price with prompt "
        "caching as the champion's evaluation measured it, less everything that serving cost. Bounds are 95 %.</p>"
        "</html>\n"
    )


def _bars(line: Shown, widest: Decimal) -> str:
    used = line.serving - line.idle
    spent = "".join(
        f'<i class="{kind}" style="width:{_share(dollars, widest)}%" title="{kind} {usd(float(dollars))}"></i>'
        for kind, dollars in (("runs", line.runs), ("serving", used), ("idle", line.idle))
    )
    saved = max(line.saved or Decimal(), Decimal())
    saving = f'<i class="saved" style="width:{_share(saved, widest)}%" title="saved {usd(float(saved))}"></i>'
    return (
        f'<div class="line"><span>{html.escape(line.name)}</span><div><div class="bar">{spent}</div>'
        f'<div class="bar">{saving}</div></div></div>'
    )


def _share(dollars: Decimal, widest: Decimal) -> str:
    return f"{float(100 * dollars / widest):.2f}" if widest else "0"


def _table(lines: Sequence[Shown], by: str) -> str:
    head = "".join(f"<th>{name}</th>" for name in (by.title(), "Runs", "Serving", "of it idle", "Saved", "low", "high"))
    body = "".join(f"<tr><td>{html.escape(line.name)}</td>{_cells(line)}</tr>" for line in lines)
    total = Shown(name="all")
    for line in lines:
        total.runs, total.serving, total.idle = (
            total.runs + line.runs,
            total.serving + line.serving,
            total.idle + line.idle,
        )
        if line.saved is not None:
            total.saved = (total.saved or Decimal()) + line.saved
            total.low = (total.low or Decimal()) + (line.low or Decimal())
            total.high = (total.high or Decimal()) + (line.high or Decimal())
    return (
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
        f"<tfoot><tr><td>all</td>{_cells(total)}</tr></tfoot></table>"
    )


def _cells(line: Shown) -> str:
    values = (line.runs, line.serving, line.idle, line.saved, line.low, line.high)
    return "".join(f"<td>{'-' if value is None else usd(float(value))}</td>" for value in values)
