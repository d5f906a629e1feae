"""The CDK stacks: what a deployment puts into an account."""
