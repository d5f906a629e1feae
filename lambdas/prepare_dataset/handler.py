"""Lambda handler of the state PrepareDataset."""

from lambdas.prepare_dataset.stage import execute
from lambdas.pipeline import stage_handler

handler = stage_handler("PrepareDataset", execute)
