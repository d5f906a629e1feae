"""The month on one page that needs nothing else: the sums, a picture, a table, and what to know about it."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from decimal import Decimal

from lambdas.domain.report.figures import usd
from lambdas.domain.showback.sums import Shown
from lambdas.domain.text.dollar_scale import DollarScale

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5b6675; --rule: #d9dee5; --back: #fff; --tile: #f5f7f9;
  --runs: #3b6fb6; --serving: #d98b2b; --idle: #b3392f; --services: #7d6aa8; --saved: #2f8f5b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #a3adba; --rule: #3a424d; --back: #14181d;
  --tile: #1d232a; --runs: #6d9be0; --serving: #e3a456; --idle: #e0665b; --services: #a896d6; --saved: #56b985; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--ink); background: var(--back); }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .4rem; } p { margin: .4rem 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .8rem; margin: 1.2rem 0; }
.tile { background: var(--tile); border-radius: .5rem; padding: .7rem 1rem; }
.tile b { display: block; font-size: 1.45rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tile, .small { color: var(--soft); font-size: .9rem; } .tile b { color: var(--ink); }
.legend { font-size: .9rem; } .legend span { margin-right: 1.2rem; white-space: nowrap; }
.legend i { display: inline-block; width: .8rem; height: .8rem; border-radius: .15rem; margin-right: .35rem; }
.runs { background: var(--runs); } .serving { background: var(--serving); } .services { background: var(--services); }
.saved { background: var(--saved); } .lost, .idle { background: var(--idle); }
.idle { background-image: repeating-linear-gradient(45deg, #fff6 0 3px, transparent 3px 7px); }
.row { display: grid; grid-template-columns: 11rem 1fr; gap: 1rem; align-items: center; padding: .25rem 0; }
.row > span { overflow-wrap: anywhere; } .plot { position: relative; height: 2.6rem; }
.plot i { position: absolute; height: 1rem; } .plot .one { top: .15rem; } .plot .two { top: 1.4rem; }
.plot u { position: absolute; top: 0; bottom: -.5rem; border-left: 1px solid var(--rule); }
.plot u.zero { border-left-color: var(--soft); }
.plot em { position: absolute; top: 1.8rem; height: .2rem; background: var(--ink); opacity: .75; }
.axis { height: 1.3rem; }
.axis small { position: absolute; transform: translateX(-50%); color: var(--soft); white-space: nowrap; }
.axis small:last-child { transform: translateX(-100%); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; text-align: right; } th { font-size: .9rem; color: var(--soft); font-weight: 500; }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; }
thead th { border-bottom: 2px solid var(--rule); }
tbody td { border-bottom: 1px solid var(--rule); } tfoot td { font-weight: 600; }
.minus { color: var(--idle); } .note { border-left: 4px solid var(--serving); padding: .1rem .8rem; }
"""

_SAID = {
    "runs": "runs", "serving": "serving that was used", "idle": "serving that idled",
    "services": "AWS around Bedrock", "saved": "verified savings", "lost": "cost more than the baseline",
}  # fmt: skip


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
    made_up = "<p><strong>Every figure is simulated.</strong></p>" if simulated else ""
    told = "".join(f'<p class="note">{html.escape(note)}</p>' for note in notes)
    picture = _picture(lines) if lines else "<p>Nothing was spent.</p>"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style><h1>{html.escape(title)}</h1>{made_up}"
        f"{_tiles(_together(lines)) if lines else ''}{told}{picture}{_table(lines, by) if lines else ''}"
        '<p class="small">Savings are what the baseline would have cost for the same requests, at its on-demand price '
        "with prompt caching as the champion's evaluation measured it, less everything that serving cost. Bounds are "
        "95 %. Runs are what a saving has to earn back. AWS around Bedrock serves all tasks, and belongs to none."
        "</p></html>\n"
    )


def _together(lines: Sequence[Shown]) -> Shown:
    total = Shown(name="all")
    for line in lines:
        for name in ("runs", "serving", "idle", "services"):
            setattr(total, name, getattr(total, name) + getattr(line, name))
        if line.saved is not None:
            total.saved = (total.saved or Decimal()) + line.saved
            total.low = (total.low or Decimal()) + (line.low or Decimal())
            total.high = (total.high or Decimal()) + (line.high or Decimal())
    return total


