"""Where an environment is: its region, its clients, and the outputs of its stacks."""

from __future__ import annotations

import io
import json
import os
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from cli.errors import CHECK_FAILED, NOT_REACHED, UNKNOWN_RUN, CliError, NotDeployedError
from lambdas.domain.task.settings import Settings
from lambdas.gateways.aws.environment import SETTINGS_FILE, layer_of_settings
from lambdas.gateways.aws.storage import Bucket
from lambdas.gateways.registry.runs import Registry
from lambdas.gateways.registry.table import Table

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

DEFAULT_REGION = "us-east-1"
DEFAULT_LOCAL_DIR = Path(".local")
DESCRIPTION = "embedded-aws.json"
STACKS = ("data", "pipeline", "operations")

# A function that answers late must not be called a second time behind the person's back.
_LAMBDA_CONFIG = Config(read_timeout=180, retries={"total_max_attempts": 1})
SIMULATED = frozenset({"bedrock", "bedrock-runtime", "service-quotas"})
"""Services of the embedded AWS that the Bedrock simulator answers."""

_ONLY_IN = {"pricing": "us-east-1"}
"""Services that answer in one Region about all (AWS Billing user guide, AWS Price List Query API)."""
_CODES = {"RunNotFound": UNKNOWN_RUN}

ClientFactory = Callable[[str], Any]


