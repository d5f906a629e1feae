"""DeployCandidate: serve the new student on demand, so that its evaluation costs tokens, not hours."""