def _tiles(total: Shown) -> str:
    serving = f"{_money(total.idle)} of it idled" if total.idle else "none of it idled"
    saved = "nothing was measured" if total.saved is None else f"{_money(total.low)} to {_money(total.high)}"
    tiles = (
        ("Spent", _money(total.spent), "runs, serving and AWS around Bedrock"),
        ("Serving", _money(total.serving), serving),
        ("Runs", _money(total.runs), "teacher, training, evaluation, judge"),
        ("Verified savings", _money(total.saved), saved),
    )
    return (
        '<div class="tiles">'
        + "".join(f'<div class="tile">{name}<b>{value}</b>{more}</div>' for name, value, more in tiles)
        + "</div>"
    )


def _picture(lines: Sequence[Shown]) -> str:
    """Draw each line twice over one scale: what it cost, and what it saved with the bounds of that."""
    saved = [dollars for line in lines for dollars in (line.saved, line.low, line.high) if dollars is not None]
    scale = DollarScale(min([Decimal(), *saved]), max([line.spent for line in lines] + saved))
    shown = {kind for line in lines for kind, _ in _parts(line)} | {_kind_of_saving(line) for line in lines}
    legend = "".join(f'<span><i class="{kind}"></i>{said}</span>' for kind, said in _SAID.items() if kind in shown)
    labels = "".join(
        f'<small style="left:{scale.at(tick)}%">{_money(tick, cents=False)}</small>' for tick in scale.ticks
    )
    rows = "".join(_row(line, scale) for line in lines)
    return (
        f'<h2>Cost above, savings below</h2><p class="legend">{legend}</p>{rows}'
        f'<div class="row"><span></span><div class="plot axis">{labels}</div></div>'
    )


def _parts(line: Shown) -> Iterator[tuple[str, Decimal]]:
    for kind, dollars in (
        ("runs", line.runs), ("serving", line.serving - line.idle), ("idle", line.idle), ("services", line.services),
    ):  # fmt: skip
        if dollars:
            yield kind, dollars


def _kind_of_saving(line: Shown) -> str:
    return "" if line.saved is None else "lost" if line.saved < 0 else "saved"


def _row(line: Shown, scale: DollarScale) -> str:
    grid = "".join(
        f'<u class="{"zero" if not tick else ""}" style="left:{scale.at(tick)}%"></u>' for tick in scale.ticks
    )
    bars, at = "", Decimal()
    for kind, dollars in _parts(line):
        bars += _bar(kind, "one", at, at + dollars, scale, f"{_SAID[kind]} {_money(dollars)}")
        at += dollars
    if line.saved is not None:
        kind = _kind_of_saving(line)
        bounds = f", {_money(line.low)} to {_money(line.high)}"
        bars += _bar(kind, "two", min(line.saved, Decimal()), max(line.saved, Decimal()), scale,
                     f"{_SAID[kind]} {_money(abs(line.saved))}{bounds}")  # fmt: skip
        if line.low is not None and line.high is not None:
            bars += f'<em style="{scale.span(line.low, line.high)}"></em>'
    return f'<div class="row"><span>{html.escape(line.name)}</span><div class="plot">{grid}{bars}</div></div>'


def _bar(kind: str, place: str, begins: Decimal, ends: Decimal, scale: DollarScale, title: str) -> str:
    return f'<i class="{kind} {place}" style="{scale.span(begins, ends)}" title="{title}"></i>'


def _table(lines: Sequence[Shown], by: str) -> str:
    names = (by.title(), "Runs", "Serving", "of it idle", "AWS around", "Spent", "Saved", "low", "high")
    head = "".join(f"<th>{name}</th>" for name in names)
    body = "".join(f"<tr><td>{html.escape(line.name)}</td>{_cells(line)}</tr>" for line in lines)
    foot = f"<tfoot><tr><td>all</td>{_cells(_together(lines))}</tr></tfoot>" if len(lines) > 1 else ""
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}</table>"
    return f'<h2>US dollars</h2><div class="wide">{table}</div>'


def _cells(line: Shown) -> str:
    values = (line.runs, line.serving, line.idle, line.services, line.spent, line.saved, line.low, line.high)
    return "".join(f"<td{' class=minus' if value and value < 0 else ''}>{_money(value)}</td>" for value in values)


def _money(dollars: Decimal | None, *, cents: bool = True) -> str:
    if dollars is None:
        return "-"
    if not cents and abs(dollars) >= 1:
        return f"{'−' if dollars < 0 else ''}${abs(dollars):,.0f}"  # noqa: RUF001 - the minus of figures.usd
    return usd(float(dollars))
