"""What a run will cost, before its first paid call: by stage, with low and high."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lambdas.domain.costs.prompt_caching import decide
from lambdas.domain.costs.token_estimate import (
    CHARACTERS_A_TOKEN,
    METHOD,
    TOKEN_ERROR,
    VERDICT,
    TokenSize,
    answer_size,
    measured_size,
    question_tokens,
    shared_tokens,
)
from lambdas.domain.evaluation.evidence_kinds import PAIRWISE, rests_on
from lambdas.domain.evaluation.first_questions import ASKED_FIRST, first_question
from lambdas.domain.evaluation.judge import case_question, judge_question
from lambdas.domain.evaluation.latency_sample import TIMED_RECORDS, identity_for_timing, teacher_sample
from lambdas.domain.evaluation.pairs import pair_question
from lambdas.domain.evaluation.prompted_base import is_measured
from lambdas.domain.model_ids import custom_model_of
from lambdas.domain.questions.prompts import student_question, teacher_question
from lambdas.domain.training.batch_inference import BatchLimits, why_on_demand
from lambdas.domain.training.label_modes import bedrock_asks_teacher, records_to_ask

if TYPE_CHECKING:
    from lambdas.domain.dataset.records import Record
    from lambdas.domain.evaluation.judge_calibration import CalibrationCase
    from lambdas.domain.prices.price_book import PriceBook
    from lambdas.domain.questions.answers import Question
    from lambdas.domain.task.model_choice import ModelChoice
    from lambdas.domain.task.task_definition import TaskDefinition

TRAINING_EPOCHS = 2
"""Passes over the training set that Nova takes by default (Nova user guide, hyperparameters)."""

TRAINING, OWN_TEACHER_CALLS = "training", "own_teacher_calls"
"""What is worked out and not reported, as setting ``derived_factors`` names it."""

_FACTOR_OF = {TRAINING: "tokens of the training", OWN_TEACHER_CALLS: "tokens of Bedrock's own calls to the teacher"}

CONTESTANTS = 5
"""Student, undistilled student, teacher, baseline and prompted base; with the present champion one more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EstimatedLine:
    """What one stage will pay to one model for one thing, in US dollars.

    Attributes
    ----------
    what : str
        What is paid for, in words.
    usage : dict of str to float
        Expected quantities.
    low_usd, usd, high_usd : float
        With the fewest, the expected and the most tokens.
    """

    stage: str
    model: str
    what: str
    usage: dict[str, float]
    low_usd: float
    usd: float
    high_usd: float

    def to_document(self) -> dict[str, Any]:
        """Give the line as written to ``plan.json`` and ``report.json``."""
        return {**asdict(self), "kind": "estimated"}


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run is foreseen to cost.

    Attributes
    ----------
    lines : list of EstimatedLine
        In the order in which the run pays.
    answer : Size
        Tokens that an answer of the task is taken to have.
    factors : mapping of str to float
        What was multiplied by setting ``derived_factors``.
    """

    lines: list[EstimatedLine]
    answer: TokenSize
    factors: Mapping[str, float] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """Say how tokens were counted, and by what the bill corrects it."""
        said = " and ".join(f"{_FACTOR_OF[name]} times {factor:g}" for name, factor in sorted(self.factors.items()))
        return f"{METHOD}; {said}, as the bill has shown (setting 'derived_factors')" if said else METHOD

    @property
    def usd(self) -> float:
        """Expected cost."""
        return sum(line.usd for line in self.lines)

    @property
    def low_usd(self) -> float:
        """Cost when every count is at its lowest at once."""
        return sum(line.low_usd for line in self.lines)

    @property
    def high_usd(self) -> float:
        """Cost when every count is at its highest at once, and no prompt cache is hit."""
        return sum(line.high_usd for line in self.lines)

    def by_stage(self) -> dict[str, tuple[float, float, float]]:
        """Give low, expected and high dollars of each stage."""
        stages: dict[str, tuple[float, float, float]] = {}
        for line in self.lines:
            low, usd, high = stages.get(line.stage, (0.0, 0.0, 0.0))
            stages[line.stage] = (low + line.low_usd, usd + line.usd, high + line.high_usd)
        return stages


def estimate_document(estimate: Estimate) -> dict[str, Any]:
    """Give the estimate as written to ``plan.json`` and as ``estimate --json`` prints it."""
    return {
        "estimate": [line.to_document() for line in estimate.lines],
        "estimate_usd": estimate.usd,
        "estimate_low_usd": estimate.low_usd,
        "estimate_high_usd": estimate.high_usd,
        "estimate_method": estimate.method,
        "answer_tokens": asdict(estimate.answer),
    }


@dataclass(frozen=True, slots=True)
class ChampionToCome:
    """The champion that will be measured: its model, and the task by which its callers ask it."""

    model_arn: str
    task: TaskDefinition


@dataclass(frozen=True, kw_only=True, slots=True)
class RunToCome:
    """All that decides what a run will cost.

    Attributes
    ----------
    train, holdout : list of Record
        The dataset.
    models : ModelChoice
        Models as they will be called.
    champion : ChampionToCome or None
        The task's, which is judged as a fifth contestant. Its answers are counted as if they were paid by the token; on
        provisioned throughput they are not.
    own_holdout : bool
        Whether the holdout is the task's own file, so that fewer prompts do not make it smaller.
    cases : sequence of CalibrationCase
        The calibration set, which the judge scores twice.
    paid : mapping of str to str
        Text by content key of answers and verdicts that exist and so cost nothing.
    spread : float or None
        Of one paired difference, in judge points, as the task's last run measured it.
    answer_tokens, verdict_tokens : sequence of int
        Output tokens of the teacher's answers and the judge's verdicts that exist, which say how long others will be.
    factors : mapping of str to float
        Setting ``derived_factors``: what the bill has shown for what the service does not report.
    """

    train: list[Record]
    holdout: list[Record]
    task: TaskDefinition
    models: ModelChoice
    prices: PriceBook
    champion: ChampionToCome | None = None
    own_holdout: bool = False
    spread: float | None = None
    cases: Sequence[CalibrationCase] = field(default_factory=tuple)
    paid: Mapping[str, str] = field(default_factory=dict)
    answer_tokens: Sequence[int] = ()
    verdict_tokens: Sequence[int] = ()
    factors: Mapping[str, float] = field(default_factory=dict)

    def estimate(self) -> Estimate:
        """Estimate the run.

        Raises
        ------
        PriceMissing
            When a price that the run needs is not in the book.
        """
        size = answer_size([*self.train, *self.holdout], self.cases, self.task.output_schema, self.answer_tokens)
        asked = self._asked_of_teacher()
        lines = [
            *self._first_questions(size),
            self._calibration("CalibrateJudge"),
            self._teacher_answers(asked, size),
            *self._training(size),
            self._timing(asked, size),
            *self._evaluation(size),
            self._calibration("ScoreEvaluation"),
        ]
        return Estimate([line for line in lines if line is not None], size, self.factors)

    def requests(self) -> dict[str, EstimatedLine]:
        """Price the holdout's questions on demand, as an application would ask teacher, baseline and student.

        Returns
        -------
        dict of str to EstimatedLine
            By role; empty without a holdout, whose records stand for what will be asked.

        Raises
        ------
        PriceMissing
        """
        size = answer_size([*self.train, *self.holdout], self.cases, self.task.output_schema, self.answer_tokens)
        long = [teacher_question(record, self.task) for record in self.holdout]
        short = [student_question(record, self.task) for record in self.holdout]
        if not self.holdout:
            return {}
        custom = custom_model_of(self.models.student)
        return {
            "teacher": _Calls("serving", self.models.teacher, "requests").line(long, size, self.prices),
            "baseline": _Calls("serving", self.models.baseline, "requests").line(long, size, self.prices),
            "student": _Calls("serving", custom, "requests", cached=False).line(short, size, self.prices),
        }

    def _first_questions(self, size: TokenSize) -> Iterable[EstimatedLine]:
        """Price the one question that CheckRun asks each chosen model, whatever else it has answered before."""
        sample = next(iter([*self.holdout, *self.train]), None)
        if sample is None:
            return
        for role in ASKED_FIRST:
            calls = _Calls("CheckRun", str(getattr(self.models, role)), f"one question to the {role}", cached=False)
            question = first_question(role, sample, self.task)
            yield calls.line([question], self._verdict() if role == "judge" else size, self.prices)

    def _calibration(self, stage: str) -> EstimatedLine | None:
        if not self.cases:
            return None
        rubric = self.task.judge_rubric
        asked = [case_question(case.id, case.question, case.reference, case.answer, rubric) for case in self.cases]
        calls = _Calls(stage, self.models.judge, "verdicts on the calibration set")
        return calls.line(asked, self._verdict(), self.prices)

    def _teacher_answers(self, asked: Sequence[Question], size: TokenSize) -> EstimatedLine | None:
        """Price the answers that the teacher is still asked for, as a batch where it will be one."""
        teacher = self.models.teacher
        if not asked:
            return None
        if self._by_batch(asked):
            calls = _Calls("RunTeacherBatch", teacher, "the teacher's answers, by batch", batch=True)
        else:
            calls = _Calls("GenerateTeacherData", teacher, "the teacher's answers, on demand")
        return calls.line(asked, size, self.prices)

    def _asked_of_teacher(self) -> list[Question]:
        records = records_to_ask(self.train, self.holdout, self.task)
        return self._missing(self.models.teacher, [teacher_question(record, self.task) for record in records])

    def _by_batch(self, asked: Sequence[Question]) -> bool:
        priced = all(self.prices.find(self.models.teacher, usage) for usage in ("batch_input", "batch_output"))
        hours = self.task.teacher_data.deadline_hours
        return why_on_demand(len(asked), BatchLimits(), deadline_hours=hours, tool=False, priced=priced) is None

    def _timing(self, missing: Sequence[Question], size: TokenSize) -> EstimatedLine | None:
        """Price the teacher's answers that are asked for their time alone, where a batch gives or gave the others."""
        if missing and not self._by_batch(missing):
            return None
        teacher = self.models.teacher
        asked = [teacher_question(record, self.task) for record in self.holdout]
        wanted = self._missing(identity_for_timing(teacher), asked)
        left = max(0, min(TIMED_RECORDS, len(asked)) - (len(asked) - len(wanted)))
        calls = _Calls("EvaluateStudent", teacher, "answers asked for the teacher's latency")
        return calls.line(wanted[:left], size, self.prices) if left else None

    def _training(self, size: TokenSize) -> Iterable[EstimatedLine]:
        asked = [student_question(record, self.task) for record in self.train]
        if bedrock_asks_teacher(self.models.training, self.task):
            # Bedrock asks the teacher itself, with each record's own system prompt, the student's, at the on-demand
            # price (Bedrock user guide, model distillation); nothing says that it caches.
            own = _Calls("LaunchDistillation", self.models.teacher, "Bedrock's own calls to the teacher", cached=False)
            yield self._corrected(own.line(asked, size, self.prices), OWN_TEACHER_CALLS)
        model = self.models.student_customization
        prompts = sum(question_tokens(question, model) for question in asked)

        def usd(error: float, answer: float) -> float:
            tokens = (prompts * (1 + error) + answer * len(asked)) * TRAINING_EPOCHS
            return self.prices.usd(model, "training", tokens)

        line = EstimatedLine(
            stage="LaunchDistillation",
            model=model,
            what=f"training, {TRAINING_EPOCHS} epochs",
            usage={"training_tokens": (prompts + size.expected * len(asked)) * TRAINING_EPOCHS},
            low_usd=usd(-TOKEN_ERROR, size.low),
            usd=usd(0.0, size.expected),
            high_usd=usd(TOKEN_ERROR, size.high),
        )
        yield self._corrected(line, TRAINING)

    def _corrected(self, line: EstimatedLine, name: str) -> EstimatedLine:
        """Multiply the tokens of a line that the service does not report by what the bill has shown."""
        factor = self.factors.get(name)
        if factor is None:
            return line
        return replace(
            line,
            what=f"{line.what}, times {factor:g} as billed",
            usage={key: value if key == "calls" else value * factor for key, value in line.usage.items()},
            low_usd=line.low_usd * factor,
            usd=line.usd * factor,
            high_usd=line.high_usd * factor,
        )

    def _evaluation(self, size: TokenSize) -> Iterable[EstimatedLine]:
        task, models, holdout = self.task, self.models, self.holdout
        short = [student_question(record, task) for record in holdout]
        long = [teacher_question(record, task) for record in holdout]
        stage, answers = "EvaluateStudent", "answers to the holdout"
        # The teacher's answers to the holdout are those that GenerateTeacherData paid for. An endpoint caches nothing.
        asked = list(short)
        if self.champion:
            served = [student_question(record, self.champion.task) for record in holdout]
            asked += self._missing(self.champion.model_arn, served)
        custom = custom_model_of(models.student)
        yield _Calls(stage, custom, answers, cached=False).line(asked, size, self.prices)
        base = self._missing(models.student, short)
        yield _Calls(stage, models.student, answers, cached=False).line(base, size, self.prices)
        yield _Calls(stage, models.baseline, answers).line(self._missing(models.baseline, long), size, self.prices)
        if is_measured(task, models):
            prompted = _Calls(stage, models.student, "answers to the holdout with the long prompt")
            yield prompted.line(self._missing(models.student, long), size, self.prices)
        judged = list(self._to_judge("x" * round(size.expected * CHARACTERS_A_TOKEN)))
        yield _Calls(stage, models.judge, "verdicts on the holdout").line(judged, self._verdict(), self.prices)
        pairs = list(self._pairs_to_judge("x" * round(size.expected * CHARACTERS_A_TOKEN)))
        if pairs:
            both = _Calls(stage, models.judge, "verdicts on pairs, in both orders")
            yield both.line(pairs, self._verdict(), self.prices)

    def _evidence(self) -> str:
        """Say on what the comparison with the reference model will rest."""
        trusted = sum(record.golden is not None for record in self.holdout)
        return rests_on(trusted, len(self.holdout), self.task.gate)

    def _pairs_to_judge(self, text: str) -> Iterable[Question]:
        """Ask about each pair in both orders, but where both answers and the verdict exist; parameter as below."""
        if self._evidence() != PAIRWISE:
            return
        reference = self.models.baseline if self.task.gate.reference == "baseline" else self.models.teacher
        for record in self.holdout:
            other = self.paid.get(teacher_question(record, self.task).key(reference)) or text
            yield pair_question(record, text, other, self.task)
            yield pair_question(record, other, text, self.task)

    def _to_judge(self, text: str) -> Iterable[Question]:
        """Ask for a verdict on each contestant's answer, but where answer, reference and verdict on them exist.

        Parameters
        ----------
        text : str
            Stands for an answer that nobody knows yet.
        """
        models, rubric = self.models, self.task.judge_rubric
        known = [
            (models.student, student_question, self.task),
            (models.teacher, teacher_question, self.task),
            (models.baseline, teacher_question, self.task),
        ]
        if is_measured(self.task, models):
            known.append((models.student, teacher_question, self.task))
        if self.champion:
            known.append((self.champion.model_arn, student_question, self.champion.task))
        of_teacher = {record.id for record in self.holdout if record.golden is not None}
        of_teacher.update(teacher_sample(record.id for record in self.holdout if record.golden is None))
        for record in self.holdout:
            guess = judge_question(record, text, text, rubric)
            yield guess  # the new student's
            reference = record.golden or self.paid.get(teacher_question(record, self.task).key(models.teacher))
            for model, ask, task in known:
                if model == models.teacher and record.id not in of_teacher:
                    continue
                answer = self.paid.get(ask(record, task).key(model)) if reference else None
                if reference is None or answer is None:
                    yield guess
                elif (asked := judge_question(record, reference, answer, rubric)).key(models.judge) not in self.paid:
                    yield asked

    def _verdict(self) -> TokenSize:
        return measured_size(self.verdict_tokens, "the verdicts that exist") or VERDICT

    def _missing(self, model: str, asked: list[Question]) -> list[Question]:
        return [question for question in asked if question.key(model) not in self.paid] if self.paid else asked


