"""What verbs about money refuse before they ask anything."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import Result

from cli.months import this_month

Call = Callable[..., Result]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("costs", "--focus"), "--focus needs --out FILE"),
        (("costs", "--month", "2026-11"), "belong to --focus"),
        (("costs", "--out", "x.csv"), "belong to --focus"),
        (("costs", "--focus", "--month", "2026-13", "--out", "x.csv"), "'2026-13' is not a month. Write it as 2026-11"),
        (("costs", "--focus", "--out", "nowhere/x.csv"), "There is no folder 'nowhere'"),
        (("showback", "--out", "nowhere/x.html"), "There is no folder 'nowhere'"),
        (("showback", "--month", "November"), "is not a month"),
        (("showback", "--by", "colour"), "'task', 'team', 'environment'"),
        (("reconcile", "--export", "nowhere.csv"), "nowhere.csv"),
        (("reconcile", "--within", "70"), "70"),
    ],
)
def test_what_is_not_asked_for_right_is_a_usage_error(call: Call, words: tuple[str, ...], said: str) -> None:
    told = call(*words)
    assert told.exit_code == 2
    assert said in told.output


def test_this_month_is_written_as_it_is_asked_for(call: Call) -> None:
    assert "is not a month" not in call("costs", "--month", this_month()).output
