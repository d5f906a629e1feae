"""Send a message to people: the border at which its text is cleaned for the last time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.serving.notification import subject_line
from lambdas.domain.text.plain_text import without_controls

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


def send_message(sns: SNSClient, topic_arn: str, subject: str, text: str) -> None:
    """Publish a message to the environment's topic.

    Parameters
    ----------
    sns : SNS client
    topic_arn, subject : str
    text : str
        Lines; each value of them is one line already, or else it could add lines that look like ours.
    """
    sns.publish(TopicArn=topic_arn, Subject=subject_line(subject), Message=without_controls(text, keep="\n"))
