"""The registry's table is lost: its reports and Bedrock know enough to write it again."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner

from cli.main import cli
from tests.end_to_end.account import Account, example_lines, lenient, until


def command(account: Account, *words: str) -> Any:
    """Call the command line as a person does; what it printed as JSON, one document a line."""
    given = CliRunner().invoke(cli, ["--local-dir", str(account.aws.workdir), "--json", *words], catch_exceptions=False)
    assert given.exit_code == 0, given.output
    decoder, text, found = json.JSONDecoder(), given.stdout.strip(), []
    while text:
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:].strip()
    return found


def lose(account: Account) -> None:
    """Delete every item of the table."""
    client, table = account.aws.client("dynamodb"), account.outputs["RegistryTable"]
    for page in client.get_paginator("scan").paginate(TableName=table):
        for item in page["Items"]:
            client.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})


def test_a_lost_registry_is_written_again_and_the_next_student_takes_over_the_same_endpoint(account: Account) -> None:
    # Given a champion and a run that failed
    task = lenient(approval="automatic")
    first = account.ended(account.upload("rebuilt", example_lines()[:200], **task).run_id)
    failed = account.ended(account.upload("rebuilt", example_lines()[:20], **task).run_id)
    assert (first.outcome, failed.outcome) == ("PROMOTED", "FAILED"), first.reason
    before = {line["task"]: line for line in command(account, "champions")}
    spent = sum(entry.usd for entry in account.registry.ledger(first.run_id))
    # When the table is lost, and somebody only looks
    lose(account)
    [looked] = command(account, "rebuild-registry")
    # Then nothing is written
    assert looked["written"] is None
    assert account.registry.find(first.run_id) is None
    # When it is written, twice
    [written] = command(account, "rebuild-registry", "--write")
    [again] = command(account, "rebuild-registry", "--write")
    # Then everything is as it was
    assert written["written"]["runs"] >= 2
    assert again["written"] == {"runs": 0, "champions": 0}
    after = {line["task"]: line for line in command(account, "champions")}["rebuilt"]
    same = ("run_id", "endpoint_arn", "endpoint_name", "model_arn", "mode", "base_model", "usd_per_hour")
    assert {name: after[name] for name in same} == {name: before["rebuilt"][name] for name in same}
    known = account.registry.run(failed.run_id)
    assert (known.outcome, known.reason, known.report_sha256) == ("FAILED", failed.reason, failed.report_sha256)
    assert round(sum(entry.usd for entry in account.registry.ledger(first.run_id)), 9) == round(spent, 9)
    # When the schedule looks after everything
    account.look_after_all()
    # Then the champion serves on
    assert account.bills_what_the_registry_says("rebuilt")
    # When another student is promoted
    second = account.ended(account.upload("rebuilt", example_lines()[:260], **task).run_id)
    # Then it takes over the endpoint that callers use
    assert second.outcome == "PROMOTED", second.reason
    assert second.endpoint_arn == first.endpoint_arn
    until(lambda: account.bills_what_the_registry_says("rebuilt"), "the release of what the second run made")


def test_an_endpoint_that_is_gone_makes_no_champion(account: Account) -> None:
    # Given
    run = account.ended(account.upload("gone", example_lines()[:200], **lenient(approval="automatic")).run_id)
    assert run.outcome == "PROMOTED", run.reason
    account.aws.client("bedrock").delete_provisioned_model_throughput(provisionedModelId=run.endpoint_arn)
    lose(account)
    # When
    [written] = command(account, "rebuild-registry", "--write")
    # Then
    assert "gone" not in written["champions"]
    assert any("task gone" in doubt and "no champion" in doubt for doubt in written["doubts"])
    assert account.registry.run(run.run_id).outcome == "PROMOTED"
