"""What every Lambda worker has imported before it begins: the layer's packages, which a cold start is mostly spent on.

``lambdas/`` itself is not among them: each worker imports the code that was deployed.
"""

import aws_lambda_powertools  # noqa: F401
import boto3
import fastjsonschema  # noqa: F401
import jinja2  # noqa: F401

# A first client imports what botocore leaves until then.
boto3.session.Session(region_name="us-east-1").client("s3")
