"""Lambda handler of the state ScoreEvaluation."""

from lambdas.states.score_evaluation.stage import execute
from lambdas.workflow.stage import stage_handler

handler = stage_handler("ScoreEvaluation", execute)