@dataclass(frozen=True)
class Deployment:
    """One environment of the pipeline, in an account or on the embedded AWS.

    Attributes
    ----------
    environment : str
    region : str
    client : callable
        Makes the boto3 client of a service.
    local : bool
        Whether it is the embedded AWS, where every figure is simulated.
    simulator : str
        Address of the Bedrock simulator; empty in an account.
    """

    environment: str
    region: str
    client: ClientFactory
    local: bool = False
    _outputs: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)
    simulator: str = ""

    @classmethod
    def in_account(cls, environment: str, region: str | None) -> Self:
        """Find the deployment by the caller's own credentials, in the Region of the profile unless told."""
        session = boto3.Session(region_name=region)
        chosen = session.region_name or DEFAULT_REGION

        def client(service: str) -> Any:  # noqa: ANN401 - boto3 makes its clients' types at run time
            region_name = _ONLY_IN.get(service, chosen)
            return session.client(service, region_name=region_name, config=_config(service))  # type: ignore[call-overload]

        return cls(environment, chosen, client)

    @classmethod
    def on_embedded_aws(cls, environment: str, folder: Path) -> Self:
        """Find the embedded AWS that runs in ``folder``.

        Raises
        ------
        CliError
            When none does.
        """
        description = folder / DESCRIPTION
        try:
            known = json.loads(description.read_text(encoding="utf-8"))
            endpoint, region = str(known["endpoint"]), str(known["region"])
            bedrock = str(known["simulator"])
        except FileNotFoundError:
            message = (
                f"No embedded AWS runs in {folder} ({description} is missing). Start one that stays with "
                "'python -m local.demo --stay', or name its folder with --local-dir."
            )
            raise CliError(message, NOT_REACHED) from None
        except (OSError, ValueError, KeyError, TypeError) as problem:
            message = f"{description} cannot be read ({problem}). Stop the embedded AWS and start it again."
            raise CliError(message, NOT_REACHED) from None
        # Neither a profile nor a proxy of the person's own may come between.
        nothing = {"profile": None, "config_file": os.devnull, "credentials_file": os.devnull}
        core = botocore.session.Session(
            session_vars={name: (None, None, value, None) for name, value in nothing.items()}
        )
        session = boto3.Session(
            botocore_session=core,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - the emulator's own, accepted nowhere else
            region_name=region,
        )

        def client(service: str) -> Any:  # noqa: ANN401 - boto3 makes its clients' types at run time
            config = _config(service).merge(Config(proxies={}))
            address = bedrock if service in SIMULATED else endpoint
            return session.client(service, endpoint_url=address, config=config)  # type: ignore[call-overload]

        return cls(environment, region, client, local=True, simulator=bedrock)

    def output(self, stack: str, name: str) -> str:
        """Read an output of one of the environment's stacks.

        Parameters
        ----------
        stack : {"data", "pipeline", "operations", "discovery"}
        name : str
            Logical name of the output.

        Raises
        ------
        CliError
            When the stack or the output does not exist.
        """
        outputs = self._outputs_of(stack)
        try:
            return outputs[name]
        except KeyError:
            message = f"Stack {self.stack_name(stack)} has no output '{name}'; deploy it again."
            raise CliError(f"{message} {self._how_to_deploy()}", NOT_REACHED) from None

    def has_stack(self, stack: str) -> bool:
        """Tell whether a stack of the environment exists."""
        try:
            self._outputs_of(stack)
        except NotDeployedError:
            return False
        return True

    def stack_name(self, stack: str) -> str:
        """Name a stack of the environment as CloudFormation knows it."""
        return f"distillation-{self.environment}-{stack}"

    def how_to_delete(self, stack: str) -> str:
        """Give the command for a stack that the settings do not ask for any more: 'cdk destroy' does not know it."""
        return f"aws cloudformation delete-stack --stack-name {self.stack_name(stack)} --region {self.region}"

    @cached_property
    def table(self) -> Table:
        """The registry table."""
        return Table(self.client("dynamodb"), self.output("data", "RegistryTable"))

    @cached_property
    def registry(self) -> Registry:
        """The registry of runs."""
        return Registry(self.table)

    @cached_property
    def settings(self) -> Settings:
        """The settings with which the pipeline was deployed, as its Lambdas have them."""
        name = self.output("pipeline", "StartRunFunction")
        variables = self.client("lambda").get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        told = variables["PIPELINE_SETTINGS"]
        layer = layer_of_settings(told)
        return Settings.from_json(told if layer is None else self._file_of_layer(layer, SETTINGS_FILE))

    def _file_of_layer(self, layer: str, name: str) -> str:
        """Read a file of a layer, whose archive Lambda offers for download under an address of its own."""
        address = self.client("lambda").get_layer_version_by_arn(Arn=layer)["Content"]["Location"]
        with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 - Lambda's own, signed, over TLS
            archive = zipfile.ZipFile(io.BytesIO(answer.read()))
        return archive.read(f"python/{name}").decode()

    @cached_property
    def runs(self) -> Bucket:
        """The bucket with the files of runs."""
        return Bucket(self.client("s3"), self.output("data", "RunsBucket"))

    def invoke(self, output: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Invoke a function of the pipeline stack and give its answer.

        Raises
        ------
        CliError
            With the function's own message when it refuses.
        """
        name = self.output("pipeline", output)
        response = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(payload).encode())
        answer = json.loads(response["Payload"].read() or b"null")
        if response.get("FunctionError"):
            raised = answer if isinstance(answer, dict) else {}
            kind = str(raised.get("errorType", "Unknown"))
            message = str(raised.get("errorMessage") or f"{name} failed without a message; see its log group")
            raise CliError(f"{kind}: {message}", _CODES.get(kind, CHECK_FAILED))
        return answer if isinstance(answer, dict) else {}

    def _outputs_of(self, stack: str) -> dict[str, str]:
        if stack not in self._outputs:
            self._outputs[stack] = self._describe(self.stack_name(stack))
        return self._outputs[stack]

    def _describe(self, stack: str) -> dict[str, str]:
        cloudformation: CloudFormationClient = self.client("cloudformation")
        try:
            found = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        except ClientError as problem:
            if "does not exist" not in str(problem):
                raise
            found = []
        if not found:
            message = f"Environment '{self.environment}' is not deployed in {self.region}: there is no stack {stack}."
            raise NotDeployedError(message, self._how_to_deploy())
        return {item["OutputKey"]: item["OutputValue"] for item in found[0].get("Outputs", [])}

    def _how_to_deploy(self) -> str:
        if self.local:
            return "Start the embedded AWS again with 'python -m local.demo --stay'."
        return "Deploy with 'cdk deploy --all', or choose another with --environment and --region."


def _config(service: str) -> Config:
    if service == "lambda":
        return _LAMBDA_CONFIG
    return Config(connect_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})
