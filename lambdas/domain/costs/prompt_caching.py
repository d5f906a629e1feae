"""Which requests carry a cache point: those whose shared beginning is long enough for the model to keep.

Source of the table: Amazon Bedrock user guide, prompt caching, supported models, minimum tokens per cache checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.domain.dataset.records import Record, Turn
from lambdas.domain.evaluation.judge import judge_question
from lambdas.domain.evaluation.measurements import BASELINE, PROMPTED, TEACHER
from lambdas.domain.model_ids import foundation_model_id
from lambdas.domain.questions.prompts import student_question, teacher_question

if TYPE_CHECKING:
    from lambdas.domain.questions.answers import Question
    from lambdas.domain.task.model_choice import ModelChoice
    from lambdas.domain.task.task_definition import TaskDefinition

MOST_CHARACTERS_A_TOKEN = 5.0
"""Ordinary English has about four: at five, a beginning said to be long enough is long enough."""


@dataclass(frozen=True, slots=True)
class CacheSupport:
    """Fewest tokens that a model keeps, and whether tools before the system text count towards them."""

    least_tokens: int
    tools: bool


_NOVA = CacheSupport(1_024, tools=False)
"""The page says "1K": 1,000 in some readings, 1,024 in others."""

_CLAUDE = CacheSupport(4_096, tools=True)
"""Read for Haiku 4.5. For Sonnet and Opus the page's crawls disagree, between 1,024 and 4,096."""

# Of readings that disagree the largest is taken: a point that is not sent costs a discount, one that is sent in vain
# makes the report claim what did not happen.
SUPPORT = {
    "amazon.nova-micro-v1:0": _NOVA,
    "amazon.nova-lite-v1:0": _NOVA,
    "amazon.nova-pro-v1:0": _NOVA,
    "amazon.nova-premier-v1:0": _NOVA,
    "amazon.nova-2-lite-v1:0": _NOVA,
    "anthropic.claude-haiku-4-5-20251001-v1:0": _CLAUDE,
    "anthropic.claude-sonnet-4-5-20250929-v1:0": _CLAUDE,
    "anthropic.claude-sonnet-4-6": _CLAUDE,
    "anthropic.claude-opus-4-5-20251101-v1:0": _CLAUDE,
}


@dataclass(frozen=True, slots=True)
class CacheDecision:
    """Whether a request carries a cache point, why or why not, for the report, and the fewest tokens that it keeps."""

    point: bool
    reason: str
    tokens: int = 0


def decide(question: Question, model: str) -> CacheDecision:
    """Decide for questions that share tool and system text.

    Parameters
    ----------
    question : Question
        Any of them.
    model : str
        What Converse takes as ``modelId``; the ARN of an endpoint is not a model that is known to cache.
    """
    support = SUPPORT.get(foundation_model_id(model))
    if support is None:
        return CacheDecision(False, f"{model} is not known to cache prompts")
    if not question.system:
        return CacheDecision(False, "there is no system prompt that the requests share")
    characters = len(question.system)
    if question.tool and support.tools:
        # Tools come before the system text, so one point after the system text keeps both.
        characters += sum(map(len, (question.tool.name, question.tool.description, question.tool.input_schema)))
    tokens = int(characters / MOST_CHARACTERS_A_TOKEN)
    measured = (
        f"the shared prompt has at least {tokens} tokens (estimated at {MOST_CHARACTERS_A_TOKEN:g} characters each)"
    )
    if tokens < support.least_tokens:
        return CacheDecision(False, f"{measured}, fewer than the {support.least_tokens} that {model} keeps")
    return CacheDecision(True, f"{measured}; {model} keeps {support.least_tokens} or more", tokens)


_ANY = Record(identity=0, system=None, turns=(Turn("user", "-"),), golden=None, slices={})
"""Only system text and tool decide, and those are the same for every record of the task."""


def explain(task: TaskDefinition, models: ModelChoice) -> dict[str, dict[str, object]]:
    """Say for each role whether its requests carry a cache point and why: ``{"teacher": {"point", "reason"}, ...}``."""
    return {
        role: {"point": decision.point, "reason": decision.reason} for role, decision in _each(task, models).items()
    }


def shared_prompt_tokens(task: TaskDefinition, models: ModelChoice) -> dict[str, int]:
    """Give the fewest tokens of the shared prompt that a role's model keeps; one whose model keeps none is absent.

    The student is asked at an endpoint of a custom model, which is not known to cache.
    """
    decisions = {**_each(task, models), PROMPTED: decide(teacher_question(_ANY, task), models.student)}
    return {role: decisions[role].tokens for role in (TEACHER, BASELINE, PROMPTED) if decisions[role].point}


def _each(task: TaskDefinition, models: ModelChoice) -> dict[str, CacheDecision]:
    asked = {
        "teacher": (models.teacher, teacher_question(_ANY, task)),
        "student": (models.student, student_question(_ANY, task)),
        "baseline": (models.baseline, teacher_question(_ANY, task)),
        "judge": (models.judge, judge_question(_ANY, "", "", task.judge_rubric)),
    }
    return {role: decide(question, model) for role, (model, question) in asked.items()}
