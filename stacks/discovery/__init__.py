"""The parts of the discovery stack: what Athena reads, the machine that reads it, and what each may do."""
