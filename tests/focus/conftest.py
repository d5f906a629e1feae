from __future__ import annotations

import pytest

from tests.faults.__main__ import local_deployment
from tests.stacks.templates import Deployment


@pytest.fixture(scope="session")
def deployment() -> Deployment:
    return local_deployment()
