"""Lambda handler of the state LaunchDistillation."""

from lambdas.states.launch_distillation.stage import execute
from lambdas.workflow.stage import stage_handler

handler = stage_handler("LaunchDistillation", execute)
