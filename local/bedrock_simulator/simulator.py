"""Puts the simulated account, its services and its control API together behind one function."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from local.bedrock_simulator import catalog
from local.bedrock_simulator.access import Access
from local.bedrock_simulator.batch.progress import BatchProgress
from local.bedrock_simulator.brains.base import Brain
from local.bedrock_simulator.brains.confidence import Stating
from local.bedrock_simulator.brains.general import Baseline, Undistilled
from local.bedrock_simulator.brains.judge import Judge
from local.bedrock_simulator.brains.teacher import Teacher
from local.bedrock_simulator.clock import Clock, SystemClock
from local.bedrock_simulator.control_api import PREFIX, ControlApi, Hooks
from local.bedrock_simulator.errors import ServiceError
from local.bedrock_simulator.faults import Fault, Faults
from local.bedrock_simulator.objects import ObjectStore
from local.bedrock_simulator.operations.batch import BatchJobs
from local.bedrock_simulator.operations.custom_models import CustomModelDeployments, CustomModels
from local.bedrock_simulator.operations.foundation import FoundationModels
from local.bedrock_simulator.operations.host import Host
from local.bedrock_simulator.operations.jobs import CustomizationJobs
from local.bedrock_simulator.operations.logging import InvocationLogging
from local.bedrock_simulator.operations.profiles import InferenceProfiles
from local.bedrock_simulator.operations.quotas import ServiceQuotas
from local.bedrock_simulator.operations.runtime import Runtime
from local.bedrock_simulator.operations.tags import Tags
from local.bedrock_simulator.operations.throughput import ProvisionedThroughput
from local.bedrock_simulator.policies import PolicySource
from local.bedrock_simulator.progress import Progress
from local.bedrock_simulator.protocol.service import (
    Call,
    Handler,
    JsonRpcFront,
    Request,
    Response,
    RestJsonFront,
    ServiceFront,
)
from local.bedrock_simulator.records import CallEntry, CallLog, without_bodies
from local.bedrock_simulator.runtime.caching import PromptCache
from local.bedrock_simulator.runtime.invocation_log import InvocationLog
from local.bedrock_simulator.runtime.metrics import Metrics, MetricSink
from local.bedrock_simulator.runtime.orders import Orders
from local.bedrock_simulator.runtime.throttle import Throttle
from local.bedrock_simulator.settings import Settings
from local.bedrock_simulator.subjects import Rules, Subjects
from local.bedrock_simulator.world import World

_RUNTIME = "bedrock-runtime"
_LOG = logging.getLogger(__name__)
_UNKNOWN = Response(
    404,
    b'{"message":"The simulator has no such operation."}',
    {"content-type": "application/json", "x-amzn-errortype": "UnknownOperationException"},
)


@dataclass
class _Exchange:
    """What the call log needs to know of one request."""

    params: dict[str, object] = field(default_factory=dict)
    caller: str | None = None
    error: str | None = None


class Simulator:
    """Answers HTTP requests as Bedrock, Bedrock Runtime and Service Quotas do.

    Parameters
    ----------
    objects : ObjectStore
        Where jobs read and write.
    subjects : Subjects or Rules
        What is right, by task; rules alone are right for every request.
    clock : Clock
        What moves states on.
    policies : PolicySource or None
        Where roles' policies come from; ``None`` checks no caller.
    settings : Settings or None
        The settings to begin with.
    metrics : MetricSink or None
        Where the metrics of CloudWatch go; ``None`` keeps none.
    """

    def __init__(
        self,
        objects: ObjectStore,
        subjects: Subjects | Rules,
        clock: Clock | None = None,
        policies: PolicySource | None = None,
        settings: Settings | None = None,
        metrics: MetricSink | None = None,
    ) -> None:
        self.world = World(catalog.load(), clock or SystemClock(), settings or Settings())
        self.calls = CallLog()
        self.access = Access(policies)
        self.faults = Faults(self._modelled_errors)
        self.subjects = subjects if isinstance(subjects, Subjects) else Subjects(default=subjects)
        brains = self._brains()
        self.progress = Progress(self.world, objects, brains["teacher"])
        orders = Orders(self.faults, self.world.clock)
        self.batches = BatchProgress(self.world, objects, orders)
        self.metrics = Metrics(metrics)
        self.invocation_log = InvocationLog(objects)
        host = Host(
            world=self.world, progress=self.progress, batches=self.batches, orders=orders,
            throttle=Throttle(self.world), prompt_cache=PromptCache(), metrics=self.metrics,
            invocation_log=self.invocation_log, objects=objects,
            access=self.access, faults=self.faults, brains=brains,
        )  # fmt: skip
        self.services: list[ServiceFront] = [
            RestJsonFront(_RUNTIME, _handlers([Runtime(host)])),
            RestJsonFront(
                "bedrock",
                _handlers(
                    [
                        FoundationModels(host),
                        InferenceProfiles(host),
                        CustomizationJobs(host),
                        BatchJobs(host),
                        CustomModels(host),
                        CustomModelDeployments(host),
                        ProvisionedThroughput(host),
                        Tags(host),
                        InvocationLogging(host),
                    ]
                ),
            ),
            JsonRpcFront("service-quotas", _handlers([ServiceQuotas(host)])),
        ]
        hooks = Hooks(self._settle, (host.prompt_cache.clear, host.throttle.clear))
        self._control = ControlApi(self.world, hooks, self.access, self.faults, self.calls, self.subjects)

    def close(self) -> None:
        """End the simulator's own threads."""
        self.progress.close()
        self.batches.close()
        self.metrics.close()
        self.invocation_log.close()

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        if request.path.startswith(PREFIX):
            return self._control.handle(request)
        for service in self.services:
            operation = service.operation_of(request)
            if operation:
                return self._serve(service, operation, request)
        return _UNKNOWN

    def _brains(self) -> dict[str, Brain]:
        """Make the models that were not trained here; each says how sure it is, and judges, if asked to."""
        subjects = self.subjects

        def settings() -> Settings:
            return self.world.settings

        models: dict[str, Brain] = {
            "teacher": Teacher(subjects, settings),
            "undistilled": Undistilled(subjects),
            "baseline": Baseline(subjects, settings),
        }
        return {name: Judge(Stating(model, settings), subjects, settings) for name, model in models.items()}

    def _settle(self) -> None:
        self.progress.settle()
        self.batches.settle()

    def _serve(self, service: ServiceFront, operation: str, request: Request) -> Response:
        exchange = _Exchange()
        try:
            response = self._perform(service, operation, request, exchange)
        except ServiceError as error:
            exchange.error = error.code
            response = service.refuse(operation, error)
        except Exception:  # noqa: BLE001 (a bug of ours must look like one, not like a dropped connection)
            _LOG.exception("a bug of the simulator in %s", operation)
            exchange.error = "InternalServerException"
            response = service.refuse(
                operation,
                ServiceError("InternalServerException", f"The simulator has a bug in {operation}: see its log."),
            )
        if exchange.error and service.service == _RUNTIME:
            model_id = str(exchange.params.get("modelId", "unknown"))
            self.metrics.refused(model_id, self.world.clock.now(), response.status)
        request_id = str(uuid.uuid4())
        entry = CallEntry(
            self.world.clock.now(), service.service, operation, without_bodies(exchange.params), response.status,
            exchange.error, exchange.caller, request_id,
        )  # fmt: skip
        self.calls.add(entry)
        return Response(response.status, response.body, response.headers | {"x-amzn-requestid": request_id})

    def _perform(self, service: ServiceFront, operation: str, request: Request, exchange: _Exchange) -> Response:
        exchange.caller = self.access.caller(request.headers)
        exchange.params = service.parse(operation, request)
        self._strike(operation, "before")
        result = service.perform(Call(service.service, operation, exchange.params, exchange.caller))
        self._strike(operation, "after")
        return service.answer(operation, result)

    def _strike(self, operation: str, when: str) -> None:
        fault: Fault | None = self.faults.error_for(operation, when)
        if fault:
            error = str(fault.options["error"])
            raise ServiceError(error, fault.options["message"] or f"{error} by order of a test.")

    def _modelled_errors(self, operation: str) -> list[str] | None:
        for service in self.services:
            if operation in service.operations:
                return service.modelled_errors(operation)
        return None


def _handlers(topics: Sequence[object]) -> dict[str, Handler]:
    """Collect the public methods of the topics by name."""
    return {
        name: getattr(topic, name)
        for topic in topics
        for name in dir(topic)
        if not name.startswith("_") and callable(getattr(topic, name))
    }
