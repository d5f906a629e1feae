"""CDK entry point: three stacks an environment, checked against the rule packs."""

from pathlib import Path

from stacks.node import use_bundled_node

use_bundled_node()

from aws_cdk import App

from stacks.access.rule_packs import enforce_rule_packs
from stacks.environments import CONTEXT_KEY, add_environment, check_context_file, read_environments

check_context_file(Path("cdk.json"))
app = App()
for name, settings in read_environments(app.node.try_get_context(CONTEXT_KEY)).items():
    add_environment(app, name, settings)
enforce_rule_packs(app)
app.synth()
