"""Lambda handler of the state ReleaseResources."""

from lambdas.pipeline import stage_handler
from lambdas.release_resources.stage import execute

handler = stage_handler("ReleaseResources", execute)
