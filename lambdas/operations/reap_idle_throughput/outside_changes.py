"""What somebody changed outside of the pipeline: endpoints and models deleted by hand, pointers edited by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.domain.serving.idle_rules import ENDPOINT_MISSING, MODEL_MISSING, POINTER_CHANGED, Finding, Thing
from lambdas.gateways.registry.resources import CUSTOM_MODEL, DEPLOYMENT, THROUGHPUT
from lambdas.workflow.serving.pointer import read_pointer
from lambdas.workflow.serving.published import (
    fallback_of,
    policy_of,
    publish_champion,
    publish_policy,
    read_policy_document,
)
from lambdas.workflow.stage import Pipeline, Stage, iso

if TYPE_CHECKING:
    from lambdas.gateways.registry.champions import Champion, TaskState


@dataclass(frozen=True)
class OutsideChanges:
    """Compares the registry's champions with what exists and with where callers are led.

    Parameters
    ----------
    pipeline : Pipeline
    things : list of Thing
        What exists of this environment.
    """

    pipeline: Pipeline
    things: list[Thing]

    def find(self, task: str, *, mend: bool) -> Iterator[Finding]:
        """Look at one task; while a promotion or a rollback holds its lease, what is changing is not judged.

        Parameters
        ----------
        task : str
        mend : bool
            Whether a changed pointer is published anew from the registry.
        """
        state = self.pipeline.tasks.state(task)
        now = iso(self.pipeline.now())
        if state.champion is None or (state.lease_owner and str(state.lease_expires) > now) or state.rollback:
            return
        yield from self._missing(task, state, state.champion)
        changed = self._pointer(task, state.champion, mend=mend) or self._policy(task, state.champion, mend=mend)
        if changed is not None:
            yield changed

    def _missing(self, task: str, state: TaskState, champion: Champion) -> Iterator[Finding]:
        bedrock, listed = self.pipeline.bedrock, {thing.arn for thing in self.things}
        endpoint = champion.endpoint_arn
        if endpoint not in listed and bedrock.find_endpoint(endpoint, throughput=champion.on_throughput) is None:
            said = f"nobody can call task {task}: its endpoint does not exist, and the pipeline did not delete it"
            way = f"'python -m cli rollback {task} --to {champion.run_id}' creates another one for the same student"
            yield _about(ENDPOINT_MISSING, task, champion, f"{said}; {way}")
        for one in (champion, *state.former):
            if one.model_arn in listed or bedrock.model_exists(one.model_arn):
                continue
            role = "champion" if one is champion else "former champion, to which a rollback would return"
            said = f"the model of task {task}'s {role} (run {one.run_id}) does not exist any more"
            finding = _about(MODEL_MISSING, task, one, f"{said}; distil it again: 'python -m cli submit'")
            yield finding

    def _pointer(self, task: str, champion: Champion, *, mend: bool) -> Finding | None:
        published = read_pointer(self.pipeline, task) or {}
        wanted = {"endpoint_arn": champion.endpoint_arn, "model_arn": champion.model_arn, "run_id": champion.run_id}
        other = [name for name, value in wanted.items() if published.get(name) != value]
        if not other:
            return None
        leads = f"leads callers to {published.get('endpoint_arn')}" if published else "is missing or cannot be read"
        text = f"the pointer of task {task} {leads}, and the registry says {champion.endpoint_arn}"
        stage = self._stage(champion) if mend else None
        if stage is not None:
            publish_champion(stage, champion, read_policy_document(self.pipeline, task))
        return _about(POINTER_CHANGED, task, champion, text, done="published anew" if stage else "")

    def _policy(self, task: str, champion: Champion, *, mend: bool) -> Finding | None:
        """Hold the policy against the registry.

        One that an earlier version did not write yet, or with other prices, is written in silence.
        """
        published, stage = read_policy_document(self.pipeline, task), self._stage(champion)
        fallback = fallback_of(stage) if stage else None
        if stage is None or fallback is None:
            return None
        wanted = policy_of(stage, champion, fallback)
        if published == wanted:
            return None
        if mend:
            publish_policy(stage, champion)
        if published is None or _who_answers(published) == _who_answers(wanted):
            return None
        text = f"the policy of task {task} is not what the registry says, so callers may be answered by somebody else"
        return _about(POINTER_CHANGED, task, champion, text, done="published anew" if mend else "")

    def _stage(self, champion: Champion) -> Stage | None:
        run = self.pipeline.registry.find(champion.run_id)
        if run is None:
            return None
        return Stage(name="ReapIdleThroughput", pipeline=self.pipeline, run=run, attempt=run.attempt)


def _who_answers(policy: Mapping[str, Any]) -> list[object]:
    fallback = policy.get("fallback")
    model = fallback.get("model") if isinstance(fallback, Mapping) else None
    return [policy.get("for_run"), policy.get("mode"), policy.get("escalate"), model]


def _about(reason: str, task: str, champion: Champion, explanation: str, *, done: str = "") -> Finding:
    is_model = reason == MODEL_MISSING
    return Finding(
        reason=reason,
        kind=CUSTOM_MODEL if is_model else THROUGHPUT if champion.on_throughput else DEPLOYMENT,
        name=champion.model_arn.rpartition("/")[2] if is_model else champion.endpoint_name,
        arn=champion.model_arn if is_model else champion.endpoint_arn,
        task=task,
        run_id=champion.run_id,
        usd_per_hour=None,
        explanation=explanation,
        deletable=False,
        done=done,
    )
