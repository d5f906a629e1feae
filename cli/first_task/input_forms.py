"""The forms in which a team has the inputs of its application, read into one."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cli.errors import USAGE_ERROR, CliError
from cli.first_task.chat_messages import NotUsableError, read_messages, text_of
from cli.first_task.example import Example
from cli.first_task.promptfoo import instruction_in, is_promptfoo, promptfoo_examples
from lambdas.domain.dataset.records import MISSPELT_VERSION, SCHEMA_VERSION

FORMS = ("prompts", "csv", "openai-chat", "bedrock-batch", "promptfoo", "lines")

_LONGEST_FIELD = 10_000_000
_DELIMITERS = ",;\t|"
_INPUT_NAMES = ("prompt", "input", "question", "text", "query", "message", "request")
_ANSWER_NAMES = ("answer", "__expected", "expected", "output", "label", "completion", "response", "target", "reference")
_SHOWN_KEYS = 60
_TOO_MANY = ""
"""Key of the cells that no column name stands above; a column without a name cannot be chosen."""

_BY_ENDING = {".yaml": "promptfoo", ".yml": "promptfoo", ".csv": "csv", ".tsv": "csv"}


@dataclass
class Inputs:
    """What was read.

    Attributes
    ----------
    form : str
        One of :data:`FORMS`.
    examples : list of Example
    unusable : list of str
        Place and reason of each entry that has no usable input.
    instruction : str or None
        What the file says to the model about every input.
    """

    form: str
    instruction: str | None = None
    examples: list[Example] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)

    def add(self, place: str, make: Callable[[], Example]) -> None:
        """Take one entry, or note why not."""
        try:
            self.examples.append(replace(make(), place=place))
        except NotUsableError as problem:
            self.unusable.append(f"{place}: {problem}")


@dataclass(frozen=True)
class CsvFile:
    """A CSV file whose columns are not chosen yet."""

    names: list[str]
    rows: list[tuple[int, dict[str, str]]]

    def likely_input(self) -> str:
        """Guess the column of the inputs: by its name, else the one with the longest texts."""
        named = [name for wanted in _INPUT_NAMES for name in self.names if name.strip().lower() == wanted]
        if named:
            return named[0]
        return max(self.names, key=lambda name: sum(len(row.get(name) or "") for _, row in self.rows[:1_000]))

    def likely_answer(self, chosen: str) -> str | None:
        """Guess the column of the answers by its name."""
        others = [name for name in self.names if name != chosen]
        named = [name for wanted in _ANSWER_NAMES for name in others if name.strip().lower() == wanted]
        return named[0] if named else None


def detect(name: str, text: str) -> str:
    """Tell the form of a file by its name and by what it begins with.

    Raises
    ------
    CliError
        When it is JSON of no form that is known.
    """
    ending = Path(name.lower().removesuffix(".gz")).suffix
    if ending in _BY_ENDING:
        return _BY_ENDING[ending]
    if is_promptfoo(_json(text)):
        return "promptfoo"
    first = next((line for line in text.split("\n") if line.strip()), "").lstrip()
    document = _json(first)
    if isinstance(document, dict):
        return _form_of(document)
    if first.startswith(("{", "[")):
        raise CliError(
            f"{name} begins like JSON, but its first line is not one whole object. Write one object a line "
            "(jq -c '.[]' makes that of an array), or say what it is with --form.",
            USAGE_ERROR,
        )
    return "lines"


def _form_of(document: dict[str, Any]) -> str:
    ours = document.get("schemaVersion") in (SCHEMA_VERSION, MISSPELT_VERSION)
    if "modelInput" in document:
        return "bedrock-batch"
    if "vars" in document:
        return "promptfoo"
    if not ours and ("messages" in document or isinstance(document.get("body"), dict)):
        return "openai-chat"
    return "prompts"


def read_table(name: str, text: str) -> CsvFile:
    """Read a CSV file with a first line of column names; the delimiter is found.

    Raises
    ------
    CliError
        When it cannot be read as a table.
    """
    first = next((line for line in text.split("\n") if line.strip()), "")
    delimiter = max(_DELIMITERS, key=first.count)
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, restkey=_TOO_MANY)
    try:
        names = [one for one in reader.fieldnames or [] if one]
        rows = [(reader.line_num, {key: value or "" for key, value in row.items()}) for row in reader]
    except csv.Error as problem:
        raise CliError(f"{name}, line {reader.line_num}: not CSV: {problem}.", USAGE_ERROR) from None
    if not names:
        raise CliError(f"{name} has no first line with column names.", USAGE_ERROR)
    if len(set(names)) < len(names):
        raise CliError(f"{name} has two columns of one name: {', '.join(names)}. Rename one.", USAGE_ERROR)
    return CsvFile(names, rows)


def read_csv(table: CsvFile, column: str, answer: str | None, slices: tuple[str, ...] = ()) -> Inputs:
    """Take the inputs of a column, and the answers of another.

    Raises
    ------
    CliError
        When there is no such column.
    """
    for wanted in (column, answer, *slices):
        if wanted is not None and wanted not in table.names:
            raise CliError(f"There is no column '{wanted}'. There are: {', '.join(table.names)}.", USAGE_ERROR)
    found = Inputs("csv")
    for line, row in table.rows:

        def make(row: dict[str, str] = row) -> Example:
            if _TOO_MANY in row:
                raise NotUsableError("more cells than the first line has: put texts with a delimiter into quotes")
            text = row[column] if row.get(column, "").strip() else ""
            if not text:
                raise NotUsableError(f"column '{column}' is empty")
            given = row.get(answer, "").strip() if answer else ""
            kept = {name: row[name] for name in slices if row.get(name)}
            return Example(turns=(("user", text),), answer=given or None, slices=kept)

        found.add(f"line {line}", make)
    return found


def read_inputs(form: str, text: str, variable: str | None = None) -> Inputs:
    """Read any form but CSV.

    Parameters
    ----------
    form : str
        One of :data:`FORMS`.
    text : str
    variable : str, optional
        Of Promptfoo's tests with several variables, the one that is the input.

    Raises
    ------
    CliError
        When the file as a whole is not of that form.
    """
    if form == "promptfoo":
        return _promptfoo(text, variable)
    found = Inputs(form)
    reading = {"prompts": _prompt, "openai-chat": _chat, "bedrock-batch": _batch, "lines": _line}[form]
    for number, line in enumerate(text.split("\n"), start=1):
        shown = line.removesuffix("\r")
        if shown.strip():
            found.add(f"line {number}", lambda shown=shown: reading(shown))  # type: ignore[misc]
    return found


def _promptfoo(text: str, variable: str | None) -> Inputs:
    found = Inputs("promptfoo", None if variable else instruction_in(text))
    for place, make in promptfoo_examples(text, variable):
        found.add(place, make)
    return found


def _line(line: str) -> Example:
    return Example(turns=(("user", line.strip()),))


def _object(line: str) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as problem:
        raise NotUsableError(f"not JSON ({problem})") from None
    if not isinstance(document, dict):
        raise NotUsableError("not a JSON object")
    return document


def _prompt(line: str) -> Example:
    document = _object(line)
    slices = document.get("slices") or {}
    if not isinstance(slices, dict) or not all(isinstance(value, str) for value in slices.values()):
        raise NotUsableError("'slices' must be an object of texts")
    if "messages" in document:
        return read_messages(document["messages"], document.get("system"), slices)
    if not isinstance(document.get("prompt"), str):
        raise NotUsableError(f"no 'prompt' and no 'messages', but {', '.join(sorted(document))[:_SHOWN_KEYS]}")
    answer = next((document[name] for name in _ANSWER_NAMES if name in document), None)
    return Example(turns=(("user", document["prompt"]),), answer=_as_answer(answer), slices=slices)


def _chat(line: str) -> Example:
    """Read a line of OpenAI's chat fine-tuning or batch format, or of stored completions."""
    document = _object(line)
    for wrapper in ("body", "request"):
        inner = document.get(wrapper)
        if isinstance(inner, dict):
            document = inner
    return read_messages(document.get("messages"), None, {})


def _batch(line: str) -> Example:
    """Read a record of Bedrock's batch inference: Converse, Nova, Claude, and models that take one text."""
    asked = _object(line).get("modelInput")
    if not isinstance(asked, dict):
        raise NotUsableError("no object 'modelInput'")
    if "messages" in asked:
        return read_messages(asked["messages"], asked.get("system"), {})
    for name in ("prompt", "inputText"):
        if isinstance(asked.get(name), str):
            return Example(turns=(("user", _without_old_turns(asked[name])),))
    raise NotUsableError("'modelInput' has neither 'messages' nor 'prompt' nor 'inputText'")


def _without_old_turns(text: str) -> str:
    """Take the frame away that Claude's oldest models wanted around a text."""
    return re.sub(r"^\s*Human:\s*|\s*Assistant:\s*$", "", text)


def _as_answer(value: object) -> str | None:
    return None if value is None else text_of(value)


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def places(found: Inputs, shown: int) -> Iterator[str]:
    """Say of the first unusable entries where and why."""
    yield from (f"  {one}" for one in found.unusable[:shown])
    if len(found.unusable) > shown:
        yield f"  ... and {len(found.unusable) - shown} more"
