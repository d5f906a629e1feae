"""Lambda handler of the state ReadInvocationLogs."""

from lambdas.read_invocation_logs.stage import execute
from lambdas.pipeline import stage_handler

handler = stage_handler("ReadInvocationLogs", execute)
