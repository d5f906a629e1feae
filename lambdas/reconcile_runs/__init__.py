"""ReconcileRuns: what no Catch can do. Close runs whose execution ended by itself, release, and start the next in the queue."""
