"""A task small enough to see through: cue words decide four weights, as in the published case."""

from __future__ import annotations

from local.bedrock_simulator.brains.base import Chance

_FIRST = {
    "visual": ["sunset", "drone", "red", "closeup", "beach", "smiling", "bright", "mountain"],
    "audio": ["song", "guitar", "applause", "siren", "thunder", "drums", "barking", "piano"],
    "transcription": ["says", "interview", "quote", "explains", "lecture", "announces", "phrase", "argues"],
    "metadata": ["director", "episode", "season", "uploaded", "duration", "title", "channel", "archive"],
}
# Two more forms of each word: enough words that few examples cannot show them all.
CUES = {kind: [word + ending for word in words for ending in ("", "ish", "like")] for kind, words in _FIRST.items()}
_FILLERS = [f"thing{number}" for number in range(200)]
SHORT_PROMPT = "Return JSON with visual, audio, transcription, metadata weights and reasoning."
LONG_PROMPT = SHORT_PROMPT + " Guidelines: " + "weigh every cue word of the query with care. " * 12


def answer(query: str) -> dict[str, float | str]:
    words = query.split()
    votes = {kind: sum(word in cues for word in words) for kind, cues in CUES.items()}
    total = sum(votes.values())
    weights = {kind: round(0.1 + 0.6 * votes[kind] / total, 2) if total else 0.25 for kind in CUES}
    first = max(weights, key=lambda kind: weights[kind])
    weights[first] = round(weights[first] + 1 - sum(weights.values()), 2)
    cited = " and ".join(word for word in words if any(word in cues for cues in CUES.values()))
    return {**weights, "reasoning": f"Mostly {first}, because of {cited or 'nothing in particular'}."}


def queries(count: int, seed: str) -> list[str]:
    chance = Chance("toy", seed)
    kinds = list(CUES)
    made = []
    for _ in range(count):
        kind = kinds[chance.below(4)]
        cues = [CUES[kind][chance.below(24)] for _ in range(2)]
        if chance.uniform() < 0.4:
            cues.append(CUES[kinds[chance.below(4)]][chance.below(24)])
        words = cues + [_FILLERS[chance.below(200)] for _ in range(3)]
        made.append(" ".join(words[i] for i in chance.order(len(words))))
    return made
