"""What runs in AWS Lambda: one folder a state, the domain they share and the gateways to AWS."""

import gc
import os

if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # A sixth of a cold start was the collector, which looked again and again at modules and service models: nothing of
    # them is garbage. lambdas.workflow.stage.deployed_pipeline switches it on with the first event.
    gc.disable()
