"""Lambda handler of the state BakeStudent."""

from lambdas.states.bake_student.stage import execute
from lambdas.workflow.stage import stage_handler

handler = stage_handler("BakeStudent", execute)
