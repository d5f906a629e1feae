"""The list of seeded defects keeps up with the code; ``make thorough`` tries whether each is caught."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.defects import LIST, ROOT, Defect, defects, seeded

LAYERS = ("lambdas/domain", "lambdas/gateways", "lambdas/workflow", "lambdas/states", "lambdas/operations", "stacks",
          "local")  # fmt: skip


@pytest.mark.parametrize("defect", defects(), ids=lambda defect: defect.why[:60])
def test_each_defect_can_be_seeded_and_names_tests_that_exist(defect: Defect) -> None:
    # When
    changed = defect.changed((ROOT / defect.file).read_text(encoding="utf-8"))
    # Then it is Python still: it must be a test that notices, not the parser
    compile(changed, defect.file, "exec")
    assert changed != (ROOT / defect.file).read_text(encoding="utf-8")
    for test in defect.caught:  # a file, or one test of a file that takes long
        file, _, name = test.partition("::")
        assert f"def {name}" in (ROOT / file).read_text(encoding="utf-8") if name else (ROOT / file).exists()


def test_there_are_thirty_over_all_layers() -> None:
    files = [defect.file for defect in defects()]
    assert len(files) >= 30
    assert [layer for layer in LAYERS if not any(file.startswith(layer) for file in files)] == []
    assert len(set(defects())) == len(files)


def test_a_defect_is_gone_afterwards_and_a_text_that_moved_is_named(tmp_path: Path) -> None:
    # Given
    (tmp_path / "one.py").write_text("a = 1\n")
    defect = Defect(why="a test", file="one.py", find="1", put="2", caught=())
    # When
    with seeded(tmp_path, defect):
        assert (tmp_path / "one.py").read_text() == "a = 2\n"
    # Then
    assert (tmp_path / "one.py").read_text() == "a = 1\n"
    with pytest.raises(ValueError, match=rf"{LIST.name}: one.py has 2 times, and not once: '1' \(a test\)"):
        defect.changed("11")
