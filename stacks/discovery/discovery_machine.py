"""The state machine of discovery: each day of the logs once, then the tasks in them, then what each is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Stack
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from lambdas.domain.discovery.discovery_plan import InvalidDiscovery
from lambdas.domain.errors import permanent_error_names
from stacks.discovery.discovery_access import machine_permissions
from stacks.machine.asl import INPUT, RETRY, THROTTLED, State, States
from stacks.machine.machine_role import MachineRole
from stacks.machine.machine_tasks import TASK_MARGIN_SECONDS
from stacks.monitoring.log_groups import log_group

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdas.domain.task.settings import Settings
    from stacks.data_stack import DataExports
    from stacks.machine.stage_function import Runtime, StageFunction

QUERY_SECONDS = 31 * 60
"""Athena stops a query of its own after 30 minutes (Athena quotas, DML query timeout)."""

DAYS_AT_ONCE = 4
"""Queries beside each other: an account runs at least 20 (Athena quotas, active DML queries)."""

MOST_READINGS = 3
"""How often a day is tried: each time its prefix is emptied first."""

MACHINE_SECONDS = 24 * 3600
NO_RETRY: State = {"ErrorEquals": [*permanent_error_names(), InvalidDiscovery.__name__], "MaxAttempts": 0}
_QUERY_THROTTLED: State = {
    "ErrorEquals": ["Athena.TooManyRequestsException"],
    "IntervalSeconds": 5,
    "BackoffRate": 2,
    "MaxAttempts": 10,
    "MaxDelaySeconds": 120,
    "JitterStrategy": "FULL",
}
"""Refused before it began, so that nothing was written: asking again is safe."""

_QUERY_ID = "{% $states.result.QueryExecution.QueryExecutionId %}"


class DiscoveryMachine(Construct):
    """The state machine with its role and log group.

    Parameters
    ----------
    scope, construct_id
        As everywhere in CDK.
    settings : Settings
        Names the log sources.
    data : DataExports
        The runs bucket and the key.
    stages : mapping
        Lambda folder to the Lambda.
    runtime : Runtime
        Key for the log group, policy for traces.
    database, workgroup : str
        In which queries run.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        data: DataExports,
        stages: Mapping[str, StageFunction],
        runtime: Runtime,
        database: str,
        workgroup: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self._stages, self._database, self._workgroup = stages, database, workgroup
        stack = Stack.of(self)
        self._partition = stack.partition
        role = MachineRole(
            self,
            "Access",
            stages=stages.values(),
            tracing=runtime.tracing,
            description="Taken by the discovery state machine: its Lambdas, and queries on invocation logs",
            more=machine_permissions(stack, settings=settings, data=data, database=database, workgroup=workgroup),
        )
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            state_machine_type=sfn.StateMachineType.STANDARD,
            definition_body=sfn.DefinitionBody.from_string(stack.to_json_string(self.definition())),
            role=role.role.without_policy_updates(),
            tracing_enabled=True,
            logs=sfn.LogOptions(
                destination=log_group(self, key=runtime.key, retention_days=settings.log_retention_days),
                level=sfn.LogLevel.ALL,
                include_execution_data=False,
            ),
        )

    def definition(self) -> State:
        """Write the whole machine."""
        return {
            "Comment": "From invocation logs to the tasks in them and what each is worth",
            "QueryLanguage": "JSONata",
            "TimeoutSeconds": MACHINE_SECONDS,
            "StartAt": "PlanDiscovery",
            "States": {
                **self._plan_discovery(),
                **self._each_day(),
                **self._group_calls(),
                **self._rank_opportunities(),
            },
        }

    def _plan_discovery(self) -> States:
        sent = {"request": f"{{% {INPUT} %}}", "generation": "{% $states.context.Execution.Name %}"}
        plan = {
            name: f"{{% $states.result.Payload.{name} %}}"
            for name in ("generation", "days", "sample_query", "figures_query")
        }
        return {"PlanDiscovery": self._task("plan_discovery", sent, Assign=plan, Next="EachDay")}

    def _each_day(self) -> States:
        day: States = {
            "PrepareDay": self._task(
                "prepare_day",
                {"source": "{% $source %}", "day": "{% $day %}"},
                Assign={
                    "query": "{% $states.result.Payload.query %}",
                    "offloaded_query": "{% $states.result.Payload.offloaded_query %}",
                    "readings": "{% $readings + 1 %}",
                },
                Catch=[_given_up()],
                Next="ExtractCalls",
            ),
            # A query that failed may have written: the prefix is emptied before it is asked again.
            "ExtractCalls": self._query(
                "{% $query %}", Catch=[_remembered(then="IsDayTriedAgain")], Next="ListOffloaded"
            ),
            "ListOffloaded": self._query(
                "{% $offloaded_query %}",
                Assign={"offloaded": _QUERY_ID},
                Catch=[_remembered(then="IsDayTriedAgain")],
                Next="ReadOffloadedBodies",
            ),
            "ReadOffloadedBodies": self._task(
                "read_offloaded_bodies",
                {"source": "{% $source %}", "day": "{% $day %}", "query": "{% $offloaded %}"},
                Catch=[_given_up()],
                Output={"source": "{% $source %}", "day": "{% $day %}"},
                Next="DayIsRead",
            ),
            "IsDayTriedAgain": {
                "Type": "Choice",
                "Choices": [{"Condition": f"{{% $readings < {MOST_READINGS} %}}", "Next": "WaitForDay"}],
                "Default": "DayIsNotRead",
            },
            "WaitForDay": {"Type": "Wait", "Seconds": 60, "Next": "PrepareDay"},
            "DayIsNotRead": {
                "Type": "Pass",
                "Output": {"source": "{% $source %}", "day": "{% $day %}", "failure": "{% $failure %}"},
                "End": True,
            },
            "DayIsRead": {"Type": "Succeed"},
        }
        begin: States = {
            "BeginDay": {
                "Type": "Pass",
                "Assign": {
                    "source": "{% $states.input.source %}",
                    "day": "{% $states.input.day %}",
                    "readings": 0,
                    "failure": {},
                },
                "Next": "PrepareDay",
            }
        }
        failed = "{% [$states.result[$exists(failure)]] %}"
        return {
            "EachDay": {
                "Type": "Map",
                "Items": "{% $days %}",
                "MaxConcurrency": DAYS_AT_ONCE,
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "INLINE"},
                    "StartAt": "BeginDay",
                    "States": {**begin, **day},
                },
                "Assign": {"failed": failed},
                "Output": {},
                "Next": "SampleCalls",
            }
        }

    def _group_calls(self) -> States:
        sent = {"query": "{% $sampled %}", "generation": "{% $generation %}"}
        return {
            "SampleCalls": self._query("{% $sample_query %}", Assign={"sampled": _QUERY_ID}, Next="GroupCalls"),
            "GroupCalls": self._task("group_calls", sent, Next="MeasureTasks"),
            "MeasureTasks": self._query(
                "{% $figures_query %}", Assign={"measured": _QUERY_ID}, Next="RankOpportunities"
            ),
        }

    def _rank_opportunities(self) -> States:
        sent = {"query": "{% $measured %}", "generation": "{% $generation %}", "failed": "{% $failed %}"}
        return {
            "RankOpportunities": self._task("rank_opportunities", sent, Next="AreAllDaysRead"),
            "AreAllDaysRead": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $count($failed) = 0 %}", "Next": "DiscoveryEnded"}],
                "Default": "DaysNotRead",
            },
            # What was read is ranked all the same; the alarm tells people that it is not everything.
            "DaysNotRead": {
                "Type": "Fail",
                "Error": "DaysNotRead",
                "Cause": "{% $string($count($failed)) & ' days could not be read; the first one: '"
                " & $string($failed[0]) %}",
            },
            "DiscoveryEnded": {"Type": "Succeed"},
        }

    def _task(self, folder: str, sent: State, **fields: object) -> State:
        stage = self._stages[folder]
        return {
            "Type": "Task",
            "Resource": f"arn:{self._partition}:states:::lambda:invoke",
            "Arguments": {"FunctionName": stage.published_version(), "Payload": sent},
            "TimeoutSeconds": int(stage.timeout.to_seconds()) + TASK_MARGIN_SECONDS,
            "Retry": [NO_RETRY, THROTTLED, RETRY],
            "Output": {},
            **fields,
        }

    def _query(self, text: str, **fields: object) -> State:
        return {
            "Type": "Task",
            "Resource": f"arn:{self._partition}:states:::athena:startQueryExecution.sync",
            "Arguments": {
                "QueryString": text,
                "WorkGroup": self._workgroup,
                "QueryExecutionContext": {"Database": self._database},
            },
            "TimeoutSeconds": QUERY_SECONDS,
            "Retry": [_QUERY_THROTTLED],
            "Output": {},
            **fields,
        }


def _remembered(then: str) -> State:
    return {"ErrorEquals": ["States.ALL"], "Assign": {"failure": "{% $states.errorOutput %}"}, "Next": then}


def _given_up() -> State:
    return _remembered(then="DayIsNotRead")
