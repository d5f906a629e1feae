"""Relative links of the Markdown files lead to a file, and their anchors to a heading; no network is asked."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

from checks.files import REPOSITORY, own_files

_FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1`*\s*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`+)(?:(?!\1).)+?\1")
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^()<>\s]+(?:\([^()\s]*\))?)>?(?:\s+\"[^\"]*\")?\s*\)")
_DEFINITION = re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?(\S+?)>?(?:\s+\"[^\"]*\")?\s*$", re.MULTILINE)
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.+?)\s*#*\s*$", re.MULTILINE)
_ID = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")


def anchors(text: str) -> set[str]:
    """Give the anchors that GitHub makes of a Markdown text: lower case, blanks as hyphens, repeated ones numbered."""
    prose = _FENCE.sub("", text)
    seen: Counter[str] = Counter()
    found = set(_ID.findall(prose))
    for heading in _HEADING.findall(prose):
        shown = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).strip().replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def problems(root: Path, names: list[str]) -> list[str]:
    """Say which relative links lead nowhere.

    Parameters
    ----------
    root : Path
        Folder of the repository.
    names : list of str
        Markdown files, relative to it.

    Returns
    -------
    list of str
        One line a link: the file, its line, the link and what is missing.
    """
    found = []
    for name in names:
        text = (root / name).read_text(encoding="utf-8")
        # Blanks in place of code keep the positions, and so the numbers of the lines.
        prose = _CODE.sub(_blank, _FENCE.sub(_blank, text))
        links = sorted([*_LINK.finditer(prose), *_DEFINITION.finditer(prose)], key=re.Match.start)
        found += [
            f"{name}:{text[: match.start()].count(chr(10)) + 1}: {match[1]}: {missing}"
            for match in links
            if (missing := _missing(root, name, match[1]))
        ]
    return found


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _missing(root: Path, name: str, link: str) -> str | None:
    if re.match(r"[a-z][a-z0-9+.-]*:", link, re.IGNORECASE) or link.startswith("//"):
        return None
    path, _, anchor = link.partition("#")
    target = (root / name).parent / unquote(path) if path else root / name
    if not target.exists():
        return "no such file"
    if anchor and target.suffix == ".md" and unquote(anchor) not in anchors(target.read_text(encoding="utf-8")):
        return f"no heading '#{anchor}' in that file"
    return None


def check() -> list[str]:
    """Say which links of this repository lead nowhere."""
    return problems(REPOSITORY, [name for name in own_files() if name.endswith(".md")])
