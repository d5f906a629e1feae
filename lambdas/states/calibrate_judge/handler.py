"""Lambda handler of the state CalibrateJudge."""

from lambdas.states.calibrate_judge.stage import execute
from lambdas.workflow.stage import stage_handler

handler = stage_handler("CalibrateJudge", execute)
