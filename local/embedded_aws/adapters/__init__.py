"""Where the emulator differs from AWS in a way that this pipeline meets: one named function a gap.

Each function replaces private functions of ministack, so they hold for one version only. :func:`apply_all` refuses any
other; on a version bump every gap is looked at again, and ``tests/embedded_aws`` says which adapters are still needed.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from local.embedded_aws.adapters import (
    access,
    athena,
    bedrock,
    events,
    executions,
    functions,
    maps,
    resources,
    task_tokens,
    workers,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PINNED_VERSION = "1.5.33"

ADAPTERS: tuple[Callable[[], None], ...] = (
    access.loopback_counts_as_secure_transport,
    access.simulator_learns_who_holds_an_access_key,
    athena.queries_run_as_athena_runs_them,
    athena.state_machines_wait_for_queries,
    bedrock.bedrock_calls_are_refused,
    events.s3_events_carry_the_object_version,
    executions.assigned_variables_see_the_old_values,
    executions.ended_executions_stay_ended,
    executions.machine_timeout_ends_the_execution,
    executions.repeated_start_of_a_running_execution_succeeds,
    functions.lambda_errors_carry_their_class_name,
    functions.tasks_are_throttled_beyond_the_accounts_lambdas,
    functions.layers_are_unpacked_once,
    functions.code_is_unpacked_once,
    maps.distributed_map_evaluates_jsonata,
    resources.alarms_on_queries_are_kept,
    resources.application_inference_profiles_are_made_in_the_simulator,
    task_tokens.failing_lambda_fails_its_waiting_task,
    workers.python_workers_are_copied,
)


def apply_all() -> None:
    """Apply every adapter to the emulator in this process, once, before it serves.

    Raises
    ------
    RuntimeError
        If the installed ministack is not the version that the adapters were written for.
    """
    installed = version("ministack")
    if installed != PINNED_VERSION:
        message = (
            f"The adapters are written for ministack {PINNED_VERSION}, and {installed} is installed. "
            "Run `make setup`, or look at every adapter again and raise PINNED_VERSION."
        )
        raise RuntimeError(message)
    for adapt in ADAPTERS:
        adapt()
