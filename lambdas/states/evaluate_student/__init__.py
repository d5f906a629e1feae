"""EvaluateStudent: one shard of the holdout through every contestant and the judge."""
