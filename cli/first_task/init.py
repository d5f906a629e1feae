"""Make a task's folder of what an application has: its prompt, its inputs and, where there are some, answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from cli.approval import somebody_can_be_asked
from cli.errors import CHECK_FAILED, USAGE_ERROR, CliError
from cli.first_task import draft
from cli.first_task.draft import Draft
from cli.first_task.example import Example
from cli.first_task.input_forms import FORMS, Inputs, detect, places, read_csv, read_inputs, read_table
from cli.first_task.made_folder import SHOWN, MadeFolder, check_free
from cli.first_task.text_file import read_text
from cli.session import Session, pass_session
from lambdas.domain.documents import InvalidDocument, parse_document

PEOPLE, MODEL = "people", "model"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the options of ``init`` say; ``None`` where one is not given."""

    inputs: Path | None
    form: str | None
    column: str | None
    answer_column: str | None
    answers_by: str | None
    slices: tuple[str, ...]
    prompt: str | None
    prompt_file: Path | None
    schema: Path | None
    student_prompt: str | None
    requests_a_month: int | None
    serving: str
    secrets: str
    encoding: str | None


_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


@click.command()
@click.argument("task_dir", type=click.Path(file_okay=False, path_type=Path))
@click.option("--inputs", type=_FILE, help="File of inputs.")
@click.option("--form", type=click.Choice(FORMS), help="What that file is.  [default: seen from the file]")
@click.option("--column", metavar="NAME", help="Column of a CSV file, or variable of Promptfoo, with the input.")
@click.option("--answer-column", metavar="NAME", help="Column with the answers, if there is one.")
@click.option("--answers-by", type=click.Choice([PEOPLE, MODEL]), help="Who wrote the answers: people's are trusted.")
@click.option("--slice", "slices", multiple=True, metavar="NAME", help="Column to break scores down by (repeatable).")
@click.option("--prompt", metavar="TEXT", help="The long prompt that the application sends today.")
@click.option("--prompt-file", type=_FILE, help="The same, in a file.")
@click.option("--schema", type=_FILE, help="JSON Schema of the answers, if they are JSON.")
@click.option("--student-prompt", metavar="TEXT", help="The short prompt.  [default: one by rule, to be looked at]")
@click.option("--requests-a-month", type=click.IntRange(min=1), help="How often the application asks.")
@click.option(
    "--serving",
    type=click.Choice(["on_demand", "provisioned_throughput"]),
    default="on_demand",
    show_default=True,
    help="on_demand bills tokens; provisioned_throughput bills every hour until it is deleted.",
)
@click.option(
    "--secrets",
    type=click.Choice(["block", "drop", "allow"]),
    default="block",
    show_default=True,
    help="What becomes of inputs that hold a key or token.",
)
@click.option("--encoding", metavar="NAME", help="Of the files, where they are not UTF-8.")
@click.option("--yes", is_flag=True, help="Ask nothing: take what is not said as not there.")
@pass_session
def init(session: Session, /, *, task_dir: Path, yes: bool, **said: Any) -> None:  # noqa: ANN401 - what Said takes
    """Make a task's folder of an application's prompt and inputs.

    Inputs are read as CSV, OpenAI chat JSON Lines, Bedrock batch records, Promptfoo tests, plain lines, or the
    pipeline's own forms. What no option says is asked; without a terminal only --inputs is needed. Nothing is sent
    anywhere, and nothing that exists is overwritten.
    """
    options = Said(**said)
    if options.prompt and options.prompt_file:
        raise click.UsageError("--prompt and --prompt-file exclude each other.")
    check_free(task_dir)
    asking = _Asking(session, silent=yes or not somebody_can_be_asked())
    inputs, options = _inputs(asking, options)
    made = _made(asking, options, inputs)
    folder = MadeFolder.of(task_dir, made, inputs)
    folder.write()
    session.show(folder.document(), *folder.lines(session.command))


class _Asking:
    """Asks a person for what no option says, or takes the answer that is given beside the question."""

    def __init__(self, session: Session, *, silent: bool) -> None:
        self._session, self._silent = session, silent

    @property
    def silent(self) -> bool:
        return self._silent

    def tell(self, text: str) -> None:
        if not self._silent:
            self._session.aside.say(text)

    def ask(self, question: str, default: str = "", kind: Any = None) -> str:  # noqa: ANN401 - a type of click's
        if self._silent:
            return default
        shown = bool(default)
        return str(click.prompt(question, default=default, show_default=shown, err=True, type=kind)).strip()


