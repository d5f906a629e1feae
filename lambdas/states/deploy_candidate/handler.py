"""Lambda handler of the state DeployCandidate."""

from lambdas.deploy_candidate.stage import execute
from lambdas.pipeline import stage_handler

handler = stage_handler("DeployCandidate", execute)
