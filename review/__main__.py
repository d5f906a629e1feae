"""Make what a reviewer reads: ``python -m review`` the committed files, ``python -m review page`` the page."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from stacks.node import tune_node, use_bundled_node

use_bundled_node()
tune_node(once=True)

from lambdas.domain.task.settings import Settings
from review.assembly import Assembly
from review.diagrams import diagrams
from review.files import REPOSITORY, write
from review.nist import findings, page, without_position
from review.page import review_page
from review.snapshots import snapshots
from stacks.context import CONTEXT_KEY
from tests.stacks.templates import build, context, synthesize

PAGE = REPOSITORY / ".local" / "review.html"


def main() -> int:
    """Do what the command line says.

    Returns
    -------
    int
        1 where NIST 800-53 finds something on which nobody has taken a position.
    """
    parser = argparse.ArgumentParser(prog="python -m review", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("files", "page"), default="files")
    parser.add_argument("--environment", default="dev", help="environment of cdk.json that the page is about")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if arguments.what == "page":
            return write_page(Path(scratch), arguments.environment)
        return write_files(Path(scratch))


def write_files(scratch: Path) -> int:
    """Synthesize the environment ``dev`` with default settings, and write the committed files."""
    plain = scratch / "plain"
    deployment = synthesize({"dev": {}}, plain)["dev"]
    nist = scratch / "nist"
    found = findings(build({"dev": {}}, nist), nist)
    if missing := without_position(found):
        sys.stderr.write(f"take a position in review/nist.py on: {', '.join(missing)}\n")
        return 1
    changed = write(snapshots(deployment.templates) | page(found) | diagrams(Assembly.read(plain, "dev")))
    sys.stdout.writelines(f"written: {path}\n" for path in changed or ["nothing, all is up to date"])
    return 0


def write_page(scratch: Path, environment: str) -> int:
    """Synthesize an environment with the settings that ``cdk.json`` has, and write the page about it."""
    settings = context()[CONTEXT_KEY]
    if environment not in settings:
        sys.stderr.write(f"cdk.json has no environment '{environment}'; it has: {', '.join(settings)}\n")
        return 2
    build({environment: settings[environment]}, scratch).synth()
    book = Settings.from_mapping(settings[environment]).price_book()
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(review_page(Assembly.read(scratch, environment), book, environment=environment), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
