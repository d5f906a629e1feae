"""Hold every request that the code builds against the newest botocore, and tell what changed of what is called.

``python -m tests.references.drift FOLDER``, where FOLDER has another botocore. It is a report and never a failure: what
others publish tomorrow must not break what is checked out today (decision 61).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import botocore
from botocore.loaders import Loader
from botocore.model import ServiceModel

from local.bedrock_simulator.protocol.validation import StrictValidator
from tests.faults.__main__ import local_deployment
from tests.faults.scenarios import SCENARIOS, Scenario, finish
from tests.faults.world import deployed

_CONSTRAINTS = ("min", "max", "pattern", "enum")


class Request(NamedTuple):
    """What a Lambda asked: the service's folder in botocore, the operation and the parameters as JSON or more."""

    service: str
    operation: str
    parameters: Mapping[str, Any]


def record_requests(scenarios: Iterable[Scenario] = SCENARIOS) -> list[Request]:
    """Run scenarios to their end, and keep each request that a Lambda builds."""
    found: list[Request] = []
    for scenario in scenarios:
        with deployed(local_deployment()) as world:

            def keep(params: Mapping[str, Any], model: Any, world: Any = world, **_: Any) -> None:
                if world.running:
                    found.append(Request(model.service_model.service_name, model.name, dict(params)))

            register: Any = world.aws.session.events.register
            register("provide-client-params.*.*", keep)
            finish(world, scenario.begin(world))
            world.call("reap_idle_throughput", {})
    return found


class Models:
    """The service models of one botocore.

    Parameters
    ----------
    folder : Path or None
        Where that botocore is installed; ``None`` for the pinned one.
    """

    def __init__(self, folder: Path | None = None) -> None:
        paths = [str(folder / "botocore" / "data")] if folder else []
        self._loader = Loader(extra_search_paths=paths, include_default_search_paths=folder is None)
        self._known: dict[str, ServiceModel] = {}

    def service(self, name: str) -> ServiceModel:
        """Give the model of a service."""
        if name not in self._known:
            self._known[name] = ServiceModel(self._loader.load_service_model(name, "service-2"), name)
        return self._known[name]


def breaches(requests: Iterable[Request], models: Models) -> list[str]:
    """Say which requests a service would refuse by its model: types, required fields, patterns, enums, limits."""
    found: set[str] = set()
    for request in requests:
        service = models.service(request.service)
        if request.operation not in service.operation_names:
            found.add(f"{request.service} {request.operation}: no such operation any more")
            continue
        shape = service.operation_model(request.operation).input_shape
        wrong, constraints = StrictValidator().problems(request.parameters, shape)
        found |= {f"{request.service} {request.operation}: {text}" for text in (*wrong, *constraints)}
    return sorted(found)


def differences(requests: Iterable[Request], before: Models, after: Models) -> list[str]:
    """Say what another botocore says otherwise of the operations that are called."""
    called = sorted({(request.service, request.operation) for request in requests})
    return [line for service, operation in called for line in _operation(service, operation, before, after)]


def _operation(service: str, operation: str, before: Models, after: Models) -> Iterator[str]:
    if operation not in after.service(service).operation_names:
        yield f"{service} {operation}: gone"
        return
    old, new = (_described(models.service(service), operation) for models in (before, after))
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path):
            yield f"{service} {operation} {path}: {old.get(path, 'not there')} -> {new.get(path, 'gone')}"


def _described(service: ServiceModel, operation: str) -> dict[str, str]:
    """Describe an operation flatly: each field of input and output, and its errors."""
    model = service.operation_model(operation)
    found = {f"error {shape.name}": "there" for shape in model.error_shapes}
    for side, shape in (("input", model.input_shape), ("output", model.output_shape)):
        found.update(_fields(shape, side, ()))
    return found


def _fields(shape: Any, path: str, above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if shape is None or shape.name in above:
        return
    limits = {name: shape.metadata[name] for name in _CONSTRAINTS if name in shape.metadata}
    yield path, f"{shape.type_name} {json.dumps(limits)}" if limits else shape.type_name
    inner = (*above, shape.name)
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            marked = f"{path}.{name}{' (required)' if name in shape.required_members else ''}"
            yield from _fields(member, marked, inner)
    elif shape.type_name == "list":
        yield from _fields(shape.member, f"{path}[]", inner)
    elif shape.type_name == "map":
        yield from _fields(shape.value, f"{path}{{}}", inner)


def main(folder: Path) -> None:
    """Print the report."""
    newest = next((path.name.split("-")[1] for path in folder.glob("botocore-*.dist-info")), "unknown")
    newest = newest.removesuffix(".dist")
    print(f"pinned: botocore {botocore.__version__}; beside it: botocore {newest}")
    requests, pinned, other = record_requests(), Models(), Models(folder)
    operations = {(request.service, request.operation) for request in requests}
    broken = breaches(requests, other)
    print(f"{len(requests)} requests of {len(operations)} operations, {len(broken)} against the newest models")
    print("".join(f"  REFUSED {line}\n" for line in broken), end="")
    changed = differences(requests, pinned, other)
    print(f"{len(changed)} differences of the operations that are called")
    print("".join(f"  {line}\n" for line in changed), end="")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
