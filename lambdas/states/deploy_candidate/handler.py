"""Lambda handler of the state DeployCandidate."""

from lambdas.states.deploy_candidate.stage import execute
from lambdas.workflow.stage import stage_handler

handler = stage_handler("DeployCandidate", execute)
