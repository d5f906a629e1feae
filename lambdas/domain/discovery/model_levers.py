"""Levers that let another model answer: a cheaper one with the same prompt, a student, or a cascade of two.

What another model's answers are worth is not in the log: each says how to measure it, and what measuring costs.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from lambdas.domain.costs.estimate import RunToCome
from lambdas.domain.costs.token_estimate import CHARACTERS_A_TOKEN, EXAMPLES_WANTED, VERDICT
from lambdas.domain.dataset.records import Record, Turn
from lambdas.domain.discovery.lever import (
    FEW_CALLS,
    IMAGES,
    MOST,
    NO_CHEAPER,
    NO_PRICE,
    NO_PROMPT,
    PAYBACK,
    TERMS,
    TOOLS,
    Change,
    LeverBasis,
    LeverBlock,
    LeverKind,
    Proposal,
    RunForeseen,
    share_block,
)
from lambdas.domain.discovery.spend import Flow, TaskTraffic, days_of
from lambdas.domain.errors import PriceMissing
from lambdas.domain.evaluation.planned_holdout import planned_split
from lambdas.domain.model_ids import CUSTOM, custom_model_of, foundation_model_id, model_family
from lambdas.domain.prices.priced_parts import exact
from lambdas.domain.serving.serving_costs import MONTHS_A_YEAR, upkeep
from lambdas.domain.task.model_choice import ANTHROPIC_TERMS, ModelChoice, is_listed_pair
from lambdas.domain.task.sample_bounds import MOST_HELD_OUT, sample_bounds
from lambdas.domain.task.task_definition import TaskDefinition

if TYPE_CHECKING:
    from lambdas.domain.prices.price_book import PriceBook

MEASURED_CALLS = 200
"""Logged calls on which another model is measured: a share is then known within seven points (95 %)."""

LEAST_MONTHS = Decimal("0.1")
"""Months that are shown at least: no run is earned back at once."""

WANTED_RECORDS = 3_000
"""Distinct calls of which ``distil`` makes a dataset, where the log has as many."""

STUDENT_PROMPT_TOKENS = 60
"""Tokens of a short instruction of two or three sentences."""

LEAST_SHARED = 0.05
"""Share of a request's text that calls must have in common for a prompt to be replaced by a short one."""

ESCALATED = (0.4, 0.1)
"""Shares of a cascade's answers that the dear model gives again, with little and with much success."""

_TEXT_ONLY = frozenset({"amazon.nova-micro-v1:0"})
"""Models of the settings' lists that take no images (Amazon Nova user guide, understanding models)."""

_NO_SAVING = Decimal("0.01")


def _mixed(flow: Flow, share: float, other: Flow) -> Iterator[Flow]:
    """Let ``other`` answer a share of a flow."""
    yield other.times(share)
    yield flow.times(1 - share)


def _cheaper_models(basis: LeverBasis, traffic: TaskTraffic, *, student: bool) -> list[str]:
    """Name the models of the settings that would answer the same requests for less, the dearest of them first.

    The student's base model is one of them only where ``student`` says so: what it answers undistilled a run measures,
    as one of its contestants.
    """
    settings = basis.settings
    named = [*settings.baseline_models, *settings.teacher_models, *([settings.student_model] if student else [])]
    today = sum((flow.usd(basis.prices) for flow in traffic.open), Decimal())
    found: dict[str, Decimal] = {}
    for model in dict.fromkeys(named):
        if foundation_model_id(model) in _TEXT_ONLY and basis.task.image_share >= MOST:
            continue
        try:
            usd = sum((flow.uncached(model).usd(basis.prices) for flow in traffic.open), Decimal())
        except PriceMissing:
            continue
        if usd < today - _NO_SAVING:
            found[model] = usd
    return sorted(found, key=lambda model: (-found[model], model))


def measuring_usd(basis: LeverBasis, model: str) -> Decimal | None:
    """Price the answers and verdicts on a sample of logged calls; ``None`` where a price is missing."""
    judge = basis.settings.judge_models[0]
    sent = basis.input_tokens + 2 * basis.output_tokens
    try:
        each = basis.prices.call_usd(model, basis.input_tokens, basis.output_tokens)
        each += basis.prices.call_usd(judge, sent, VERDICT.expected)
    except PriceMissing:
        return None
    return exact(each * min(MEASURED_CALLS, basis.task.calls))


def _propose_cheaper(basis: LeverBasis, traffic: TaskTraffic) -> Proposal:
    models = _cheaper_models(basis, traffic, student=False)
    if not models:
        text = "no model of the settings (baseline_models, teacher_models) answers these calls for less"
        return Proposal(blocks=(LeverBlock(kind=NO_CHEAPER, text=text),), do="Name a cheaper model in the settings.")
    low, high = (_answered_by(basis, traffic, model) for model in (models[0], models[-1]))
    named = " or ".join(dict.fromkeys((models[0], models[-1])))
    return Proposal(
        change=Change(low=low, high=high),
        measure=f"quality of {named} on {min(MEASURED_CALLS, basis.task.calls)} logged calls, by the judge",
        measure_usd=measuring_usd(basis, models[0]),
        do=f"Measure {named}, then change 'modelId' of the request.",
        figures={"models": named},
    )


