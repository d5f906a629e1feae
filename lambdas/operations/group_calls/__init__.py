"""GroupCalls: a sample of digests becomes rules that say which task a call belongs to."""
