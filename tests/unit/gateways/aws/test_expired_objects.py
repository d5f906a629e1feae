"""An object that has expired is not there, whatever a role is told of it; any other refusal is an error."""

from __future__ import annotations

from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from lambdas.gateways.aws.storage import Bucket


class Client:
    """Refuses each read with a code."""

    def __init__(self, code: str) -> None:
        self._code = code

    def get_object(self, **_request: Any) -> Any:
        raise ClientError({"Error": {"Code": self._code, "Message": "as the service words it"}}, "GetObject")


@pytest.mark.parametrize("code", ["NoSuchKey", "404", "AccessDenied"])
def test_what_has_expired_is_not_there_also_for_a_role_that_may_not_list(code: str) -> None:
    # Given / When / Then: without the right to list, S3 answers 403 for a key that is missing
    assert Bucket(cast("Any", Client(code)), "runs").read_if_kept("a") is None


def test_another_refusal_is_an_error() -> None:
    with pytest.raises(ClientError):
        Bucket(cast("Any", Client("InternalError")), "runs").read_if_kept("a")
