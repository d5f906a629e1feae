"""What discovery found, on one page that needs nothing else: tasks as bars, saving ranges, hindrances, coverage."""

from __future__ import annotations

import html
import shlex
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from lambdas.domain.discovery.coverage import SEEN, Coverage
from lambdas.domain.discovery.lever import WRITTEN_AS, LeverBlock, RankedLever
from lambdas.domain.discovery.levers import NOTHING
from lambdas.domain.text.dollar_scale import DollarScale

if TYPE_CHECKING:
    from lambdas.domain.discovery.opportunities import Opportunities, Opportunity

MOST_TASKS, MOST_DAYS = 40, 60
"""Tasks with a bar, and days and models of the bill that differ; of the others the count is told."""

_TICKS = 4
"""Marks on the scale: as many as a telephone has room for."""

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5b6675; --rule: #d9dee5; --back: #fff; --tile: #f5f7f9;
  --spend: #8a99ad; --low: #2f8f5b; --high: #8fd0ab; --stop: #b3392f; --mark: #d98b2b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #a3adba; --rule: #3a424d; --back: #14181d;
  --tile: #1d232a; --spend: #6b7787; --low: #56b985; --high: #2f6b4c; --stop: #e0665b; --mark: #e3a456; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; color: var(--ink); background: var(--back); }
main { max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; } p { margin: .4rem 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .8rem; margin: 1.2rem 0; }
.tile { background: var(--tile); border-radius: .5rem; padding: .7rem 1rem; color: var(--soft); font-size: .9rem; }
.tile b { display: block; font-size: 1.35rem; line-height: 1.3; color: var(--ink); }
.tile b, .usd, td { font-variant-numeric: tabular-nums; }
.legend { font-size: .9rem; } .legend span { margin-right: 1.2rem; white-space: nowrap; }
.legend i { display: inline-block; width: .8rem; height: .8rem; border-radius: .15rem; margin-right: .35rem; }
.low { background: var(--low); } .high { background: var(--high); } .spend { background: var(--spend); }
details { border-bottom: 1px solid var(--rule); } summary { cursor: pointer; padding: .55rem 0; list-style: none; }
summary::-webkit-details-marker { display: none; }
.head { display: flex; flex-wrap: wrap; gap: .1rem 1rem; align-items: baseline; }
.head b { overflow-wrap: anywhere; } .head b::before { content: "▸"; display: inline-block; width: 1rem;
  color: var(--soft); }
