"""A customization job: its training data, its life in time, and the work that it really does."""
