"""Start and stop of the embedded AWS."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import boto3
import botocore.session
from botocore.config import Config

from local.embedded_aws.processes import EmbeddedAwsError, ProcessGroup, answers, listening_socket

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

REGION = "us-east-1"
# The emulator's account for the access key "test".
ACCOUNT = "000000000000"
PREFERRED_PORT = 4566
DESCRIPTION = "embedded-aws.json"
_SIMULATED_SERVICES = ("bedrock", "bedrock-runtime", "service-quotas")
_START_SECONDS = 30.0


def clean_environment() -> dict[str, str]:
    """Copy this process's environment without anything that leads to a real account, a proxy or other packages.

    Returns
    -------
    dict
        With test credentials, which no real account accepts.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "CDK_", "PYTHON")) and not name.lower().endswith("_proxy")
    }
    nowhere = os.devnull
    return kept | {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": nowhere,
        "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "*",
    }


class EmbeddedAws:
    """The emulator and the Bedrock simulator, running as child processes.

    Use :meth:`start` as a context manager; leaving it ends both, with everything they started.

    Attributes
    ----------
    workdir : Path
        Logs, and ``embedded-aws.json``, which tells other programs where everything is.
    endpoint, simulator : str
        Addresses of the emulator and of the Bedrock simulator.
    outputs : dict
        Outputs by stack name, once the stacks are deployed.
    """

    def __init__(self, workdir: Path) -> None:
        self.workdir = workdir
        self.endpoint = ""
        self.simulator = ""
        self.outputs: dict[str, dict[str, str]] = {}
        self._cleanup = contextlib.ExitStack()
        self._processes = ProcessGroup(workdir)

    @classmethod
    def start(
        cls,
        workdir: Path,
        *,
        auth: bool = True,
        wait_scale: float = 0.01,
        lambdas_at_once: int | None = None,
        simulator_options: Sequence[str] = (),
        simulator_module: str = "local.bedrock_simulator",
    ) -> Self:
        """Start emulator and simulator and wait until both are healthy.

        Parameters
        ----------
        workdir : Path
            Folder of this instance; made if missing. One instance a folder, any number side by side.
        auth : bool
            Whether IAM is enforced on the Lambdas' roles.
        wait_scale : float
            Factor on the duration of Wait states and retry intervals.
        lambdas_at_once : int, optional
            Lambdas that the account runs at once for its state machine; more are throttled. No limit unless given.
        simulator_options : sequence of str
            Further options of the simulator's command line.
        simulator_module : str
            The module that is the simulator; tests put a stand-in here.

        Raises
        ------
        EmbeddedAwsError
            If the folder is in use, or a process does not become healthy; with the tail of its log.
        """
        self = cls(workdir.resolve())
        try:
            self._start(auth, wait_scale, lambdas_at_once, [simulator_module, *simulator_options])
        except BaseException:
            self.stop()
            raise
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End both processes and what they started; delete temporary files. Logs stay. May be called again."""
        self._cleanup.close()

    def environment(self) -> dict[str, str]:
        """Give the environment in which a program's AWS calls come here, and nowhere else."""
        services = {
            f"AWS_ENDPOINT_URL_{name.upper().replace('-', '_')}": self.simulator for name in _SIMULATED_SERVICES
        }
        return clean_environment() | {"AWS_ENDPOINT_URL": self.endpoint} | services

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 makes its clients' types at run time
        """Make a boto3 client of this embedded AWS, whatever the environment of this process says."""
        return boto3.Session(botocore_session=_session_without_profile()).client(  # type: ignore[call-overload]
            service,
            region_name=REGION,
            endpoint_url=self.simulator if service in _SIMULATED_SERVICES else self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - the emulator's own
            config=Config(proxies={}, retries={"mode": "standard", "total_max_attempts": 3}),
        )

    def describe(self, outputs: Mapping[str, Mapping[str, str]] | None = None) -> None:
        """Write ``embedded-aws.json``, by which the command line finds this instance.

        Parameters
        ----------
        outputs : mapping, optional
            Outputs by stack, when the stacks have just been deployed.
        """
        if outputs is not None:
            self.outputs = {stack: dict(values) for stack, values in outputs.items()}
        description = {
            "endpoint": self.endpoint,
            "simulator": self.simulator,
            "account": ACCOUNT,
            "region": REGION,
            "pids": self._processes.pids,
            "outputs": self.outputs,
        }
        target = self.workdir / DESCRIPTION
        scratch = target.with_suffix(".new")
        scratch.write_text(json.dumps(description, indent=2) + "\n")
        scratch.replace(target)

    def _start(self, auth: bool, wait_scale: float, lambdas_at_once: int | None, simulator: Sequence[str]) -> None:
        self.workdir.mkdir(parents=True, exist_ok=True)
        self._cleanup.enter_context(self._claim())
        # Not in the working folder, whose path may be long: Lambda workers are reached through sockets in it, and a
        # socket's path has at most 107 bytes (unix(7)). With more, no Lambda would ever start.
        scratch = self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="aws-", ignore_cleanup_errors=True))
        self._cleanup.callback((self.workdir / DESCRIPTION).unlink, missing_ok=True)
        self._cleanup.callback(self._processes.stop)
        listening = self._cleanup.enter_context(listening_socket(PREFERRED_PORT))
        port = listening.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}"

        self._start_simulator(Path(scratch), simulator)
        settings = {
            "AUTH": str(auth).lower(),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "SFN_WAIT_SCALE": str(wait_scale),
            "EMBEDDED_LAMBDAS_AT_ONCE": str(lambdas_at_once or ""),
            # Lambda retries an asynchronous invocation after one minute and after two more.
            "LAMBDA_ASYNC_RETRY_BASE_SECONDS": str(60 * wait_scale),
            "LAMBDA_ASYNC_RETRY_MAX_SECONDS": str(120 * wait_scale),
            "TMPDIR": scratch,
            "S3_DATA_DIR": f"{scratch}/s3",
            "STATE_DIR": f"{scratch}/state",
            "MINISTACK_REGION": REGION,
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "INFO",
        }
        command = [sys.executable, "-m", "local.embedded_aws", str(listening.fileno())]
        self._processes.start("ministack", command, self.environment() | settings, inherit=[listening.fileno()])
        # The server's copy only: with ours open, calls to a server that has died would hang instead of being refused.
        listening.close()
        self._processes.wait_until("ministack", lambda: answers(f"{self.endpoint}/_ministack/health"), _START_SECONDS)
        self.describe()

    def _start_simulator(self, scratch: Path, module_and_options: Sequence[str]) -> None:
        port_file = scratch / "bedrock-simulator.port"
        module, *options = module_and_options
        command = [sys.executable, "-m", module, "--port", "0", "--aws-endpoint", self.endpoint]
        command += ["--port-file", str(port_file), *options]
        # Its models are small: threads of the linear algebra would only wait for each other.
        environment = clean_environment() | {"TMPDIR": str(scratch), "OPENBLAS_NUM_THREADS": "1"}
        self._processes.start("bedrock-simulator", command, environment)

        def healthy() -> bool:
            text = port_file.read_text().strip() if port_file.exists() else ""
            if not text:
                return False
            self.simulator = f"http://127.0.0.1:{int(text)}"
            return answers(f"{self.simulator}/_simulator/health")

        self._processes.wait_until("bedrock-simulator", healthy, _START_SECONDS)

    def _claim(self) -> IO[str]:
        """Lock the folder; the system frees the lock when this process ends, however it ends."""
        lock = (self.workdir / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            message = f"Another embedded AWS runs in {self.workdir}. Stop it, or choose another folder for this one."
            raise EmbeddedAwsError(message) from None
        return lock


def _session_without_profile() -> botocore.session.Session:
    """Make a session that reads no profile, from the environment or from a file."""
    nothing = {"profile": None, "config_file": os.devnull, "credentials_file": os.devnull}
    return botocore.session.Session(session_vars={name: (None, None, value, None) for name, value in nothing.items()})
