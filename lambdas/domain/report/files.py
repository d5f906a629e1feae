"""The run's files, with links to the console where there is an account and an object behind them."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from lambdas.domain.report.figures import pick, rows_of
from lambdas.domain.report.sections import Fact, PageTable, label
from lambdas.domain.report.texts import short

_MEASURING = frozenset(("CalibrateJudge", "EvaluateStudent"))
"""Stages that write measurements before there are contestants; a run that failed in one of them has some."""

_S3_URI = re.compile(r"s3://(?P<bucket>[a-z0-9.-]{3,63})/(?P<key>[^\x00-\x1f]{1,1024})")


def file_facts(report: dict[str, Any]) -> PageTable:
    """List the run's files; what a stage would have written that the run did not come to has no link."""
    files = report.get("files")
    named = files.items() if isinstance(files, dict) else ()
    is_real, absent = report.get("simulated") is not True, _not_written(report)
    facts = []
    for key, uri in named:
        name = short(key, 80).replace("_", " ")
        is_written = name not in absent
        link = console_link(uri) if is_real and is_written else ""
        note = "" if is_written else "(not written)"
        facts.append(Fact(name, label(uri, 400), is_code=True, link=link, note=note))
    return PageTable.of(facts)


def console_link(uri: object, version: object = None) -> str:
    """Give the address of an object or a folder in the S3 console; empty for what is not an S3 address.

    Parameters
    ----------
    uri : object
        ``s3://bucket/key``; a key that ends in ``/`` is a folder.
    version : object
        Version of the object that is meant, where it is not the newest.
    """
    found = _S3_URI.fullmatch(uri) if isinstance(uri, str) else None
    if not found:
        return ""
    is_folder = found["key"].endswith("/")
    address = f"https://console.aws.amazon.com/s3/{'buckets' if is_folder else 'object'}/{found['bucket']}"
    address += f"?prefix={_quoted(found['key'])}"
    if isinstance(version, str) and version and not is_folder:
        address += f"&versionId={_quoted(version)}"
    return address


def _quoted(text: str) -> str:
    """Quote text that may hold half a character, which no address can."""
    return quote(text, safe="", errors="replace")


def _not_written(report: dict[str, Any]) -> set[str]:
    """Name the files of stages that the run did not come to: their names are in every report, the objects are not."""
    training, absent = pick(report, "training"), set()
    if not isinstance(report.get("dataset"), dict):
        absent.add("rejected lines")
    if not isinstance(training, dict):
        absent |= {"training data", "dropped answers", "job output"}
    # A job that failed may have left the reasons there: only without any job is there surely nothing.
    elif not (training.get("learnt") or training.get("job_name") or training.get("failed_tries")):
        absent.add("job output")
    paid = {str(entry.get("stage")) for entry in rows_of(report.get("ledger"))}
    if not (report.get("contestants") or report.get("judge") or _MEASURING & paid):
        absent.add("measurements")
    return absent
