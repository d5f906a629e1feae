"""What a person decides: task definition, settings, models, quotas."""
