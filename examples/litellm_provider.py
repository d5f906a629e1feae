"""Students for an application that speaks OpenAI's way through LiteLLM: ``model="student/video-search-intent"``.

It needs the client and LiteLLM: ``pip install ./client litellm``. Import this module, then call ``litellm.completion``.
"""

import asyncio
from functools import cache
from typing import Any

import litellm
from litellm import CustomLLM

from bedrock_student import Student

student = cache(Student)


class StudentProvider(CustomLLM):  # type: ignore[misc]
    """Answers by the client, and so with its check, its fallback and its attribution."""

    def completion(self, model: str, messages: list[dict[str, Any]], model_response: Any, **_more: Any) -> Any:
        """Ask the student of the task that the model's name has."""
        turns = [one for one in messages if one["role"] != "system"]
        system = " ".join(one["content"] for one in messages if one["role"] == "system")
        asked = [{"role": one["role"], "content": [{"text": one["content"]}]} for one in turns]
        answer = student(model).ask(asked, system=system)
        model_response.choices[0].message.content = answer.text
        model_response.model = f"student/{model}"
        tokens = [sum(getattr(call, name) for call in answer.calls) for name in ("input_tokens", "output_tokens")]
        model_response.usage = litellm.Usage(*tokens, sum(tokens))
        return model_response

    async def acompletion(self, *given: Any, **more: Any) -> Any:
        """Ask without blocking the event loop."""
        return await asyncio.to_thread(self.completion, *given, **more)


litellm.custom_provider_map = [{"provider": "student", "custom_handler": StudentProvider()}]
