"""The Lambda dependency layer, installed by pip at synth: no Docker, and the same bytes in every clone."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsii
from aws_cdk import AssetHashType, BundlingOptions, DockerImage, ILocalBundling
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

LAMBDAS = Path(__file__).resolve().parents[2] / "lambdas"
PYTHON = "3.14"
PLATFORM = "manylinux2014_aarch64"
LAYOUT = 1
"""Raise it when :class:`PipInstall` writes other files for the same lock file: the asset's hash is made of it."""


@jsii.implements(ILocalBundling)
class PipInstall:
    """Installs a lock file for the Lambda platform into an asset, with the pip of the interpreter that runs the app.

    Parameters
    ----------
    lock : Path
        Requirements with hashes.
    """

    def __init__(self, lock: Path) -> None:
        self._lock = lock

    def try_bundle(self, output_dir: str, *, image: DockerImage, **_options: Any) -> bool:  # noqa: ANN401, ARG002 - jsii asks for this form
        """Fill the asset's folder.

        Returns
        -------
        bool
            Always true: there is no other way to bundle.

        Raises
        ------
        RuntimeError
            With pip's own words when it fails.
        """
        target = Path(output_dir, "python")
        # The lock file is complete, so pip need not resolve; pip checks its hashes.
        options = ["--quiet", "--disable-pip-version-check", "--no-compile"]
        options += ["--require-hashes", "--no-deps", "--only-binary=:all:"]
        platform = ["--platform", PLATFORM, "--implementation", "cp", "--python-version", PYTHON]
        paths = ["--target", str(target), "--requirement", str(self._lock)]
        done = subprocess.run(  # noqa: S603 - fixed arguments
            [sys.executable, "-m", "pip", "install", *options, *platform, *paths],
            check=False,
            stdout=sys.stderr,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            message = f"pip could not install {self._lock} for {PLATFORM}, Python {PYTHON}:\n{done.stderr.strip()}"
            raise RuntimeError(message)
        _remove_traces_of_this_machine(target)
        return True


class DependencyLayer(Construct):
    """What the Lambdas import beside their own code, boto3 included: the runtime's own is older than our operations."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        lock = LAMBDAS / "requirements.lock"
        self.layer = lambda_.LayerVersion(
            self,
            "Layer",
            description="Dependencies of the distillation Lambdas",
            code=lambda_.Code.from_asset(
                str(LAMBDAS),
                asset_hash=_content_hash(lock),
                asset_hash_type=AssetHashType.CUSTOM,
                # The image is never used: a local bundler that always succeeds stands before it.
                bundling=BundlingOptions(image=DockerImage.from_registry("unused"), local=PipInstall(lock)),
            ),
            compatible_runtimes=[lambda_.Runtime.PYTHON_3_14],
            compatible_architectures=[lambda_.Architecture.ARM_64],
        )


def _content_hash(lock: Path) -> str:
    text = f"{LAYOUT} {PYTHON} {PLATFORM}\n{lock.read_text(encoding='utf-8')}"
    return hashlib.sha256(text.encode()).hexdigest()


def _remove_traces_of_this_machine(target: Path) -> None:
    """Delete scripts, whose first line is the path of this interpreter, and RECORD, which has the scripts' hashes."""
    shutil.rmtree(target / "bin", ignore_errors=True)
    for record in target.glob("*.dist-info/RECORD"):
        record.unlink()
