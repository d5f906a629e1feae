"""The command line reads an environment's settings wherever they are: in a variable or in the layer of the Lambdas."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from lambdas.domain.task.settings import Settings
from tests.unit.cli.conftest import FakeAws

LAYER = "arn:aws:lambda:us-east-1:123456789012:layer:settings:3"


def test_settings_that_outgrew_a_variable_are_read_from_their_layer(aws: FakeAws, tmp_path: Path) -> None:
    # Given more prices than a variable holds
    line = {"usage": "input", "usd": 1.0, "unit": "million tokens", "source": "AWS price list", "date": "2026-11-20"}
    settings = Settings.from_mapping({"prices": [{"model": f"amazon.model-{number}", **line} for number in range(99)]})
    archive = tmp_path / "layer.zip"
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("python/pipeline_settings.json", settings.to_json())
    variables = {"PIPELINE_SETTINGS": json.dumps({"settings_layer": LAYER})}
    stub = aws.stub("lambda")
    stub.add_response(
        "get_function_configuration", {"Environment": {"Variables": variables}}, {"FunctionName": "start-run"}
    )
    stub.add_response("get_layer_version_by_arn", {"Content": {"Location": archive.as_uri()}}, {"Arn": LAYER})
    # Then
    assert aws.deployment().settings == settings
