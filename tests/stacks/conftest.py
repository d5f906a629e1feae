"""One synthesis for all tests of the stacks: the template validator and the layer's installation are left out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stacks.templates import Deployment, synthesize

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """The environment ``dev`` with the settings that ``cdk.json`` has."""
    folder: Path = tmp_path_factory.mktemp("assembly")
    return synthesize({"dev": {}}, folder)["dev"]
