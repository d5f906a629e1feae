"""The verbs of discovery on a real pseudo-terminal: the lever and its dollars are there at 80 columns too."""

from __future__ import annotations

import re

import pytest
from rich.cells import cell_len

from tests.unit.cli.discovery_on_a_terminal import LONG
from tests.unit.cli.test_terminal import WIDTHS, scenes, settled

MODULE = "tests.unit.cli.discovery_on_a_terminal"
COMMANDS = ("python -m", "aws ", "git diff")


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def shown(width: int, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    folder = tmp_path_factory.getbasetemp() / f"discovery-{width}"
    folder.mkdir(exist_ok=True)
    return {name: settled(lines) for name, lines in scenes(width, str(folder), MODULE).items()}


def test_no_line_is_longer_than_the_terminal_unless_it_is_one_word_or_one_command(
    shown: dict[str, list[str]], width: int
) -> None:
    assert len(shown) == 10
    for name, lines in shown.items():
        for line in lines:
            whole = len(line.split()) == 1 or line.lstrip().startswith(COMMANDS)
            assert cell_len(line) <= width or whole, (name, line)


def test_every_task_has_its_lever_and_dollars_in_the_list(shown: dict[str, list[str]], width: int) -> None:
    for name in ("discover", "opportunities"):
        best = r"(distillation|cascade|cheaper model|reuse of answers|nothing) +(\$[\d,.]+|no price)"
        rows = [line for line in shown[name] if re.search(best, line)]
        assert len(rows) == 12, shown[name]
        (long,) = (row for row in rows if row.startswith(LONG[:20]))
        assert "…" in long
        assert "$31,293" in long
        assert any("The beginning of a task's name stands for it." in line for line in shown[name])
        assert any("PROMOTED search-intent-0a1b2c3d4e5f" in row for row in rows) == (width > 100)


def test_what_is_pasted_is_never_broken_or_shortened(shown: dict[str, list[str]]) -> None:
    whole = {
        "opportunities": ["python -m cli opportunity t-"],
        "opportunity": [
            "python -m cli distil t-",
            "--lever cache --write request.json",
            "--lever batch --write requests.jsonl",
        ],
        "blocked": [f"python -m cli opportunity {LONG} --lever cheaper_model --write request.json"],
        "batch": ["create-model-invocation-job --cli-input-json file://", "aws s3 cp /"],
        "distil": ["--submit"],
    }
    for name, words in whole.items():
        for word in words:
            assert any(word in line for line in shown[name]), (name, word, shown[name])


def test_every_scene_with_figures_says_that_they_are_simulated(shown: dict[str, list[str]]) -> None:
    without = {name for name, lines in shown.items() if "Every figure is simulated." not in "\n".join(lines)}
    assert without == {"too long"}


def test_blocked_levers_come_last_and_the_answer_of_coverage_first(shown: dict[str, list[str]]) -> None:
    lines = shown["blocked"]
    assert lines.index("Blocked") > max(at for at, line in enumerate(lines) if line.lstrip().startswith("Do:"))
    assert shown["coverage"][0].startswith("The logs see 10% of the bill: $4.00 in the log, $41.00 on the bill.")
