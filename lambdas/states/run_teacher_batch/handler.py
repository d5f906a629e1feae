"""Lambda handler of the state RunTeacherBatch."""

from lambdas.states.run_teacher_batch.stage import execute
from lambdas.workflow.stage import stage_handler

handler = stage_handler("RunTeacherBatch", execute)
