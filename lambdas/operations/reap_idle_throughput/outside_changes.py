"""What somebody changed outside of the pipeline: endpoints and models deleted by hand, pointers edited by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lambdas.domain.serving.idle_rules import ENDPOINT_MISSING, MODEL_MISSING, POINTER_CHANGED, Finding, Thing
from lambdas.gateways.registry.champions import Champion, TaskState
from lambdas.gateways.registry.resources import CUSTOM_MODEL, DEPLOYMENT, THROUGHPUT
from lambdas.workflow.serving.pointer import publish_pointer, read_pointer
from lambdas.workflow.stage import Pipeline, Stage, iso


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
        if (changed := self._pointer(task, state.champion, mend=mend)) is not None:
            yield changed

    def _missing(self, task: str, state: TaskState, champion: Champion) -> Iterator[Finding]:
        bedrock, listed = self.pipeline.bedrock, {thing.arn for thing in self.things}
        endpoint = champion.endpoint_arn
        if endpoint not in listed and bedrock.find_endpoint(endpoint, throughput=champion.on_throughput) is None:
            said = f"nobody can call task {task}: its endpoint does not exist, and the pipeline did not delete it"
            way = f"'python -m cli rollback {task} --to {champion.run_id}' buys another one for the same student"
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
        done = ""
        run = self.pipeline.registry.find(champion.run_id)
        if mend and run is not None:
            stage = Stage(name="ReapIdleThroughput", pipeline=self.pipeline, run=run, attempt=run.attempt)
            publish_pointer(stage, champion)
            done = "published anew"
        return _about(POINTER_CHANGED, task, champion, text, done=done)


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
