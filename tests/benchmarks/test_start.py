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
from botocore.exceptions import UnknownServiceError

from lambdas.gateways.aws import clients, service_models
from tests.benchmarks import synthesis
from tests.benchmarks.__main__ import Figure, main
from tests.benchmarks.discovery_events import synthesized
from tests.benchmarks.first_events import _REPLAY, FirstEvent, asked, record_first_events, start_seconds, write
from tests.benchmarks.imports import clients_by_handler
from tests.benchmarks.layer import HANDLERS, LambdaLike

SERVICES = ("bedrock", "bedrock-runtime", "cloudwatch", "dynamodb", "lambda", "s3", "service-quotas", "sns", "ssm",
            "stepfunctions")  # fmt: skip


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return synthesized(tmp_path_factory.mktemp("with-discovery"))


@pytest.fixture(scope="module")
def events(templates: list[Path]) -> dict[str, FirstEvent]:
    return record_first_events(templates[-1])


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


def test_each_service_of_a_role_has_a_known_client(templates: list[Path]) -> None:
    # a new service does not first fail in ``make bench``
    assert HANDLERS.keys() == {name for path in templates for name in clients_by_handler(json.loads(path.read_text()))}


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
    # a state, a map, an operation, a person's verb and discovery: all 29 would take a minute
    names = ("request_approval", "read_invocation_logs", "reap_idle_throughput", "record_labels", "rank_opportunities")
    chosen = {name: events[name] for name in names}
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


def test_a_service_that_there_is_not_is_an_error_that_names_those_there_are() -> None:
    loader = service_models.session()._session.get_component("data_loader")
    with pytest.raises(UnknownServiceError, match="bedrock-runtime"):
        loader.load_service_model("bedrok", "service-2")
    with pytest.raises(UnknownServiceError):
        loader.load_service_model("sns", "no-such-kind")


def test_a_client_is_made_without_a_look_into_the_folders_of_all_services(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    looked_into: list[str] = []
    listed = os.listdir

    def noted(path: str) -> list[str]:
        looked_into.append(path)
        return listed(path)

    monkeypatch.setattr(os, "listdir", noted)
    # When
    service_models.session().client("sns", region_name="us-east-1", config=clients.CONTROL)
    # Then
    assert {Path(path).name for path in looked_into if "/data/" in path} == {"sns"}


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


def test_the_app_with_one_bucket_is_measured_without_our_tuning_of_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_OPTIONS", "--require=node_memory.js")
    assert "NODE_OPTIONS" not in synthesis._environment({}, tmp_path)
