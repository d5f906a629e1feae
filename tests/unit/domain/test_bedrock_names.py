"""Names, tokens, tags and URIs satisfy the patterns of botocore's own service models, which botocore does not check."""

from __future__ import annotations

import unicodedata
from typing import Any

import botocore.session
import pytest
import regex
from hypothesis import assume, given
from hypothesis import strategies as st

from lambdas.domain.bedrock_names import client_token, content_name, resource_tags, s3_uri
from lambdas.domain.errors import InvalidUpload
from lambdas.domain.identity import MAX_SLUG, Upload, digest, execution_name, side_file, task_slug
from lambdas.domain.run_files import RunFiles

MODEL = botocore.session.Session().get_service_model("bedrock")
ENVIRONMENTS = st.from_regex(r"[a-z][a-z0-9]{1,11}", fullmatch=True)
FOLDERS = st.text(min_size=1, max_size=60).filter(lambda text: "/" not in text)
UPLOADS = st.builds(Upload, st.just("bucket"), FOLDERS.map(lambda folder: f"{folder}/a.jsonl"), st.text(max_size=30))


def member(operation: str, *path: str) -> Any:
    shape: Any = MODEL.operation_model(operation).input_shape
    for name in path:
        shape = shape.member if name == "[]" else shape.members[name]
    return shape


def satisfies(shape: Any, value: str) -> bool:
    limits = shape.metadata
    pattern = limits.get("pattern")
    fits = limits.get("min", 0) <= len(value) <= limits.get("max", 1_000_000)
    return fits and (pattern is None or regex.fullmatch(pattern, value) is not None)


NAMES = [
    member("CreateModelCustomizationJob", "jobName"),
    member("CreateModelCustomizationJob", "customModelName"),
    member("CreateCustomModelDeployment", "modelDeploymentName"),
    member("CreateProvisionedModelThroughput", "provisionedModelName"),
]
TOKENS = [
    member(operation, "clientRequestToken")
    for operation in (
        "CreateModelCustomizationJob",
        "CreateCustomModelDeployment",
        "CreateProvisionedModelThroughput",
    )
]
URIS = [member("CreateModelCustomizationJob", place, "s3Uri") for place in ("trainingDataConfig", "outputDataConfig")]


@pytest.mark.parametrize("suffix", ["-", "a_b", "A", "a--b", "\u00e9", "x" * 60])
def test_a_name_that_bedrock_would_refuse_is_never_made(suffix: str) -> None:
    # Given / When / Then
    with pytest.raises(ValueError, match="is no Bedrock name"):
        content_name("dev", "task", "0123", suffix)


@pytest.mark.parametrize("key", ["", "a=b/c", "a//b", "/a", "a b", "caf\u00e9", "a+b"])
def test_a_key_that_bedrock_would_refuse_is_never_sent(key: str) -> None:
    # Given / When / Then
    with pytest.raises(ValueError, match="is no key that Bedrock accepts"):
        s3_uri("bucket", key)


@given(ENVIRONMENTS, FOLDERS, st.integers(1, 9))
def test_every_name_satisfies_the_patterns_of_bedrock(environment: str, folder: str, number: int) -> None:
    # Given any folder that somebody uploads to / When
    name = content_name(environment, task_slug(folder), digest(folder, length=16), str(number))

    # Then
    assert all(satisfies(shape, name) for shape in NAMES)


@given(st.lists(st.text() | st.integers() | st.none(), max_size=4))
def test_every_token_satisfies_the_patterns_of_bedrock(parts: list[Any]) -> None:
    # Given / When
    token = client_token(*parts)

    # Then
    assert all(satisfies(shape, token) for shape in TOKENS)


@given(UPLOADS)
def test_every_file_of_a_run_has_a_uri_that_bedrock_accepts(upload: Upload) -> None:
    # Given
    files = RunFiles(upload.task, upload.run_id)

    # When
    uris = [s3_uri("distillation-runs-1", files.teacher_data("training.jsonl"))]
    uris.append(s3_uri("distillation-runs-1", files.distillation_output))

    # Then
    assert all(satisfies(shape, uri) for shape, uri in zip(URIS, uris, strict=True))


@given(ENVIRONMENTS, UPLOADS)
def test_every_tag_satisfies_the_patterns_of_bedrock(environment: str, upload: Upload) -> None:
    # Given / When
    tags = resource_tags(environment, upload.task, upload.run_id, "LaunchDistillation")

    # Then
    shape = member("CreateModelCustomizationJob", "jobTags")
    assert len(tags) <= shape.metadata["max"]
    assert len({tag["key"] for tag in tags}) == len(tags)
    for tag in tags:
        assert satisfies(shape.member.members["key"], tag["key"])
        assert satisfies(shape.member.members["value"], tag["value"])
        assert not tag["key"].startswith("aws:")


@given(UPLOADS, st.integers(1, 999))
def test_every_execution_has_a_name_that_step_functions_takes(upload: Upload, attempt: int) -> None:
    # Given / When
    name = execution_name(upload.run_id, attempt)

    # Then: as StartExecution documents it
    assert regex.fullmatch(r"[A-Za-z0-9_-]{1,80}", name)


@given(FOLDERS, FOLDERS)
def test_two_folders_never_share_a_slug(one: str, other: str) -> None:
    # Given
    assume(unicodedata.normalize("NFC", one) != unicodedata.normalize("NFC", other))

    # When / Then
    assert task_slug(one) != task_slug(other)
    assert regex.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", task_slug(one))
    assert len(task_slug(one)) <= MAX_SLUG


