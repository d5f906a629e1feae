"""The money in the field's own format: rows of FOCUS, the FinOps Open Cost and Usage Specification."""
