"""What the simulated teacher knows about video-search intent.

A lexicon of cue words stands in for a large model's judgement: each cue word in a query votes for one of four
modalities, and the votes move the weights away from an even split. The rule is a deterministic function of the
*set* of words in the query. It is additive up to a floor because word effects are what the simulated student is
able to learn from examples; a rule that no student could learn would prove nothing about the pipeline.

The weights are simulated. They are no statement about what Amazon Nova would answer.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

MODALITIES: Final = ("visual", "audio", "transcription", "metadata")
"""The order of the weights in every answer; ties in rounding go to the earlier modality."""

STRENGTHS: Final[Mapping[str, float]] = MappingProxyType({"strong": 0.20, "weak": 0.10})
"""How far one cue word of each class lifts its own modality's weight."""

PRIOR: Final = 0.25
"""The weight of each modality in a query without any cue word: balanced."""

FLOOR: Final = 0.05
"""No modality is ruled out altogether, however many cue words speak for another one."""

_DATA_FILE: Final = Path(__file__).with_name("video_search_intent_cues.json")
_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_HUNDREDTHS: Final = 100
# The explanation stays a sentence whatever is asked: a student is trained on it and pays for its tokens.
_MAX_CITED: Final = 4
_MAX_SUBJECT_WORDS: Final = 2
_SUBJECT_LENGTHS: Final = range(4, 25)
_SOUGHT_IN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "visual": "what is seen",
        "audio": "what is heard",
        "transcription": "what is said",
        "metadata": "the catalogue entry",
    }
)


@dataclass(frozen=True, slots=True)
class Cue:
    """The vote of one cue word.

    Attributes
    ----------
    modality : str
        The modality voted for, one of `MODALITIES`.
    strength : float
        How far the vote lifts that modality's weight; the other three give way by a third of it each.
    """

    modality: str
    strength: float


def _load_cues(lexicon: Mapping[str, Mapping[str, list[str]]]) -> dict[str, Cue]:
    """Turn the lexicon, ``{modality: {"strong" | "weak": [word, ...]}}``, into votes by word.

    Raises
    ------
    ValueError
        If a modality is missing or unknown, a word is listed twice, or a word could never match a query.
    KeyError
        If a class of strength is unknown.
    """
    if set(lexicon) != set(MODALITIES):
        raise ValueError(f"{_DATA_FILE.name}: the modalities must be {', '.join(MODALITIES)}, not {', '.join(lexicon)}")
    cues: dict[str, Cue] = {}
    for modality, classes in lexicon.items():
        for strength, listed in classes.items():
            for word in listed:
                if word in cues:
                    raise ValueError(f"{_DATA_FILE.name}: {word!r} is listed twice; a cue word votes for one modality")
                if words(word) != {word}:
                    raise ValueError(
                        f"{_DATA_FILE.name}: {word!r} is not one lower-case word, so no query can match it"
                    )
                cues[word] = Cue(modality, STRENGTHS[strength])
    return cues


def words(query: str) -> set[str]:
    """Return the distinct words of a query: NFKC, case-folded, letters and digits with one inner apostrophe."""
    return set(_WORD.findall(unicodedata.normalize("NFKC", query).casefold()))


_DATA: Final = json.loads(_DATA_FILE.read_text(encoding="utf-8"))
_NOT_A_SUBJECT: Final[frozenset[str]] = frozenset(_DATA["not_a_subject"])

CUES: Final[Mapping[str, Cue]] = MappingProxyType(_load_cues(_DATA["cues"]))
"""Every cue word with its vote, read once from the data file beside this module."""


def answer(query: str) -> dict[str, float | str]:
    """Weigh the four modalities for one video-search query, as the simulated teacher does.

    Parameters
    ----------
    query : str
        The text a person typed; any string, also an empty one.

    Returns
    -------
    dict of str to float or str
        ``visual``, ``audio``, ``transcription``, ``metadata``: weights from 0 to 1 in hundredths whose sum is 1;
        ``reasoning``: one sentence that names the cue words found, at most four a modality, and the subject.
    """
    query_words = words(query)
    found = {word: CUES[word] for word in sorted(query_words) if word in CUES}
    result: dict[str, float | str] = dict(_weigh(list(found.values())))
    result["reasoning"] = _explain(query_words, found)
    return result


def _weigh(votes: list[Cue]) -> dict[str, float]:
    """Add the votes to the prior, apply the floor, normalise, and round so that the sum stays 1.

    Rounding is by largest remainder: rounding each weight by itself can leave a sum of 0.99 or 1.01.
    """
    others = len(MODALITIES) - 1
    raw = dict.fromkeys(MODALITIES, PRIOR)
    for vote in votes:
        for modality in MODALITIES:
            raw[modality] += vote.strength if modality == vote.modality else -vote.strength / others
    floored = {modality: max(FLOOR, weight) for modality, weight in raw.items()}
    total = sum(floored.values())
    # Rounded to nine places first: 0.57 * 100 must not become 56 because of its binary representation.
    exact = {modality: round(_HUNDREDTHS * weight / total, 9) for modality, weight in floored.items()}
    hundredths = {modality: int(value) for modality, value in exact.items()}
    missing = _HUNDREDTHS - sum(hundredths.values())
    by_remainder = sorted(MODALITIES, key=lambda modality: hundredths[modality] - exact[modality])
    for modality in by_remainder[:missing]:
        hundredths[modality] += 1
    return {modality: count / _HUNDREDTHS for modality, count in hundredths.items()}


def _explain(query_words: set[str], found: Mapping[str, Cue]) -> str:
    """Name the cue words by modality, the modality with the most votes first, and what else the query is about."""
    rest = sorted(word for word in query_words - found.keys() - _NOT_A_SUBJECT if len(word) in _SUBJECT_LENGTHS)
    subject = _cited(sorted(rest, key=len, reverse=True)[:_MAX_SUBJECT_WORDS])
    if not found:
        return f"Nothing in {subject or 'the query'} points to one modality, so all four weigh the same."
    by_modality = {m: [word for word, cue in found.items() if cue.modality == m] for m in MODALITIES}
    ranking = sorted(MODALITIES, key=lambda m: -sum(found[word].strength for word in by_modality[m]))
    clauses = [f"{_cited(by_modality[m][:_MAX_CITED])} for {m} ({_SOUGHT_IN[m]})" for m in ranking if by_modality[m]]
    about = f"; the subject is {subject}" if subject else ""
    return f"Cue words: {'; '.join(clauses)}{about}."


def _cited(listed: list[str]) -> str:
    return ", ".join(f"'{word}'" for word in listed)
