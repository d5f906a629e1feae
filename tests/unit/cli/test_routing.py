"""``route`` and ``serve``: what a person is shown, what is sent, and with which exit code it ends."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import ANY
from click.testing import Result

from lambdas.gateways.registry.items import to_values
from tests.unit.cli.conftest import FakeAws, make_run
from tests.unit.cli.test_champions_now import CHAMPION

Call = Callable[..., Result]

EXPECTED = {"records": 270, "share": 0.1, "share_low": 0.07, "share_high": 0.14, "usd_per_1k_requests": 0.05}
CHOICE = {"for_run": "greetings-1", "mode": "cascade", "at": "2026-11-29T00:00:00.000Z", "on": ["breaks_schema"],
          "max_share": 0.2, "expected": EXPECTED}  # fmt: skip
CANDIDATE = {"on": ["breaks_schema"], "confidence_field": None, "below": None, "records": 135, "share": 0.1,
             "score": 4.5, "gain": 0.2, "usd_per_1k_requests": 0.05}  # fmt: skip
TOLD = {"task": "greetings", "run_id": "greetings-1", "fallback": {"model": "m", "role": "baseline"},
        "records": {"proposing": 135, "testing": 134}, "groups": {"proposing": 120, "testing": 119},
        "tested_on": "greetings-1", "candidates": [CANDIDATE], "proposal": CANDIDATE}  # fmt: skip
LINE = {"name": "share", "limit": 0.05, "measured": 0.01, "passed": True, "explanation": "why"}


@pytest.fixture
def deployed(aws: FakeAws) -> FakeAws:
    aws.outputs["pipeline"]["RollbackFunction"] = "roll-back"
    return aws


def served(aws: FakeAws, **item: Any) -> None:
    """Let the registry have a champion, and what was chosen for it."""
    aws.stub("dynamodb").add_response("get_item", {"Item": to_values({"champion": CHAMPION, **item})})


class TestServe:
    """A mode is sent with the run that the person sees serving."""

    def test_an_unknown_mode_is_a_usage_error(self, call: Call) -> None:
        assert call("serve", "greetings", "--mode", "teacher").exit_code == 2

    def test_a_task_without_champion_has_nobody_to_serve_it(self, call: Call, deployed: FakeAws) -> None:
        deployed.stub("dynamodb").add_response("get_item", {})
        said = call("serve", "greetings", "--mode", "student")
        assert (said.exit_code, "has no champion" in said.output) == (1, True)

    def test_the_mode_is_sent_for_the_run_that_serves(self, call: Call, deployed: FakeAws) -> None:
        served(deployed)
        given = {"task": "greetings", "run_id": "greetings-1", "mode": "fallback", "policy": "p"}
        deployed.function_answers(
            "roll-back", {"serve": "fallback", "task": "greetings", "run_id": "greetings-1", "why": "w"}, given
        )
        said = call("serve", "greetings", "--mode", "fallback", "--why", "w")
        assert said.exit_code == 0, said.output
        assert "answered by the fallback of run greetings-1" in said.output


class TestRoute:
    """Shown, tested, adopted or not."""

    def test_a_proposal_says_what_to_type_next(self, call: Call, deployed: FakeAws) -> None:
        served(deployed)
        payload = {"route": 0.2, "task": "greetings", "run_id": "greetings-1", "why": ""}
        deployed.function_answers("roll-back", payload, TOLD)
        said = call("route", "greetings")
        assert said.exit_code == 0, said.output
        assert "pass on what breaks the output schema" in said.output
        assert "route greetings --max-share 0.2 --adopt --why TEXT" in " ".join(said.output.split())

    @pytest.mark.parametrize(("passed", "code", "words"), [(True, 0, "Adopted"), (False, 1, "Not adopted")])
    def test_a_test_says_each_line(self, call: Call, deployed: FakeAws, passed: bool, code: int, words: str) -> None:
        served(deployed)
        payload = {"route": 0.1, "task": "greetings", "run_id": "greetings-1", "why": "", "adopt": True}
        told = {**TOLD, "lines": [{**LINE, "passed": passed}], "adopted": passed}
        deployed.function_answers("roll-back", {**payload, "min_gain": 0.05, "max_cost_share": 0.5}, told)
        said = call("route", "greetings", "--max-share", "0.1", "--adopt")
        assert said.exit_code == code, said.output
        assert words in said.output
        assert ("passed share" in said.output) is passed

    def test_a_later_run_is_named_to_whoever_adopts(self, call: Call, deployed: FakeAws) -> None:
        served(deployed)
        deployed.run_in_registry(make_run("greetings-2"))
        payload = {"route": 0.2, "task": "greetings", "run_id": "greetings-1", "why": "", "fresh": "greetings-2"}
        deployed.function_answers("roll-back", payload, {**TOLD, "tested_on": "greetings-2"})
        said = " ".join(call("route", "greetings", "--fresh", "greetings-2").output.split())
        assert "134 of run greetings-2, in 119, test" in said
        assert "route greetings --max-share 0.2 --fresh greetings-2 --adopt --why TEXT" in said

    def test_nothing_that_gains_is_said(self, call: Call, deployed: FakeAws) -> None:
        served(deployed)
        payload = {"route": 0.2, "task": "greetings", "run_id": "greetings-1", "why": ""}
        deployed.function_answers("roll-back", payload, {**TOLD, "proposal": None})
        assert "No rule gains anything within 20% of the answers" in call("route", "greetings").output

    @pytest.mark.parametrize("share", ["0", "1.1", "x"])
    def test_a_share_that_is_none_is_a_usage_error(self, call: Call, share: str) -> None:
        assert call("route", "greetings", "--max-share", share).exit_code == 2

    @pytest.mark.parametrize("other", [["--adopt"], ["--fresh", "greetings-2"]])
    def test_a_status_is_not_adopted(self, call: Call, other: list[str]) -> None:
        assert call("route", "greetings", "--status", *other).exit_code == 2


class TestStatus:
    """What callers met beside what was foreseen."""

    def counted(self, aws: FakeAws, since: object = ANY, **values: float) -> None:
        results = [
            {"Id": f"m{name}", "Values": [value], "Timestamps": [datetime.now(UTC)], "StatusCode": "Complete"}
            for name, value in values.items()
        ]
        aws.stub("cloudwatch").add_response(
            "get_metric_data",
            {"MetricDataResults": results},
            {"MetricDataQueries": ANY, "StartTime": since, "EndTime": ANY},
        )

    def test_a_share_that_leaves_its_bounds_is_said(self, call: Call, deployed: FakeAws) -> None:
        served(deployed, serving_choice=CHOICE)
        self.counted(deployed, Requests=1000, EscalatedBreaksSchema=300, EscalatedUnanswered=50, Usd=0.1)
        said = call("--json", "route", "greetings", "--status")
        assert said.exit_code == 0, said.output
        document = json.loads(said.stdout)
        assert (document["share"], document["mode"], document["reasons"]["unanswered"]) == (0.3, "cascade", 50)
        assert (
            "30.0% of 1,000 questions are escalated for quality, and 7.0% to 14.0% were foreseen" in document["wrong"]
        )

    def test_one_within_them_is_shown_beside_what_was_foreseen(self, call: Call, deployed: FakeAws) -> None:
        served(deployed, serving_choice=CHOICE)
        kept_back = {"Capped": 2, "CappedQuality": 3, "CappedOutage": 400}
        self.counted(deployed, Requests=1000, EscalatedBreaksSchema=90, **kept_back, Usd=0.05)
        said = call("route", "greetings", "--status").output
        assert "9.5% (7.8% to 11.5%)" in said
        assert "10.0% (7.0% to 14.0%)" in said
        assert "Out of bounds" not in said
        assert re.search(r"cap of quality +\D* 5\b", said)
        assert re.search(r"cap of outages +\D* 400\b", said)

    def test_what_callers_met_before_the_choice_is_not_counted(self, call: Call, deployed: FakeAws) -> None:
        # Given routing that was adopted an hour ago
        at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        served(deployed, serving_choice={**CHOICE, "at": at.isoformat()})
        self.counted(deployed, since=at, Requests=1000, EscalatedBreaksSchema=100)
        # Then
        said = call("route", "greetings", "--status")
        assert said.exit_code == 0, said.output
        assert f"Since {at.isoformat()[:16]}Z" in said.output
        assert "Out of bounds" not in said.output

    def test_callers_that_nobody_sees_are_said(self, call: Call, deployed: FakeAws) -> None:
        served(deployed)
        self.counted(deployed)
        said = call("route", "greetings", "--status").output
        assert "Fewer than 100 questions were counted" in said
