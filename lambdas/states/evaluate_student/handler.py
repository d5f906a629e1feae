"""Lambda handler of the state EvaluateStudent."""

from lambdas.states.evaluate_student.stage import execute
from lambdas.workflow.stage import stage_handler

handler = stage_handler("EvaluateStudent", execute)
