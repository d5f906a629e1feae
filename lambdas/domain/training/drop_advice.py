"""What mends the reasons for which a teacher's answers are dropped."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from lambdas.domain.questions.endings import TRUNCATED

if TYPE_CHECKING:
    from lambdas.domain.task.task_definition import TaskDefinition

_ADVICE = {
    TRUNCATED: "raise 'max_answer_tokens', which is {limit}, or ask for shorter answers in 'teacher_system_prompt'",
    "context window exceeded": "shorten the prompts or 'teacher_system_prompt'",
    "content filtered": "take out the prompts that the model's content filter stops",
    "guardrail intervened": "look at the guardrail that the account enforces: it blocks or changes answers",
    "refused": "take out what the teacher refuses, or say in 'teacher_system_prompt' that it may answer it",
    "malformed": "let the teacher answer in a plainer form, or name another teacher in the settings",
    "thoughts in <": "tell the teacher in 'teacher_system_prompt' to give the answer alone, without its thoughts",
    "reserved word": "tell the teacher in 'teacher_system_prompt' not to use that word",
    "refused: ": "mend or take out the records that the service refuses",
    "no answer": "retry the run: the service gave no answer",
}
"""What to do about each reason, by how it begins; of two that fit the longer one."""


def what_to_do(reasons: Counter[str], task: TaskDefinition) -> str:
    """Say what mends the most frequent reason, and the second one where another thing mends it."""
    found = dict.fromkeys(_advice(reason, task) for reason, _ in reasons.most_common(2))
    return f"Training was not started. See dropped.jsonl; {'; '.join(found)}. Then upload the prompts again"


def _advice(reason: str, task: TaskDefinition) -> str:
    known = max((begin for begin in _ADVICE if reason.startswith(begin)), key=len, default=None)
    if known is None:
        return "mend 'teacher_system_prompt' or 'output_schema' so that the teacher keeps the schema"
    return _ADVICE[known].format(limit=task.max_answer_tokens)
