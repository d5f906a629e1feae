"""What serves a task, what it costs, and when it is idle."""
