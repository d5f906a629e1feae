"""LaunchDistillation: start or adopt the customization job and look after it."""
