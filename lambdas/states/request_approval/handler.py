"""Lambda handler of the state RequestApproval."""

from lambdas.states.request_approval.stage import execute
from lambdas.workflow.stage import stage_handler

handler = stage_handler("RequestApproval", execute)
