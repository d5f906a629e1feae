"""Lambda handler of the state ScoreEvaluation."""

from lambdas.pipeline import stage_handler
from lambdas.score_evaluation.stage import execute

handler = stage_handler("ScoreEvaluation", execute)
