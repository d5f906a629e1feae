"""ReconcileRuns: what no Catch can do. It closes ended runs, releases, and starts the next in the queue."""
