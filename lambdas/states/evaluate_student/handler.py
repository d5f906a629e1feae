"""Lambda handler of the state EvaluateStudent."""

from lambdas.evaluate_student.stage import execute
from lambdas.pipeline import stage_handler

handler = stage_handler("EvaluateStudent", execute)
