"""Lambda handler of the state GenerateTeacherData."""

from lambdas.generate_teacher_data.stage import execute
from lambdas.pipeline import stage_handler

handler = stage_handler("GenerateTeacherData", execute)
