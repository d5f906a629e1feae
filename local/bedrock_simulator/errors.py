"""The one exception that an operation raises when the service would refuse a request."""

from __future__ import annotations

from collections.abc import Mapping


class ServiceError(Exception):
    """A refusal in the service's own terms.

    Parameters
    ----------
    code : str
        The service's error code, for example ``ConflictException``.
    message : str
        What the caller reads.
    headers : Mapping[str, str] or None
        Headers of the answer beside the usual ones.
    """

    def __init__(self, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


def validation(message: str) -> ServiceError:
    """Make a ``ValidationException``."""
    return ServiceError("ValidationException", message)


def not_found(message: str) -> ServiceError:
    """Make a ``ResourceNotFoundException``."""
    return ServiceError("ResourceNotFoundException", message)


def conflict(message: str) -> ServiceError:
    """Make a ``ConflictException``."""
    return ServiceError("ConflictException", message)


def quota_exceeded(message: str) -> ServiceError:
    """Make a ``ServiceQuotaExceededException``."""
    return ServiceError("ServiceQuotaExceededException", message)


def access_denied(message: str) -> ServiceError:
    """Make an ``AccessDeniedException``."""
    return ServiceError("AccessDeniedException", message)
