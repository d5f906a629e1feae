"""The behaviour of each simulated service: one class a topic, one method an operation, named as boto3 names it."""
