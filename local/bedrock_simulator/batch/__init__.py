"""Batch inference: the records of a job, its states, and what it leaves in S3."""