def _answered_by(basis: LeverBasis, traffic: TaskTraffic, model: str) -> TaskTraffic:
    text_only = foundation_model_id(model) in _TEXT_ONLY
    share = 1 - basis.task.image_share if text_only else 1.0
    flows: list[Flow] = []
    for flow in traffic.open:
        other = flow.uncached(model)
        cheaper = other.usd(basis.prices) < flow.usd(basis.prices)
        flows += _mixed(flow, share, other) if cheaper else [flow]
    return traffic.changed(flows)


def _propose_cascade(basis: LeverBasis, traffic: TaskTraffic) -> Proposal:
    models = _cheaper_models(basis, traffic, student=True)
    do = "After a promotion: 'route TASK --adopt' tests it on the holdout; 'serve TASK --mode cascade' switches it on."
    # It begins with a promoted student: what bars distillation for good bars it too.
    blocks = tuple(block for block in _distillation_blocks(basis) if block.stops)
    if not models:
        blocks = (LeverBlock(kind=NO_CHEAPER, text="no model of the settings is cheaper"), *blocks)
    if blocks:
        return Proposal(blocks=blocks, do=do)
    model = models[-1]
    low, high = (_cascade(basis, traffic, model, share) for share in ESCALATED)
    return Proposal(
        change=Change(low=low, high=high),
        measure=f"the share of {model}'s answers that must be passed on, on {MEASURED_CALLS} logged calls",
        measure_usd=measuring_usd(basis, model),
        do=do,
        figures={"passed on": f"{ESCALATED[1]:.0%} to {ESCALATED[0]:.0%}", "first model": model},
    )


def _cascade(basis: LeverBasis, traffic: TaskTraffic, model: str, escalated: float) -> TaskTraffic:
    # What a student leaves when it serves is what it cannot answer.
    share = 0.0 if any(flow.model.startswith(CUSTOM) for flow in traffic.flows) else _text_share(basis)
    flows: list[Flow] = []
    for flow in traffic.open:
        first, again = flow.times(share).uncached(model), flow.times(share * escalated)
        if first.usd(basis.prices) + again.usd(basis.prices) < flow.times(share).usd(basis.prices):
            flows += [first, again, flow.times(1 - share)]
        else:
            flows.append(flow)
    return traffic.changed(flows)


def run_foreseen(basis: LeverBasis) -> RunForeseen:
    """Estimate a run from a task's figures: records of the mean length stand for those that the log has.

    Raises
    ------
    PriceMissing
    """
    if basis.foreseen:
        return basis.foreseen[0]
    task, settings = basis.task, basis.settings
    records = min(WANTED_RECORDS, distinct_calls(basis))
    shared = round(basis.input_tokens * basis.shared_share * CHARACTERS_A_TOKEN)
    own = max(1, round(basis.input_tokens * (1 - basis.shared_share) * CHARACTERS_A_TOKEN))
    record = Record(identity=0, system=None, turns=(Turn("user", _text(own)),), golden=None, slices={})
    definition = TaskDefinition.from_document(
        {
            "teacher_system_prompt": _text(max(1, min(shared, 100_000))),
            "student_system_prompt": _text(round(STUDENT_PROMPT_TOKENS * CHARACTERS_A_TOKEN)),
            **({} if task.json_share < MOST else {"output_schema": {"type": "object"}}),
        }
    )
    holdout = min(planned_split(definition).records, round(records * MOST_HELD_OUT))
    teacher, student = settings.teacher_models[0], settings.student_customization_model
    models = ModelChoice(
        teacher=teacher,
        judge=settings.judge_models[0],
        baseline=settings.baseline_models[0],
        student=settings.student_model,
        student_customization=student,
        training="distillation" if is_listed_pair(teacher, student) else "fine_tuning",
    )
    run = RunToCome(
        train=[record] * (records - holdout),
        holdout=[record] * holdout,
        task=definition,
        models=models,
        prices=basis.prices,
        answer_tokens=[max(1, round(basis.output_tokens))] * EXAMPLES_WANTED,
        factors=settings.derived_factors,
    )
    found = run.estimate()
    basis.foreseen.append(
        RunForeseen(low_usd=exact(found.low_usd), usd=exact(found.usd), high_usd=exact(found.high_usd))
    )
    return basis.foreseen[0]


def distinct_calls(basis: LeverBasis) -> int:
    """Count the calls that a dataset may be made of: distinct, of text alone."""
    return int(basis.task.calls * (1 - basis.task.duplicate_share) * _text_share(basis))


def _text_share(basis: LeverBasis) -> float:
    return max(0.0, 1 - basis.task.tools_share - basis.task.image_share)


