"""What runs in AWS Lambda: one folder a state, the domain they share and the gateways to AWS."""
