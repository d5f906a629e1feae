"""Who answers a task's callers, by a person's word: the student, the fallback, or routing that has passed its test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from lambdas.domain.errors import RoutingRefused
from lambdas.domain.evaluation.confidence_bounds import share_bounds
from lambdas.domain.evaluation.measurements import STUDENT
from lambdas.domain.gate.routing import (
    JudgedRule,
    RoutedPair,
    RoutingTest,
    adoption_lines,
    candidate_rules,
    count_groups,
    dealt,
    judged_rule,
    proposed,
    serving_usd_of_request,
)
from lambdas.domain.serving.serving_policy import BY_CASCADE, BY_STUDENT, SERVING_MODES, FallbackModel, ServingChoice
from lambdas.workflow.serving.published import fallback_of, publish_policy
from lambdas.workflow.serving.routed_records import fresh_pairs, measured_pairs
from lambdas.workflow.stage import Stage, iso

if TYPE_CHECKING:
    from lambdas.gateways.registry.champions import Champion
    from lambdas.workflow.stage import Pipeline, Result


@dataclass(frozen=True)
class ServingWord:
    """Why a person decides so, and their ARN as STS confirmed it; empty where nothing is decided."""

    why: str
    by: str


def serve_as(pipeline: Pipeline, task: str, mode: str, run_id: str, word: ServingWord) -> Result:
    """Let a task be served in another way from now on; callers notice within a minute.

    Parameters
    ----------
    pipeline : Pipeline
    task : str
    mode : str
        One of :data:`~lambdas.domain.serving.serving_policy.SERVING_MODES`.
    run_id : str
        Run of the champion that the person means.
    word : ServingWord

    Raises
    ------
    RoutingRefused
        Nothing was changed.
    ChampionChanged
        Another run serves the task.
    """
    if mode not in SERVING_MODES:
        raise RoutingRefused(f"a task is served as one of {', '.join(SERVING_MODES)}, not as '{mode}'")
    routed = RoutedTask.of(pipeline, task, run_id)
    choice = routed.choice or ServingChoice(for_run=run_id, mode=mode, at=iso(pipeline.now()))
    if mode == BY_CASCADE and not choice.on:
        raise RoutingRefused(
            f"no routing was adopted for run {run_id} of task '{task}': 'python -m cli route {task}' proposes one and "
            "tests it"
        )
    if mode != BY_STUDENT:
        routed.fallback()
    return _decide(routed, replace(choice, mode=mode, at=iso(pipeline.now()), why=word.why), word)


def route(pipeline: Pipeline, task: str, run_id: str, test: RoutingTest, word: ServingWord) -> Result:
    """Propose a policy and, where limits are given, test and adopt it.

    Parameters
    ----------
    pipeline : Pipeline
    task, run_id : str
    test : RoutingTest
    word : ServingWord

    Returns
    -------
    dict
        ``candidates`` and ``proposal`` by the proposing part; with limits also ``lines`` of the test and ``adopted``.

    Raises
    ------
    RoutingRefused
        No rule gains within the share, or another policy was tested on these records before, or a later run has no
        records that say something of this champion and fallback.
    """
    routed, limits, max_share = RoutedTask.of(pipeline, task, run_id), test.limits, test.max_share
    if test.fresh_run:
        choosing, testing = routed.pairs, fresh_pairs(routed.stage, routed.champion, routed.fallback(), test.fresh_run)
    else:
        choosing, testing = dealt(routed.pairs)
    candidates = candidate_rules(choosing, routed.stage.task.cascade)
    best = proposed(candidates, max_share)
    told: Result = {
        "task": task,
        "run_id": run_id,
        "fallback": {"model": routed.fallback().model, "role": routed.fallback().role},
        "records": {"proposing": len(choosing), "testing": len(testing)},
        "groups": {"proposing": count_groups(choosing), "testing": count_groups(testing)},
        "tested_on": test.fresh_run or run_id,
        "candidates": [one.to_document() for one in candidates],
        "proposal": best.to_document() if best else None,
    }
    if limits is None:
        return told
    if best is None:
        raise RoutingRefused(
            f"no rule gains anything for run {run_id} within {max_share:.0%} of the answers: nothing is adopted, and "
            "the student goes on alone"
        )
    pipeline.tasks.claim_routing_test(task, run_id, best.rule.to_document(), test.fresh_run)
    serving = serving_usd_of_request(routed.champion.mode, routed.pairs, routed.stage.evaluation().get("break_even"))
    lines = adoption_lines(best.rule, best.share, testing, serving, limits)
    adopted = all(line.passed for line in lines)
    told |= {"lines": [line.to_document() for line in lines], "adopted": adopted}
    if not adopted:
        return told
    choice = _adopted(routed, judged_rule(best.rule, _as_counted(routed, [*choosing, *testing])), max_share, word.why)
    return {**told, **_decide(routed, choice, word)}


def _as_counted(routed: RoutedTask, pairs: list[RoutedPair]) -> list[RoutedPair]:
    """Price the student as callers do: the tokens of a throughput cost nothing beside its hours."""
    return [replace(pair, student_usd=0.0) for pair in pairs] if routed.champion.on_throughput else pairs


def _adopted(routed: RoutedTask, whole: JudgedRule, max_share: float, why: str) -> ServingChoice:
    low, high = share_bounds(whole.share, whole.groups)
    expected = {"records": whole.records, "share": whole.share, "share_low": low, "share_high": high}
    return ServingChoice(
        for_run=routed.champion.run_id,
        mode=BY_CASCADE,
        at=iso(routed.stage.pipeline.now()),
        why=why,
        on=whole.rule.on,
        confidence_field=whole.rule.confidence_field,
        below=whole.rule.below,
        max_share=max_share,
        expected={**expected, "usd_per_1k_requests": whole.usd_per_1k_requests},
    )


def _decide(routed: RoutedTask, choice: ServingChoice, word: ServingWord) -> Result:
    """Keep the choice and publish it; where another champion has come meanwhile, its policy goes last."""
    pipeline, task = routed.stage.pipeline, routed.stage.run.task
    pipeline.tasks.choose(task, choice, {"answered_by": word.by})
    document = publish_policy(routed.stage, routed.champion)
    now = pipeline.tasks.state(task).champion
    if now is not None and now.run_id != choice.for_run:
        publish_policy(_stage_of(pipeline, now.run_id), now)
    return {"task": task, "run_id": choice.for_run, "mode": choice.mode, "policy": document["version"]}


@dataclass(frozen=True)
class RoutedTask:
    """A task, its champion, and what the evaluation of that student measured."""

    stage: Stage
    champion: Champion
    choice: ServingChoice | None

    @classmethod
    def of(cls, pipeline: Pipeline, task: str, run_id: str) -> RoutedTask:
        """Look the champion up.

        Raises
        ------
        RoutingRefused
            The environment is being torn down, or another run serves the task, or none.
        """
        if since := pipeline.intake.closed_since():
            raise RoutingRefused(f"this environment is being torn down since {since}; deploy it again first")
        state = pipeline.tasks.state(task)
        if state.champion is None or state.champion.run_id != run_id:
            serving = f"run {state.champion.run_id}" if state.champion else "no run"
            raise RoutingRefused(f"task '{task}' is served by {serving}, not by {run_id}; look again with 'champions'")
        choice = state.choice if state.choice and state.choice.for_run == run_id else None
        return cls(_stage_of(pipeline, run_id), state.champion, choice)

    @cached_property
    def _fallback(self) -> FallbackModel | None:
        return fallback_of(self.stage)

    def fallback(self) -> FallbackModel:
        """Give who answers where the student does not.

        Raises
        ------
        RoutingRefused
            The run's files have expired, so that nobody knows how the fallback is to be asked.
        """
        if self._fallback is None:
            raise RoutingRefused(
                f"the files of run {self.champion.run_id} have expired, so its fallback is not known: upload the "
                "prompts again"
            )
        return self._fallback

    @cached_property
    def pairs(self) -> list[RoutedPair]:
        """Student and fallback, record by record."""
        pairs = measured_pairs(self.stage, STUDENT, self.champion, self.fallback())
        if not pairs:
            raise RoutingRefused(f"no measurement of run {self.champion.run_id} is left: upload the prompts again")
        return pairs


def _stage_of(pipeline: Pipeline, run_id: str) -> Stage:
    run = pipeline.registry.run(run_id)
    return Stage(name="RollBackChampion", pipeline=pipeline, run=run, attempt=run.attempt)
