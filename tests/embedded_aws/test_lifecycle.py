"""Start and stop of the embedded AWS."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from local.embedded_aws.lifecycle import EmbeddedAws
from local.embedded_aws.processes import EmbeddedAwsError
from tests.embedded_aws.conftest import STAND_IN, eventually

ROOT = Path(__file__).parents[2]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # A killed orphan may stay listed until init has read its exit code.
    return Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] == "Z"


def test_a_simulator_that_does_not_start_is_reported_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # Given a simulator that refuses its options, When the embedded AWS is started
    with pytest.raises(EmbeddedAwsError) as raised:
        EmbeddedAws.start(tmp_path, simulator_module=STAND_IN, simulator_options=["--no-such-option"])
    # Then the error carries what it logged, and nothing is left behind
    assert "unrecognized arguments: --no-such-option" in str(raised.value)
    assert str(tmp_path / "bedrock-simulator.log") in str(raised.value)
    assert not list(tmp_path.glob("aws-*"))


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    # Given a running instance
    with EmbeddedAws.start(tmp_path, simulator_module=STAND_IN) as first:
        # When another one is started in the same folder
        with pytest.raises(EmbeddedAwsError, match="Another embedded AWS runs in"):
            EmbeddedAws.start(tmp_path, simulator_module=STAND_IN)
        # Then the first one is unharmed
        assert first.client("s3").list_buckets()["Buckets"] == []
        assert (tmp_path / "embedded-aws.json").exists()


def test_two_instances_run_side_by_side(tmp_path: Path) -> None:
    # Given two instances in folders of their own, while somebody may hold the preferred port
    with (
        EmbeddedAws.start(tmp_path / "a", simulator_module=STAND_IN) as first,
        EmbeddedAws.start(tmp_path / "b", simulator_module=STAND_IN) as second,
    ):
        # When one of them gets a bucket
        first.client("s3").create_bucket(Bucket="only-in-first")
        # Then the other has none
        assert first.endpoint != second.endpoint
        assert second.client("s3").list_buckets()["Buckets"] == []


def test_nothing_is_left_after_the_end(tmp_path: Path) -> None:
    # Given an instance that is described for other programs
    with EmbeddedAws.start(tmp_path, simulator_module=STAND_IN) as aws:
        description = json.loads((tmp_path / "embedded-aws.json").read_text())
        assert description["endpoint"] == aws.endpoint
        assert (description["account"], description["region"]) == ("000000000000", "us-east-1")
        assert set(description["pids"]) == {"ministack", "bedrock-simulator"}
    # When it has ended, then processes, description, temporary files and port are gone; the logs stay
    assert all(gone(pid) for pid in description["pids"].values())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["bedrock-simulator.log", "lock", "ministack.log"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(aws.endpoint.rsplit(":", 1)[1])), timeout=2)


def test_nothing_outlives_a_killed_parent(tmp_path: Path) -> None:
    # Given a program that has started an instance
    program = (
        "import sys, pathlib; from local.embedded_aws.lifecycle import EmbeddedAws; "
        f"EmbeddedAws.start(pathlib.Path({str(tmp_path)!r}), simulator_module={STAND_IN!r}); sys.stdin.read()"
    )
    parent = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE
    )
    description = tmp_path / "embedded-aws.json"
    pids = eventually(lambda: description.exists() and json.loads(description.read_text())["pids"])
    # When it is killed, so that it cannot clean up
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    # Then its processes end by themselves, and the folder can be used again
    eventually(lambda: all(gone(pid) for pid in pids.values()))
    with EmbeddedAws.start(tmp_path, simulator_module=STAND_IN) as aws:
        assert aws.client("s3").list_buckets()["Buckets"] == []


def test_real_credentials_and_proxies_do_not_leak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a shell with a profile, credentials and a proxy
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    # When an instance is started from it
    with EmbeddedAws.start(tmp_path, simulator_module=STAND_IN) as aws:
        environment = aws.environment()
        # Then it answers, and what its programs get has none of these
        assert aws.client("sts").get_caller_identity()["Account"] == "000000000000"
        assert environment["AWS_SECRET_ACCESS_KEY"] == "test"
        assert not {"AWS_PROFILE", "https_proxy", "HTTP_PROXY"} & environment.keys()


def test_a_long_working_folder_leaves_lambdas_room_for_their_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a working folder whose path alone is longer than a socket's may be
    short = tmp_path / "t"
    short.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    # When
    with EmbeddedAws.start(tmp_path / ("long" * 30), simulator_module=STAND_IN):
        [scratch] = short.glob("aws-*")
        # Then what workers are reached through lies elsewhere: <scratch>/pymp-xxxxxxxx/listener-xxxxxxxx
        assert len(str(scratch.relative_to(short))) + len("/pymp-12345678/listener-12345678") < 50
    assert not list(short.iterdir())
