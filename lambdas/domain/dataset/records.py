"""One line of an upload: parsed, checked, and given the identity on which split, shards and duplicates rest."""

from __future__ import annotations

import itertools
import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from lambdas.domain.dataset.line_errors import DamagedLine, RejectedLine, SecretLine
from lambdas.domain.dataset.normalization import (
    content_identity,
    group_identity,
    normal_bytes,
    prompt_identity,
    without_unseen,
)
from lambdas.domain.dataset.strict_json import decoded, lone_return, quickly_decoded, refuse_repeated_keys
from lambdas.domain.task.task_definition import ANSWER_TOKENS
from lambdas.domain.text.output_schema import OutputChecker
from lambdas.domain.text.secret_scan import may_hold_secret, secret_kinds
from lambdas.domain.text.text_rules import reserved_in_other_case, reserved_word, stray_character

SCHEMA_VERSION = "bedrock-conversation-2024"

MISSPELT_VERSION = "bedrock-conversion-2024"
"""What a page of the Bedrock user guide prints: taken, counted and warned of."""

MAX_LINE_BYTES = 64 * 1024
"""Longest line that is looked at. The service's own limit is said to be lower; a real account must confirm it."""

PARTITIONS = 64
"""How finely records are spread over shards: a stable choice, so that a grown file keeps records in their partition."""

WHOLE_RANGE = f"00-{PARTITIONS - 1:02d}"
"""Range of all partitions, as shards are named."""

CONTEXT_TOKENS = 32_000
"""Most tokens of a Nova training sample (Bedrock user guide, prepare data for fine-tuning)."""

BYTES_A_TOKEN = 3
"""Estimate of UTF-8 bytes in a token, on the safe side: English has about four. Nova's tokenizer is not public."""

_SHORT_KEYS = {"prompt", "slices", "group"}
_CONVERSATION_KEYS = {"schemaVersion", "system", "messages", "slices", "group"}
_MESSAGE_KEYS = {"role", "content"}
LONGEST_GROUP = 256
"""Characters of a group's name."""

_SLICES = '\'slices\' must be an object of texts, for example {"intent": "visual"}'
_ROLES = ("user", "assistant")
# Numbers, not texts: a byte is found thirteen times as fast by its number.
_BACKSLASH, _DELETE = b"\\\x7f"
_BEFORE_C1 = "\x80".encode()[0]  # of the UTF-8 of each control character from U+0080 on
_OTHER_MEDIA = {"image": "an image", "video": "a video", "document": "a document", "audio": "audio"}


def partition_of(record_id: str) -> int:
    """Give the partition of a record id, 0 to 63."""
    return int(record_id[8:12], 16) % PARTITIONS


class Turn(NamedTuple):
    """One message of a conversation."""

    role: str
    text: str


