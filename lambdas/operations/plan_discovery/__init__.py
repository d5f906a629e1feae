"""PlanDiscovery: which days are read, how many bytes they have, and the queries that follow."""
