"""Lambda functions and their identity."""

from __future__ import annotations

import io
import json
import sys
import tempfile
import zipfile
from http.client import HTTPConnection
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ministack.services import lambda_svc

from local.embedded_aws import adapters
from local.embedded_aws.adapters import functions
from tests.embedded_aws.conftest import SAMPLE, zipped

if TYPE_CHECKING:
    from tests.embedded_aws.conftest import Bench


def invoke(bench: Bench, function: str | None = None, **event: Any) -> Any:
    answer = bench.aws.client("lambda").invoke(FunctionName=function or bench.function, Payload=json.dumps(event))
    return json.loads(answer["Payload"].read())


def test_another_version_of_the_emulator_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an emulator that the adapters were not written for
    monkeypatch.setattr(adapters, "version", lambda _name: "1.6.0")
    # When they are applied, then they refuse, naming both versions
    with pytest.raises(RuntimeError, match=r"1\.5\.33, and 1\.6\.0"):
        adapters.apply_all()


def test_the_pinned_version_is_installed() -> None:
    assert version("ministack") == adapters.PINNED_VERSION


def another_function(bench: Bench, name: str, code: bytes, **variables: str) -> None:
    functions = bench.aws.client("lambda")
    first = functions.get_function(FunctionName="sample")["Configuration"]
    functions.create_function(
        FunctionName=name,
        Runtime=first["Runtime"],
        Handler=first["Handler"],
        Role=first["Role"],
        Code={"ZipFile": code},
        Layers=[bench.layer],
        Environment={"Variables": variables},
    )


def test_two_functions_share_one_unpacked_layer(bench: Bench) -> None:
    # Given two functions with the same layer
    another_function(bench, "second", zipped(SAMPLE / "function"))
    # When both run
    seen = [invoke(bench, name, do="describe")["layer"] for name in (bench.function, "second")]
    # Then both import from it, and from the same file
    assert [greeting for greeting, _ in seen] == ["from the layer"] * 2
    assert seen[0] == seen[1]


def test_two_functions_share_files_of_code_and_nothing_that_runs(bench: Bench) -> None:
    # Given two functions with the same code and an environment of their own
    names = ("red", "blue")
    for name in names:
        another_function(bench, name, zipped(SAMPLE / "function"), COLOUR=name)
    # When one runs twice and the other once
    invoke(bench, "red", do="describe")
    red, blue = (invoke(bench, name, do="describe") for name in names)
    # Then they have the code from one file, and variables and state of their own
    assert red["code"] == blue["code"]
    assert [seen["environment"]["COLOUR"] for seen in (red, blue)] == ["red", "blue"]
    assert [seen["environment"]["AWS_LAMBDA_FUNCTION_NAME"] for seen in (red, blue)] == ["red", "blue"]
    assert [seen["calls"] for seen in (red, blue)] == [2, 1]
    # And their folder is that of the code, as their task root says
    assert Path(red["code"]).parent == Path(red["folder"]) == Path(red["environment"]["LAMBDA_TASK_ROOT"])


def test_a_worker_finds_its_code_and_what_is_installed_and_not_this_repository(bench: Bench) -> None:
    # When
    seen = invoke(bench, do="describe")
    # Then
    installed = (Path(sys.prefix), Path(sys.base_prefix))
    own = [path for path in map(Path, seen["path"]) if not any(path.is_relative_to(root) for root in installed)]
    assert Path(seen["folder"]) in own
    assert all(Path(tempfile.gettempdir()) in path.parents or bench.aws.workdir in path.parents for path in own)


def test_a_worker_that_dies_is_an_error_and_the_next_call_has_another(bench: Bench) -> None:
    # Given
    another_function(bench, "mortal", zipped(SAMPLE / "function"))
    # When
    died = invoke(bench, "mortal", do="exit")
    # Then
    assert "errorMessage" in died
    assert invoke(bench, "mortal", do="describe")["calls"] == 1


def test_code_that_cannot_be_imported_says_why(bench: Bench) -> None:
    # Given
    broken = functions._archive("index.py", "import a_package_that_is_nowhere\n")
    another_function(bench, "broken", broken)
    # When / Then
    assert "a_package_that_is_nowhere" in json.dumps(invoke(bench, "broken"))


