"""The columns of an export: those of FOCUS 1.0, those that 1.1 and 1.2 added, and our own.

Sources: https://focus.finops.org/focus-specification/v1-0/, v1-1 and v1-2.
"""

from __future__ import annotations

FOCUS_1_0 = (
    "AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
    "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency", "ChargePeriodEnd",
    "ChargePeriodStart", "CommitmentDiscountCategory", "CommitmentDiscountId", "CommitmentDiscountName",
    "CommitmentDiscountStatus", "CommitmentDiscountType", "ConsumedQuantity", "ConsumedUnit", "ContractedCost",
    "ContractedUnitPrice", "EffectiveCost", "InvoiceIssuerName", "ListCost", "ListUnitPrice", "PricingCategory",
    "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "RegionId", "RegionName", "ResourceId",
    "ResourceName", "ResourceType", "ServiceCategory", "ServiceName", "SkuId", "SkuPriceId", "SubAccountId",
    "SubAccountName", "Tags",
)  # fmt: skip

SINCE_1_1 = (
    "CapacityReservationId", "CapacityReservationStatus", "CommitmentDiscountQuantity", "CommitmentDiscountUnit",
    "ServiceSubcategory", "SkuMeter", "SkuPriceDetails",
)  # fmt: skip

SINCE_1_2 = (
    "BillingAccountType", "InvoiceId", "PricingCurrency", "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost", "PricingCurrencyListUnitPrice", "SubAccountType",
)  # fmt: skip

OWN = (
    "x_Environment", "x_Task", "x_RunId", "x_Stage", "x_ModelId", "x_TokenType", "x_Evidence", "x_Simulated",
    "x_LineId",
)  # fmt: skip
"""Columns that the specification lets a provider add, with its prefix."""

COLUMNS = (*sorted((*FOCUS_1_0, *SINCE_1_1, *SINCE_1_2)), *OWN)

UNITS = {
    "million tokens": ("Tokens", "1000000 Tokens"),
    "model month": ("Model-Months", "Model-Months"),
    "model unit hour": ("Model Unit-Hours", "Model Unit-Hours"),
    "GB-second": ("GB-Seconds", "GB-Seconds"),
    "million requests": ("Requests", "1000000 Requests"),
    "thousand requests": ("Requests", "1000 Requests"),
    "thousand transitions": ("State Transitions", "1000 State Transitions"),
    "GB month": ("GB-Months", "GB-Months"),
    "GB": ("GB", "GB"),
    "key month": ("Key-Months", "Key-Months"),
    "zone hour": ("Zone-Hours", "Zone-Hours"),
    "alarm metric month": ("Alarm Metric-Months", "Alarm Metric-Months"),
    "metric month": ("Metric-Months", "Metric-Months"),
    "dashboard month": ("Dashboard-Months", "Dashboard-Months"),
    "million units": ("Units", "1000000 Units"),
}
"""Unit of what was consumed, and unit of the price, by the price book's unit (FOCUS, attribute UnitFormat)."""

LINE_UNIT = "Ledger Lines"
"""Unit of an amount that is not known as a quantity at a price: the line of the ledger itself, once."""