def _text(characters: int) -> str:
    return ("word " * (characters // 5 + 1))[:characters]


def _propose_distillation(basis: LeverBasis, traffic: TaskTraffic) -> Proposal:
    task, settings = basis.task, basis.settings
    do = f"python -m cli distil {shlex.quote(task.task)}"
    blocks = list(_distillation_blocks(basis))
    try:
        run = run_foreseen(basis) if traffic.open and not any(block.stops for block in blocks) else None
        found = None if run is None else _served_by_student(basis, traffic, run)
    except PriceMissing as missing:
        blocks.append(LeverBlock(kind=NO_PRICE, text=str(missing)))
        return Proposal(blocks=tuple(blocks), do=do)
    if run is None or found is None:
        return Proposal(blocks=tuple(blocks), do=do)
    saved = traffic.usd(basis.prices) - found.high.usd(basis.prices) - found.cost_high_usd
    gross = traffic.usd(basis.prices) - found.high.usd(basis.prices)
    if saved <= 0:
        text = (
            f"the student's answers save at most ${max(gross, Decimal()):,.2f} a year, the run and its upkeep cost "
            f"${found.cost_high_usd:,.2f} at least"
        )
        blocks.append(LeverBlock(kind=PAYBACK, text=text))
    storage = found.cost_high_usd - run.low_usd
    monthly = (gross - storage) / MONTHS_A_YEAR
    return Proposal(
        blocks=tuple(blocks),
        change=found,
        measure="the run itself measures it: holdout, judge and gate, before anything is promoted",
        measure_usd=run.usd,
        do=do,
        figures={
            "run": f"${run.usd:,.2f} (${run.low_usd:,.2f} to ${run.high_usd:,.2f})",
            "records": f"{min(WANTED_RECORDS, distinct_calls(basis)):,}",
            "student": settings.student_model,
            "months to recover": f"{max(run.usd / monthly, LEAST_MONTHS):,.1f}" if monthly > 0 else "never",
        },
    )


def _distillation_blocks(basis: LeverBasis) -> Iterator[LeverBlock]:
    task, settings = basis.task, basis.settings
    yield from share_block(TOOLS, task.tools_share, "offer tools; a student answers text with text")
    yield from share_block(IMAGES, task.image_share, "bring an image, document or video; a student reads text")
    least = round(sample_bounds(settings.student_model, "auto").least / (1 - MOST_HELD_OUT))
    if distinct_calls(basis) < least:
        text = f"{distinct_calls(basis)} distinct calls of text in {days_of(task)} days, fewer than {least}"
        yield LeverBlock(kind=FEW_CALLS, text=text)
    if basis.shared_share < LEAST_SHARED and task.named_by != "metadata":
        text = f"the calls have {basis.shared_share:.0%} of their text in common: nothing says that they are one task"
        yield LeverBlock(kind=NO_PROMPT, text=text)
    if model_family(settings.teacher_models[0]) == "anthropic":
        yield LeverBlock(kind=TERMS, text=ANTHROPIC_TERMS, stops=False)
    else:
        logged = sorted({use.model for use in task.models if "anthropic." in use.model})
        if logged:
            text = (
                f"answers in the log are of {', '.join(logged)}, whose provider's terms bar some trainings: the run "
                f"asks {settings.teacher_models[0]} instead"
            )
            yield LeverBlock(kind=TERMS, text=text, stops=False)


def _served_by_student(basis: LeverBasis, traffic: TaskTraffic, run: RunForeseen) -> Change:
    """Let the student answer the calls of text: with the whole prompt in the low case, with a short one in the high."""
    model, prices = custom_model_of(basis.settings.student_model), basis.prices
    share, short = _text_share(basis), 1 - basis.shared_share
    low = traffic.changed(
        part for flow in traffic.open for part in _with_student(prices, flow, share, flow.uncached(model))
    )
    high = traffic.changed(
        part
        for flow in traffic.open
        for part in _with_student(
            prices,
            flow,
            share,
            flow.uncached(model, sent=min(flow.sent, flow.sent * short + STUDENT_PROMPT_TOKENS * flow.calls)),
        )
    )
    return Change(
        low=low,
        high=high,
        cost_low_usd=_a_year(basis, run.high_usd),
        cost_high_usd=_a_year(basis, run.low_usd),
    )


def _with_student(prices: PriceBook, flow: Flow, share: float, student: Flow) -> Iterator[Flow]:
    if student.usd(prices) < flow.usd(prices):
        yield from _mixed(flow, share, student)
    else:
        yield flow


def _a_year(basis: LeverBasis, run_usd: Decimal) -> Decimal:
    """Add up a year of one distillation and its storage; the environment itself is there whether or not it distils."""
    student = basis.settings.student_model
    month = upkeep(student, float(run_usd), 1.0, 0.0, basis.prices).usd_per_month
    return exact(month * MONTHS_A_YEAR)


CHEAPER = LeverKind(
    name="cheaper_model",
    title="A cheaper model, the same prompt",
    effort="another model id, after a measurement",
    unmeasured=True,
    propose=_propose_cheaper,
)
DISTILLATION = LeverKind(
    name="distillation",
    title="Distillation",
    effort="one run of this pipeline",
    unmeasured=True,
    propose=_propose_distillation,
)
CASCADE = LeverKind(
    name="cascade",
    title="Cascade: the cheap model first",
    effort="the client's routing, after a measurement",
    unmeasured=True,
    propose=_propose_cascade,
)