class Record(NamedTuple):
    """A usable prompt.

    Attributes
    ----------
    identity : int
        First 64 bits of the SHA-256 of the normalised text that the student sees: near-duplicates have the same.
    system : str or None
        The record's own system text.
    turns : tuple of Turn
        User and assistant in turn, ending with the user.
    golden : str or None
        Answer that came with the record.
    slices : dict of str to str
        Fields by which the evaluation is broken down.
    group : int or None
        Hash of the group that the record belongs to, where it says one: records of a group are not independent of each
        other. ``None`` where its own text is its group.
    """

    identity: int
    system: str | None
    turns: tuple[Turn, ...]
    golden: str | None
    slices: dict[str, str]
    group: int | None = None

    @property
    def id(self) -> str:
        """The identity as it is in files, 16 hexadecimal digits."""
        return f"{self.identity:016x}"

    @property
    def group_id(self) -> str:
        """The group as it is in files, 16 hexadecimal digits; empty where the record is a group of its own."""
        return "" if self.group is None else f"{self.group:016x}"

    @property
    def partition(self) -> int:
        """Partition of the record, 0 to 63, independent of the split."""
        return partition_of(self.id)

    @property
    def place(self) -> int:
        """The hash by which it is split: its group's, so that a group lies on one side."""
        return self.identity if self.group is None else self.group

    @property
    def split_position(self) -> float:
        """Where the record lies between 0 and 1 for the split into training set and holdout."""
        return (self.place >> 32) / 2**32

    def to_json(self) -> str:
        """Write the record as one line."""
        document: dict[str, Any] = {"id": self.id, "turns": self.turns}
        optional = {"system": self.system, "golden": self.golden, "slices": self.slices}
        document |= {name: value for name, value in optional.items() if value}
        if self.group is not None:
            document["group"] = self.group_id
        return json.dumps(document, ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """Read what :meth:`to_json` wrote."""
        document = json.loads(line)
        return cls(
            identity=int(document["id"], 16),
            system=document.get("system"),
            turns=tuple(Turn(role, text) for role, text in document["turns"]),
            golden=document.get("golden"),
            slices=document.get("slices", {}),
            group=int(document["group"], 16) if "group" in document else None,
        )


_new = tuple.__new__


@dataclass(slots=True)
class RecordParser:
    """Parses the lines of one file, with what the task says about them.

    Parameters
    ----------
    output_schema : dict, optional
        What a golden answer must keep.
    system_prompt : str, optional
        The student's, which is part of its context and takes the place of the record's own.
    allow_secrets : bool
        Whether a record with what looks like a secret is used.
    answer_tokens : int
        What is left free for the answer: ``max_answer_tokens`` of the task.

    Attributes
    ----------
    misspelt : int
        Usable records whose ``schemaVersion`` was the misspelling.
    secrets : int
        Usable records with what looks like a secret: none unless they are allowed.
    other_case : int
        Usable records with a reserved word but for the case of its letters; ``other_case_word`` is the first.
    """

    output_schema: dict[str, Any] | None = None
    system_prompt: str | None = None
    allow_secrets: bool = False
    answer_tokens: int = ANSWER_TOKENS
    misspelt: int = 0
    secrets: int = 0
    other_case: int = 0
    other_case_word: str = ""
    _checker: OutputChecker | None = None
    _surely_fits: int = 0
    _unusual: bool = False
    _cased: str = ""

    def __post_init__(self) -> None:
        self._surely_fits = (CONTEXT_TOKENS - self.answer_tokens) * BYTES_A_TOKEN - len(
            (self.system_prompt or "").encode("utf-8", "replace")
        )
        if self.output_schema is not None:
            self._checker = OutputChecker(self.output_schema)

    def parse(self, raw: bytes) -> Record:
        """Parse one line without its line end.

        Raises
        ------
        RejectedLine
            With the reason and what is allowed. No secret of the line is in it.
        """
        if len(raw) > MAX_LINE_BYTES:
            ended = lone_return(raw)
            because = f"; {ended}" if ended else ""
            raise DamagedLine(f"the line is too long: at most {MAX_LINE_BYTES} bytes are allowed{because}")
        try:
            return self._record(raw, quickly_decoded(raw))
        except (ValueError, RecursionError):
            return self._read_again(raw)

    def _read_again(self, raw: bytes) -> Record:
        """Read what the quick reader has not brought to an end: say exactly what is wrong, or take the record."""
        try:
            return self._record(raw, decoded(raw))
        except (DamagedLine, SecretLine):
            raise  # neither repeats what the line says
        except RejectedLine as problem:
            raise self._without_secret(raw, problem) from None

    def _record(self, raw: bytes, document: object) -> Record:
        if not isinstance(document, dict):
            raise RejectedLine(f"a JSON {type(document).__name__}, but each line must be an object")
        escaped = _BACKSLASH in raw
        # Stray characters are looked for only where one can be: JSON has those of ASCII, DEL aside, and halves of
        # surrogate pairs as escapes alone.
        self._unusual = escaped or _DELETE in raw or _BEFORE_C1 in raw
        self._cased = ""
        is_short = "prompt" in document
        record, strings = self._short_form(document) if is_short else self._conversation(document)
        # Every text has two quotation marks. If there are no more, no key was lost because it stood twice.
        if raw.count(b'"') != 2 * strings:
            refuse_repeated_keys(raw)
        if len(raw) > self._surely_fits:
            self._check_context(record)
        # Behind a backslash, a secret may be broken by escapes; the other form's schemaVersion is one long word.
        if escaped or may_hold_secret(raw, 0 if is_short else 1):
            self._check_secrets(record)
        if not is_short and document["schemaVersion"] == MISSPELT_VERSION:
            self.misspelt += 1
        if self._cased:
            self.other_case += 1
            self.other_case_word = self.other_case_word or self._cased
        return record

    def _short_form(self, document: dict[str, Any]) -> tuple[Record, int]:
        slices: dict[str, str] = {}
        group, strings = None, 2
        if len(document) > 1:
            if len(document) > 2 or "slices" not in document:  # noqa: PLR2004 - both keys and no other
                _refuse_answer_beside(document)
                _only_keys(document, _SHORT_KEYS)
                if "group" in document:
                    group, strings = _group(document["group"]), 3 + isinstance(document["group"], str)
            slices = self._slices(document)
            strings += ("slices" in document) + 2 * len(slices)
        prompt = document["prompt"]
        normal = self._normal(prompt, "prompt")
        # Half the time of the named tuples' own constructors, on the way that most lines take.
        turns = (_new(Turn, ("user", prompt)),)
        return _new(Record, (prompt_identity(normal), None, turns, None, slices, group)), strings

    def _conversation(self, document: dict[str, Any]) -> tuple[Record, int]:
        _only_keys(document, _CONVERSATION_KEYS)
        _check_version(document.get("schemaVersion"))
        system, normal_system, strings = None, b"", 3
        if "system" in document:
            strings += 1
        said = document.get("system")
        if said is not None and said != []:  # a list without a text says nothing (SDKs write it so)
            strings += 2
            system, normal_system = self._content(said, "system")
        messages = document.get("messages")
        if not isinstance(messages, list) or not messages:
            raise RejectedLine("'messages' must be a list with at least one user message")
        turns, normals = [], []
        for index, message in enumerate(messages):
            role = _ROLES[index % 2]
            if not isinstance(message, dict) or message.keys() != _MESSAGE_KEYS or message["role"] != role:
                _refuse_message(message, index)
            text, normal = self._content(message.get("content"), "messages[{}].content", index)
            turns.append(_new(Turn, (role, text)))
            normals.append((role, normal))
        golden = None
        if turns[-1].role == "assistant":
            golden = turns.pop().text
            normals.pop()
            self._check_golden(golden)
        slices = self._slices(document)
        strings += 5 * len(messages) + ("slices" in document) + 2 * len(slices)
        group = None
        if "group" in document:
            group = _group(document["group"])
            strings += 1 + isinstance(document["group"], str)
        if self.system_prompt:
            normal_system = b""  # the student sees the task's instead, so two such records are one question to it
        single = not normal_system and len(normals) == 1
        identity = prompt_identity(normals[0][1]) if single else content_identity(normal_system, normals)
        return _new(Record, (identity, system, tuple(turns), golden, slices, group)), strings

    def _content(self, content: object, where: str, index: int = 0) -> tuple[str, bytes]:
        if not isinstance(content, list) or len(content) != 1 or not isinstance(content[0], dict):
            _refuse_other_media(content, where.format(index))
            raise RejectedLine(f'{where.format(index)} must be a list with exactly one object {{"text": "…"}}')
        block = content[0]
        if len(block) != 1 or "text" not in block:
            place = where.format(index)
            _refuse_other_media(content, place)
            raise RejectedLine(f"{place}[0] has {', '.join(sorted(block)) or 'no key'}; only 'text' is allowed")
        text = block["text"]
        return text, self._normal(text, where + "[0].text", index)

    def _normal(self, value: object, where: str, index: int = 0) -> bytes:
        """Check a text and give its normal form; ``{}`` in its place becomes the index, where there is a problem."""
        if not isinstance(value, str):
            raise RejectedLine(f"'{where.format(index)}' must be text, not {type(value).__name__}")
        normal = normal_bytes(value)
        if not normal:
            raise RejectedLine(f"'{where.format(index)}' has no letter or digit; at least one is needed")
        if self._unusual:
            _refuse_stray(value, where.format(index))
        if ":" in value or "<" in value or "[" in value:  # as every reserved word has
            _refuse_reserved(value, where.format(index))
            self._cased = self._cased or reserved_in_other_case(value) or ""
        return normal

    def _slices(self, document: dict[str, Any]) -> dict[str, str]:
        slices = document.get("slices", {})
        if not isinstance(slices, dict):
            raise RejectedLine(_SLICES)
        for name, value in slices.items():
            if not isinstance(value, str):
                raise RejectedLine(_SLICES)
            if self._unusual:
                _refuse_stray(name, "slices")
                _refuse_stray(value, "slices")
        return slices

    def _check_golden(self, golden: str) -> None:
        problem = self._checker.problem(golden) if self._checker else None
        if problem is not None:
            raise RejectedLine(f"the golden answer does not keep the task's 'output_schema': {problem}")

    def _check_secrets(self, record: Record) -> None:
        texts = [record.system or "", *(turn.text for turn in record.turns), record.golden or ""]
        kinds = secret_kinds("\n".join([*texts, *(f"{name}={value}" for name, value in record.slices.items())]))
        if kinds and not self.allow_secrets:
            raise SecretLine(kinds)
        self.secrets += bool(kinds)

    def _without_secret(self, raw: bytes, problem: RejectedLine) -> RejectedLine:
        """Replace a reason, which may repeat a part of the line, where the line holds a secret."""
        kinds = secret_kinds(f"{raw.decode('utf-8', 'replace')}\n{problem}")
        return SecretLine(kinds) if kinds else problem

    def _check_context(self, record: Record) -> None:
        texts = [self.system_prompt or record.system or "", *(turn.text for turn in record.turns), record.golden or ""]
        tokens = sum(len(text.encode("utf-8", "replace")) for text in texts) // BYTES_A_TOKEN
        most = CONTEXT_TOKENS - self.answer_tokens
        if tokens > most:
            message = (
                f"system text and turns have about {tokens} tokens (one for {BYTES_A_TOKEN} bytes), at most "
                f"{most} fit the student's context beside the answer"
            )
            raise RejectedLine(message)


def parse_line(raw: bytes) -> Record:
    """Parse one line as :class:`RecordParser` does for a task without a schema.

    Raises
    ------
    RejectedLine
        With the reason and what is allowed.
    """
    return RecordParser().parse(raw)


_ANSWER_KEYS = ("completion", "response", "answer", "output", "label", "target", "reference", "referenceResponse")


def _refuse_answer_beside(document: dict[str, Any]) -> None:
    """Say where an answer goes that stands beside the prompt, as in AWS's own sample file."""
    if any(key in document for key in _ANSWER_KEYS):
        unknown = ", ".join(json.dumps(key)[:40] for key in sorted(set(document) - _SHORT_KEYS)[:3])
        raise RejectedLine(
            f"the record has unknown {unknown}; allowed: group, prompt, slices. An answer goes into a conversation, as "
            f'its last message: {{"schemaVersion": "{SCHEMA_VERSION}", "messages": [{{"role": "user", "content": '
            '[{"text": "…"}]}, {"role": "assistant", "content": [{"text": "the answer"}]}]}; it is the trusted answer '
            "in holdout.jsonl and a golden one among the prompts, and without it the teacher answers"
        )


def _group(value: object) -> int:
    """Hash the name of a group; a number is the text that it is written as."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    name = _seen_name(value) if isinstance(value, str) and len(value) <= LONGEST_GROUP else ""
    if not name:
        raise RejectedLine(
            f"'group' must be a text of 1 to {LONGEST_GROUP} characters or a whole number: the conversation, customer "
            "or document that several records are about"
        )
    return group_identity(name)


def _seen_name(name: str) -> str:
    """Give a name as it is seen: two that differ in spaces or case alone would put one conversation on both sides."""
    return " ".join(unicodedata.normalize("NFKC", without_unseen(name)).casefold().split())


def _check_version(version: object) -> None:
    if version not in (SCHEMA_VERSION, MISSPELT_VERSION):
        shown = json.dumps(version)[:40]
        raise RejectedLine(f'schemaVersion is {shown}, allowed is "{SCHEMA_VERSION}"; or use {{"prompt": "…"}}')


def _refuse_message(message: object, index: int) -> None:
    """Say what is wrong with a message that is more or less than role, in turn, and content; without content, later."""
    where = f"messages[{index}]"
    if not isinstance(message, dict):
        raise RejectedLine(f"{where} must be an object with 'role' and 'content'")
    _only_keys(message, _MESSAGE_KEYS, where)
    expected = _ROLES[index % 2]
    if message.get("role") != expected:
        shown = json.dumps(message.get("role"))[:40]
        raise RejectedLine(f'{where}.role is {shown}, expected "{expected}": user and assistant take turns, user first')


def _refuse_other_media(content: object, where: str) -> None:
    for index, block in enumerate(content if isinstance(content, list) else []):
        named = [name for key, name in _OTHER_MEDIA.items() if isinstance(block, dict) and key in block]
        if named:
            raise RejectedLine(f"{where}[{index}] is {named[0]}; distillation is text to text: only 'text' is allowed")


def _refuse_reserved(value: str, where: str) -> None:
    word = reserved_word(value)
    if word is not None:
        raise RejectedLine(
            f"'{where}' contains '{word}', a reserved word that fails a Nova training job; write it otherwise"
        )


def _refuse_stray(value: str, where: str) -> None:
    stray = stray_character(value)
    if stray is not None:
        raise RejectedLine(f"'{where}' has {stray}")


def _only_keys(document: dict[str, Any], allowed: set[str], where: str = "the record") -> None:
    if document.keys() <= allowed:
        return
    unknown = ", ".join(json.dumps(key)[:40] for key in sorted(set(document) - allowed)[:3])
    raise RejectedLine(f"{where} has unknown {unknown}; allowed: {', '.join(sorted(allowed))}")


def to_json_lines(records: Iterable[Record]) -> bytes:
    """Write records as JSON Lines."""
    return "".join(itertools.chain.from_iterable((record.to_json(), "\n") for record in records)).encode()


def from_json_lines(text: bytes) -> list[Record]:
    """Read what :func:`to_json_lines` wrote."""
    return [Record.from_json(line) for line in text.splitlines()]
