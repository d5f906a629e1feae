"""A Python that sees what a Lambda sees: the standard library, the layer's packages and ``lambdas/``, nothing else."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterable

REPOSITORY = Path(__file__).resolve().parents[2]
LOCK = REPOSITORY / "lambdas" / "requirements.lock"
HANDLERS = {
    path.parent.name: ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
    for path in sorted((REPOSITORY / "lambdas").glob("*/*/handler.py"))
}
"""Module of each handler, by the name of its folder."""

# Clients ask for a region when they are made; nothing is ever called with these credentials.
_VARIABLES = {
    "AWS_LAMBDA_FUNCTION_NAME": "handler",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}


def locked_packages() -> dict[str, str]:
    """Read the packages of the layer's lock file that this interpreter needs, with their versions."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    pinned = [Requirement(line.removesuffix("\\").strip()) for line in lines if line[:1].isalnum()]
    here = [package for package in pinned if package.marker is None or package.marker.evaluate()]
    return {package.name: str(package.specifier).removeprefix("==") for package in here}


class LambdaLike:
    """Folders like ``/opt/python`` and ``/var/task``, filled from this environment: it is locked to the same versions.

    Links instead of an installation: nothing is downloaded, and it takes milliseconds.

    Parameters
    ----------
    folder : Path
        Empty folder to work in.
    code : Path
        The package that becomes ``lambdas``.
    leave_out : iterable of str
        Packages that the layer is made without, to show that they would be missed.
    """

    def __init__(self, folder: Path, code: Path = REPOSITORY / "lambdas", *, leave_out: Iterable[str] = ()) -> None:
        self.layer, self.task = folder / "layer", folder / "task"
        self.layer.mkdir(parents=True)
        self.task.mkdir()
        (self.task / "lambdas").symlink_to(code)
        for name, version in locked_packages().items():
            if name not in leave_out:
                self._link(name, version)

    def run(self, code: str, *, options: Iterable[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run Python code in a fresh process.

        Parameters
        ----------
        code : str
            Python.
        options : iterable of str
            Further options of the interpreter.

        Returns
        -------
        CompletedProcess
            With the output as text, whatever the exit code.
        """
        # Without `site` there is no site-packages; what is left of sys.path is the standard library.
        paths = f"import sys; sys.path[:0] = {[str(self.task), str(self.layer)]!r}\n"
        return subprocess.run(  # noqa: S603 - this interpreter, with code of this repository
            [sys.executable, "-I", "-S", *options, "-c", paths + code],
            env=_VARIABLES,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def _link(self, name: str, version: str) -> None:
        found = distribution(name)
        if found.version != version:
            message = (
                f"{name} is installed in version {found.version}, and {LOCK} says {version}: run `make setup` "
                "(or `make lock`, if the lock files differ)"
            )
            raise RuntimeError(message)
        for top in sorted({file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}):
            (self.layer / top).symlink_to(Path(str(found.locate_file(top))).resolve())
