"""Of which models application inference profiles were made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient

_OWN = ":application-inference-profile/"

_GEOGRAPHIES = (
    ("us-gov", ("us-gov-",)),
    ("ca", ("ca-",)),
    ("us", ("us-", "ca-")),
    ("eu", ("eu-",)),
    ("jp", ("ap-northeast-1", "ap-northeast-3")),
    ("au", ("ap-southeast-2", "ap-southeast-4")),
    ("apac", ("ap-",)),
)
"""How the Regions of a geography's profiles begin, the narrower ones first (Bedrock user guide, inference profiles)."""


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
        ARN of the profile to the id by which its tokens are priced: of the model, or of the system profile that was
        copied, whose price may be another. A profile that was deleted, is of another account, or whose Regions are of
        no known geography is absent: its calls have no price, and that is said.
    """
    found = {}
    for profile in sorted({name for name in named if _OWN in name}):
        try:
            models = client.get_inference_profile(inferenceProfileIdentifier=profile)["models"]
        except ClientError:
            continue
        name = priced_as([str(model["modelArn"]) for model in models])
        if name is not None:
            found[profile] = name
    return found


def priced_as(models: Sequence[str]) -> str | None:
    """Name what an application inference profile was copied from by the models that it has, one in each Region.

    One in no Region is of a ``global`` profile; several Regions are those of a geography's profile.

    Parameters
    ----------
    models : sequence of str
        ARNs.

    Returns
    -------
    str or None
        The id of a model or of a system profile; ``None`` where there is no model, or no geography has the Regions.

    Examples
    --------
    >>> nova = "foundation-model/amazon.nova-pro-v1:0"
    >>> priced_as([f"arn:aws:bedrock:us-east-1::{nova}", f"arn:aws:bedrock:us-west-2::{nova}"])
    'us.amazon.nova-pro-v1:0'
    >>> priced_as([f"arn:aws:bedrock:us-east-1::{nova}"])
    'amazon.nova-pro-v1:0'
    """
    if not models:
        return None
    model, regions = models[0].rpartition("/")[2], {arn.split(":")[3] for arn in models}
    if "" in regions:
        return f"global.{model}"
    if len(regions) == 1:
        return model
    scope = next(
        (scope for scope, places in _GEOGRAPHIES if all(region.startswith(places) for region in regions)), None
    )
    return None if scope is None else f"{scope}.{model}"
