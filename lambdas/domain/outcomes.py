"""What a run ends with, as it is stored in the registry and in reports, and shown to people."""

PROMOTED, REJECTED, EXPIRED, FAILED, STOPPED = "PROMOTED", "REJECTED", "EXPIRED", "FAILED", "STOPPED"
"""Its student serves; a verdict against it; nobody approved in time; an error; a person stopped it."""
