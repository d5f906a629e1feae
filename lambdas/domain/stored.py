"""How stored documents are read: by what this version knows of them.

An unknown field is left out: a later version wrote it. A missing field has its default: an earlier version did not know
it. A document whose ``schema_version`` has a newer major number means something else by its fields, so it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, TypeVar

from lambdas.domain.errors import DocumentTooNew

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

DOCUMENT_VERSION = 1
"""Major version of the documents that this code writes and reads; a document that names none is of version 1."""

REPORT_VERSION = 2
"""Major version of ``report.json``: since 2 its gate names evidence, kinds and undecided rules (docs/report.md)."""

_Kind = TypeVar("_Kind", bound="DataclassInstance")


def known_fields(kind: type[DataclassInstance], document: Mapping[str, Any]) -> dict[str, Any]:
    """Pick what a dataclass knows of a document; keys, index attributes and fields of later versions are left out."""
    return {known.name: document[known.name] for known in fields(kind) if known.name in document}


def missing_fields(kind: type[DataclassInstance], document: Mapping[str, Any]) -> list[str]:
    """Name the fields without a default that a document lacks."""
    return [
        one.name
        for one in fields(kind)
        if one.default is MISSING and one.default_factory is MISSING and one.name not in document
    ]


def read_as(kind: type[_Kind], document: Mapping[str, Any]) -> _Kind:
    """Make a dataclass of what it knows of a document.

    Raises
    ------
    TypeError
        When a field is missing that has no default.
    """
    try:
        return kind(**document)  # most lines of most files have exactly the fields that are known
    except TypeError:
        return kind(**known_fields(kind, document))


def check_schema_version(document: Mapping[str, Any], what: str, known: int = DOCUMENT_VERSION) -> None:
    """Refuse a document that a later version wrote in another way.

    Parameters
    ----------
    document : mapping
    what : str
        Names it for whoever must act, for example ``report.json of run video-1``.
    known : int
        The highest major number that is read.

    Raises
    ------
    DocumentTooNew
        When the major number of its ``schema_version`` is above ``known``, or is not a number.
    """
    version = document.get("schema_version", DOCUMENT_VERSION)
    try:
        major = int(str(version).partition(".")[0])
    except ValueError:
        major = known + 1
    if major > known:
        raise DocumentTooNew(
            f"{what} has schema_version {version}, and this version of the pipeline reads up to {known}: a "
            "later version wrote it. Upgrade to that version (update the checkout, then 'cdk deploy --all') and try "
            "again; nothing was changed"
        )
