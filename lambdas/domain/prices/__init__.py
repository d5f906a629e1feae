"""The price book and what a model unit serves."""
