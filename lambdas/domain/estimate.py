"""What a run will cost, before its first paid call."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from lambdas.domain.answers import Question
from lambdas.domain.errors import BudgetExceeded
from lambdas.domain.judging import judge_question
from lambdas.domain.ledger import LedgerEntry
from lambdas.domain.models import ModelChoice
from lambdas.domain.prices import PriceBook
from lambdas.domain.prompts import student_question, teacher_question
from lambdas.domain.records import Record
from lambdas.domain.task_definition import TaskDefinition
from lambdas.domain.teacher_batch import BatchLimits, why_on_demand
from lambdas.domain.teacher_modes import records_to_ask

CHARACTERS_A_TOKEN = 4.0
"""Rule of thumb for English text; a tokenizer is not public for Nova. Measured errors are within a quarter."""

TOKEN_ERROR = 0.25
"""Relative error of the token estimate: low and high are this far from the expected cost."""

ANSWER_TOKENS_GUESS = 80
"""Tokens of an answer where nothing is known of it: about the published case's 68 (AWS ML blog, 2026-04-17)."""

VERDICT_TOKENS_GUESS = 90
"""Tokens of a judge's verdict: a score and one or two sentences in a tool call."""

TRAINING_EPOCHS = 2
"""Passes over the training set that Nova takes by default (Nova user guide, hyperparameters)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Cost by stage, in US dollars."""

    lines: list[LedgerEntry]

    @property
    def usd(self) -> float:
        """Expected cost."""
        return sum(line.usd for line in self.lines)

    @property
    def low_usd(self) -> float:
        """Cost when every token count is a quarter lower."""
        return self.usd * (1 - TOKEN_ERROR)

    @property
    def high_usd(self) -> float:
        """Cost when every token count is a quarter higher."""
        return self.usd * (1 + TOKEN_ERROR)

    def check(self, budget_usd: float) -> None:
        """Stop a run whose expected cost is above its budget.

        Raises
        ------
        BudgetExceeded
            With the estimate by stage and what would make it fit.
        """
        if self.usd <= budget_usd:
            return
        by_stage: dict[str, float] = {}
        for line in self.lines:
            by_stage[line.stage] = by_stage.get(line.stage, 0.0) + line.usd
        stages = ", ".join(f"{stage} ${usd:,.2f}" for stage, usd in by_stage.items())
        share = budget_usd / self.usd
        message = (
            f"the estimate is ${self.usd:,.2f} (${self.low_usd:,.2f} to ${self.high_usd:,.2f}; {stages}), the budget "
            f"${budget_usd:,.2f}. Nothing was paid. Raise 'budget_usd' in task.json to at least "
            f"{math.ceil(self.usd * 100) / 100:.2f}, upload about {share:.0%} of the prompts, or a cheaper teacher."
        )
        raise BudgetExceeded(message)


def text_tokens(*texts: str | None) -> float:
    """Estimate the tokens of texts."""
    return sum(len(text) for text in texts if text) / CHARACTERS_A_TOKEN


def question_tokens(question: Question) -> float:
    """Estimate the input tokens of a question, its tool included."""
    tool = question.tool.input_schema if question.tool else None
    return text_tokens(question.system, tool, *(turn.text for turn in question.turns))


