"""Endpoints of candidate and champion: made, tested, pointed at, rolled back, deleted."""
