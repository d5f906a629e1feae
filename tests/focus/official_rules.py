"""Hold an export against the official rules; run by the validator's own interpreter (``make focus``).

``python official_rules.py EXPORT.csv`` prints what the validator says and exits with 1 where a rule is broken.

The validator reads every column of a CSV file by what it looks like, so an account of digits is a number for it. It is
given the same rows with text as text and numbers as numbers. Some rules of its set for 1.0 still have the
names that drafts of the specification had; those columns are there under both names, so that these rules are run too.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import focus_validator  # type: ignore[import-not-found]
import pandas as pd
from focus_validator.rules.spec_rules import SpecRules  # type: ignore[import-not-found]
from focus_validator.validator import DEFAULT_VERSION_SETS_PATH  # type: ignore[import-not-found]

NUMBERS = (
    "BilledCost", "ConsumedQuantity", "ContractedCost", "ContractedUnitPrice", "EffectiveCost", "ListCost",
    "ListUnitPrice", "PricingQuantity",
)  # fmt: skip
DRAFT_NAMES = {
    "InvoiceIssuer": "InvoiceIssuerName", "Provider": "ProviderName", "Publisher": "PublisherName",
    "ResourceID": "ResourceId", "ChargeType": "ChargeCategory",
}  # fmt: skip


def main(export: Path) -> int:
    """Validate a file."""
    frame = pd.read_csv(export, dtype=str, keep_default_na=False).replace({"": None})
    for column in NUMBERS:
        frame[column] = frame[column].astype(float)
    for draft, name in DRAFT_NAMES.items():
        frame[draft] = frame[name]
    os.chdir(Path(focus_validator.__file__).parents[1])  # it looks for its currency codes from there
    rules = SpecRules(
        override_filename=None,
        rule_set_path=DEFAULT_VERSION_SETS_PATH,
        rules_version="1.0",
        column_namespace="x",
    )
    rules.load()
    found = rules.validate(frame)
    checklist = found.checklist
    for name, item in sorted(checklist.items()):
        print(f"{item.status.value} {name}")
    wrong = [name for name, item in checklist.items() if item.status.value != "passed"]
    print(f"{len(checklist)} rules of FOCUS 1.0, {len(frame)} rows: {len(wrong)} broken")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
