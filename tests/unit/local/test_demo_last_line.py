from __future__ import annotations

import pytest

from lambdas.gateways.registry.runs import Run
from local.demo import _last_line
from tests.unit.cli.conftest import ended


@pytest.mark.parametrize(
    ("outcome", "changes", "line", "code"),
    [
        ("FAILED", {}, "FAILED because of failed\n", 1),
        ("REJECTED", {"reason": "the student did not pass"}, "REJECTED the student did not pass\n", 1),
        ("PROMOTED", {"endpoint_arn": "arn:x"}, "PROMOTED arn:x\n", 0),
    ],
)
def test_the_last_line_is_the_outcome(
    capsys: pytest.CaptureFixture[str], outcome: str, changes: dict[str, str], line: str, code: int
) -> None:
    # When
    exit_code = _last_line(Run.from_item(ended(outcome, **changes)))
    # Then
    assert capsys.readouterr().out == line
    assert exit_code == code
