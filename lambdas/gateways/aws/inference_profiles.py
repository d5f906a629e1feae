"""Of which models application inference profiles were made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient

_OWN = ":application-inference-profile/"


def models_of_profiles(client: BedrockClient, named: Iterable[str]) -> dict[str, str]:
    """Ask Bedrock for the model behind each application inference profile among what calls named.

    Parameters
    ----------
    client : Bedrock client
    named : iterable of str
        ``modelId`` of the log.

    Returns
    -------
    dict of str to str
        ARN of the profile to ARN of the model. A profile that was deleted, or is of another account, is absent: its
        calls have no price, and that is said.
    """
    found = {}
    for profile in sorted({name for name in named if _OWN in name}):
        try:
            models = client.get_inference_profile(inferenceProfileIdentifier=profile)["models"]
        except ClientError:
            continue
        if models:
            found[profile] = str(models[0]["modelArn"])
    return found
