"""The documents that 70254ec stored are read, also with a field that a later version added; later ones are refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lambdas.domain.costs.ledger import LedgerEntry
from lambdas.domain.costs.plan import Plan
from lambdas.domain.costs.training_cost import TrainingVolume
from lambdas.domain.errors import DocumentTooNew
from lambdas.domain.evaluation.measurements import Measurement
from lambdas.domain.gate.evaluation_document import Evaluation, read_evaluation, student_of
from lambdas.domain.questions.answers import Answer
from lambdas.domain.report.render import render_report
from lambdas.domain.report.report_document import ReportDocument, read_report, report_text
from lambdas.domain.stored import read_as
from lambdas.domain.task.model_choice import ModelChoice
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.domain.training.teacher_data_document import TeacherData, read_teacher_data
from lambdas.gateways.answering.failure_store import Failure
from lambdas.gateways.registry.approvals import PendingApproval
from lambdas.gateways.registry.items import from_values
from lambdas.gateways.registry.resources import Resource
from lambdas.workflow.training.batch_state import TeacherBatch
from tests.stored.snapshot import Document, stored
from tests.stored.test_facts import unknown

Read = Callable[[Document], Any]


def files(ending: str) -> Iterator[str]:
    for key, _, body in stored()["buckets"]["distillation-runs"]:
        if key.endswith(ending) and "/teacher_batch/" not in key and isinstance(body, str):
            yield body


def lines(ending: str, *, below: str) -> Iterator[Document]:
    for key, _, body in stored()["buckets"]["distillation-runs"]:
        if key.endswith(ending) and key.startswith(below):
            yield from map(json.loads, body.splitlines())


def items(table: str, prefix: str = "") -> list[Document]:
    found = (from_values(item) for item in stored()["tables"][table])
    return [item for item in found if str(item.get("sk", "")).startswith(prefix)]


def measurements() -> list[Document]:
    return [line for line in lines(".jsonl", below="runs/") if "role" in line and "reference" in line]


KINDS: dict[str, tuple[Callable[[], list[Document]], Read]] = {
    "answers": (
        lambda: [line for line in lines(".jsonl", below="answers/") if "text" in line],
        lambda line: Answer.from_json(json.dumps(line)),
    ),
    "measurements": (measurements, lambda line: Measurement.from_json(json.dumps(line))),
    "ledger": (lambda: items("registry", "LEDGER#"), LedgerEntry.from_document),
    "resources": (lambda: items("registry", "RESOURCE#"), Resource.from_item),
    "approvals": (lambda: items("approvals"), PendingApproval.from_item),
    "plans": (lambda: [json.loads(body) for body in files("/plan.json")], Plan.from_document),
    "models": (lambda: [json.loads(body)["models"] for body in files("/plan.json")], ModelChoice.from_document),
    "batches": (lambda: [json.loads(body) for body in files("/teacher_batch.json")], TeacherBatch.from_document),
    "volumes": (
        lambda: [json.loads(body)["training_volume"] for body in files("/teacher_data.json")],
        lambda document: read_as(TrainingVolume, document),
    ),
    "failures": (
        lambda: [{"key": "k", "record_id": "r", "reason": "it was refused"}],
        lambda document: read_as(Failure, document),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_stored_document_is_read_and_a_field_of_a_later_version_is_borne(kind: str) -> None:
    # Given
    find, read = KINDS[kind]
    documents = find()
    assert documents
    # When, Then
    for document in documents:
        assert read({**document, "later": {"much": 1}}) == read(document)


def kept(before: Any, after: Any) -> bool:
    """Whether everything that was is still there."""
    if isinstance(before, dict):
        return all(name in after and kept(value, after[name]) for name, value in before.items())
    return bool(before == after)


@pytest.mark.parametrize("document", [json.loads(body) for body in files("/plan.json")])
def test_a_plan_is_written_as_it_was_read(document: Document) -> None:
    assert kept(document, Plan.from_document(document).to_document())


def as_report(document: Document) -> ReportDocument:
    return read_report(json.dumps(document).encode(), "video-1")


@pytest.mark.parametrize(
    ("read", "later"), [(Plan.from_document, 2), (read_evaluation, 2), (read_teacher_data, 2), (as_report, 3)]
)
def test_a_document_of_a_later_version_is_refused(read: Read, later: int) -> None:
    with pytest.raises(DocumentTooNew, match=f"schema_version {later}"):
        read({"schema_version": later})


@pytest.mark.parametrize("version", [1, 2])
def test_a_report_of_either_version_is_read(version: int) -> None:
    assert as_report({"schema_version": version})["schema_version"] == version


def test_every_stored_evaluation_is_read_and_has_only_known_fields() -> None:
    evaluations = [read_evaluation(json.loads(body)) for body in files("/evaluation.json")]
    assert {one["decision"] for one in evaluations} == {"PROMOTE", "REJECT", "INSUFFICIENT EVIDENCE"}
    assert [unknown(Evaluation, one, "evaluation") for one in evaluations] == [[]] * len(evaluations)
    # The judge that is not believed ends a run before anything is measured.
    assert [student_of(one) is None for one in evaluations] == ["contestants" not in one for one in evaluations]


def test_all_that_is_stored_of_the_teachers_answers_is_known() -> None:
    found = [read_teacher_data(json.loads(body)) for body in files("/teacher_data.json")]
    assert len(found) >= 7
    assert [unknown(TeacherData, one, "teacher_data") for one in found] == [[]] * len(found)


def test_every_stored_report_is_read_has_only_known_fields_and_is_written_to_the_same_bytes() -> None:
    texts = list(files("/report.json"))
    assert len(texts) == 9
    for text in texts:
        report = read_report(text.encode(), "video-1")
        assert unknown(ReportDocument, report, "report") == []
        assert report_text(report) == text.encode()


def test_every_stored_task_file_is_read() -> None:
    texts = list(files("/task.json"))
    assert len(texts) >= 9
    assert all(TaskDefinition.from_text(text.encode()).budget_usd for text in texts)


@pytest.mark.parametrize("body", list(files("/report.json")), ids=lambda body: str(json.loads(body)["outcome"]))
def test_a_page_is_drawn_of_a_report_that_lacks_any_field_or_has_more(body: str) -> None:
    report = json.loads(body)
    assert report["run_id"] in render_report({**report, "later": [1]})
    for name in report:
        page = render_report({field: value for field, value in report.items() if field != name})
        assert name == "run_id" or report["run_id"] in page
