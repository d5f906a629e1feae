"""What a month cost, gathered from ledgers, registry and CloudWatch."""
