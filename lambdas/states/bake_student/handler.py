"""Lambda handler of the state BakeStudent."""

from lambdas.bake_student.stage import execute
from lambdas.pipeline import stage_handler

handler = stage_handler("BakeStudent", execute)
