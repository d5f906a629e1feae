"""Lambda functions."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from local.embedded_aws.lambda_worker import SHARED_CODE

LAMBDAS_AT_ONCE = "EMBEDDED_LAMBDAS_AT_ONCE"
"""Variable with how many Lambdas the account runs at once for its state machine; unset: as many as there are."""

_SEPARATOR = "\x1f"
_unpacking = threading.Lock()


def lambda_errors_carry_their_class_name() -> None:
    """Report a Python exception under its class name, as Lambda does.

    The emulator reports every exception as ``Runtime.HandlerError``, so that no Retry and no Catch by name matches.
    The name travels from the worker process to the server in front of the message.
    """
    stock_line = '"error": str(e), "trace"'
    if stock_line not in lambda_runtime._PYTHON_WORKER_SCRIPT:
        message = "the emulator's Lambda worker no longer contains the line that reports an exception"
        raise RuntimeError(message)
    named_line = f'"error": type(e).__name__ + {_SEPARATOR!r} + str(e), "trace"'
    lambda_runtime._PYTHON_WORKER_SCRIPT = lambda_runtime._PYTHON_WORKER_SCRIPT.replace(stock_line, named_line)
    stock = lambda_svc._execute_function_warm

    def execute_function_warm(function: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        result: dict[str, Any] = stock(function, event, request_id)
        body = result.get("body")
        if result.get("error") and isinstance(body, dict) and _SEPARATOR in body.get("errorMessage", ""):
            name, _, text = body["errorMessage"].partition(_SEPARATOR)
            body.update(errorType=name, errorMessage=text)
        return result

    lambda_svc._execute_function_warm = execute_function_warm


def tasks_are_throttled_beyond_the_accounts_lambdas() -> None:
    """Answer a Task that invokes one Lambda too many as AWS does, in an account whose number of Lambdas is given."""
    limit = int(os.environ.get(LAMBDAS_AT_ONCE) or 0)
    if not limit:
        return
    stock, running, lock = lambda_svc._execute_function_with_config_scope, [0], threading.Lock()

    def execute(function: dict[str, Any], event: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        with lock:
            if running[0] >= limit:
                said = {"errorType": "Lambda.TooManyRequestsException", "errorMessage": "Rate Exceeded."}
                return {"error": True, "body": said}
            running[0] += 1
        try:
            answer: dict[str, Any] = stock(function, event, *args, **kwargs)
            return answer
        finally:
            with lock:
                running[0] -= 1

    lambda_svc._execute_function_with_config_scope = execute


def layers_are_unpacked_once() -> None:
    """Unpack a layer once for all workers, instead of once for every worker process.

    Each cold start would unpack and compile the whole of boto3. The worker gets a layer of one ``.pth`` file that
    puts the shared folder in front of everything else on its path, where the layer's own files would be.
    """
    stock = lambda_svc._resolve_layer_zip

    def resolve_layer_zip(reference: Any) -> bytes | None:
        content: bytes | None = stock(reference)
        return _pointer_to(_unpacked(content, "layer")) if content else content

    lambda_svc._resolve_layer_zip = resolve_layer_zip


def code_is_unpacked_once() -> None:
    """Unpack the code of functions once for all workers with the same, which Python then compiles once.

    The worker gets code of one file that names the shared folder, see :mod:`local.embedded_aws.lambda_worker`.
    """
    stock = lambda_runtime.Worker._spawn

    def spawn(worker: Any) -> None:
        code = worker.code_zip
        if worker.config.get("Runtime", "").startswith("python"):
            worker.code_zip = _archive(SHARED_CODE, str(_unpacked(code, "code")))
        try:
            stock(worker)
        finally:
            worker.code_zip = code

    lambda_runtime.Worker._spawn = spawn


def _unpacked(content: bytes, kind: str) -> Path:
    """Unpack under the temporary folder of this server, which is deleted with it."""
    folder = Path(tempfile.gettempdir(), f"{kind}-{hashlib.sha256(content).hexdigest()[:16]}")
    with _unpacking:
        if not folder.exists():
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                archive.extractall(folder)
            if kind == "layer":
                _leave_out_compiled_packages(folder / "python")
    return folder


def _leave_out_compiled_packages(packages: Path) -> None:
    """Remove what is compiled for Lambda's processor: the worker then finds this machine's own, of the same version."""
    for compiled in {file.relative_to(packages).parts[0] for file in packages.rglob("*.so")}:
        found = packages / compiled
        if found.is_dir():
            shutil.rmtree(found)
        else:
            found.unlink()


def _pointer_to(folder: Path) -> bytes:
    """Make a layer that only points to a folder."""
    return _archive(
        "python/lib/python3/site-packages/shared_layer.pth",
        f"import sys; sys.path[:0] = [{str(folder / 'python')!r}, {str(folder)!r}]\n",
    )


def _archive(name: str, text: str) -> bytes:
    """Make an archive of one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, text)
    return buffer.getvalue()
