"""What a run ends with, as it is stored in the registry and in reports, and shown to people."""

PROMOTED, REJECTED, EXPIRED, FAILED = "PROMOTED", "REJECTED", "EXPIRED", "FAILED"
