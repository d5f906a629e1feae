"""Lambda handler of the state PrepareDataset."""

from lambdas.pipeline import stage_handler
from lambdas.prepare_dataset.stage import execute

handler = stage_handler("PrepareDataset", execute)
