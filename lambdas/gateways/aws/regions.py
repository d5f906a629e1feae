"""What AWS calls its Regions, as the SDK has it."""

from __future__ import annotations

from functools import cache

import botocore.loaders


@cache
def region_name(region: str) -> str:
    """Give the name of a Region, for example ``US East (N. Virginia)``; its code where the SDK knows no name."""
    partitions = botocore.loaders.create_loader().load_data("endpoints")["partitions"]
    names = {code: about["description"] for partition in partitions for code, about in partition["regions"].items()}
    return str(names.get(region, region))
