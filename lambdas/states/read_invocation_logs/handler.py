"""Lambda handler of the state ReadInvocationLogs."""

from lambdas.pipeline import stage_handler
from lambdas.read_invocation_logs.stage import execute

handler = stage_handler("ReadInvocationLogs", execute)
