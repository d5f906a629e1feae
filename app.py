"""CDK entry point: three stacks an environment, checked against the rule packs."""

import sys
from pathlib import Path

from stacks.node import skip_type_checks, tune_node, use_bundled_node

use_bundled_node()
tune_node(once=True)
skip_type_checks()

from aws_cdk import App

from lambdas.domain.errors import InvalidSettings
from lambdas.domain.text.plain_text import one_line
from stacks.access.rule_packs import enforce_rule_packs
from stacks.context import CONTEXT_KEY, read_context_file, read_environments
from stacks.environments import add_environment


def main() -> None:
    """Write the templates of every environment of the context."""
    app = App(context=read_context_file(Path("cdk.json")))
    for name, settings in read_environments(app.node.try_get_context(CONTEXT_KEY)).items():
        add_environment(app, name, settings)
    enforce_rule_packs(app)
    app.synth()


if __name__ == "__main__":
    try:
        main()
    except InvalidSettings as problem:
        sys.exit(one_line(f"Nothing was synthesized, a setting is wrong: {problem}"))
