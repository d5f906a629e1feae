"""The layer: the same bytes wherever it is installed, and pip's own words when it cannot be."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from aws_cdk import DockerImage

from stacks.machine.dependency_layer import (
    LAMBDAS,
    PLATFORM,
    PYTHON,
    PipInstall,
    _content_hash,
    _remove_traces_of_this_machine,
)


def test_a_lock_that_cannot_be_installed_is_an_error_with_pip_s_own_words(tmp_path: Path) -> None:
    # Given a package with a hash that none of its files has; nothing is asked of an index
    wheel = tmp_path / "thing-1.0-py3-none-any.whl"
    wheel.write_bytes(b"no wheel")
    lock = tmp_path / "requirements.lock"
    lock.write_text(f"thing @ {wheel.as_uri()} --hash=sha256:{'0' * 64}\n")
    # When
    with pytest.raises(RuntimeError, match="pip could not install") as raised:
        PipInstall(lock).try_bundle(str(tmp_path / "out"), image=DockerImage.from_registry("unused"))
    # Then
    assert str(lock) in str(raised.value)
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in str(raised.value)
    assert PLATFORM in str(raised.value)


def test_neither_scripts_nor_their_hashes_are_kept(tmp_path: Path) -> None:
    # Given
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tool.py").write_text(f"#!{sys.executable}\n")
    information = tmp_path / "tool-1.0.dist-info"
    information.mkdir()
    (information / "RECORD").write_text("../../bin/tool.py,sha256=of-this-machine,40\n")
    (information / "METADATA").write_text("Name: tool\n")
    # When
    _remove_traces_of_this_machine(tmp_path)
    # Then
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["METADATA"]


def test_the_asset_is_another_one_when_the_lock_changes(tmp_path: Path) -> None:
    one, two = tmp_path / "one.lock", tmp_path / "two.lock"
    one.write_text("a==1\n")
    two.write_text("a==2\n")
    assert _content_hash(one) == _content_hash(one) != _content_hash(two)


def test_the_lock_of_the_layer_has_hashes_for_everything() -> None:
    text = (LAMBDAS / "requirements.lock").read_text()
    pinned = [line for line in text.splitlines() if "==" in line and not line.lstrip().startswith("#")]
    assert pinned
    assert all(line.rstrip().endswith("\\") for line in pinned)
    assert PYTHON == "3.14"
