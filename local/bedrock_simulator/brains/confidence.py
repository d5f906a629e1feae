"""What a model says of its own sureness, where its answers have a field for it."""

from __future__ import annotations

from local.bedrock_simulator.brains.base import Answer, Brain, Chance, Prompt
from local.bedrock_simulator.brains.numbers import is_number
from local.bedrock_simulator.settings import Current

_DECIMALS = 2


class Stating:
    """A model that states a confidence which is as informative as the settings say.

    Parameters
    ----------
    model : Brain
        What answers.
    settings : Current
        The field, and how much it says.
    """

    def __init__(self, model: Brain, settings: Current) -> None:
        self._model = model
        self._settings = settings

    def answer(self, prompt: Prompt) -> Answer:
        """Answer one prompt."""
        answer, stated = self._model.answer(prompt), self._settings().confidence
        if answer.data is None or answer.certainty is None or not is_number(answer.data.get(stated.field)):
            return answer
        drawn = Chance("confidence", prompt.key).uniform()
        said = stated.informative * answer.certainty + (1 - stated.informative) * drawn
        return answer.with_value(stated.field, round(said, _DECIMALS))
