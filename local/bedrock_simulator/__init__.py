"""A simulator of Amazon Bedrock: strict like the service, with models that are honest about what they know.

Start it with ``python -m local.bedrock_simulator``. Every figure that it produces is simulated.
"""
