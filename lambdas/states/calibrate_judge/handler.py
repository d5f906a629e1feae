"""Lambda handler of the state CalibrateJudge."""

from lambdas.calibrate_judge.stage import execute
from lambdas.pipeline import stage_handler

handler = stage_handler("CalibrateJudge", execute)
