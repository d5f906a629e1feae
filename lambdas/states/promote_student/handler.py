"""Lambda handler of the state PromoteStudent."""

from lambdas.states.promote_student.stage import execute
from lambdas.workflow.stage import stage_handler

handler = stage_handler("PromoteStudent", execute)
