"""ReadOffloadedBodies: what a query cannot see, because the bodies of long calls lie beside the log."""
