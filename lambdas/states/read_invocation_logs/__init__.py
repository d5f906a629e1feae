"""ReadInvocationLogs: the entries of one shard of the log become prompts."""
