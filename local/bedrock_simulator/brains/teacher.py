"""The simulated teacher: it knows what is right, and is wrong sometimes."""

from __future__ import annotations

from local.bedrock_simulator.brains.base import Answer, Chance, Prompt
from local.bedrock_simulator.brains.mistakes import mistaken
from local.bedrock_simulator.settings import Current
from local.bedrock_simulator.subjects import Subjects

_SURE, _UNSURE, _SPREAD = 0.9, 0.45, 0.2


class Teacher:
    """Answers with what is right for the task, in compact JSON where it is an object.

    Parameters
    ----------
    subjects : Subjects
        What is right, by task.
    settings : Current
        How often it is wrong.
    """

    def __init__(self, subjects: Subjects, settings: Current) -> None:
        self._subjects = subjects
        self._settings = settings

    def answer(self, prompt: Prompt) -> Answer:
        """Answer one prompt."""
        subject = self._subjects.of(prompt.system)
        chance = Chance("teacher", prompt.key)
        said = subject.answer(prompt.question)
        wrong = chance.uniform() < self._settings().errors.teacher
        if wrong:
            said = mistaken(said, subject.choices, chance)
        certainty = (_UNSURE if wrong else _SURE) - _SPREAD * chance.uniform()
        return Answer(said, certainty=certainty) if isinstance(said, str) else Answer.of(dict(said), certainty)