details[open] .head b::before { content: "▾"; } .head .usd { margin-left: auto; }
.plot { display: block; position: relative; height: .9rem; margin: .3rem 0 .1rem; }
.plot i { position: absolute; top: 0; height: 100%; min-width: 2px; }
.plot u { position: absolute; top: -.3rem; bottom: -.3rem; border-left: 1px solid var(--rule); }
.axis { position: relative; height: 1.4rem; font-size: .85rem; color: var(--soft); }
.axis span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.axis span:first-child { transform: none; } .axis span:last-child { transform: translateX(-100%); }
.chip { border: 1px solid var(--rule); border-radius: 1rem; padding: 0 .6rem; font-size: .85rem; }
.chip.done { border-color: var(--low); } .chip.stop { border-color: var(--stop); }
ul { margin: .3rem 0 .8rem; padding-left: 1.2rem; } li { margin: .4rem 0; overflow-wrap: anywhere; }
.small { font-size: .9rem; color: var(--soft); } .note { border-left: 4px solid var(--mark); padding: .1rem .8rem; }
.note { overflow-wrap: anywhere; } .made-up { font-weight: 600; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { padding: .35rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
th { font-size: .9rem; color: var(--soft); font-weight: 500; }
th:nth-child(-n + 2), td:nth-child(-n + 2), th:last-child, td:last-child { text-align: left; }
code { overflow-wrap: anywhere; background: var(--tile); padding: .05rem .3rem; border-radius: .2rem; }
"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Bars have their width as a style; nothing is fetched and no script runs."""


def opportunities_page(
    found: Opportunities,
    *,
    environment: str,
    acted: Mapping[str, str],
    proven_usd: Decimal | None,
    coverage: Coverage | None,
) -> str:
    """Give the page as HTML.

    Parameters
    ----------
    found : Opportunities
    environment : str
    acted : mapping of str to str
        What became of a found task, in words.
    proven_usd : Decimal or None
        Verified savings of this month, in US dollars; ``None`` where they may not be read.
    coverage : Coverage or None
        Against the bill, where it was asked for.
    """
    title = html.escape(f"{environment}: what could be saved, by the logs of {found.first_day} to {found.last_day}")
    made_up = '<p class="made-up">Every figure is simulated.</p>' if found.simulated else ""
    notes = "".join(f'<p class="note">{html.escape(note)}</p>' for note in found.notes)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main><h1>{title}</h1>{made_up}"
        f"{_tiles(found, acted, proven_usd)}{notes}{_picture(found, acted)}"
        '<p class="small">Each lever is worked out on what the better ones leave, so savings add up. A lever that lets '
        "another model answer ranks at half of its saving until its quality was measured. Dollars are of the log's "
        "tokens at the price book's prices, the range taken for a year. Examples of prompts are on no page.</p>"
        f"{_covered(coverage)}</main></body></html>\n"
    )


def dollars(amount: Decimal | None) -> str:
    """Write dollars as a page shows them; a price that nobody knows is said."""
    if amount is None:
        return "no known price"
    return f"${amount:,.0f}" if amount >= 100 or not amount else f"${amount:,.2f}"  # noqa: PLR2004 - cents of small amounts only


def _tiles(found: Opportunities, acted: Mapping[str, str], proven_usd: Decimal | None) -> str:
    of_acted = sum((one.high_usd for one in found.found if one.task.task in acted), Decimal())
    shown = (
        (dollars(found.usd), "a year of logged calls"),
        (f"{dollars(found.low_usd)} to {dollars(found.high_usd)}", "found: saving a year"),
        (f"up to {dollars(of_acted)}", "of it acted on, a year"),
        ("not read" if proven_usd is None else dollars(proven_usd), "proven this month"),
    )
    tiles = "".join(f'<div class="tile"><b>{value}</b>{name}</div>' for value, name in shown)
    return f'<div class="tiles">{tiles}</div>'


def _picture(found: Opportunities, acted: Mapping[str, str]) -> str:
    """Draw each task over one scale; opened it has its levers."""
    if not found.found:
        return "<p>No task was found.</p>"
    scale = DollarScale(Decimal(), max([one.usd or Decimal() for one in found.found]), _TICKS)
    tasks = "".join(_task(one, scale, acted.get(one.task.task, "")) for one in found.found[:MOST_TASKS])
    rest = len(found.found) - MOST_TASKS
    more = f'<p class="small">And {rest} smaller tasks: <code>opportunities --json</code> has them.</p>'
    return (
        '<h2>Tasks by what could be saved of them</h2><p class="legend"><span><i class="low"></i>saved at least</span>'
        '<span><i class="high"></i>saved at most</span><span><i class="spend"></i>the rest of what a year costs</span>'
        f"</p>{_axis(scale)}{tasks}{_axis(scale)}{more if rest > 0 else ''}"
    )


def _axis(scale: DollarScale) -> str:
    marks = "".join(f'<span style="left:{scale.at(tick)}%">{dollars(tick)}</span>' for tick in scale.ticks)
    return f'<div class="axis" aria-hidden="true">{marks}</div>'


def _task(one: Opportunity, scale: DollarScale, acted: str) -> str:
    task, spent = one.task, one.usd or Decimal()
    ends = (("low", Decimal(), one.low_usd), ("high", one.low_usd, one.high_usd), ("spend", one.high_usd, spent))
    grid = "".join(f'<u style="left:{scale.at(tick)}%"></u>' for tick in scale.ticks)
    bars = "".join(
        f'<i class="{name}" style="{scale.span(begins, end)}"></i>' for name, begins, end in ends if end > begins
    )
    chips = f'<span class="chip done">{html.escape(acted)}</span>' if acted else ""
    chips += "".join(
        f'<span class="chip stop">no distillation: {html.escape(kind)}</span>'
        for kind in dict.fromkeys(block.kind for block in _distillation(one.levers) if block.stops)
    )
    about = (
        f"{task.calls:,} calls, {task.calls_a_day_p50:,.0f} a day; "
        f"{', '.join(use.model for use in task.models[:3])}; by {', '.join(who for who, _ in task.principals[:3])}"
    )
    levers = "".join(_lever(task.task, lever) for lever in one.levers if not lever.stopped)
    blocked = "".join(
        f"<li>{html.escape(lever.title)}: {html.escape(block.text)}</li>"
        for lever in one.levers
        for block in lever.blocks
        if block.stops
    )
    best = html.escape(one.best.title)
    return (
        f'<details><summary><span class="head"><b>{html.escape(task.task)}</b><span>{best}</span>'
        f'{chips}<span class="usd">{_range(one)}</span></span><span class="plot">{grid}{bars}</span></summary>'
        f'<p class="small">{html.escape(about)}</p><ul>{levers}</ul>'
        f"{f'<p>Blocked</p><ul class=small>{blocked}</ul>' if blocked else ''}</details>"
    )


def _range(one: Opportunity) -> str:
    of = "calls without a known price" if one.usd is None else dollars(one.usd)
    return f"{dollars(one.low_usd)} to {dollars(one.high_usd)} of {of}" if one.high_usd else f"nothing of {of}"


def _distillation(levers: Sequence[RankedLever]) -> Sequence[LeverBlock]:
    return [block for lever in levers if lever.name == "distillation" for block in lever.blocks]


def _lever(task: str, lever: RankedLever) -> str:
    told = "<br>".join(_about(task, lever))
    return f"<li><b>{html.escape(lever.title)}</b> {_saved(lever)}<br>{told}</li>"


def _saved(lever: RankedLever) -> str:
    if lever.added_high_usd:
        added = f"adds {dollars(lever.added_low_usd)} to {dollars(lever.added_high_usd)}"
        return f"{added} ({dollars(lever.high_usd)} alone)"
    if lever.high_usd:
        return f"adds nothing to those above ({dollars(lever.high_usd)} in their place)"
    return "" if lever.name == NOTHING else "saves nothing"


def _about(task: str, lever: RankedLever) -> Iterator[str]:
    if lever.name != NOTHING:
        figures = "".join(f"; {name} {value}" for name, value in lever.figures.items())
        yield f'<span class="small">{html.escape(lever.effort + figures)}</span>'
    for block in lever.blocks:
        yield html.escape(f"{'Why' if lever.name == NOTHING else 'Settle first'}: {block.text}")
    if lever.measure and lever.saves:
        cost = "" if lever.measure_usd is None else f" ({dollars(lever.measure_usd)})"
        yield html.escape(f"Measure first{cost}: {lever.measure}")
    if lever.saves or lever.name == NOTHING:
        yield f"Do: {_as_said(lever.do)}"
    if lever.saves and lever.name in WRITTEN_AS:
        command = f"python -m cli opportunity {shlex.quote(task)} --lever {lever.name}"
        yield f"Write it: <code>{html.escape(command)} --write {WRITTEN_AS[lever.name]}</code>"


def _as_said(do: str) -> str:
    return f"<code>{html.escape(do)}</code>" if do.startswith("python -m") else html.escape(do)


def _covered(coverage: Coverage | None) -> str:
    if coverage is None:
        return "<h2>Coverage</h2><p>Not held against the bill: <code>coverage</code> does that.</p>"
    share = "there is no bill" if coverage.share is None else f"the logs see {coverage.share:.0%} of the bill"
    apart = sorted((one for one in coverage.days if one.status != SEEN), key=lambda one: -one.bill_usd)
    rows = "".join(
        f"<tr><td>{one.day}</td><td>{html.escape(one.model)}</td><td>{dollars(one.log_usd)}</td>"
        f"<td>{dollars(one.bill_usd)}</td><td>{html.escape(one.status)}</td></tr>"
        for one in apart[:MOST_DAYS]
    )
    told = "".join(f'<p class="note">{html.escape(text)}</p>' for text in (*coverage.unread, *coverage.gaps))
    more = f"; {len(apart) - MOST_DAYS} more are not shown" if len(apart) > MOST_DAYS else ""
    table = (
        '<div class="wide" tabindex="0" role="region" aria-label="Days on which log and bill differ"><table><thead><tr>'
        '<th scope="col">Day</th><th scope="col">Model</th><th scope="col">Log</th><th scope="col">Bill</th>'
        f'<th scope="col">Seen</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )
    return (
        f"<h2>Coverage: {share}</h2>"
        f"<p>{dollars(coverage.log_usd)} in the log, {dollars(coverage.bill_usd)} on the bill; on "
        f"{len(coverage.days) - len(apart)} of {len(coverage.days)} days and models both say the same{more}.</p>"
        f"{told}{table if rows else ''}"
    )
