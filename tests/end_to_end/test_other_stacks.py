"""Callers of other stacks, each as the page has it, in an environment that has that stack."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.account import Account, example_lines, lenient

pytestmark = [pytest.mark.end_to_end, pytest.mark.thorough]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/callers.md"
PACKAGES = ("langchain-aws==1.9.1", "litellm==1.110.2", "fastjsonschema==2.21.2")
"""Too large for the development environment: 350 MB."""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment with the stacks, by the ordinary client of the package index."""
    folder, uv = tmp_path_factory.mktemp("stacks"), Path(sys.executable).with_name("uv")
    for command in (
        ["venv", str(folder)],
        ["pip", "install", "--python", str(folder), *PACKAGES, str(ROOT / "client")],
    ):
        subprocess.run([uv, *command, "--quiet"], check=True, timeout=600)  # noqa: S603 - arguments of this file
    return folder / "bin/python"


@pytest.fixture(scope="module")
def blocks() -> dict[str, str]:
    return dict(re.findall(r"```python (\w+)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))


def test_each_stack_asks_the_student(account: Account, python: Path, blocks: dict[str, str]) -> None:
    # Given
    run = account.ended(account.upload("video-search-intent", example_lines()[:200], **lenient()).run_id)
    assert run.outcome == "PROMOTED", run.reason
    environment = account.aws.environment() | {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION_NAME": "us-east-1",
        "AWS_BEDROCK_RUNTIME_ENDPOINT": account.aws.simulator,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "DISTILLATION_ENVIRONMENT": "local",
        "PYTHONPATH": str(ROOT / "examples"),
    }
    assert blocks.keys() == {"langchain", "litellm", "provider"}
    # When
    said = {
        name: subprocess.run(  # noqa: S603 - code of the page
            [python, "-c", code], env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        for name, code in blocks.items()
    }
    # Then
    assert {name: done.stderr[-2000:] for name, done in said.items() if done.returncode} == {}
    answers = {name: json.loads(done.stdout) for name, done in said.items()}
    assert len({json.dumps(answer, sort_keys=True) for answer in answers.values()}) == 1
    assert answers["provider"].keys() >= {"visual", "audio"}