def _inputs(asking: _Asking, said: Said) -> tuple[Inputs, Said]:
    """Read the inputs; what was asked meanwhile is in the options that come back."""
    path = said.inputs
    if path is None:
        given = asking.ask("File with the inputs of your application (CSV, JSONL, YAML or lines)")
        if not given:
            raise click.UsageError("--inputs is missing: the file with the inputs.")
        path = Path(given)
    text = read_text(path, said.encoding)
    form = said.form or detect(path.name, text)
    if form == "csv":
        table = read_table(path.name, text)
        likely = table.likely_input()
        asking.tell(f"Columns: {', '.join(table.names)}.")
        column = said.column or asking.ask("Column with the inputs", likely)
        answer = said.answer_column
        if answer is None:
            answer = asking.ask("Column with answers ('-': none)", table.likely_answer(column) or "-")
        found = read_csv(table, column, None if answer in ("", "-") else answer, said.slices)
    else:
        if said.answer_column or said.slices:
            raise click.UsageError("--answer-column and --slice belong to a CSV file.")
        found = read_inputs(form, text, said.column)
    if not found.examples:
        reasons = "\n".join(places(found, SHOWN))
        raise CliError(f"{path} has no input that can be used, read as {form}.\n{reasons}".rstrip(), CHECK_FAILED)
    by = said.answers_by
    if by is None and any(example.answer for example in found.examples):
        by = asking.ask(f"Who wrote the answers? {PEOPLE} (trusted) or {MODEL}", MODEL, click.Choice([PEOPLE, MODEL]))
    return found, replace(said, inputs=path, answers_by=by)


def _made(asking: _Asking, said: Said, inputs: Inputs) -> Draft:
    prompt = _long_prompt(asking, said, inputs)
    schema = _schema(asking, said)
    answers = [example.answer for example in inputs.examples if example.answer]
    student = said.student_prompt
    if student is None and prompt:
        proposed = draft.short_prompt(prompt, schema, answers)
        asking.tell(f"Proposed short prompt for the student, by rule: {proposed}")
        student = (
            asking.ask("Short prompt (Enter takes the proposed one)", proposed if asking.silent else "") or proposed
        )
    volume = said.requests_a_month
    if volume is None:
        given = asking.ask("How many requests a month? (Enter: not known)").replace(",", "").replace("_", "")
        if given and not given.isdigit():
            raise CliError(f"'{given}' is not a number of requests.", USAGE_ERROR)
        volume = int(given) if given else None
    return Draft(prompt, student, schema, said.answers_by == PEOPLE, volume, said.serving, said.secrets)


def _long_prompt(asking: _Asking, said: Said, inputs: Inputs) -> str | None:
    if said.prompt_file:
        return read_text(said.prompt_file, said.encoding).strip() or None
    if said.prompt:
        return said.prompt.strip() or None
    found = inputs.instruction or _common_system(inputs.examples)
    if found:
        asking.tell("The long prompt is the one that the file has for every input.")
        return found
    if any(example.system for example in inputs.examples):
        return None  # each record brings its own
    given = asking.ask("Long prompt that your application sends: a file, or the text itself (Enter: none)")
    if given and _is_file(given):
        return read_text(Path(given), said.encoding).strip() or None
    return given or None


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False  # a long text cannot name a file


def _common_system(examples: Sequence[Example]) -> str | None:
    systems = {example.system for example in examples}
    return next(iter(systems)) if len(systems) == 1 else None


def _schema(asking: _Asking, said: Said) -> dict[str, Any] | None:
    path = said.schema
    if path is None:
        given = asking.ask("File with the JSON Schema of the answers (Enter: none)")
        if not given:
            return None
        path = Path(given)
    try:
        found = parse_document(read_text(path, said.encoding), f"{path} is ")
    except InvalidDocument as problem:
        raise CliError(f"{problem}.", USAGE_ERROR) from None
    if not isinstance(found, dict):
        raise CliError(f"{path} is no JSON Schema: it must be an object.", USAGE_ERROR)
    return found
