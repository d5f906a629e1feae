"""Two of three drawn accounts have to hold."""

from __future__ import annotations

import pytest

from tests.discovery.drawn import Drawn


def asked(*holds: bool) -> list[int]:
    """Give the seeds of the accounts that were made."""
    made: list[int] = []

    def make(seed: int) -> bool:
        made.append(seed)
        return holds[seed - 7]

    def check(account: bool) -> None:
        assert account

    Drawn(make, 7).most_hold(check)
    return made


@pytest.mark.parametrize("holds", [(False, False, True), (False, True, False), (False, False, False)])
def test_two_accounts_that_do_not_hold_fail(holds: tuple[bool, ...]) -> None:
    with pytest.raises(AssertionError):
        asked(*holds)


def test_one_that_does_not_hold_is_outvoted_and_one_that_does_is_enough() -> None:
    assert asked(False, True, True) == [7, 8, 9]
    assert asked(True, False, False) == [7]
