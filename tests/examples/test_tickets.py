"""The ticket examples: their files are what the generators write, and generator and rules agree."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from cli.submission import check_folder
from local.bedrock_simulator.rules import ticket_summary, ticket_triage
from local.example_data import triage
from local.example_data.__main__ import files
from tests.examples.files import EXAMPLES, prompts_of, question_of

TRIAGE, SUMMARY = EXAMPLES / "ticket-triage", EXAMPLES / "ticket-summary"


@pytest.mark.parametrize(("name", "content"), files().items(), ids=list(files()))
def test_the_files_are_what_the_generators_write(name: str, content: str) -> None:
    # Given / When / Then
    assert (EXAMPLES / name).read_text(encoding="utf-8") == content, "run python -m local.example_data"


@pytest.mark.parametrize("folder", [TRIAGE, SUMMARY], ids=lambda path: path.name)
def test_an_example_passes_every_check_before_an_upload(folder: Path) -> None:
    # Given / When
    submission = check_folder(folder, None)

    # Then nothing of it is rejected, repeated or on both sides
    counts = submission.dataset.counts
    assert (counts.rejected, counts.duplicates, counts.leaked) == (0, 0, 0)
    assert submission.dataset.warnings() == []


class TestTriage:
    def test_the_trusted_holdout_is_large_and_has_the_shares_of_the_queues(self) -> None:
        # Given / When
        lines = (TRIAGE / "holdout.jsonl").read_text().splitlines()
        queues = Counter(json.loads(json.loads(text)["messages"][-1]["content"][0]["text"])["queue"] for text in lines)

        # Then
        assert len(lines) >= 630
        shares = {queue: count / len(lines) for queue, count in queues.items()}
        assert shares == {queue: pytest.approx(share, abs=0.005) for queue, share in triage.SHARES.items()}

    def test_most_conversations_have_several_turns(self) -> None:
        # Given / When
        turns = Counter(len(ticket.turns) for ticket in triage.tickets())

        # Then they end with the customer
        assert set(turns) == {1, 3, 5}
        assert turns[3] + turns[5] > turns[1]

    def test_the_rules_say_what_was_drawn(self) -> None:
        # Given trusted answers that were drawn before the texts
        lines = (TRIAGE / "holdout.jsonl").read_text().splitlines()
        trusted = [json.loads(json.loads(text)["messages"][-1]["content"][0]["text"]) for text in lines]

        # When / Then
        agreed = [
            ticket_triage.answer(question_of(text)) == wanted for text, wanted in zip(lines, trusted, strict=True)
        ]
        assert sum(agreed) >= 0.98 * len(lines)

    @pytest.mark.parametrize("text", ["", "?!", "🔥", "x" * 10_000])
    def test_anything_is_sorted(self, text: str) -> None:
        # Given / When / Then
        assert ticket_triage.answer(text) == {"queue": "how_to", "urgency": "normal", "stuck": False}


class TestSummary:
    def test_a_summary_has_the_device_the_wish_and_the_order(self) -> None:
        # Given / When / Then
        for question in prompts_of("ticket-summary"):
            said = ticket_summary.answer(question)
            assert said.startswith("The customer says that the ")
            assert "device" not in said
            assert "needs attention" not in said
            assert "an answer" not in said
            assert said.rpartition("(order ")[2].removesuffix(").") in question

    def test_what_is_not_said_is_not_in_it(self) -> None:
        # Given / When / Then
        assert (
            ticket_summary.answer("Hello?")
            == "The customer says that the device needs attention and asks for an answer."
        )
