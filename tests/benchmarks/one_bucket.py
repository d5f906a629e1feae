"""The smallest app that is worth comparing with: one bucket, under the same validator and rules as ours."""

from stacks.node import use_bundled_node

use_bundled_node()

from aws_cdk import App, Stack, Validations
from aws_cdk import aws_s3 as s3
from cdk_nag import AwsSolutionsChecks

app = App()
stack = Stack(app, "one-bucket")
# It passes the rules as ours does: a report of findings would take time of its own.
s3.Bucket(stack, "Bucket", enforce_ssl=True, server_access_logs_prefix="access-logs/")
Validations.of(app).add_plugins(AwsSolutionsChecks(app, verbose=True))
app.synth()
