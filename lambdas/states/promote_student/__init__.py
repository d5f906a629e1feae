"""PromoteStudent: lease, endpoint, smoke test, registry, pointer."""
