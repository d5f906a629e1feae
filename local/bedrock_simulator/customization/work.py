"""The work that a customization job really does: read, label, train, and describe it in the output folder."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from local.bedrock_simulator.brains.base import Brain, Prompt, estimate_tokens
from local.bedrock_simulator.brains.student import Pair, Student
from local.bedrock_simulator.customization import training_data
from local.bedrock_simulator.customization.job import Job, Outcome
from local.bedrock_simulator.customization.label_faults import fewer_records, worse_labels
from local.bedrock_simulator.customization.training_data import TrainingFile, TrainingRecord
from local.bedrock_simulator.records import Tokens

_DEFAULT_EPOCHS = 2
_CHARACTERS_PER_TOKEN = 4
_METRICS = "training_artifacts/step_wise_training_metrics.csv"
_MANIFEST = "input_status/training/manifest.report.csv"
_VALIDATED = "validated_data/training/validated_prompts.jsonl"


@dataclass(frozen=True)
class _Labelled:
    pairs: list[Pair]
    prompt_tokens: int
    teacher_tokens: Tokens


def perform(job: Job, body: bytes, label_semantics: str, teacher: Brain) -> Outcome:
    """Do the whole work of a job.

    Parameters
    ----------
    job : Job
        The job; its ordered faults apply.
    body : bytes
        The training file.
    label_semantics : str
        Of DISTILLATION: ``regenerate`` asks the teacher again, ``verbatim`` trains on the assistant turns and
        asks the teacher only where a record has none.
    teacher : Brain
        Answers for the teacher model.
    """
    kind = job.params.get("customizationType", "FINE_TUNING")
    drop = job.fault("drop_records")
    options = drop.options if drop else {}
    file = training_data.read(body, kind, options.get("fraction", 0.0), options.get("seed", 0))
    manifest = _manifest(job, file)
    problem = file.problem(kind)
    if problem:
        return Outcome(problem, "validation", artifacts=(manifest,))
    records = fewer_records(file.records, job.faults)
    verbatim = kind == "FINE_TUNING" or label_semantics == "verbatim" or _uses_responses(job)
    labelled = _label(job, records, teacher, verbatim=verbatim)
    pairs = worse_labels(labelled.pairs, job.faults)
    student = Student(pairs)
    epochs = int(job.params.get("hyperParameters", {}).get("epochCount", _DEFAULT_EPOCHS))
    trained_share = len(pairs) / len(labelled.pairs)
    tokens = round(labelled.prompt_tokens * trained_share) + sum(estimate_tokens(pair.answer) for pair in pairs)
    return Outcome(
        student=student,
        trained_tokens=tokens * epochs,
        teacher_tokens=labelled.teacher_tokens,
        artifacts=() if job.fault("no_outputs") else (manifest, _validated(records), _metrics(student.losses, epochs)),
    )


def _uses_responses(job: Job) -> bool:
    """Whether logged answers are trained on: then Bedrock does not ask the teacher (user guide, option 2)."""
    return bool(job.params["trainingDataConfig"].get("invocationLogsConfig", {}).get("usePromptResponse"))


def _label(job: Job, records: Sequence[TrainingRecord], teacher: Brain, *, verbatim: bool) -> _Labelled:
    pairs: list[Pair] = []
    prompt_tokens = asked = asked_in = asked_out = 0
    limit = job.teacher.max_response_tokens if job.teacher else 0
    for record in records:
        answer = record.answer if verbatim else None
        tokens = estimate_tokens(record.prompt)
        prompt_tokens += tokens
        if answer is None:
            key = f"{record.system}\x1f{record.question}"
            answer = teacher.answer(Prompt(record.system, record.question, key)).text[: limit * _CHARACTERS_PER_TOKEN]
            asked, asked_in, asked_out = asked + 1, asked_in + tokens, asked_out + estimate_tokens(answer)
        pairs.append(Pair(record.question, answer))
    return _Labelled(pairs, prompt_tokens, Tokens(asked_in, asked_out, asked))


def _manifest(job: Job, file: TrainingFile) -> tuple[str, bytes]:
    """Make the report that tells of the silently dropped records; its columns are as seen in a real job's output."""
    header = (
        "fileName", "totalProcessedRecordCount", "acceptedRecordCount", "partiallyAcceptedRecordCount",
        "rejectedRecordCount",
    )  # fmt: skip
    config = job.params["trainingDataConfig"]
    uri = config["s3Uri"] if "s3Uri" in config else config["invocationLogsConfig"]["invocationLogSource"]["s3Uri"]
    name = uri.rstrip("/").rsplit("/", 1)[1]
    return _MANIFEST, _csv([header, (name, file.processed, len(file.records), 0, file.rejected)])


def _validated(records: Sequence[TrainingRecord]) -> tuple[str, bytes]:
    lines = (
        json.dumps({"system": r.system, "prompt": r.question, "line": r.line}, ensure_ascii=False) for r in records
    )
    return _VALIDATED, ("\n".join(lines) + "\n").encode()


def _metrics(losses: Sequence[float], epochs: int) -> tuple[str, bytes]:
    """Make the learning curve, one row a step of the solver."""
    rows: list[Sequence[object]] = [("step_number", "epoch_number", "training_loss", "perplexity")]
    rows += [
        (step, step * epochs // len(losses), f"{loss:.6f}", f"{math.exp(loss):.6f}") for step, loss in enumerate(losses)
    ]
    return _METRICS, _csv(rows)


def _csv(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
