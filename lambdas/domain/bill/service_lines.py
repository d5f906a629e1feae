"""Lines of the bill about the services around Bedrock: what their usage types count.

Product codes and usage types: AWS Price List, offers of these services, from memory and to be confirmed on a real bill
(docs/real-account.md). A type that is in neither table is never guessed.
"""

from __future__ import annotations

import re

COUNTED = {
    "AWSLambda": ("AWS Lambda", {
        "Lambda-GB-Second": "gb_second", "Lambda-GB-Second-ARM": "gb_second", "Request": "request",
        "Request-ARM": "request",
    }),
    "AmazonStates": ("AWS Step Functions", {"StateTransition": "transition"}),
    "AmazonS3": ("Amazon S3", {"TimedStorage-ByteHrs": "stored", "Requests-Tier1": "put", "Requests-Tier2": "get"}),
    "AmazonDynamoDB": ("Amazon DynamoDB", {"ReadRequestUnits": "read_unit", "WriteRequestUnits": "write_unit"}),
    "awskms": ("AWS KMS", {"KMS-Keys": "key", "KMS-Requests": "request"}),
    "AmazonCloudWatch": ("Amazon CloudWatch", {
        "CW:AlarmMonitorUsage": "alarm", "DashboardsUsageHour": "dashboard", "CW:MetricMonitorUsage": "metric",
        "DataProcessing-Bytes": "log",
    }),
    "AmazonVPC": ("AWS PrivateLink", {"VpcEndpoint-Hours": "endpoint"}),
}  # fmt: skip
"""Service and usage of the price book by product code and usage type, without its Region."""

NOT_COUNTED = {
    "AmazonAthena": ("DataScannedInTB",),
    "AWSGlue": ("Catalog-Request", "Catalog-Storage", "Request"),
    "AmazonCloudWatch": ("TimedStorage-ByteHrs", "CW:GMD-Metrics", "CW:Requests", "DataDelivery-Bytes"),
    "AmazonDynamoDB": ("TimedStorage-ByteHrs", "TimedPITRStorage-ByteHrs"),
    "AmazonS3": ("TimedStorage-SIA-ByteHrs", "Requests-Tier3", "DataTransfer-Out-Bytes", "DataTransfer-In-Bytes"),
    "AmazonSNS": ("Requests-Tier1", "DeliveryAttempts-SMTP", "DataTransfer-Out-Bytes"),
    "AmazonVPC": ("VpcEndpoint-Bytes",),
    "AWSLambda": ("DataTransfer-Out-Bytes", "DataTransfer-In-Bytes"),
    "AWSQueueService": ("Requests-Tier1",),
    "AWSXRay": ("XRay-TracesStored",),
}
"""What the pipeline uses and no row has: nothing that it may read measures it."""

PRODUCTS = frozenset({*COUNTED, *NOT_COUNTED})
SERVICES = frozenset(service for service, _ in COUNTED.values())

# eu-west-1 is "EU", without a number.
_REGION = re.compile(r"^(?:[A-Z]{2,4}[0-9]|EU|[a-z]{2}(?:-[a-z]+)+-[0-9])-")


def meaning_of_service(product: str, usage_type: str) -> tuple[str, str]:
    """Give service and usage; a usage of "" where the type is not counted or not known.

    Examples
    --------
    >>> meaning_of_service("AmazonStates", "USE1-StateTransition")
    ('AWS Step Functions', 'transition')
    """
    service, usages = COUNTED.get(product, (product, {}))
    return service, usages.get(_REGION.sub("", usage_type), "")


def is_not_counted(product: str, usage_type: str) -> bool:
    """Tell whether a type is known, and no row has it."""
    return _REGION.sub("", usage_type) in NOT_COUNTED.get(product, ())
