"""The linters of others: cfn-lint, and a validator of the Amazon States Language that knows JSONata."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from stacks.node import bundled_node
from tests.stacks.templates import REPOSITORY, Deployment, Json

BESIDE_THE_POINT = {
    # CDK writes a dependency on a role's policies beside the reference to the role: redundant, and harmless.
    "W3005",
    # The topic's ARN is an output for people, although it is the export of another stack.
    "W6001",
}
VALIDATOR = REPOSITORY / "node_modules" / "asl-validator" / "dist" / "bin" / "asl-validator.js"


def test_cfn_lint_finds_nothing(deployment: Deployment, tmp_path: Path) -> None:
    # Given
    for name, template in deployment.templates.items():
        (tmp_path / f"{name}.template.json").write_text(json.dumps(template, indent=1))
    templates = sorted(str(path) for path in tmp_path.glob("*.template.json"))
    assert len(templates) == 3
    # When
    command = [
        str(Path(sys.executable).parent / "cfn-lint"),
        "--ignore-checks",
        *sorted(BESIDE_THE_POINT),
        "--regions",
        "us-east-1",
    ]
    done = subprocess.run(  # noqa: S603 - our own linter
        [*command, "--", *templates], capture_output=True, text=True, check=False
    )
    # Then
    assert done.returncode == 0, done.stdout + done.stderr


def validated(definition: Json, folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder / "definition.json"
    path.write_text(json.dumps(definition))
    command = [str(bundled_node()), str(VALIDATOR), "--json-path", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own validator


def test_the_state_machine_passes_an_asl_linter(deployment: Deployment, tmp_path: Path) -> None:
    done = validated(deployment.definition(), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("state", "change"),
    [("CheckRun", {"Next": "NoSuchState"}), ("CheckRun", {"ResultPath": "$.x"}), ("RunEnded", {"Type": "Success"})],
)
def test_the_asl_linter_would_find_a_mistake(deployment: Deployment, tmp_path: Path, state: str, change: Json) -> None:
    definition = deployment.definition()
    definition["States"][state] |= change
    assert validated(definition, tmp_path).returncode != 0
