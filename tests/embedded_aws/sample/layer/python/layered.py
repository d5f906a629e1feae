"""Stands for the dependencies in the layer of the sample."""

GREETING = "from the layer"
