"""Write a page on which blinded answers are scored: one file, which asks no network for anything."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from cli.errors import CHECK_FAILED, CliError
from cli.labelling.questions import ShownRecord
from cli.labelling.scores import VERSION

_TEMPLATE = Path(__file__).with_name("page.html")


def write_page(path: Path, run_id: str, asked: Sequence[ShownRecord], instructions: str, rubric: str) -> None:
    """Write the page, readable by this person alone: it shows prompts and answers.

    Raises
    ------
    CliError
        When it cannot be written, or would replace something.
    """
    data = {
        "version": VERSION,
        "run_id": run_id,
        "instructions": instructions,
        "rubric": rubric,
        "records": [one.to_document() for one in asked],
    }
    # What people wrote is data between two tags, which it cannot close, and the page shows it as text.
    text = json.dumps(data, ensure_ascii=True).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    content = _TEMPLATE.read_text(encoding="utf-8").replace("{{data}}", text)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(content)
    except FileExistsError:
        raise CliError(f"{path} is there already; delete it or name another file.", CHECK_FAILED) from None
    except OSError as problem:
        raise CliError(f"{path} cannot be written: {problem.strerror}. Name another file.", CHECK_FAILED) from None
