"""PrepareDay: empty what an earlier reading of a day left, and give the query that reads it."""
