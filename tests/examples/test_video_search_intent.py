"""The example's data, its task definition, and the rules that the simulated teacher answers it by."""

import ast
import json
import sys
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.evaluation.judge_calibration import agreement, read_calibration
from lambdas.domain.task.task_definition import TaskDefinition
from local.bedrock_simulator.brains.judge import Case, judge
from local.bedrock_simulator.rules import video_search_intent as rules

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "video-search-intent"
SHARES = {"visual": 0.25, "audio": 0.20, "transcription": 0.20, "metadata": 0.15, "balanced": 0.20}
RESERVED = ("User:", "Assistant:", "System:", "Bot:", "<image>", "<video>", "[EOS]")
SYSTEM_PROMPT_AS_PUBLISHED = (
    "Return JSON with visual, audio, transcription, metadata weights (sum=1.0) and reasoning for the given video "
    "search query."
)

lines = [json.loads(line) for line in (EXAMPLE / "prompts.jsonl").read_text(encoding="utf-8").splitlines()]
queries: list[str] = [line["prompt"] for line in lines]
task: dict[str, Any] = json.loads((EXAMPLE / "task.json").read_text(encoding="utf-8"))
satisfies_schema = fastjsonschema.compile({k: v for k, v in task["output_schema"].items() if k != "x-sum"})


def weights(answer: dict[str, float | str]) -> dict[str, float]:
    return {name: float(answer[name]) for name in rules.MODALITIES}


def normalised(query: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKC", query).casefold() if letter.isalnum())


# --- the queries ---


def test_there_are_enough_queries_in_the_published_mix_of_intents() -> None:
    # Given / When
    counts = Counter(line["slices"]["intent"] for line in lines)

    # Then
    assert len(lines) >= 1200
    assert set(counts) == set(SHARES)
    for intent, share in SHARES.items():
        assert abs(counts[intent] / len(lines) - share) <= 0.01, (intent, counts[intent])


def test_every_line_has_the_short_form_and_nothing_else() -> None:
    for line in lines:
        assert line.keys() == {"prompt", "slices"}
        assert line["slices"].keys() == {"intent"}
        assert line["prompt"] == line["prompt"].strip()


def test_queries_stay_distinct_after_normalisation() -> None:
    # Given / When
    repeated = {text: count for text, count in Counter(map(normalised, queries)).items() if count > 1}

    # Then
    assert repeated == {}


def test_queries_are_not_one_template_with_swapped_nouns() -> None:
    # Given
    split = [query.casefold().split() for query in queries]

    # When
    beginnings = {tuple(words[:3]) for words in split}
    lengths = Counter(len(words) for words in split)
    beginning_words = Counter(words[0] for words in split)

    # Then
    assert len(beginnings) >= 1000
    assert min(lengths) >= 3
    assert max(lengths) <= 25
    assert len(lengths) >= 15
    assert max(beginning_words.values()) <= 0.15 * len(queries)


def test_queries_are_not_sorted_by_intent() -> None:
    # Given
    intents = [line["slices"]["intent"] for line in lines]

    # When
    first_hundred = Counter(intents[:100])

    # Then
    assert set(first_hundred) == set(SHARES)
    assert max(first_hundred.values()) <= 40


def test_nothing_contains_what_fails_a_nova_job() -> None:
    # Given
    texts = [*queries, task["teacher_system_prompt"], task["student_system_prompt"]]

    # When
    found = [(word, text) for text in texts for word in RESERVED if word.casefold() in text.casefold()]

    # Then
    assert found == []


def test_the_readme_states_the_true_sizes() -> None:
    # Given
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")

    # When / Then
    assert f"{len(lines):,} queries" in readme
    assert f"{len(rules.CUES)} cue words" in readme
    assert "simulated" in readme


# --- task.json ---


def test_the_task_definition_is_accepted_and_says_what_the_example_promises() -> None:
    # Given / When
    definition = TaskDefinition.from_document(task)

    # Then
    assert definition.student_system_prompt == SYSTEM_PROMPT_AS_PUBLISHED
    assert definition.teacher_system_prompt is not None
    assert 800 <= len(definition.teacher_system_prompt) <= 1000
    assert definition.gate.reference == "baseline"
    assert definition.gate.min_judge_score == 4.0
    assert definition.serving.mode == "provisioned_throughput"
    assert definition.serving.expected_requests_per_month == 400_000_000
    assert definition.approval == "automatic"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda answer: answer.pop("audio"),
        lambda answer: answer.update(visual=1.2),
        lambda answer: answer.update(visual="0.5"),
        lambda answer: answer.update(confidence=1),
        lambda answer: answer.update(reasoning=""),
    ],
    ids=["missing weight", "weight over 1", "weight as text", "extra key", "no reasoning"],
)
def test_the_output_schema_refuses_a_broken_answer(spoil: Any) -> None:
    # Given
    answer = rules.answer("snow on a red roof")
    satisfies_schema(answer)

    # When
    spoil(answer)

    # Then
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        satisfies_schema(answer)


