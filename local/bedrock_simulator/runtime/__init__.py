"""What one question to a model comes to, asked on demand or as a record of a batch."""
