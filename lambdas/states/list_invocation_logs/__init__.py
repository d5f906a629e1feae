"""ListInvocationLogs: which objects of the production log a run is made of."""
