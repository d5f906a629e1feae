"""Every expression of the definition in JSONata 2.0.6, the version that Step Functions documents, over many inputs."""

from __future__ import annotations

import copy
import json
import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stacks.node import bundled_node
from tests.stacks.templates import REPOSITORY, Deployment

Json = dict[str, Any]
EVALUATE = Path(__file__).with_name("evaluate.js")
VERSION = "2.0.6"
EXAMPLES = 60

STATUSES = ("COMPLETED", "IN_PROGRESS", "BAKING", "SOMETHING_ELSE")
RESULTS: dict[str, tuple[object, ...]] = {
    "status": STATUSES,
    "believed": (True, False),
    "decision": ("PROMOTE", "REJECT", "INSUFFICIENT EVIDENCE", "SOMETHING_ELSE"),
    "needs_a_person": (True, False),
    "answer": ("approved", "rejected", "labelled", "SOMETHING_ELSE"),
    "outcome": ("PROMOTED", "REJECTED", "EXPIRED", "STOPPED", "FAILED", "SOMETHING_ELSE"),
    "wait_seconds": (30, 600),
    "waits_for": ("the account's quota",),
    "approval": ("required", "automatic"),
    "log_shards": ([], ["00-63"]),
    "teacher_shards": ([], ["00-63"]),
    "holdout_shards": (["00-63"],),
    "shard": ("00-63",),
    "run_id": ("video-0123456789ab",),
    "attempt": (1, 2),
}
"""What Lambdas return, field by field. A path that is not among these reads what nobody returns."""
ODD: tuple[object, ...] = (None, 0, -1.5, "", "text", [], [1], {}, {"a": None})
FIELDS_OF_CONTEXT = (
    "Execution.Id Execution.Input Execution.Name Execution.RoleArn Execution.StartTime Map.Item.Index Map.Item.Value "
    "State.EnteredTime State.Name State.RetryCount StateMachine.Id StateMachine.Name Task.Token"
)
"""Step Functions developer guide, input-output-contextobject."""


