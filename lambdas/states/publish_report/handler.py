"""Lambda handler of the state PublishReport."""

from lambdas.pipeline import stage_handler
from lambdas.publish_report.stage import execute

handler = stage_handler("PublishReport", execute)
