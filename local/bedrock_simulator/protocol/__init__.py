"""The wire: routes, parsing, strict validation and serialisation, all driven by botocore's service models."""
