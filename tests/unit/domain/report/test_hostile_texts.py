"""Prompts, answers and names are hostile data: they never become markup and never break the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdas.domain.report.render import render_report
from lambdas.domain.report.texts import MAX_BYTES, MAX_CHARACTERS, MAX_LINES, short, shown
from tests.unit.domain.report.page_reader import SAMPLES, Page

Sample = Callable[[str], dict[str, Any]]

ATTACKS = [
    "<script>alert(1)</script>",
    "</pre></article><img src=x onerror=alert(1)>",
    "\"' onmouseover='alert(1)' x=\"",
    "</style><style>*{display:none}</style>",
    "]]><!-- <svg onload=alert(1)>",
    "{{ 7 * 7 }}{% include '/etc/passwd' %}",
    "javascript:alert(1)",
    "&lt;script&gt; &amp;amp; &#60;b&#62;",
]


def _poisoned(value: Any, attack: str) -> Any:
    """Replace every text of a report, keys of free dictionaries included."""
    if isinstance(value, dict):
        return {key: _poisoned(item, attack) for key, item in value.items()}
    if isinstance(value, list):
        return [_poisoned(item, attack) for item in value]
    return attack if isinstance(value, str) else value


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("name", ["promoted", "failed"])
def test_no_text_becomes_markup(sample: Sample, name: str, attack: str) -> None:
    # Given a report in which every text, and every free key, is an attack
    report = _poisoned(sample(name), attack)
    report["files"] = {attack: attack}
    report["training"] = {"records": 1, "dropped": 1, "drop_reasons": {attack: 1}, "phases": [{"name": attack}]}
    report["training"] |= {
        "pair_refused": attack,
        "failed_tries": [{"job_name": attack, "at": attack, "reason": attack}],
    }
    report["training"]["learnt"] = {"sent": attack, "counts": {"accepted": attack}, "output": attack, "steps": attack}
    report["models"] = {**(report["models"] or {}), "training_reason": attack}
    report["ledger"] = [{"stage": attack, "model": attack, "kind": attack, "usage": {attack: 1}, "usd": 1}]
    report["reasons"] = [attack, attack + "2"]
    report["outcome"] = attack
    # When
    page = Page(render_report(report))
    # Then the reader sees the attack as text, and no element or attribute came of it
    tags = {element.tag for element in page.elements}
    assert not tags & {"script", "img", "a", "iframe", "object", "form", "link"}
    assert len(page.all("style")) == 1
    attributes = {attribute for element in page.elements for attribute in element.attributes}
    assert not any(attribute.startswith("on") for attribute in attributes)
    assert not attributes & {"x", "style", "src", "href"} - {"x"}
    assert " ".join(attack.split()) in page.text


def test_a_template_in_a_text_is_not_evaluated(sample: Sample) -> None:
    # Given
    report = sample("promoted")
    report["worst_answers"][0]["answer"] = "{{ 7 * 7 }}"
    # When
    page = Page(render_report(report))
    # Then
    assert "{{ 7 * 7 }}" in page.text
    assert "49" not in page.all("article", "answer")[0].text


@pytest.mark.parametrize(
    "answer",
    [
        "x" * 200_000,
        "&" * 200_000,
        "\U0001f600" * 100_000,
        "e" + "\u0301" * 50_000,
        "[" * 100_000,
        '{"a":' * 900,
        "\n" * 90_000,
    ],
    ids=["unbroken", "escaped", "emoji", "stacked accents", "nested", "nested objects", "lines"],
)
def test_huge_texts_are_cut_visibly_and_the_page_stays_small(sample: Sample, answer: str) -> None:
    # Given ten worst answers with nothing but huge texts
    report = sample("promoted")
    texts = dict.fromkeys(("question", "reference", "answer", "explanation"), answer)
    report["worst_answers"] = [{"record_id": answer, "score": 1, **texts}] * 10
    # When
    html = render_report(report)
    # Then
    assert len(html.encode()) < 150_000
    assert "more characters in the run" in Page(html).text


def test_a_text_of_many_short_lines_does_not_fill_the_page_with_white(sample: Sample) -> None:
    # Given an answer, and a valid JSON answer, with a line for every few characters
    report = sample("promoted")
    report["worst_answers"][0] |= {"answer": "a\n" * 500, "reference": json.dumps(list(range(200)))}
    # When
    article = Page(render_report(report)).all("article", "answer")[0]
    # Then
    assert article.text.count("\n") < 2 * MAX_LINES + 60
    assert "881 more characters" in article.text
    assert "199]" in article.text


def test_a_report_with_thousands_of_rows_stays_small_and_counts_what_it_leaves_out(sample: Sample) -> None:
    # Given a report in which every list is far too long
    report = sample("promoted")
    for key in ("gate", "ledger", "resources", "worst_answers"):
        report[key] = [{**report[key][0], "stage": f"S{n}", "record_id": str(n)} for n in range(3_000)]
    report["models"]["considered"] *= 500
    report["reasons"] = [f"reason {n} {'y' * 400}" for n in range(3_000)]
    report["files"] = {f"file {n}": "s3://b/" + "k" * 900 for n in range(3_000)}
    # When
    html = render_report(report)
    # Then
    assert len(html.encode()) < 150_000
    assert "and 2,970 more in report.json" in Page(html).text
    assert "and 2,990 more in report.json" in Page(html).text


@pytest.mark.parametrize(
    ("answer", "expected"), [("", "The answer is empty."), ("  \n\t", "The answer is empty."), (None, "not recorded")]
)
def test_empty_and_missing_answers_are_told_apart(sample: Sample, answer: str | None, expected: str) -> None:
    # Given
    report = sample("promoted")
    report["worst_answers"][0]["answer"] = answer
    # When
    article = Page(render_report(report)).all("article", "answer")[0]
    # Then
    assert expected in article.text


def test_text_from_right_to_left_sets_its_own_direction_and_overrides_are_taken_out(sample: Sample) -> None:
    # Given a Hebrew question, and an answer that pretends to read differently
    report = sample("promoted")
    report["worst_answers"] = [{"record_id": "1", "question": "שלום", "answer": "safe\u202egnp.exe", "score": 1}]
    # When
    page = Page(render_report(report))
    # Then
    hebrew = next(element for element in page.all("pre") if element.text == "שלום")
    assert hebrew.attributes["dir"] == "auto"
    assert "\u202e" not in page.html
    assert "safe\ufffdgnp.exe" in page.text


def test_control_characters_and_lone_surrogates_do_not_reach_the_page(sample: Sample) -> None:
    # Given what json.loads accepts and no page may hold
    report = sample("promoted")
    report["worst_answers"][0]["answer"] = json.loads('"a\\u0000b\\ud800c\\u001b[31m"')
    report["contestants"][0]["model_id"] = "m\x1b[2Jx"
    # When
    html = render_report(report)
    # Then it can be written as UTF-8 and has no control character
    assert html.encode("utf-8")
    assert "\x1b" not in html
    assert "\x00" not in html
    assert "a\ufffdb\ufffdc\ufffd[31m" in html


def test_the_command_to_copy_is_quoted_for_the_shell(sample: Sample) -> None:
    # Given
    report = sample("failed") | {"run_id": "x; rm -rf ~"}
    # When
    page = Page(render_report(report))
    # Then
    assert "python -m cli retry 'x; rm -rf ~'" in page.text


_TEXTS = st.one_of(
    st.text(st.characters(), max_size=300),
    st.text(alphabet='{}[]",:\\ n1<&\n', max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=12),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    ).map(json.dumps),
)


@given(_TEXTS)
def test_indenting_json_changes_white_space_only(text: str) -> None:
    # Given any text, JSON or not
    # When
    result = shown(text)
    # Then without white space it is the same text, as far as it is shown
    assert result is not None
    assert len(result.text) <= MAX_CHARACTERS
    if result.indented:
        assert json.loads(result.text) == json.loads(text)
    else:
        assert result.omitted + len(result.text) == len(text.replace("\r\n", "\n"))  # one line end, one character


@given(st.text(st.characters(), max_size=5_000))
def test_shortened_texts_fit_and_are_one_line(text: str) -> None:
    # Given any text
    # When
    label = short(text, 50)
    # Then
    assert len(label) <= 51
    assert "\n" not in label
    assert label.encode() or not text.split()


def test_the_limit_counts_escaped_bytes() -> None:
    # Given a text that grows fivefold when escaped
    # When
    result = shown("&" * 1_000)
    # Then
    assert result is not None
    assert len(result.text) * 5 <= MAX_BYTES
    assert result.omitted == 1_000 - len(result.text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = sorted(json.loads((SAMPLES / "promoted.json").read_text(encoding="utf-8")))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(st.sampled_from(_FIELDS), _JSON, max_size=4))
def test_a_field_of_any_shape_never_breaks_the_page(sample: Sample, changes: dict[str, Any]) -> None:
    # Given a report in which some fields are not what they should be
    report = sample("promoted") | changes
    # When
    html = render_report(report)
    # Then
    assert Page(html).all("h1")
    assert len(html.encode()) < 150_000
