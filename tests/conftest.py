"""One synthesis for all tests that read the templates: the stacks' own and the reviewer's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stacks.templates import Deployment


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """The environment ``dev`` with the settings that ``cdk.json`` has, without template validator and layer."""
    from tests.stacks.templates import synthesize  # noqa: PLC0415 - only these tests need aws_cdk, which loads Node

    folder: Path = tmp_path_factory.mktemp("assembly")
    return synthesize({"dev": {}}, folder)["dev"]