def test_a_package_compiled_for_lambdas_processor_gives_way_to_this_machines_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a layer with a compiled package, a compiled module and a package in Python
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("fast/__init__.py", "fast/inner/_fast.so", "single.cpython-314-aarch64.so", "plain/__init__.py"):
            archive.writestr(f"python/{name}", "")
    # When it is unpacked
    packages = functions._unpacked(buffer.getvalue(), "layer") / "python"
    # Then only what this machine can run is left
    assert [item.name for item in packages.iterdir()] == ["plain"]


def test_a_function_sees_the_simulator_and_no_credentials_but_its_own(bench: Bench) -> None:
    # Given a function, When it says what it sees
    environment = invoke(bench, do="describe")["environment"]
    # Then its Bedrock calls go to the simulator and all others to the emulator
    assert environment["AWS_ENDPOINT_URL_BEDROCK"] == bench.aws.simulator
    assert environment["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] == bench.aws.simulator
    assert environment["AWS_ENDPOINT_URL_SERVICE_QUOTAS"] == bench.aws.simulator
    assert environment["AWS_ENDPOINT_URL"] == bench.aws.endpoint
    assert environment["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert not {"PYTHONPATH", "AWS_PROFILE", "https_proxy", "HTTPS_PROXY"} & environment.keys()


def test_the_simulator_knows_which_role_a_function_calls_with(bench: Bench) -> None:
    # Given a function that has run, under a key of its role
    key = invoke(bench, do="describe")["environment"]["AWS_ACCESS_KEY_ID"]
    # When the simulator is asked whose key that is
    port = int(bench.aws.simulator.rsplit(":", 1)[1])
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/")
    principals = json.loads(connection.getresponse().read())
    connection.close()
    # Then it is the function's role
    assert principals[key] == "arn:aws:sts::000000000000:assumed-role/function/sample"


def test_a_role_may_do_what_it_is_granted_and_nothing_else(bench: Bench) -> None:
    # Given a bucket that refuses plain http, and a role that may read one prefix of it
    s3, iam = bench.aws.client("s3"), bench.aws.client("iam")
    arn = "arn:aws:s3:::guarded"
    s3.create_bucket(Bucket="guarded")
    s3.put_bucket_policy(Bucket="guarded", Policy=_refusing_plain_http(arn))
    for key in ("allowed/a", "other/a"):
        s3.put_object(Bucket="guarded", Key=key, Body=b"1")
    grant = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{arn}/allowed/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [grant]})
    iam.put_role_policy(RoleName="function", PolicyName="read", PolicyDocument=policy)
    # When the function heads an object in and outside that prefix
    call = {"do": "call", "service": "s3", "operation": "head_object"}
    granted = invoke(bench, **call, arguments={"Bucket": "guarded", "Key": "allowed/a"})
    denied = invoke(bench, **call, arguments={"Bucket": "guarded", "Key": "other/a"})
    # Then only the grant decides
    assert granted["ContentLength"] == 1
    assert "403" in denied["errorMessage"] or "AccessDenied" in denied["errorMessage"]


def _refusing_plain_http(arn: str) -> str:
    statement = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_task_that_is_one_lambda_too_many_is_throttled_as_aws_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an account that runs one Lambda at once, and one that invokes a second while it runs
    answers: list[Any] = []

    def stock(function: dict[str, Any], _event: Any) -> dict[str, Any]:
        if function["name"] == "first":
            answers.append(lambda_svc._execute_function_with_config_scope({"name": "second"}, {}))
        return {"body": function["name"]}

    monkeypatch.setattr(lambda_svc, "_execute_function_with_config_scope", stock)
    monkeypatch.setenv(functions.LAMBDAS_AT_ONCE, "1")
    functions.tasks_are_throttled_beyond_the_accounts_lambdas()
    # When
    answers.append(lambda_svc._execute_function_with_config_scope({"name": "first"}, {}))
    answers.append(lambda_svc._execute_function_with_config_scope({"name": "third"}, {}))
    # Then
    throttled, first, third = answers
    assert throttled["body"]["errorType"] == "Lambda.TooManyRequestsException"
    assert (first["body"], third["body"]) == ("first", "third")


def test_an_account_without_a_number_of_lambdas_throttles_none(monkeypatch: pytest.MonkeyPatch) -> None:
    stock = lambda_svc._execute_function_with_config_scope
    monkeypatch.delenv(functions.LAMBDAS_AT_ONCE, raising=False)
    functions.tasks_are_throttled_beyond_the_accounts_lambdas()
    assert lambda_svc._execute_function_with_config_scope is stock