def expressions(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Where in a definition an expression stands, and its text."""
    if isinstance(value, str) and value.startswith("{%"):
        yield path, value.removeprefix("{%").removesuffix("%}").strip()
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from expressions(item, f"{path}/{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from expressions(item, f"{path}/{index}")


def variables(definition: object) -> set[str]:
    """Names that some state assigns."""
    found: set[str] = set()
    if isinstance(definition, dict):
        found |= set(definition.get("Assign", {})) if isinstance(definition.get("Assign"), dict) else set()
        for item in definition.values():
            found |= variables(item)
    elif isinstance(definition, list):
        for item in definition:
            found |= variables(item)
    return found


def bindings(names: set[str], *, odd: bool) -> list[Json]:
    """What expressions may meet: results as Lambdas give them, or of which fields are missing or of another type."""
    chance = random.Random(15)  # noqa: S311 - examples, not secrets

    def fields() -> Json:
        made = {name: chance.choice(values) for name, values in RESULTS.items()}
        for name in RESULTS if odd else ():
            if chance.random() < 0.5:
                del made[name]
            elif chance.random() < 0.3:
                made[name] = chance.choice(ODD)
        return made

    def variable(name: str) -> object:
        if name in ("failure", "trouble"):
            return chance.choice(({}, {"Error": "QuotaTooLow", "Cause": "{}"}))
        if name in RESULTS:
            return chance.choice(RESULTS[name])
        if name == "outcome":
            return chance.choice((None, "REJECTED"))
        return chance.choice((0, 1, 6, 7, 11, 12, 72, 162, 180, 288, 300, 600))

    made = []
    for _ in range(EXAMPLES):
        started = {"run_id": "video-0123456789ab", "attempt": 1, "from_logs": chance.choice((True, False))}
        context = {"Execution": {"Input": started}, "Task": {"Token": "t"}, "Map": {"Item": {"Value": "00-63"}}}
        error = {"Error": "States.TaskFailed", "Cause": "because"}
        states = {"context": context, "input": fields(), "result": {"Payload": fields()}, "errorOutput": error}
        made.append({"states": states} | {name: variable(name) for name in sorted(names)})
    return made


def evaluated(texts: list[str], examples: list[Json]) -> list[list[Json]]:
    """Evaluate each expression with each example, in one process."""
    asked = [{"expression": text, "input": None, "bindings": given} for text in texts for given in examples]
    done = subprocess.run(  # noqa: S603 - our own script
        [str(bundled_node()), str(EVALUATE)],
        input=json.dumps(asked),
        env={"NODE_PATH": str(REPOSITORY / "node_modules")},
        capture_output=True,
        text=True,
        check=True,
    )
    results = json.loads(done.stdout)
    return [results[at : at + len(examples)] for at in range(0, len(results), len(examples))]


def findings(definition: Json, below: str = "/") -> list[str]:
    """Say what is wrong with the expressions of a definition, below a path."""
    found = {path: text for path, text in expressions(definition["States"]) if path.startswith(below)}
    known, texts = variables(definition), sorted(set(found.values()))
    good = dict(zip(texts, evaluated(texts, bindings(known, odd=False)), strict=True))
    odd = dict(zip(texts, evaluated(texts, bindings(known, odd=True)), strict=True))
    return [line for path, text in found.items() for line in _wrong(path, text, known, good[text], odd[text])]


def _wrong(path: str, text: str, known: set[str], good: list[Json], odd: list[Json]) -> Iterator[str]:
    for name in re.findall(r"\$states\.context\.([A-Za-z.]+)", text):
        if not name.startswith(tuple(FIELDS_OF_CONTEXT.split())):
            yield f"{path}: the context object has no {name}"
    for name in set(re.findall(r"\$(\w+)(?!\w*\()", text)) - {"states"} - known:
        yield f"{path}: no state assigns ${name}"
    if error := next((result["error"] for result in good if "error" in result), None):
        yield f"{path}: {error}"
    elif path.endswith("/Condition"):
        yield from _wrong_condition(path, good, odd)
    elif any(not result["defined"] for result in good):
        yield f"{path}: gives nothing, which is States.QueryEvaluationError"


def _wrong_condition(path: str, good: list[Json], odd: list[Json]) -> Iterator[str]:
    for result in (*good, *odd):
        if not isinstance(result.get("value"), bool):
            yield f"{path}: not boolean but {result.get('error', result.get('value'))!r}"
            return
    if len({result["value"] for result in good}) == 1:
        yield f"{path}: always {good[0]['value']}, whatever the Lambdas return"


def test_the_version_is_the_one_that_step_functions_documents() -> None:
    package = json.loads((REPOSITORY / "node_modules" / "jsonata" / "package.json").read_text())
    assert package["version"] == VERSION
    assert json.loads((REPOSITORY / "package.json").read_text())["devDependencies"]["jsonata"] == VERSION


@pytest.mark.parametrize(
    ("path", "planted", "found"),
    [
        ("IsStudentGoodEnough/Choices/0/Condition", '$states.input.decision == "PROMOTE"', "S0"),
        ("IsStudentGoodEnough/Choices/0/Condition", "$states.input.decision", "not boolean but '"),
        ("IsStudentGoodEnough/Choices/0/Condition", "$states.input.decision > 1", "T2009"),
        ("IsStudentGoodEnough/Choices/0/Condition", '$states.input.verdict = "PROMOTE"', "always False, whatever"),
        ("WaitForTeacherBatch/Seconds", "$teacher_waits", "no state assigns $teacher_waits"),
        ("CheckRun/Output", "$states.result.Payloads", "gives nothing"),
        ("CheckRun/Arguments/Payload/run_id", "$states.context.Execution.input.run_id", "no Execution.input"),
    ],
)
def test_a_planted_fault_is_found(deployment: Deployment, path: str, planted: str, found: str) -> None:
    definition = copy.deepcopy(deployment.definition())
    holder: Any = definition["States"]
    *way, last = path.split("/")
    for step in way:
        holder = holder[int(step) if step.isdigit() else step]
    holder[last] = f"{{% {planted} %}}"
    lines = findings(definition, f"/{path}")
    assert any(line.startswith(f"/{path}: ") and found in line for line in lines), lines


def test_the_expressions_of_the_definition_are_right(deployment: Deployment) -> None:
    definition = deployment.definition()
    assert len(list(expressions(definition["States"]))) > 140
    assert findings(definition) == []
