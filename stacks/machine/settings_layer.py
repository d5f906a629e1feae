"""The settings of an environment as its Lambdas get them: in a variable, or in a layer where they outgrow it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from lambdas.gateways.aws.environment import SETTINGS_FILE, SETTINGS_LAYER

if TYPE_CHECKING:
    from lambdas.domain.task.settings import Settings

MAX_IN_A_VARIABLE = 2_200
"""Longest settings that stay in a variable, as Lambda counts them: JSON text inside JSON, quotes escaped.

A Lambda's variables have 4,096 bytes together (Lambda quotas), and a request that changes its configuration 5,120. What
stands beside the settings takes at most 1,600 in a VPC of sixteen subnets: ``tests/stacks/test_service_sizes.py``.
"""


class PipelineSettings(Construct):
    """Settings of unlimited length: short ones can be read in the console, long ones lie in a layer of one file.

    Parameters
    ----------
    scope, construct_id
        As everywhere in CDK.
    settings : Settings
        Of the environment.

    Attributes
    ----------
    variable : str
        What ``PIPELINE_SETTINGS`` has: the settings, or the ARN of the layer with them.
    layers : list of ILayerVersion
        The layer, where there is one.
    """

    def __init__(self, scope: Construct, construct_id: str, *, settings: Settings) -> None:
        super().__init__(scope, construct_id)
        text = settings.to_json()
        self.variable, self.layers = text, list[lambda_.ILayerVersion]()
        if size_in_json(text) > MAX_IN_A_VARIABLE:
            layer = self._layer(text)
            self.layers = [layer]
            self.variable = json.dumps({SETTINGS_LAYER: layer.layer_version_arn}, separators=(",", ":"))

    def _layer(self, text: str) -> lambda_.LayerVersion:
        # Copied into the cloud assembly at once; its hash is that of the file, wherever it lay.
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "python", SETTINGS_FILE)
            file.parent.mkdir()
            file.write_text(text, encoding="utf-8")
            return lambda_.LayerVersion(
                self,
                "Layer",
                description="Settings of the distillation Lambdas",
                code=lambda_.Code.from_asset(folder),
                compatible_runtimes=[lambda_.Runtime.PYTHON_3_14],
            )


def size_in_json(text: str) -> int:
    """Count the bytes of a text as a value in a JSON document, without the quotes around it."""
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2
