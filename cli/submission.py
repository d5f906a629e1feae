"""Check a task's folder with the pipeline's own rules, then upload it: bad input never costs a run."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.errors import CHECK_FAILED, USAGE_ERROR, CliError
from cli.task_folder import TaskFolder, check_key, put, uploaded
from lambdas.domain.dataset.builder import Dataset, build_dataset
from lambdas.domain.dataset.instruction import instruction_warnings, without_instruction
from lambdas.domain.dataset.line_reader import read_lines
from lambdas.domain.errors import DatasetRefused, InvalidTaskDefinition, InvalidUpload, SecretsFound
from lambdas.domain.evaluation.dataset_checks import check_damage, check_secrets, check_sizes
from lambdas.domain.evaluation.planned_holdout import planned_split
from lambdas.domain.identity import Upload, side_file
from lambdas.domain.task.sample_bounds import COMMON_STUDENT, sample_bounds
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.domain.training.label_modes import check_source

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_SUFFIXES = (".jsonl", ".jsonl.gz")
_SHOWN = 5


@dataclass(frozen=True)
class Submission:
    """A task's folder that has passed every check that needs no AWS."""

    beside: TaskFolder
    prompts: Path
    dataset: Dataset
    rejections: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Object key of the prompts."""
        return f"{self.beside.task}/{self.prompts.name}"

    def planned_with(self, spread: float) -> Submission:
        """Split the prompts as a run will that plans its holdout with what the task's last run measured."""
        task = self.beside.definition()
        groups = planned_split(task, spread).records
        return replace(self, dataset=_build(self.prompts, self.beside.holdout_file, task, [], groups))


def check_folder(folder: Path, file: Path | None) -> Submission:
    """Check ``task.json``, the prompts, ``holdout.jsonl`` and ``calibration.jsonl`` as the pipeline will.

    Parameters
    ----------
    folder : Path
        Its name is the task's name.
    file : Path, optional
        The prompts; otherwise the only ``.jsonl`` or ``.jsonl.gz`` file of the folder.

    Raises
    ------
    CliError
        With file, line or key, and what is allowed.
    """
    rejections: list[dict[str, Any]] = []
    try:
        beside = TaskFolder.checked(folder)
        prompts = file or only_prompts(folder)
        check_key(f"{beside.task}/{prompts.name}")
        task = beside.definition()
        check_source(task, from_logs=False)
        waiting = beside.check_calibration()
        dataset = _build(prompts, beside.holdout_file, task, rejections, planned_split(task).records)
        check_damage(dataset)
        check_secrets(dataset, task)
        check_sizes(dataset, task, sample_bounds(COMMON_STUDENT, task.training).least)
    except InvalidTaskDefinition as problem:
        raise CliError(f"Nothing was uploaded. {problem}", CHECK_FAILED) from None
    except (InvalidUpload, SecretsFound, DatasetRefused) as problem:
        raise CliError(
            "\n".join([f"Nothing was uploaded. {problem}", *rejection_lines(rejections)]), CHECK_FAILED
        ) from None
    except OSError as problem:
        raise CliError(
            f"Nothing was uploaded. {problem.filename} cannot be read: {problem.strerror}", USAGE_ERROR
        ) from None
    warnings = [*dataset.warnings(), *instruction_warnings(task, [*dataset.train, *dataset.holdout]), *waiting]
    return Submission(beside, prompts, dataset, rejections, warnings)


def check_instruction(submission: Submission) -> None:
    """Stop before an upload whose prompts come without a word on what to do with them, unless somebody says so.

    Raises
    ------
    CliError
    """
    records = [*submission.dataset.train, *submission.dataset.holdout]
    if without_instruction(submission.beside.definition(), records):
        raise CliError(
            f"Nothing was uploaded. {instruction_warnings(submission.beside.definition(), records)[0]}. Add "
            "'teacher_system_prompt' to task.json, or say --prompts-say-all if they do.",
            CHECK_FAILED,
        )


def rejection_lines(rejections: list[dict[str, Any]]) -> list[str]:
    """Say of the first rejected lines where they are and why they were rejected."""
    lines = [f"  {item.get('file', 'line')} {item['line']}: {item['reason']}" for item in rejections[:_SHOWN]]
    if len(rejections) > _SHOWN:
        lines.append(f"  ... and {len(rejections) - _SHOWN} more")
    return lines


def upload(client: S3Client, bucket: str, submission: Submission, metadata: dict[str, str] | None = None) -> Upload:
    """Upload the task's files first and the prompts last, because the prompts start the run.

    ``metadata`` proves who uploads (:func:`cli.identity_proof.signed_upload`).

    Returns
    -------
    Upload
        The object version of which the run is made.

    Raises
    ------
    CliError
        When the bucket keeps no versions.
    """
    submission.beside.upload(client, bucket)
    made = put(client, bucket, submission.key, submission.prompts, metadata=metadata)
    return uploaded(bucket, submission.key, made)


def only_prompts(folder: Path) -> Path:
    """Find the prompts of a folder.

    Raises
    ------
    CliError
        When there is no such file, or several.
    """
    found = sorted(
        path
        for path in folder.iterdir()
        if path.name.endswith(_SUFFIXES) and side_file(path.name) is None and path.is_file()
    )
    if len(found) == 1:
        return found[0]
    if not found:
        raise CliError(
            f"{folder} has no prompts: put a .jsonl or .jsonl.gz file there, or name it with --file.", USAGE_ERROR
        )
    names = ", ".join(path.name for path in found)
    raise CliError(f"{folder} has several prompt files ({names}): choose one with --file.", USAGE_ERROR)


def _build(
    prompts: Path,
    holdout_file: Path | None,
    task: TaskDefinition,
    rejections: list[dict[str, Any]],
    holdout_groups: int,
) -> Dataset:
    most = sample_bounds(COMMON_STUDENT, task.training).most
    with ExitStack() as opened:
        lines = read_lines(opened.enter_context(prompts.open("rb")))
        own = read_lines(opened.enter_context(holdout_file.open("rb"))) if holdout_file else None
        return build_dataset(
            lines, rejections.append, own_holdout=own, task=task, most=most, holdout_groups=holdout_groups
        )
