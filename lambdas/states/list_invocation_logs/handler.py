"""Lambda handler of the state ListInvocationLogs."""

from lambdas.states.list_invocation_logs.stage import execute
from lambdas.workflow.stage import stage_handler

handler = stage_handler("ListInvocationLogs", execute)
