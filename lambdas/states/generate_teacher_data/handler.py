"""Lambda handler of the state GenerateTeacherData."""

from lambdas.states.generate_teacher_data.stage import execute
from lambdas.workflow.stage import stage_handler

handler = stage_handler("GenerateTeacherData", execute)
