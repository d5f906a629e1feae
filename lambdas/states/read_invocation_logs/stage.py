"""Read one shard of the log and write its prompts, in the order of the log."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from lambdas.domain.discovery.task_rule import TaskRule
from lambdas.domain.logs.log_reader import LogReader, shard_line
from lambdas.workflow.logs import open_source, read_request

if TYPE_CHECKING:
    from lambdas.workflow.stage import Result, Stage


def execute(stage: Stage) -> Result:
    """Turn the entries of a shard into records and rejected entries.

    Raises
    ------
    InvalidUpload
        The location may not be read.
    """
    shard = str(stage.payload["shard"])
    runs, files = stage.pipeline.runs, stage.run.files
    request = read_request(stage)
    source = open_source(stage, request)
    rule = None if request.rule is None else TaskRule.from_document(request.rule)
    reader = LogReader(request, source.open_body, rule.takes if rule else None)
    with tempfile.TemporaryFile() as prompts:
        for key, _etag, _size in runs.read_json(files.logs(f"shards/{shard}.json")):
            stream = source.open(key)
            if stream is None:
                prompts.write(shard_line(reader.missing(key)))
                continue
            for found in reader.read(key, stream):
                prompts.write(shard_line(found))
        runs.upload(files.logs(f"prompts/{shard}.jsonl"), prompts)
    counts = reader.counts.to_document()
    runs.write_json(files.logs(f"counts/{shard}.json"), counts)
    stage.progress(shard=shard)
    return {"shard": shard, "prompts": counts["prompts"], "rejected": counts["rejected"]}
