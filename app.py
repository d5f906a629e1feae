"""CDK entry point: three stacks an environment, checked against the AwsSolutions rules."""

from stacks.node import use_bundled_node

use_bundled_node()

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from stacks.environments import CONTEXT_KEY, add_environment, read_environments

app = App()
for name, settings in read_environments(app.node.try_get_context(CONTEXT_KEY)).items():
    add_environment(app, name, settings)
Validations.of(app).add_plugins(AwsSolutionsChecks(app, verbose=True))
app.synth()