def test_the_sum_rule_names_the_weights_of_the_schema() -> None:
    # Given
    schema = task["output_schema"]

    # When
    rule = schema["x-sum"]

    # Then
    assert rule == {"fields": list(rules.MODALITIES), "equals": 1.0, "tolerance": 0.01}
    assert schema["required"] == [*rules.MODALITIES, "reasoning"]
    assert set(schema["properties"]) == set(schema["required"])


def test_worked_examples_in_the_teacher_prompt_agree_with_the_simulated_teacher() -> None:
    # Given
    prompt_lines = task["teacher_system_prompt"].splitlines()
    worked = [
        (line.removeprefix("Query: "), json.loads(prompt_lines[number + 1]))
        for number, line in enumerate(prompt_lines)
        if line.startswith("Query: ")
    ]

    # When / Then
    assert len(worked) >= 3
    for query, shown in worked:
        satisfies_schema(shown)
        assert weights(shown) == weights(rules.answer(query)), query
        assert normalised(query) not in set(map(normalised, queries))


# --- the rules of the simulated teacher ---


@given(st.text(max_size=300) | st.lists(st.sampled_from([*rules.CUES, "in", "the"]), max_size=40).map(" ".join))
def test_any_text_gets_a_valid_answer(query: str) -> None:
    # When
    answer = rules.answer(query)

    # Then
    satisfies_schema(answer)
    assert sum(round(100 * weight) for weight in weights(answer).values()) == 100
    assert all(weight == round(weight, 2) > 0 for weight in weights(answer).values())
    assert answer == rules.answer(query)
    assert len(str(answer["reasoning"])) < 700


@given(st.permutations(["A", "red", "dress,", "loud", "music", "the", "director"]), st.sampled_from([" ", " - "]))
def test_order_case_and_punctuation_do_not_matter(words: list[str], separator: str) -> None:
    # Given
    reference = rules.answer("a red dress loud music the director")

    # When
    answer = rules.answer(separator.join(words).upper())

    # Then
    assert answer == reference


@given(st.sampled_from(list(rules.CUES)), st.lists(st.sampled_from(list(rules.CUES)), max_size=6))
def test_one_more_cue_word_never_lowers_its_own_modality(cue: str, others: list[str]) -> None:
    # Given
    modality = rules.CUES[cue].modality
    before = weights(rules.answer(" ".join(others)))

    # When
    after = weights(rules.answer(" ".join([*others, cue])))

    # Then: 0.01 is what rounding to hundredths may move
    assert after[modality] >= before[modality] - 0.01


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", (0.25, 0.25, 0.25, 0.25)),
        ("our trip to Rome", (0.25, 0.25, 0.25, 0.25)),
        ("thunder over the village", (0.19, 0.45, 0.18, 0.18)),
        ("five minutes of it", (0.22, 0.22, 0.21, 0.35)),
        ("red hat, white snow, blue sky", (0.91, 0.03, 0.03, 0.03)),
        ("a song about snow", (0.38, 0.38, 0.12, 0.12)),
    ],
)
def test_weights_follow_the_documented_rule(query: str, expected: tuple[float, ...]) -> None:
    assert tuple(weights(rules.answer(query)).values()) == expected