def estimate_run(
    train: list[Record],
    holdout: list[Record],
    task: TaskDefinition,
    models: ModelChoice,
    prices: PriceBook,
    *,
    with_champion: bool = False,
    bought: Collection[str] = (),
) -> Estimate:
    """Estimate a run.

    Parameters
    ----------
    train, holdout : list of Record
        The dataset.
    task : TaskDefinition
    models : ModelChoice
        Models as they will be called.
    prices : PriceBook
    with_champion : bool
        Whether the task has a champion, which then is judged as a fifth contestant. Its answers are counted as if they
        were paid by the token; on provisioned throughput they are not.
    bought : collection of str
        Content keys of answers that exist and so cost nothing.

    Raises
    ------
    PriceMissing
        When a price that the run needs is not in the book.
    """

    def calls(stage: str, model: str, questions: Iterable[Question], output: float) -> LedgerEntry:
        counts = [question_tokens(question) for question in questions]
        usage: dict[str, float] = {
            "calls": len(counts),
            "input_tokens": sum(counts),
            "output_tokens": output * len(counts),
        }
        usd = prices.call_usd(model, usage["input_tokens"], usage["output_tokens"])
        return LedgerEntry(id=f"{stage}.{model}", stage=stage, model=model, kind="estimated", usage=usage, usd=usd)

    def missing(model: str, questions: list[Question]) -> list[Question]:
        return [question for question in questions if question.key(model) not in bought] if bought else questions

    contestants = 5 if with_champion else 4
    long = [teacher_question(record, task) for record in holdout]
    short = [student_question(record, task) for record in holdout]
    asked = [teacher_question(record, task) for record in records_to_ask(train, holdout, task)]
    judged = [judge_question(record, "x" * 320, "x" * 320, task.judge_rubric) for record in holdout] * contestants
    trained = sum(question_tokens(student_question(record, task)) + ANSWER_TOKENS_GUESS for record in train)
    to_buy = missing(models.teacher, asked)
    lines = [_teacher_line(calls("GenerateTeacherData", models.teacher, to_buy, ANSWER_TOKENS_GUESS), task, prices)]
    if models.training == "distillation":
        lines.append(own_teacher_calls(train, task, models, prices, kind="estimated"))
    lines.append(training_entry("LaunchDistillation", models, trained * TRAINING_EPOCHS, prices, kind="estimated"))
    lines += [
        # Student, undistilled student and champion; of these only the undistilled one can have been asked before.
        calls(
            "EvaluateStudent",
            models.student,
            [*missing(models.student, short), *short * (contestants - 3)],
            ANSWER_TOKENS_GUESS,
        ),
        calls("EvaluateStudent", models.baseline, missing(models.baseline, long), ANSWER_TOKENS_GUESS),
        calls("EvaluateStudent", models.judge, judged, VERDICT_TOKENS_GUESS),
    ]
    return Estimate(lines)


def _teacher_line(on_demand: LedgerEntry, task: TaskDefinition, prices: PriceBook) -> LedgerEntry:
    """Price the answers that the teacher is still asked for, as a batch where it will be one."""
    usages = {"batch_input": on_demand.usage["input_tokens"], "batch_output": on_demand.usage["output_tokens"]}
    why_not = why_on_demand(
        int(on_demand.usage["calls"]),
        BatchLimits(),
        deadline_hours=task.teacher_data.deadline_hours,
        tool=False,
        priced=all(prices.find(on_demand.model, usage) for usage in usages),
    )
    if why_not is not None:
        return on_demand
    usd = sum(prices.usd(on_demand.model, usage, tokens) for usage, tokens in usages.items())
    return replace(on_demand, id=f"RunTeacherBatch.{on_demand.model}", stage="RunTeacherBatch", usd=usd)


def training_entry(
    stage: str, models: ModelChoice, tokens: float, prices: PriceBook, *, kind: str, entry_id: str = "training"
) -> LedgerEntry:
    """Price the training tokens of a customization job."""
    model = models.student_customization
    usd = prices.usd(model, "training", tokens)
    return LedgerEntry(id=entry_id, stage=stage, model=model, kind=kind, usage={"training_tokens": tokens}, usd=usd)


def own_teacher_calls(
    train: list[Record],
    task: TaskDefinition,
    models: ModelChoice,
    prices: PriceBook,
    *,
    kind: str,
    entry_id: str = "own-teacher-calls",
) -> LedgerEntry:
    """Price the calls that Bedrock makes to the teacher itself under DISTILLATION.

    It asks with each record's own system prompt, the student's, at the on-demand price (Bedrock user guide, model
    distillation).
    """
    asked = sum(question_tokens(student_question(record, task)) for record in train)
    usage: dict[str, float] = {
        "calls": len(train),
        "input_tokens": asked,
        "output_tokens": ANSWER_TOKENS_GUESS * len(train),
    }
    usd = prices.call_usd(models.teacher, usage["input_tokens"], usage["output_tokens"])
    stage = "LaunchDistillation"
    return LedgerEntry(id=entry_id, stage=stage, model=models.teacher, kind=kind, usage=usage, usd=usd)
