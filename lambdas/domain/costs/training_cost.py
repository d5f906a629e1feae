"""What a customization job costs: worked out from its training file, because the service reports no tokens of it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from lambdas.domain.costs.estimate import TRAINING_EPOCHS
from lambdas.domain.costs.ledger import LedgerEntry
from lambdas.domain.costs.token_estimate import ANSWER_TOKENS_GUESS, text_tokens
from lambdas.domain.prices.priced_parts import PricedPart

if TYPE_CHECKING:
    from lambdas.domain.prices.price_book import PriceBook
    from lambdas.domain.task.model_choice import ModelChoice


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingVolume:
    """Tokens of a training file, by the rule of :mod:`~lambdas.domain.costs.token_estimate`.

    Attributes
    ----------
    records : int
    prompt_tokens : float
        System text and turns before the answer.
    answer_tokens : float
        Answers; a record without one counts the mean of the others, since Bedrock's teacher answers it.
    """

    records: int
    prompt_tokens: float
    answer_tokens: float

    @classmethod
    def of(cls, lines: Iterable[str]) -> TrainingVolume:
        """Measure the lines of a training file."""
        records = labelled = 0
        prompts = answers = 0.0
        for line in lines:
            document = json.loads(line)
            records += 1
            turns = document["messages"]
            answer = turns.pop() if turns[-1]["role"] == "assistant" else None
            prompts += _tokens([*document.get("system", []), *(part for turn in turns for part in turn["content"])])
            if answer:
                answers, labelled = answers + _tokens(answer["content"]), labelled + 1
        mean = answers / labelled if labelled else ANSWER_TOKENS_GUESS
        return cls(records=records, prompt_tokens=prompts, answer_tokens=answers + mean * (records - labelled))

    def times(self, factor: float) -> TrainingVolume:
        """Give the volume with its tokens multiplied: what the bill has shown (setting ``derived_factors``)."""
        return replace(self, prompt_tokens=self.prompt_tokens * factor, answer_tokens=self.answer_tokens * factor)

    def to_document(self) -> dict[str, Any]:
        """Give the volume as written to ``teacher_data.json``."""
        return asdict(self)

    def training_entry(self, entry_id: str, stage: str, models: ModelChoice, prices: PriceBook) -> LedgerEntry:
        """Price the training: prompt and answer of each record, once an epoch."""
        tokens = (self.prompt_tokens + self.answer_tokens) * TRAINING_EPOCHS
        model = models.student_customization
        return LedgerEntry(
            id=entry_id,
            stage=stage,
            model=model,
            kind="derived",
            usage={"training_tokens": tokens},
            usd=prices.usd(model, "training", tokens),
            priced=[PricedPart.of(prices, model, "training", tokens)],
        )

    def own_calls_entry(self, entry_id: str, stage: str, models: ModelChoice, prices: PriceBook) -> LedgerEntry:
        """Price the calls that Bedrock makes to the teacher itself under DISTILLATION.

        It asks with each record's own system prompt, the student's, at the on-demand price (Bedrock user guide, model
        distillation). Its answers are taken to be as long as those that we paid for.
        """
        return LedgerEntry(
            id=entry_id,
            stage=stage,
            model=models.teacher,
            kind="derived",
            usage={
                "calls": float(self.records),
                "input_tokens": self.prompt_tokens,
                "output_tokens": self.answer_tokens,
            },
            usd=prices.call_usd(models.teacher, self.prompt_tokens, self.answer_tokens),
            priced=[
                PricedPart.of(prices, models.teacher, "input", self.prompt_tokens),
                PricedPart.of(prices, models.teacher, "output", self.answer_tokens),
            ],
        )


def _tokens(parts: Sequence[dict[str, str]]) -> int:
    """Count the whole tokens of texts that one request has, a line end between them."""
    return math.ceil(text_tokens("\n".join(part["text"] for part in parts)))
