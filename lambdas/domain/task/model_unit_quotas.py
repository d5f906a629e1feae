"""The quotas of model units, and how more of them are asked for."""

from __future__ import annotations

NO_COMMITMENT_QUOTA = "L-BE77399C"
"""Model units without commitment across custom models (Service Quotas, Amazon Bedrock); an account begins with 0."""


def how_to_ask(units: int, commitment: str, region: str) -> str:
    """Write the request for model units as a command, where the quota's code is known.

    Parameters
    ----------
    units : int
        Model units that the task wants.
    commitment : str
        ``none``, ``OneMonth`` or ``SixMonths``.
    region : str
    """
    if commitment == "none":
        return (
            f"The quota is {NO_COMMITMENT_QUOTA}: aws service-quotas request-service-quota-increase --service-code "
            f"bedrock --quota-code {NO_COMMITMENT_QUOTA} --desired-value {units} --region {region}"
        )
    return (
        "Find the code of the quota for model units with commitment: aws service-quotas list-service-quotas "
        f"--service-code bedrock --region {region} --query \"Quotas[?contains(QuotaName, 'commitment')]\", then ask "
        f"for {units} with request-service-quota-increase"
    )
