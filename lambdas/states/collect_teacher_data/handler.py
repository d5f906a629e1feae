"""Lambda handler of the state CollectTeacherData."""

from lambdas.states.collect_teacher_data.stage import execute
from lambdas.workflow.stage import stage_handler

handler = stage_handler("CollectTeacherData", execute)
