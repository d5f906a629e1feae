"""One line of an upload: parsed, checked, and given the identity on which split, shards and duplicates rest."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from dataclasses import dataclass, field
from typing import Any, Self

SCHEMA_VERSIONS = ("bedrock-conversation-2024", "bedrock-conversion-2024")
"""The documented value, and the misspelling that a page of the Bedrock user guide prints."""

MAX_LINE_BYTES = 64 * 1024
"""Longest line that is looked at. The service's own limit is said to be lower; a real account must confirm it."""

RESERVED_WORDS = ("User:", "Bot:", "Assistant:", "System:", "<image>", "<video>", "[EOS]")
"""Words that fail a Nova job wherever they stand in a prompt (Bedrock user guide, prepare data for fine-tuning)."""

PARTITIONS = 64
"""How finely records are spread over shards: a stable choice, so that a grown file keeps records in their partition."""

_SHORT_KEYS = {"prompt", "slices"}
_CONVERSATION_KEYS = {"schemaVersion", "system", "messages", "slices"}


class RejectedLine(ValueError):
    """A line that cannot be used, with the reason and what is allowed."""


class DamagedLine(RejectedLine):
    """A line that is no text or no JSON: the file was cut, mixed up or wrongly written, so more may be lost than it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation."""

    role: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A usable prompt.

    Attributes
    ----------
    id : str
        16 hexadecimal digits of the SHA-256 of the normalised text: near-duplicates have the same.
    system : str or None
        The record's own system text.
    turns : tuple of Turn
        User and assistant in turn, ending with the user.
    golden : str or None
        Answer that came with the record.
    slices : dict of str to str
        Fields by which the evaluation is broken down.
    """

    id: str
    system: str | None
    turns: tuple[Turn, ...]
    golden: str | None = None
    slices: dict[str, str] = field(default_factory=dict)

    @property
    def partition(self) -> int:
        """Partition of the record, 0 to 63, independent of the split."""
        return int(self.id[8:12], 16) % PARTITIONS

    @property
    def split_position(self) -> float:
        """Where the record lies between 0 and 1 for the split into training set and holdout."""
        return int(self.id[:8], 16) / 2**32

    def to_json(self) -> str:
        """Write the record as one line."""
        document: dict[str, Any] = {"id": self.id, "turns": [[turn.role, turn.text] for turn in self.turns]}
        optional = {"system": self.system, "golden": self.golden, "slices": self.slices}
        document |= {name: value for name, value in optional.items() if value}
        return json.dumps(document, ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """Read what :meth:`to_json` wrote."""
        document = json.loads(line)
        return cls(
            id=document["id"],
            system=document.get("system"),
            turns=tuple(Turn(role, text) for role, text in document["turns"]),
            golden=document.get("golden"),
            slices=document.get("slices", {}),
        )


def normalise(text: str) -> str:
    """Reduce a text to what makes it the same prompt: Unicode NFKC, case folded, letters, digits and symbols only."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in folded if unicodedata.category(character)[0] not in "PZC")


