"""Lambda handler of the state PublishReport."""

from lambdas.publish_report.stage import execute
from lambdas.pipeline import stage_handler

handler = stage_handler("PublishReport", execute)
