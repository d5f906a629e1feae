"""Where each file of a run lies in the runs bucket. Keys use only ``[A-Za-z0-9._-]`` and ``/``, as Bedrock asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunFiles:
    """Keys of one run. What every attempt shares lies beside what belongs to one attempt."""

    task: str
    run_id: str

    @property
    def root(self) -> str:
        """Folder of the run."""
        return f"runs/{self.task}/{self.run_id}"

    @property
    def task_definition(self) -> str:
        """``task.json`` as it was when the run was claimed."""
        return f"{self.root}/task.json"

    def dataset(self, name: str) -> str:
        """``train.jsonl``, ``holdout.jsonl``, ``calibration.jsonl``, ``rejected.jsonl``, ``dataset.json``."""
        return f"{self.root}/dataset/{name}"

    def shard(self, kind: str, shard: str) -> str:
        """Records of one shard; ``kind`` is ``teacher`` or ``holdout``."""
        return f"{self.root}/dataset/shards/{kind}/{shard}.jsonl"

    def logs(self, name: str) -> str:
        """``listing.json``, and of each shard of the invocation logs ``shards/…``, ``prompts/…``, ``counts/…``."""
        return f"{self.root}/logs/{name}"

    def plan(self, attempt: int) -> str:
        """What CheckRun decided: models, prices, estimate."""
        return f"{self.root}/attempts/{attempt}/plan.json"

    def teacher_batch(self, attempt: int) -> str:
        """How the teacher's answers are paid for in one attempt, and what became of each batch inference job."""
        return f"{self.root}/attempts/{attempt}/teacher_batch.json"

    def batch_input(self, job: str) -> str:
        """Input file of a batch inference job."""
        return f"{self.root}/teacher_batch/{job}/input.jsonl"

    def batch_output(self, job: str) -> str:
        """Prefix under which Bedrock writes the output of a batch inference job."""
        return f"{self.root}/teacher_batch/{job}/output/"

    def teacher_data(self, name: str) -> str:
        """``training.jsonl`` (Bedrock's input), ``references.jsonl``, ``dropped.jsonl``, ``teacher_data.json``.

        Under the mode ``logged`` also ``invocation_logs/…``, which then is Bedrock's input.
        """
        return f"{self.root}/teacher_data/{name}"

    def training(self, attempt: int) -> str:
        """What a completed job's output says: records taken and the loss curve."""
        return f"{self.root}/attempts/{attempt}/training.json"

    @property
    def distillation_output(self) -> str:
        """Prefix under which Bedrock writes metrics and manifests."""
        return f"{self.root}/distillation/"

    def evaluation(self, attempt: int, name: str) -> str:
        """Measurements of one attempt: one file a shard, then ``evaluation.json``."""
        return f"{self.root}/attempts/{attempt}/evaluation/{name}"

    def labels(self, name: str) -> str:
        """People's scores of answers, one file a call; every attempt of the run shares them."""
        return f"{self.root}/labels/{name}"

    def report(self, attempt: int, name: str) -> str:
        """``report.html`` and ``report.json`` of one attempt."""
        return f"{self.root}/attempts/{attempt}/report/{name}"