@pytest.mark.parametrize(
    "folder", ["Video", "video ", "v\u00eddeo", "video_", "video--a", "-video", "x" * 25, "\u4e2d"]
)
def test_a_changed_folder_keeps_its_own_identity(folder: str) -> None:
    # Given a folder that is no slug / When
    slug = task_slug(folder)

    # Then making a slug of the slug changes nothing, so that nobody can take it over by uploading there
    assert slug != folder
    assert task_slug(slug) == slug


def test_the_same_object_version_is_the_same_run_and_another_version_is_another() -> None:
    # Given
    upload = Upload("bucket", "video/a.jsonl", "1")

    # When / Then
    assert upload.run_id == Upload("bucket", "video/a.jsonl", "1").run_id
    others = [
        Upload("bucket", "video/a.jsonl", "2"),
        Upload("b", "video/a.jsonl", "1"),
        Upload("bucket", "video/b.jsonl", "1"),
    ]
    assert len({upload.run_id, *(other.run_id for other in others)}) == 4
    assert upload.run_id.startswith("video-")


@pytest.mark.parametrize(
    "key",
    [
        "a.jsonl",
        "/a.jsonl",
        "video/",
        "video/task.json",
        "video/holdout.jsonl",
        "video/b/a.jsonl",
        "video/a.json",
        "video/a.gz",
    ],
)
def test_a_key_that_starts_no_run_is_refused_with_the_form(key: str) -> None:
    # Given / When / Then
    with pytest.raises(InvalidUpload, match=r"upload prompts as '<task>/<name>\.jsonl'"):
        Upload("bucket", key, "1").check()


@pytest.mark.parametrize("key", ["video/a.jsonl", "video/a b+c.jsonl.gz", "v\u00eddeo search/\u00fc.jsonl"])
def test_a_key_beside_the_task_starts_a_run(key: str) -> None:
    # Given / When / Then
    assert Upload("bucket", key, "1").starts_a_run()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("holdout.jsonl", "holdout.jsonl"),
        ("holdout.jsonl.gz", "holdout.jsonl"),
        ("Holdout.jsonl", "holdout.jsonl"),
        ("HOLDOUT.JSONL.GZ", "holdout.jsonl"),
        ("holdout .jsonl", "holdout.jsonl"),
        ("holdout.json", "holdout.jsonl"),
        ("holdout.v2.jsonl", "holdout.jsonl"),
        ("\uff48oldout.jsonl", "holdout.jsonl"),
        ("calibration.jsonl.gz", "calibration.jsonl"),
        ("Calibration.jsonl.bz2", "calibration.jsonl"),
        ("Task.json", "task.json"),
        ("task.json.gz", "task.json"),
        ("task.jsonl", None),
        ("my-holdout.jsonl", None),
        ("holdout.md", None),
        ("prompts.jsonl.gz", None),
        ("calibration", None),
    ],
)
def test_a_file_of_the_task_is_known_in_any_case_and_compression(name: str, meant: str | None) -> None:
    assert side_file(name) == meant
    if meant is not None:
        assert not Upload("bucket", f"video/{name}", "1").starts_a_run()
        with pytest.raises(InvalidUpload, match="starts no run"):
            Upload("bucket", f"video/{name}", "1").check()


@pytest.mark.parametrize("folder", ["v\u00eddeo", "\u00fcber \u1e9b\u0323", "\uac00"])
def test_the_spellings_of_one_folder_are_one_task(folder: str) -> None:
    composed, decomposed = unicodedata.normalize("NFC", folder), unicodedata.normalize("NFD", folder)
    assert composed != decomposed
    assert task_slug(composed) == task_slug(decomposed)


@given(ENVIRONMENTS, ENVIRONMENTS, FOLDERS, FOLDERS)
def test_two_environments_never_make_the_same_name(one: str, other: str, folder: str, folder_of_other: str) -> None:
    assume(one != other)
    same = "ab" * 8
    assert content_name(one, task_slug(folder), same) != content_name(other, task_slug(folder_of_other), same)


@pytest.mark.parametrize(("one", "other"), [(("dev", "a-x"), ("dev-a", "x")), (("dev-a", "b-x"), ("dev-a-b", "x"))])
def test_where_environment_ends_and_task_begins_is_part_of_a_name(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert content_name(*one, "ab" * 8, "champion") != content_name(*other, "ab" * 8, "champion")


ODD_FOLDERS = [
    "a\nb", "a%2Fb", "\u202egnp", "\u0130", "\ufb01", "\u212a", "k", "t\x1b[1A", "TASKS", "slots", "hourly", "con",
    "..-",
    "a&b<c>", "a'\"", "-", " ", "x" * 24, "r-" + "0" * 12, "i\u0307", "fi", "x" * 25, "\x9b31m", "tasks", "_",
]  # fmt: skip


def test_odd_folders_are_tasks_of_their_own_with_plain_names() -> None:
    slugs = {folder: task_slug(folder) for folder in ODD_FOLDERS}
    assert len(set(slugs.values())) == len(ODD_FOLDERS), slugs
    assert all(regex.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", slug) for slug in slugs.values())
    assert all(Upload("bucket", f"{folder}/x.jsonl", "1").starts_a_run() for folder in ODD_FOLDERS)
