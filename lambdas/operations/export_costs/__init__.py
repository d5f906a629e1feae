"""ExportCosts: each day the month's rows of FOCUS and its savings go to S3, and what they come to into metrics."""
