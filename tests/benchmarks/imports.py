"""What a Lambda takes until it can work, against ``import boto3`` and one client: seconds of a processor."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.benchmarks import first_events
from tests.benchmarks.layer import HANDLERS, LambdaLike
from tests.benchmarks.measuring import interleaved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

Json = dict[str, Any]

SCREENING, REPETITIONS = 2, 9
_BASE = "import boto3; boto3.session.Session().client('bedrock')"
_CLIENTS = {
    "bedrock": "bedrock",
    "bedrock-runtime": "bedrock_runtime",
    "cloudwatch": "cloudwatch",
    "dynamodb": "dynamodb",
    "lambda": "lambdas",
    "s3": "s3",
    "servicequotas": "service_quotas",
    "sns": "sns",
    "ssm": "ssm",
    "states": "step_functions",
}
"""Prefix of an action to the function in ``lambdas.gateways.aws.clients`` that makes the client."""
_NOT_CALLED = frozenset({"iam", "kms", "logs", "sqs", "xray"})
"""What a role may do without a client of the handler's: the services do it in its name."""


class Slowest(NamedTuple):
    """The slowest handler.

    Attributes
    ----------
    folder : str
        The name of its folder.
    clients : list of str
        The clients that are made beside the import.
    ratio : float
        What it takes to ``import boto3`` and one Bedrock client.
    """

    folder: str
    clients: list[str]
    ratio: float


def slowest_import(templates: Iterable[Path], workdir: Path) -> Slowest:
    """Measure the import of each handler, with every client that its role allows.

    Each in fresh processes that see the layer's packages and ``lambdas/`` alone. It is the processor time that is
    taken, inside the process: the start of the interpreter, the same for both, would only hide a difference, and what
    else runs on the machine is no property of a handler.

    Parameters
    ----------
    templates : iterable of Path
        The synthesized templates with Lambdas, whose roles say which services a handler calls.
    workdir : Path
        Empty folder.
    """
    clients: dict[str, list[str]] = {}
    for template in templates:
        clients |= clients_by_handler(json.loads(template.read_text()))
    python = LambdaLike(workdir)
    starts = {name: partial(_seconds, python, _code(name, clients[name])) for name in HANDLERS}
    return _slowest(python, starts, clients)


def slowest_first_event(discovery_template: Path, workdir: Path) -> Slowest:
    """Measure the start of each handler up to the end of a first event (:mod:`tests.benchmarks.first_events`).

    Parameters
    ----------
    discovery_template : Path
        The synthesized template of the discovery stack.
    workdir : Path
        Empty folder.
    """
    python = LambdaLike(workdir / "lambda")
    files = first_events.write(first_events.record_first_events(discovery_template), workdir / "events")
    starts = {name: partial(first_events.start_seconds, python, file) for name, file in files.items()}
    return _slowest(python, starts, {name: [] for name in files})


def _slowest(
    python: LambdaLike, starts: Mapping[str, Callable[[], float]], clients: Mapping[str, list[str]]
) -> Slowest:
    first = interleaved(starts, SCREENING, min)
    folder = max(first, key=lambda name: first[name])
    base = partial(_seconds, python, _BASE)
    seconds = interleaved({"base": base, "handler": starts[folder]}, REPETITIONS, min)
    return Slowest(folder, clients[folder], seconds["handler"] / seconds["base"])


def clients_by_handler(template: Json) -> dict[str, list[str]]:
    """Read from the roles which clients each Lambda makes.

    Parameters
    ----------
    template : dict
        A synthesized template.

    Returns
    -------
    dict
        Folder to names of functions in ``lambdas.gateways.aws.clients``, sorted.

    Raises
    ------
    LookupError
        If a role allows actions of a service that no client is known for.
    """
    resources = template["Resources"]
    found: dict[str, list[str]] = {}
    for function in (item["Properties"] for item in resources.values() if item["Type"] == "AWS::Lambda::Function"):
        folder = function["Handler"].split(".")[2]
        role = resources[function["Role"]["Fn::GetAtt"][0]]["Properties"]
        statements = [line for policy in role["Policies"] for line in policy["PolicyDocument"]["Statement"]]
        found[folder] = sorted({name for line in statements for name in _clients(line["Action"])})
    return found


def _clients(actions: str | list[str]) -> set[str]:
    prefixes = {
        "bedrock-runtime" if action.startswith("bedrock:InvokeModel") else action.split(":")[0]
        for action in ([actions] if isinstance(actions, str) else actions)
    }
    unknown = prefixes - _CLIENTS.keys() - _NOT_CALLED
    if unknown:
        message = f"{__file__}: which client do actions of {sorted(unknown)} need? Add them to _CLIENTS or _NOT_CALLED."
        raise LookupError(message)
    return {_CLIENTS[prefix] for prefix in prefixes - _NOT_CALLED}


def _code(folder: str, clients: list[str]) -> str:
    made = "".join(f"; clients.{name}()" for name in clients)
    return f"import {HANDLERS[folder]}; from lambdas.gateways.aws import clients{made}"


def _seconds(python: LambdaLike, code: str) -> float:
    timed = f"from time import process_time\nstarted = process_time()\n{code}\nprint(process_time() - started)"
    done = python.run(timed)
    if done.returncode:
        message = f"'{code}' failed with the layer's packages alone:\n{done.stderr}"
        raise RuntimeError(message)
    return float(done.stdout)
