"""CheckRun: models, access, quotas, prices and budget, before the first paid call."""
