"""Lambda handler of the state PromoteStudent."""

from lambdas.promote_student.stage import execute
from lambdas.pipeline import stage_handler

handler = stage_handler("PromoteStudent", execute)
