"""Lambda handler of the state ReadInvocationLogs."""

from lambdas.states.read_invocation_logs.stage import execute
from lambdas.workflow.stage import stage_handler

handler = stage_handler("ReadInvocationLogs", execute)
