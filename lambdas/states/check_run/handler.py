"""Lambda handler of the state CheckRun."""

from lambdas.check_run.stage import execute
from lambdas.pipeline import stage_handler

handler = stage_handler("CheckRun", execute)
