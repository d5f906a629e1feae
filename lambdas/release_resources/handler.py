"""Lambda handler of the state ReleaseResources."""

from lambdas.release_resources.stage import execute
from lambdas.pipeline import stage_handler

handler = stage_handler("ReleaseResources", execute)
