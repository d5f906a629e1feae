"""Lambda handler of the state ReleaseResources."""

from lambdas.states.release_resources.stage import execute
from lambdas.workflow.stage import stage_handler

handler = stage_handler("ReleaseResources", execute)
