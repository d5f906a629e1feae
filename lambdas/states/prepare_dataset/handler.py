"""Lambda handler of the state PrepareDataset."""

from lambdas.states.prepare_dataset.stage import execute
from lambdas.workflow.stage import stage_handler

handler = stage_handler("PrepareDataset", execute)
