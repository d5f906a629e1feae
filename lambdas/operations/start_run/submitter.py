"""Who uploaded: EventBridge tells the account of an upload and not the person, so the upload brings a proof along."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.caller_proof import proof_of_metadata
from lambdas.domain.errors import IdentityUnknown, ProofRefused
from lambdas.gateways.aws import clients
from lambdas.gateways.aws.service_errors import AWS_ERRORS
from lambdas.workflow.callers import CallerCheck

if TYPE_CHECKING:
    from lambdas.domain.caller_identity import Submitter
    from lambdas.domain.identity import Upload
    from lambdas.workflow.stage import Pipeline

SUBMIT = "submit"


def find_submitter(pipeline: Pipeline, upload: Upload) -> Submitter:
    """Say who uploaded an object version, or why nobody knows: no upload waits or fails for it.

    Parameters
    ----------
    pipeline : Pipeline
    upload : Upload
        ``submit`` signs a proof for its bucket and key, and S3 keeps it with the version.
    """
    try:
        metadata = pipeline.uploads.metadata(upload.key, upload.version)
        proof = proof_of_metadata(metadata, str(clients.sts().meta.endpoint_url)) if metadata else None
        if proof is None:
            return {"unknown": "the upload has no proof of identity; 'python -m cli submit' adds one"}
        check = CallerCheck(pipeline, proof, SUBMIT, f"{upload.bucket}/{upload.key}", used_as=upload.run_id)
        caller = check.caller
        check.use()
    except (ProofRefused, IdentityUnknown) as problem:
        return {"unknown": str(problem)}
    except AWS_ERRORS:
        return {"unknown": "the upload's proof of identity could not be read"}
    return {"caller": caller}
