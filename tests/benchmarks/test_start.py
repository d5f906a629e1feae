"""What a Lambda needs until it can work: clients that are made quickly, and an event that can be repeated."""

from __future__ import annotations

import gc
import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

import botocore.loaders
import pytest

from lambdas.gateways.aws import clients, service_models
from tests.benchmarks.__main__ import Figure, main
from tests.benchmarks.first_events import _REPLAY, FirstEvent, asked, record_first_events, start_seconds, write
from tests.benchmarks.layer import HANDLERS, LambdaLike

SERVICES = ("bedrock", "bedrock-runtime", "cloudwatch", "dynamodb", "lambda", "s3", "service-quotas", "sns", "ssm",
            "stepfunctions")  # fmt: skip


@pytest.fixture(scope="module")
def events() -> dict[str, FirstEvent]:
    return record_first_events()


def test_an_unknown_name_is_a_usage_error_that_lists_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["synthesys"])
    assert ended.value.code == 2
    assert "'synthesys' cannot be measured; known: synthesis, handler-start," in capsys.readouterr().err


def test_what_is_named_alone_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def measured(workdir: Path) -> Iterator[Figure]:
        yield Figure("one", "1.20", "ratio", workdir.name)

    monkeypatch.setattr("tests.benchmarks.__main__.synthesis", measured)
    main(["synthesis"])
    assert capsys.readouterr() == ("bench/one 1.20 ratio\n", "    synthesis\n")


def test_an_event_that_asks_for_what_was_not_recorded_is_an_error(
    tmp_path: Path, events: dict[str, FirstEvent]
) -> None:
    # Given a recording that lost the answers of S3
    whole = events["request_approval"]
    answers = {name: given for name, given in whole.answers.items() if not name.startswith("s3.")}
    event = FirstEvent(whole.module, whole.payload, whole.variables, whole.now, answers)
    file = write({"request_approval": event}, tmp_path / "events")["request_approval"]
    # When, Then
    with pytest.raises(RuntimeError, match=r"the first event in request_approval\.json failed"):
        start_seconds(LambdaLike(tmp_path / "lambda"), file)


def test_every_handler_has_a_first_event_that_can_be_handled_again(
    tmp_path: Path, events: dict[str, FirstEvent]
) -> None:
    assert events.keys() == HANDLERS.keys()
    # one of a state, of a map, and of an operation: all 22 would take a minute
    chosen = {name: events[name] for name in ("request_approval", "read_invocation_logs", "reap_idle_throughput")}
    files = write(chosen, tmp_path / "events")
    python = LambdaLike(tmp_path / "lambda")
    assert all(start_seconds(python, file) > 0 for file in files.values())


def test_a_collector_that_stays_off_is_an_error(
    tmp_path: Path, events: dict[str, FirstEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a Lambda whose first event does not come to the place that switches the collector on
    monkeypatch.setattr(
        "tests.benchmarks.first_events._REPLAY", _REPLAY.replace("first = ", "gc.enable = int; first = ")
    )
    file = write({"request_approval": events["request_approval"]}, tmp_path / "events")["request_approval"]
    # When, Then
    with pytest.raises(RuntimeError, match="collector stayed switched off"):
        start_seconds(LambdaLike(tmp_path / "lambda"), file)


def test_a_process_that_is_no_lambda_keeps_its_collector() -> None:
    assert "AWS_LAMBDA_FUNCTION_NAME" not in os.environ
    assert gc.isenabled()


def test_requests_of_the_same_object_have_the_same_name_whatever_they_say() -> None:
    assert asked("s3.GetObject", "/runs/a?", b"1") == asked("s3.GetObject", "/runs/a?", b"2")
    assert asked("s3.PutObject", "/runs/a?", b"") == asked("s3.PutObject", "/runs/b?", b"")
    exact, rough = asked("dynamodb.GetItem", "/?", b"1")
    assert (exact, rough) != tuple(asked("dynamodb.GetItem", "/?", b"2"))
    assert rough == asked("dynamodb.GetItem", "/?", b"2")[1]


@pytest.mark.parametrize("service", SERVICES)
def test_a_quick_session_knows_each_service_as_botocore_does(service: str) -> None:
    # Given
    quick, usual = service_models.session()._session.get_component("data_loader"), botocore.loaders.Loader()
    # When, Then: the same values in the same order, which requests and their signatures follow
    for kind in ("service-2", "endpoint-rule-set-1", "paginators-1"):
        read, expected = (loader.load_service_model(service, kind) for loader in (quick, usual))
        assert json.dumps(read) == json.dumps(expected)


def test_a_damaged_model_file_is_an_error_as_it_is_for_botocore(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    (tmp_path / "damaged.json.gz").write_bytes(gzip.compress(b'{"metadata": '))
    with pytest.raises(ValueError, match="unexpected end of data"):
        service_models.session()._session.get_component("data_loader").file_loader.load_file(str(damaged))


def test_models_beside_botocores_own_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a folder as AWS_DATA_PATH names it
    model = tmp_path / "made-up" / "2026-01-01"
    model.mkdir(parents=True)
    (model / "service-2.json").write_text('{"metadata": {"serviceId": "Made Up"}, "operations": {}}')
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    # When, Then
    assert "made-up" in service_models.session().get_available_services()


def test_without_the_compiled_reader_a_session_works_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_models, "_decoded", None)
    made = service_models.session().client("sns", region_name="us-east-1", config=clients.CONTROL)
    assert made.meta.service_model.service_id.hyphenize() == "sns"
