"""Lambda handler of the state CheckRun."""

from lambdas.states.check_run.stage import execute
from lambdas.workflow.stage import stage_handler

handler = stage_handler("CheckRun", execute)
