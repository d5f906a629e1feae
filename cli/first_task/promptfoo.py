"""Tests of Promptfoo: variables, a prompt around them, and the answer that a test expects."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from cli.errors import USAGE_ERROR, CliError
from cli.first_task.chat_messages import NotUsableError, text_of
from cli.first_task.example import Example

_PLACE = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")
_EXPECTS = ("equals", "is-json", "contains-json")
"""Assertions whose value is the whole answer (Promptfoo documentation, deterministic metrics)."""


def is_promptfoo(document: object) -> bool:
    """Tell whether a document is a configuration with tests, or a list of tests."""
    if isinstance(document, dict):
        return isinstance(document.get("tests"), list)
    return (
        isinstance(document, list)
        and bool(document)
        and all(isinstance(one, dict) and "vars" in one for one in document)
    )


def promptfoo_examples(text: str, variable: str | None) -> Iterator[tuple[str, Callable[[], Example]]]:
    """Give each test's place and what reads it.

    Raises
    ------
    CliError
        When there are no tests in it.
    """
    document = _document(text)
    tests = document.get("tests") if isinstance(document, dict) else document
    if isinstance(tests, str):
        raise CliError(f"Its tests are in another file: give that one with --inputs ({tests}).", USAGE_ERROR)
    if not isinstance(tests, list) or not tests:
        raise CliError("There are no 'tests' in it. Promptfoo's configuration or a list of tests is read.", USAGE_ERROR)
    template = the_template(document)
    for number, test in enumerate(tests, start=1):
        yield f"test {number}", lambda test=test: _example(test, template, variable)  # type: ignore[misc]


def the_template(document: object) -> str | None:
    """Give the prompt around the variables, where there is exactly one and it is written out."""
    prompts = document.get("prompts") if isinstance(document, dict) else None
    if not isinstance(prompts, list) or len(prompts) != 1 or not isinstance(prompts[0], str):
        return None
    return None if prompts[0].startswith("file://") else prompts[0]


def instruction_of(template: str) -> str | None:
    """Give what a prompt says before its only variable, where nothing stands behind that."""
    found = list(_PLACE.finditer(template))
    if len(found) != 1 or template[found[0].end() :].strip():
        return None
    return template[: found[0].start()].strip() or None


def instruction_in(text: str) -> str | None:
    """Give the instruction of a whole configuration."""
    template = the_template(_document(text))
    return instruction_of(template) if template else None


def _document(text: str) -> Any:  # noqa: ANN401 - any YAML value
    try:
        if text.lstrip().startswith('{"vars"'):
            return [json.loads(line) for line in text.split("\n") if line.strip()]
        return yaml.safe_load(text)  # which reads JSON too
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        raise CliError(f"It is neither YAML nor JSON: {problem}.", USAGE_ERROR) from None


def _example(test: object, template: str | None, variable: str | None) -> Example:
    given = test.get("vars") if isinstance(test, dict) else None
    if not isinstance(test, dict) or not isinstance(given, dict) or not given:
        raise NotUsableError("no 'vars'")
    if any(isinstance(value, list) for value in given.values()):
        raise NotUsableError("a variable with several values stands for several tests; write them out")
    return Example(turns=(("user", _asked(given, template, variable)),), answer=_expected(test.get("assert")))


def _asked(given: dict[str, Any], template: str | None, variable: str | None) -> str:
    if variable is not None:
        if variable not in given:
            raise NotUsableError(f"no variable '{variable}', but {', '.join(sorted(map(str, given)))}")
        return text_of(given[variable])
    if len(given) == 1 and (template is None or instruction_of(template) is not None):
        return text_of(next(iter(given.values())))
    if template is None:
        raise NotUsableError(f"several variables ({', '.join(sorted(map(str, given)))}): name the input with --column")
    missing = [name for name in _PLACE.findall(template) if name not in given]
    if missing:
        raise NotUsableError(f"the prompt wants {', '.join(missing)}, which the test has not")
    return _PLACE.sub(lambda found: text_of(given[found[1]]), template)


def _expected(assertions: object) -> str | None:
    for one in assertions if isinstance(assertions, list) else []:
        if isinstance(one, dict) and one.get("type") in _EXPECTS and one.get("value") not in (None, ""):
            value = one["value"]
            # The value of is-json is a schema where it is an object with a type or properties.
            if one["type"] == "equals" or not (isinstance(value, dict) and {"type", "properties"} & set(value)):
                return text_of(value)
    return None
