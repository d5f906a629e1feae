"""Lambda handler of the state RequestApproval."""

from lambdas.request_approval.stage import execute
from lambdas.pipeline import stage_handler

handler = stage_handler("RequestApproval", execute)
