"""Lambda handler of the state LaunchDistillation."""

from lambdas.launch_distillation.stage import execute
from lambdas.pipeline import stage_handler

handler = stage_handler("LaunchDistillation", execute)