@dataclass(frozen=True, slots=True)
class _Calls:
    """Calls of one stage to one model for one purpose."""

    stage: str
    model: str
    what: str
    batch: bool = False
    cached: bool = True

    def line(self, asked: Sequence[Question], size: TokenSize, prices: PriceBook) -> EstimatedLine:
        """Price calls of which each is answered with so many tokens."""
        sent = sum(question_tokens(question, self.model) for question in asked)
        kept = self._kept(asked)

        def usd(error: float, kept: float, answer: float) -> float:
            way = "batch_" if self.batch else ""
            read = kept * max(len(asked) - 1, 0)
            sending = {f"{way}input": sent - read - kept}
            sending |= {"cache_read": read, "cache_write": kept} if kept else {}
            usd = sum(prices.usd(self.model, usage, count * (1 + error)) for usage, count in sending.items())
            return usd + prices.usd(self.model, f"{way}output", answer * len(asked))

        usage = {"calls": float(len(asked)), "input_tokens": sent, "output_tokens": size.expected * len(asked)}
        if kept:
            usage |= {"input_tokens": sent - kept * len(asked), "cache_read_tokens": kept * (len(asked) - 1)}
        return EstimatedLine(
            stage=self.stage,
            model=self.model,
            what=self.what,
            usage=usage,
            low_usd=usd(-TOKEN_ERROR, kept, size.low),
            usd=usd(0.0, kept, size.expected),
            high_usd=usd(TOKEN_ERROR, 0.0, size.high),
        )

    def _kept(self, asked: Sequence[Question]) -> float:
        """Estimate the tokens that the prompt cache keeps from one call to the next: all but the first read them."""
        if self.batch or not self.cached or len(asked) <= 1 or len({question.system for question in asked}) > 1:
            return 0.0
        return shared_tokens(asked[0]) if decide(asked[0], self.model).point else 0.0
