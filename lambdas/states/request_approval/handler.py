"""Lambda handler of the state RequestApproval."""

from lambdas.pipeline import stage_handler
from lambdas.request_approval.stage import execute

handler = stage_handler("RequestApproval", execute)
