"""Invocation logs as a source of records and as a training file."""
