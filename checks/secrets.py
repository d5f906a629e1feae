"""No secret is in the repository: detect-secrets over every file, against a baseline of what was looked at by a person.

Detectors that look for *names* (``password = …``) are left out of the baseline's plugins: in Python the linter's rules
S105 to S107 do that, and here "secrets" is also a field of ``task.json``.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from detect_secrets.core import baseline
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import transient_settings

from checks.files import REPOSITORY, own_files

if TYPE_CHECKING:
    from pathlib import Path

BASELINE = ".secrets.baseline"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that looks like a secret; its text is never repeated."""

    path: str
    line: int
    kind: str


def new_secrets(root: Path = REPOSITORY) -> list[Finding]:
    """Find what looks like a secret and is not in the baseline.

    Parameters
    ----------
    root : Path
        Folder with ``.gitignore`` and ``.secrets.baseline``.

    Returns
    -------
    list of Finding
        By path and line. A finding that moved to another line of its file is still known.
    """
    document = baseline.load_from_file(str(root / BASELINE))
    found = SecretsCollection()
    # Detectors and filters are those that the baseline names, and only in here.
    with transient_settings(document), contextlib.chdir(root):
        found.scan_files(*own_files(root), num_processors=os.cpu_count())
    fresh = found - SecretsCollection.load_from_baseline(document)
    return sorted(
        (Finding(path, secret.line_number, secret.type) for path, secret in fresh),
        key=lambda finding: (finding.path, finding.line),
    )


def check() -> list[str]:
    """Say what was found, one line a finding."""
    return [
        f"{finding.path}:{finding.line}: looks like a secret ({finding.kind}). Take it out and revoke it; if it "
        f"is none, write '# pragma: allowlist secret' beside it, or add it to {BASELINE} (CONTRIBUTING.md)"
        for finding in new_secrets()
    ]
