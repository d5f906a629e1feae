"""A run from its upload to its verdict, by the stages as they are, over HTTP against the simulator."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lambdas.gateways.registry.runs import Run
from lambdas.states.calibrate_judge.stage import execute as calibrate_judge
from lambdas.states.deploy_candidate.stage import execute as deploy_candidate
from lambdas.states.evaluate_student.stage import execute as evaluate_student
from lambdas.states.launch_distillation.stage import execute as launch_distillation
from lambdas.states.score_evaluation.stage import execute as score_evaluation
from tests.simulator.teacher_stages import MOST_POLLS, TeacherStages

POLL_SECONDS = 10.0


class VerdictStages(TeacherStages):
    """The stages from PrepareDataset to ScoreEvaluation; to be used while connected."""

    def candidate(self, prompts: Sequence[str], task: dict[str, Any], known_scores: Sequence[Any] = ()) -> Run:
        """Take an upload to a candidate that answers.

        Parameters
        ----------
        prompts : sequence of str
        task : dict
            ``task.json``.
        known_scores : sequence of dict
            Lines of ``calibration.jsonl``.
        """
        run = self.prepare(prompts, task)
        if known_scores:
            lines = "".join(json.dumps(case) + "\n" for case in known_scores)
            self.pipeline.runs.write(run.files.dataset("calibration.jsonl"), lines.encode())
            assert calibrate_judge(self.stage("CalibrateJudge", run))["believed"]
        self.finish(run)
        for name, execute in (("LaunchDistillation", launch_distillation), ("DeployCandidate", deploy_candidate)):
            for _ in range(MOST_POLLS):
                if execute(self.stage(name, run))["status"] == "COMPLETED":
                    break
                self.clock.advance(POLL_SECONDS)
            else:
                raise AssertionError(f"{name} never ends")
        return run

    def verdict(self, run: Run) -> dict[str, Any]:
        """Evaluate a candidate; give ``report.json`` as it is when the gate has decided."""
        runs, files = self.pipeline.runs, run.files
        folder = files.shard("holdout", "").removesuffix(".jsonl")
        for key in runs.keys(folder):
            evaluate_student(self.stage("EvaluateStudent", run, shard=key.removeprefix(folder).removesuffix(".jsonl")))
        score_evaluation(self.stage("ScoreEvaluation", run))
        report: dict[str, Any] = runs.read_json(files.report(run.attempt, "report.json"))
        return report
