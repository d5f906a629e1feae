"""Lambda handler of the state RunTeacherBatch."""

from lambdas.pipeline import stage_handler
from lambdas.run_teacher_batch.stage import execute

handler = stage_handler("RunTeacherBatch", execute)
