"""What the page tells callers of other languages to send is what the client sends, and what the service takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

from botocore import session as botocore_session
from botocore.validate import ParamValidator

from bedrock_student.client import OWN_METADATA
from lambdas.domain.logs.log_entry import CALLER_METADATA
from tests.unit.client.service import Service, timeout

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/callers.md"


def test_the_documented_request_is_the_clients() -> None:
    # Given
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    assert found
    documented = json.loads(found[1])
    # When
    service = Service()
    service.student().ask("red cats")
    # Then
    assert service.requests == [documented]
    model = botocore_session.get_session().get_service_model("bedrock-runtime").operation_model("Converse")
    assert model.input_shape is not None
    assert not ParamValidator().validate(documented, model.input_shape).has_errors()


def test_programs_in_other_languages_name_the_pointers_own_fields() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for language in ("js", "java"):
        found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
        assert found
        assert {"endpoint_arn", "system_prompt", "inference_parameters"} <= set(re.findall(r"[a-z]+_[a-z]+", found[1]))


def test_client_pipeline_and_page_name_the_same_metadata() -> None:
    # Given the table of the page, and the key by which discovery finds a task unless it is told another one
    table = PAGE.read_text(encoding="utf-8").partition("| key | value |")[2].partition("\n\n")[0]
    schema = json.loads((ROOT / "lambdas/domain/schemas/settings.schema.json").read_text(encoding="utf-8"))
    finds_by = schema["properties"]["discovery"]["properties"]["metadata_key"]["default"]
    # When both legs are asked
    service = Service()
    service.says(timeout())
    service.student().ask("red cats")
    sent = {key for request in service.requests for key in request["requestMetadata"]}
    # Then
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == OWN_METADATA == CALLER_METADATA
    assert sent == set(CALLER_METADATA)
    assert finds_by == CALLER_METADATA[0] == "task"
