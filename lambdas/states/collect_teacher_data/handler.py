"""Lambda handler of the state CollectTeacherData."""

from lambdas.collect_teacher_data.stage import execute
from lambdas.pipeline import stage_handler

handler = stage_handler("CollectTeacherData", execute)
