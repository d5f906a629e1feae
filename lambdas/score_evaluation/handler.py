"""Lambda handler of the state ScoreEvaluation."""

from lambdas.score_evaluation.stage import execute
from lambdas.pipeline import stage_handler

handler = stage_handler("ScoreEvaluation", execute)
