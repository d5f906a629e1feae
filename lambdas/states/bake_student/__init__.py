"""BakeStudent: watch the new champion for its first hours, and put the former one back where it does badly."""
