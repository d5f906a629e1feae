"""Lambda handler of the state ListInvocationLogs."""

from lambdas.list_invocation_logs.stage import execute
from lambdas.pipeline import stage_handler

handler = stage_handler("ListInvocationLogs", execute)
