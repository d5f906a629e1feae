"""RequestApproval: ask a person, who sees the report and the price, and wait."""
