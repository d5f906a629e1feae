"""ReapIdleThroughput: find what bills for nobody, say so, and take it away where the settings allow it."""
