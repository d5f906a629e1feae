"""What the Bedrock simulator is told of a task, and how: it must know what is right before anybody is asked."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from cli.errors import CHECK_FAILED, NOT_REACHED, CliError
from lambdas.domain.dataset.builder import Dataset
from lambdas.domain.task.task_definition import DEFAULT_RUBRIC, TaskDefinition

_TIMEOUT_SECONDS = 60.0
_MOST_EXAMPLES = 3_000
"""Answers that are sent: the simulated teacher learns no more from more."""


def simulated_task(name: str, task: TaskDefinition, dataset: Dataset | None) -> dict[str, Any]:
    """Describe a task to the simulator by its prompts, its schema and the answers of its training side.

    No answer of the held-out side is in it, and no question.

    Parameters
    ----------
    name : str
    task : TaskDefinition
    dataset : Dataset or None
        The records; ``None`` where they are not known yet, as those of a range of logs.
    """
    given = (task.teacher_system_prompt, task.student_system_prompt)
    records = [*dataset.train, *dataset.holdout] if dataset else []
    systems = {record.system or "" for record in records} if None in given else set()
    known = [record for record in (dataset.train if dataset else []) if record.golden is not None]
    return {
        "name": name,
        "prompts": [*(prompt for prompt in given if prompt), *sorted(systems)],
        "rubric": "" if task.judge_rubric == DEFAULT_RUBRIC else task.judge_rubric,
        "schema": task.output_schema,
        "examples": [
            {"question": "\n".join(turn.text for turn in record.turns), "answer": record.golden}
            for record in known[:_MOST_EXAMPLES]
        ],
    }


def tell_simulator(url: str, document: dict[str, Any]) -> str:
    """Make a task known to the simulator; say where its knowledge of what is right comes from.

    Raises
    ------
    CliError
        When it knows nothing and cannot learn, with what is missing.
    """
    address = f"{url.rstrip('/')}/_simulator/tasks/{quote(document['name'], safe='')}"
    request = Request(address, json.dumps(document).encode(), {"content-type": "application/json"}, method="PUT")  # noqa: S310 (of the embedded AWS)
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=_TIMEOUT_SECONDS) as answer:
            return str(json.load(answer)["source"])
    except HTTPError as refused:
        with refused:
            message = str(json.load(refused).get("message", refused))
        if refused.code == HTTPStatus.BAD_REQUEST:
            raise CliError(f"Nothing was uploaded. {message}", CHECK_FAILED) from None
        raise CliError(f"The Bedrock simulator refused the task: {message}", NOT_REACHED) from None
    except URLError as problem:
        message = f"The Bedrock simulator at {url} does not answer ({problem.reason}); nothing was uploaded."
        raise CliError(f"{message} Start the embedded AWS again.", NOT_REACHED) from None
