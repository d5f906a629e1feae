"""Licences are decided offline; vulnerabilities are known only where a service answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest

from checks import __main__ as command_line
from checks.licences import refused
from checks.vulnerabilities import Audit, audit_node, audit_python, judged


@pytest.mark.parametrize(
    "licence",
    ["GPL-3.0-only", "MIT AND GPL-3.0-only", "MIT License; GNU General Public License v3", "UNKNOWN", ""],
)
def test_a_licence_that_is_not_on_the_list_is_refused_with_the_package_s_name(licence: str) -> None:
    [line] = refused({"some-package": licence, "another": "MIT"})
    assert line.startswith("some-package: licence")


@pytest.mark.parametrize(
    "licence",
    ["MIT", "Apache-2.0 OR GPL-3.0-only", "BSD-3-Clause AND 0BSD AND MIT", "MIT License; Apache Software License"],
)
def test_one_of_a_choice_and_all_of_a_list_must_be_allowed(licence: str) -> None:
    assert refused({"some-package": licence}) == []


def pip_audit_says(*packages: Mapping[str, object]) -> str:
    return json.dumps({"dependencies": list(packages), "fixes": []})


VULNERABLE = {"name": "thing", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}
FINE = {"name": "other", "version": "2.0", "vulns": []}
UNKNOWN = {"name": "third", "skip_reason": "Dependency not found"}


def test_a_known_vulnerability_is_named_with_the_version_that_mends_it() -> None:
    audit = audit_python(lambda _: pip_audit_says(VULNERABLE, FINE, UNKNOWN))
    assert audit == Audit("pip-audit", 2, ["thing 1.0: PYSEC-1, fixed in 1.1"])


@pytest.mark.parametrize("answer", ["", "no json", "[]", pip_audit_says(UNKNOWN)])
def test_a_service_that_does_not_know_a_single_package_has_not_answered(answer: str) -> None:
    assert audit_python(lambda _: answer).asked == 0


@pytest.mark.parametrize("answer", ["", '{"message": "405 Method Not Allowed", "statusCode": 405}'])
def test_a_registry_without_an_audit_service_has_not_answered(answer: str) -> None:
    assert audit_node(lambda _: answer).asked == 0


def test_what_npm_knows_is_told() -> None:
    known = {"vulnerabilities": {"thing": {"severity": "high", "range": "<2"}}}
    answer = json.dumps(known | {"metadata": {"dependencies": {"total": 16}}})
    assert audit_node(lambda _: answer) == Audit("npm audit", 16, ["thing: high, <2"])


def test_every_package_of_the_lock_is_asked_about_without_resolving_anything_anew() -> None:
    # Given
    asked: list[Sequence[str]] = []

    def run(command: Sequence[str]) -> str:
        asked.append(command)
        return ""

    # When
    audit_python(run)
    # Then
    [command] = asked
    assert {"--require-hashes", "--disable-pip", "requirements-dev.lock"} <= set(command)


def test_silence_and_findings_are_said_everywhere_and_fail_where_they_are_enforced() -> None:
    # Given
    audits = [Audit("pip-audit", 80, ["thing 1.0: PYSEC-1, fixed in 1.1"]), Audit("npm audit")]
    # When
    problems, said = judged(audits, enforce=False)
    enforced, _ = judged(audits, enforce=True)
    # Then
    assert problems == []
    assert said == [
        "pip-audit: 80 packages asked, 1 known vulnerabilities",
        "VULNERABLE thing 1.0: PYSEC-1, fixed in 1.1",
        "npm audit: SKIPPED, no vulnerability service answers from here",
    ]
    assert enforced == [said[1], said[2]]


def test_an_unknown_check_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["secret"]) == 2
    assert "there are secrets, licences, " in capsys.readouterr().err


def test_one_check_that_fails_fails_all(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command_line, "CHECKS", {"good": list, "bad": lambda: ["x.py:1: mend it"]})
    assert command_line.main([]) == 1
    assert capsys.readouterr().out.splitlines() == ["good: passed", "bad: 1 problems", "  x.py:1: mend it"]