def test_the_reasoning_names_the_cue_words_that_decided() -> None:
    # When
    reasoning = str(rules.answer("loud music while a girl in a RED coat explains the rules")["reasoning"])

    # Then
    assert all(f"'{word}'" in reasoning for word in ("loud", "music", "red", "explains"))
    assert reasoning.index("audio") < reasoning.index("visual")
    assert "'while'" not in reasoning


def test_the_reasoning_is_specific_even_without_a_cue_word() -> None:
    assert "'patagonia'" in str(rules.answer("our trip to Patagonia")["reasoning"])


def test_every_cue_word_can_be_learned_from_the_example() -> None:
    # Given
    occurrences = Counter(word for query in queries for word in rules.words(query))

    # When
    rare = {cue: occurrences[cue] for cue in rules.CUES if occurrences[cue] < 6}

    # Then
    assert rare == {}
    assert {cue.modality for cue in rules.CUES.values()} == set(rules.MODALITIES)


def test_the_rules_agree_with_the_intents_of_the_queries() -> None:
    # Given / When
    disagreeing = []
    for line in lines:
        found, intent = weights(rules.answer(line["prompt"])), line["slices"]["intent"]
        spread = max(found.values()) - min(found.values())
        rivals = [weight for name, weight in found.items() if name != intent]
        agrees = spread <= 0.05 if intent == "balanced" else found[intent] > max(rivals)
        if not agrees:
            disagreeing.append(line)

    # Then
    assert len(disagreeing) <= 0.02 * len(lines), disagreeing


@pytest.mark.parametrize(
    ("lexicon", "message"),
    [
        ({"visual": {"strong": ["red"]}}, "the modalities must be"),
        ({"visual": {"strong": ["red"]}, "audio": {"weak": ["red"]}}, "'red' is listed twice"),
        ({"visual": {"strong": ["Red"]}}, "'Red' is not one lower-case word"),
        ({"audio": {"strong": ["slow motion"]}}, "'slow motion' is not one lower-case word"),
    ],
)
def test_a_broken_lexicon_is_refused(lexicon: dict[str, Any], message: str) -> None:
    # Given
    complete = lexicon if "modalities" in message else {name: {} for name in rules.MODALITIES} | lexicon

    # When / Then
    with pytest.raises(ValueError, match=message):
        rules._load_cues(complete)


def test_the_rules_import_nothing_but_the_standard_library() -> None:
    # Given
    tree = ast.parse(Path(rules.__file__).read_text(encoding="utf-8"))

    # When
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    # Then
    assert imported <= sys.stdlib_module_names


# --- the calibration set ---


def test_the_calibration_set_has_every_score_and_answers_that_talk_to_the_judge() -> None:
    # Given / When
    cases = read_calibration((EXAMPLE / "calibration.jsonl").read_bytes())

    # Then
    assert {case.expected_score for case in cases} == {1, 2, 3, 4, 5}
    assert sum(case.adversarial for case in cases) >= 5
    assert not {case.question for case in cases} & set(queries)


def test_the_known_scores_are_those_of_the_rubric() -> None:
    # Given the judge of the embedded AWS, which follows the rubric to the letter
    cases = read_calibration((EXAMPLE / "calibration.jsonl").read_bytes())

    # When
    scores = {case.id: judge(Case(case.question, case.reference, case.answer)).score for case in cases}

    # Then nothing that an adversarial answer says moves its score
    assert scores == {case.id: case.expected_score for case in cases}
    assert agreement(cases, scores).adversarial_lift == 0
