"""The account in which end-to-end tests act as people do: upload, wait, answer, stop, retry, look."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from cli.deployment import Deployment
from cli.identity_proof import signed_proof
from lambdas.domain.costs.ledger import AT_MOST
from lambdas.domain.identity import Upload, execution_name
from lambdas.gateways.registry.resources import JOBS, ResourceBook
from lambdas.gateways.registry.runs import ENDED, Registry, Run
from lambdas.gateways.registry.table import Table
from local.bedrock_simulator.control import SimulatorControl
from local.embedded_aws.lifecycle import REGION, EmbeddedAws
from tests.identities import proven_act

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "video-search-intent"
_FOLDERS = {
    "AnswerApprovalFunction": "answer_approval",
    "RecordLabelsFunction": "record_labels",
    "RollbackFunction": "roll_back_champion",
    "ReapFunction": "reap_idle_throughput",
}
JOB_UNDER_WAY = ("InProgress", "Stopping", "Submitted", "Validating", "Scheduled")
UNDER_WAY = ("Creating", "InService", "Updating", "Active", "InProgress", "Stopping")

_SMALL_UPLOAD, _SMALL_HOLDOUT = 600, 180
_RARE = (b'"queue": "safety"', b'"queue": "delivery"')

Found = TypeVar("Found")


def until(look: Callable[[], Found | None], what: str, seconds: float = 300.0) -> Found:
    """Look again and again until there is something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds:g} s in vain for {what}")


