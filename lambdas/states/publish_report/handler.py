"""Lambda handler of the state PublishReport."""

from lambdas.states.publish_report.stage import execute
from lambdas.workflow.stage import stage_handler

handler = stage_handler("PublishReport", execute)
