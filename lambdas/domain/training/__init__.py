"""Teacher data, training file and what a job reports of it."""