class Account:
    """One embedded AWS with the pipeline deployed."""

    def __init__(self, aws: EmbeddedAws) -> None:
        self.aws = aws
        self.outputs = {name: value for stack in aws.outputs.values() for name, value in stack.items()}
        self.simulator = SimulatorControl(aws.simulator)

    @cached_property
    def s3(self) -> Any:
        return self.aws.client("s3")

    @cached_property
    def states(self) -> Any:
        return self.aws.client("stepfunctions")

    @cached_property
    def functions(self) -> Any:
        return self.aws.client("lambda")

    @cached_property
    def table(self) -> Table:
        return Table(self.aws.client("dynamodb"), self.outputs["RegistryTable"])

    @cached_property
    def registry(self) -> Registry:
        return Registry(self.table)

    def upload(self, folder: str, lines: Iterable[bytes], **task: object) -> Upload:
        """Upload ``task.json`` (where fields are given) and prompts, as ``submit`` does."""
        bucket = self.outputs["UploadsBucket"]
        if task:
            self.s3.put_object(Bucket=bucket, Key=f"{folder}/task.json", Body=json.dumps(task).encode())
        body = b"".join(line + b"\n" for line in lines)
        key = f"{folder}/prompts.jsonl"
        return Upload(bucket, key, self.s3.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"])

    def logs(self, folder: str, request: dict[str, Any]) -> Upload:
        """Upload a range of logs by hand."""
        bucket, key = self.outputs["UploadsBucket"], f"{folder}/range.logs.json"
        return Upload(bucket, key, self.s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(request))["VersionId"])

    def bill(self) -> Bill:
        """Begin to watch what is billed."""
        return Bill(self, len(self.simulator.billing()))

    def example(self, folder: str, *, trusted: bool = False, **changes: object) -> Upload:
        """Upload the published example under another task name, with its trusted answers or without."""
        task = json.loads((EXAMPLE / "task.json").read_text())
        known = (EXAMPLE / "calibration.jsonl").read_bytes()
        self.s3.put_object(Bucket=self.outputs["UploadsBucket"], Key=f"{folder}/calibration.jsonl", Body=known)
        if trusted:
            body = (EXAMPLE / "holdout.jsonl").read_bytes()
            self.s3.put_object(Bucket=self.outputs["UploadsBucket"], Key=f"{folder}/holdout.jsonl", Body=body)
        return self.upload(folder, example_lines(), **{**task, **changes})

    def ended(self, run_id: str, attempt: int = 1, seconds: float = 300.0) -> Run:
        """Wait until an attempt has ended and its slot is free again."""

        def look() -> Run | None:
            run = self.registry.find(run_id)
            over = run and run.state == ENDED and run.attempt == attempt and run_id not in self.registry.slots()
            return run if over else None

        try:
            return until(look, f"the end of {run_id}", seconds)
        except AssertionError as waited:
            run = self.registry.find(run_id)
            told = f"{run.state}, attempt {run.attempt}, {run.progress}" if run else "it was never claimed"
            raise AssertionError(f"{waited}: {told}; slots {sorted(self.registry.slots())}") from None

    def report(self, run: Run) -> dict[str, Any]:
        """Read ``report.json`` of the newest report."""
        key = str(run.report_key).replace("report.html", "report.json")
        body = self.s3.get_object(Bucket=self.outputs["RunsBucket"], Key=key)["Body"].read()
        report: dict[str, Any] = json.loads(body)
        return report

    @cached_property
    def profiled(self) -> dict[str, str]:
        """Model by the application inference profile through which it is asked."""
        pages = self.aws.client("bedrock").get_paginator("list_inference_profiles").paginate(typeEquals="APPLICATION")
        found = {}
        for profile in (profile for page in pages for profile in page["inferenceProfileSummaries"]):
            # One that copies a system profile has a model in each of that profile's Regions.
            scope = "us." if len(profile["models"]) > 1 else ""
            model = profile["models"][0]["modelArn"].rpartition("/")[2]
            found[profile["inferenceProfileArn"]] = f"{scope}{model}"
        return found

    def asked_model(self, model_id: str) -> str:
        """Give the model behind what a call named."""
        return self.profiled.get(model_id, model_id)

    def executions(self) -> list[dict[str, Any]]:
        """List the executions of the state machine."""
        pages = self.states.get_paginator("list_executions").paginate(stateMachineArn=self.outputs["StateMachineArn"])
        return [execution for page in pages for execution in page["executions"]]

    def execution_arn(self, run_id: str, attempt: int = 1) -> str:
        machine = self.outputs["StateMachineArn"].replace(":stateMachine:", ":execution:")
        return f"{machine}:{execution_name(run_id, attempt)}"

    def entered(self, run_id: str, state: str, attempt: int = 1) -> bool:
        """Whether an execution has entered a state."""
        try:
            history = self.states.get_execution_history(
                executionArn=self.execution_arn(run_id, attempt), maxResults=1000
            )
        except self.states.exceptions.ExecutionDoesNotExist:
            return False
        return any(event.get("stateEnteredEventDetails", {}).get("name") == state for event in history["events"])

    def stop(self, run_id: str, attempt: int = 1) -> None:
        self.states.stop_execution(executionArn=self.execution_arn(run_id, attempt), cause="a test pulls the plug")

    def invoke(self, output: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Invoke a function of the outputs, with the proof that the command line adds; its answer, or its error."""
        act = proven_act(_FOLDERS.get(output, ""), payload)
        if act is not None and "proof" not in payload:
            known = Deployment("local", REGION, self.aws.client, True, {"data": self.outputs})
            payload = {**payload, "proof": signed_proof(known, **act)}
        response = self.functions.invoke(FunctionName=self.outputs[output], Payload=json.dumps(payload).encode())
        answer: dict[str, Any] = json.loads(response["Payload"].read())
        return answer

    def look_after_all(self) -> dict[str, Any]:
        """Do what the schedule does every five minutes."""
        return self.invoke("ReconcileFunction", {})

    def billable(self) -> list[dict[str, Any]]:
        """List what bills by the hour or trains, whoever made it."""
        resources = self.simulator.resources()
        things = [*resources.jobs, *resources.deployments, *resources.throughputs]
        return [thing for thing in things if thing["status"] in UNDER_WAY]

    def bills_what_the_registry_says(self, task: str) -> bool:
        """Whether what bills for a task is exactly what the registry holds open; a difference is said by its names.

        That is every throughput, deployment and custom model, and every job that has not ended.
        """
        held = self.simulator.resources()
        running = [thing for thing in (*held.jobs, *held.batch_jobs) if thing["status"] in JOB_UNDER_WAY]
        everything = [*held.deployments, *held.throughputs, *held.models, *running]
        billing = {thing["name"] for thing in everything if thing["name"].startswith(f"local-{task}-")}
        jobs = {thing["name"] for thing in running}
        known = {
            item.name
            for item in self.resources().open()
            if item.task == task and item.arn and (item.kind not in JOBS or item.name in jobs)
        }
        assert billing == known, f"it bills unseen: {billing - known}; it is open and gone: {known - billing}"
        return True

    def answer(self, run: Run, answer: str = "approved") -> dict[str, Any]:
        """Answer the request for approval of a run as it is read now."""
        champion = self.report(run)["champion_before"]
        payload = {
            "run_id": run.run_id,
            "answer": answer,
            "report_sha256": run.report_sha256,
            "expected_champion": champion["run_id"] if champion else None,
            "explicitly": True,
        }
        return self.invoke("AnswerApprovalFunction", payload)

    def approval_wanted(self, run_id: str, attempt: int = 1) -> Run:
        """Wait until a run asks for approval."""

        def look() -> Run | None:
            run = self.registry.find(run_id)
            asks = run and run.attempt == attempt and run.progress.get("stage") == "RequestApproval"
            return run if asks and run and run.progress.get("expires") else None

        return until(look, f"the request for approval of {run_id}")

    def resources(self) -> ResourceBook:
        return ResourceBook(self.table)


@dataclass(frozen=True)
class Bill:
    """What the simulator bills from a moment on, for whoever calls."""

    account: Account
    before: int

    def is_the_ledger_of(self, *runs: Run) -> None:
        """Hold the simulator's own billing record against the ledgers of all runs that were paid since.

        What the services report is equal to the last digit. What they do not report, a job's training and its own
        teacher calls, is equal to the cent where the job came to its end; of one that was stopped half-way the ledger
        has the most that it can have cost.
        """
        charges = self.account.simulator.billing()[self.before :]
        entries = [entry for run in runs for entry in self.account.registry.ledger(run.run_id)]
        reported = sum(charge.usd or 0.0 for charge in charges if charge.kind in ("converse", "batch"))
        of_jobs = sum(charge.usd or 0.0 for charge in charges if charge.kind in ("teacher_calls", "training"))
        actual = sum(entry.usd for entry in entries if entry.kind == "actual")
        derived = sum(entry.usd for entry in entries if entry.kind == "derived")
        bound = sum(entry.usd for entry in entries if entry.kind == AT_MOST)
        assert abs(actual - reported) < 1e-9, (actual, reported)
        assert derived - 0.005 < of_jobs < derived + bound + 0.005, (derived, bound, of_jobs)


def small_example(account: Account, name: str, folder: str) -> Upload:
    """Upload a part of another example: enough for a verdict, with every record of its rare classes."""
    source = EXAMPLE.parent / name
    prompts = (source / "prompts.jsonl").read_bytes().splitlines()
    trusted = source / "holdout.jsonl"
    if trusted.exists():
        lines = sorted(trusted.read_bytes().splitlines(), key=lambda line: not any(rare in line for rare in _RARE))
        body = b"\n".join(lines[:_SMALL_HOLDOUT])
        account.s3.put_object(Bucket=account.outputs["UploadsBucket"], Key=f"{folder}/holdout.jsonl", Body=body)
    return account.upload(folder, prompts[:_SMALL_UPLOAD], **json.loads((source / "task.json").read_text()))


def example_lines() -> list[bytes]:
    """Read the published example's prompts."""
    return (EXAMPLE / "prompts.jsonl").read_bytes().splitlines()


def lenient(**changes: object) -> dict[str, object]:
    """Give a definition of the example's task with which a few prompts are enough to be promoted."""
    task = json.loads((EXAMPLE / "task.json").read_text())
    task["gate"] |= {"min_judge_score": 1.0, "max_quality_drop": 3.9, "min_cost_reduction": 0.1}
    task["gate"] |= {"min_latency_reduction": 0.1, "min_schema_validity": 0.5, "slices": {}}
    return {**task, **changes}
