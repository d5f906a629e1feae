"""Figures of the project, always against something else in the same run: ``python -m tests.benchmarks``."""
