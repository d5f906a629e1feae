"""Lambda handler of the state PromoteStudent."""

from lambdas.pipeline import stage_handler
from lambdas.promote_student.stage import execute

handler = stage_handler("PromoteStudent", execute)
