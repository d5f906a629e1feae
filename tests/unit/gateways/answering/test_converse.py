"""What a service asks to wait is read from either header, and what cannot be read is as if it were not there."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.gateways.answering.converse import retry_after
from tests.unit.gateways.fakes import refusal

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


def wait(**headers: str) -> float | None:
    refused = refusal("ThrottlingException")
    refused.response["ResponseMetadata"] = {  # type: ignore[typeddict-item]
        "HTTPHeaders": {name.replace("_", "-"): value for name, value in headers.items()}
    }
    return retry_after(refused, NOW)


@pytest.mark.parametrize("said", ["", "soon", "-3", "1e400", "nan", "Tue, 24 Nov 2026 11:59:59 GMT"])
def test_a_wait_that_cannot_be_kept_is_ignored(said: str) -> None:
    assert wait(retry_after=said) is None
    assert retry_after(refusal("ThrottlingException"), NOW) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "Tue, 24 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"x_amz_retry_after": "1500"}, 1.5),
        ({"x_amz_retry_after": "1500", "retry_after": "7"}, 1.5),
    ],
)
def test_each_form_of_the_wait_is_read(headers: dict[str, str], seconds: float) -> None:
    assert wait(**headers) == seconds


@given(st.text(max_size=30))
def test_no_header_is_an_error(said: str) -> None:
    for name in ("retry_after", "x_amz_retry_after"):
        seconds = wait(**{name: said})
        assert seconds is None or seconds >= 0