def record_id(system: str | None, turns: tuple[Turn, ...]) -> str:
    """Hash the normalised conversation to 16 hexadecimal digits."""
    parts = [normalise(system or "")] + [f"{turn.role}\x1f{normalise(turn.text)}" for turn in turns]
    return hashlib.sha256("\x1e".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def parse_line(raw: bytes) -> Record:
    """Parse one line of an upload.

    Parameters
    ----------
    raw : bytes
        The line without its line end.

    Returns
    -------
    Record

    Raises
    ------
    RejectedLine
        With the reason and what is allowed.
    """
    if len(raw) > MAX_LINE_BYTES:
        raise DamagedLine(f"the line has {len(raw)} bytes, at most {MAX_LINE_BYTES} are allowed")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise DamagedLine(f"byte {problem.start + 1} is not UTF-8 ({raw[problem.start]:#04x}); save as UTF-8") from None
    try:
        document = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as problem:
        raise DamagedLine(f"not JSON: {problem.msg} at column {problem.colno}") from None
    except RecursionError:
        raise DamagedLine("nested too deeply; a record has at most five levels") from None
    except DamagedLine:
        raise
    except ValueError:  # Python's own bound on the digits of a whole number
        raise DamagedLine("a number has thousands of digits; a record needs none") from None
    if not isinstance(document, dict):
        raise RejectedLine(f"a JSON {type(document).__name__}, but each line must be an object")
    return _short_form(document) if "prompt" in document else _conversation(document)


def _no_constant(name: str) -> None:
    raise DamagedLine(f"{name} is not a JSON value")


def _short_form(document: dict[str, Any]) -> Record:
    _only_keys(document, _SHORT_KEYS)
    turns = (Turn("user", _text(document["prompt"], "prompt")),)
    return Record(id=record_id(None, turns), system=None, turns=turns, slices=_slices(document))


def _conversation(document: dict[str, Any]) -> Record:
    _only_keys(document, _CONVERSATION_KEYS)
    if document.get("schemaVersion") not in SCHEMA_VERSIONS:
        shown = json.dumps(document.get("schemaVersion"))[:40]
        raise RejectedLine(f'schemaVersion is {shown}, allowed is "{SCHEMA_VERSIONS[0]}"; or use {{"prompt": "…"}}')
    system = None
    if document.get("system") is not None:
        system = _content_text(document["system"], "system")
    messages = document.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RejectedLine("'messages' must be a list with at least one user message")
    turns = tuple(_turn(message, index) for index, message in enumerate(messages))
    golden = turns[-1].text if turns[-1].role == "assistant" else None
    asked = turns[:-1] if golden is not None else turns
    if not asked:
        raise RejectedLine("the record has an answer but no user message")
    return Record(id=record_id(system, asked), system=system, turns=asked, golden=golden, slices=_slices(document))


def _turn(message: object, index: int) -> Turn:
    where = f"messages[{index}]"
    if not isinstance(message, dict):
        raise RejectedLine(f"{where} must be an object with 'role' and 'content'")
    _only_keys(message, {"role", "content"}, where)
    expected = ("user", "assistant")[index % 2]
    if message.get("role") != expected:
        shown = json.dumps(message.get("role"))[:40]
        raise RejectedLine(f'{where}.role is {shown}, expected "{expected}": user and assistant take turns, user first')
    return Turn(expected, _content_text(message.get("content"), f"{where}.content"))


def _content_text(content: object, where: str) -> str:
    if not isinstance(content, list) or len(content) != 1 or not isinstance(content[0], dict):
        raise RejectedLine(f'{where} must be a list with exactly one object {{"text": "…"}}')
    if set(content[0]) != {"text"}:
        raise RejectedLine(f"{where}[0] has {', '.join(sorted(content[0]))}; distillation is text to text: only 'text'")
    return _text(content[0]["text"], f"{where}[0].text")


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise RejectedLine(f"'{where}' must be text, not {type(value).__name__}")
    if not normalise(value):
        raise RejectedLine(f"'{where}' has no letter or digit")
    _whole_characters(value, where)
    for word in RESERVED_WORDS:
        if word in value:
            raise RejectedLine(f"'{where}' contains '{word}', a reserved word that fails a Nova training job")
    return value


def _slices(document: dict[str, Any]) -> dict[str, str]:
    slices = document.get("slices", {})
    if not isinstance(slices, dict) or not all(isinstance(value, str) for value in slices.values()):
        raise RejectedLine('\'slices\' must be an object of texts, for example {"intent": "visual"}')
    for name, value in slices.items():
        _whole_characters(name + value, "slices")
    return dict(slices)


def _whole_characters(value: str, where: str) -> None:
    """Refuse what JSON can escape but UTF-8 cannot write: the dataset could not be stored."""
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise RejectedLine(f"'{where}' has half of a surrogate pair, which is no character")


def _only_keys(document: dict[str, Any], allowed: set[str], where: str = "the record") -> None:
    unknown = sorted(set(document) - allowed)
    if unknown:
        raise RejectedLine(
            f"{where} has unknown {', '.join(map(repr, unknown))}; allowed: {', '.join(sorted(allowed))}"
        )
