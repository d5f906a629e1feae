"""One simulated AWS service: routes, parses, validates, dispatches and serialises its operations.

botocore's model gives routes, types, limits, error codes and HTTP statuses. The behaviour is plain Python:
one method an operation, named as boto3 names it, taking a :class:`Call` and returning a dict.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote

import botocore.session
from botocore import xform_name
from botocore.model import ServiceModel

from local.bedrock_simulator.errors import ServiceError, validation
from local.bedrock_simulator.protocol import event_stream
from local.bedrock_simulator.protocol.validation import StrictValidator, refusal

Params = dict[str, Any]
_PATH_MEMBER = re.compile(r"\\\{(\w+)\\\}")
_INTERNAL = 500
_BAD_REQUEST = 400
_HTTP_OK = 200


@dataclass(frozen=True)
class Request:
    """An HTTP request as it came in: ``path`` still percent-encoded, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    """An HTTP answer."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """A parsed, valid request on its way to an operation."""

    service: str
    operation: str
    params: Params
    caller: str | None = None


Handler = Callable[[Call], Params]


class ServiceFront:
    """What rest-json and JSON 1.1 have in common.

    Parameters
    ----------
    service : str
        botocore's name of the service.
    handlers : Mapping[str, Handler]
        Behaviour by operation name, ``snake_case``; operations without one are unknown to this simulator.
    """

    def __init__(self, service: str, handlers: Mapping[str, Handler]) -> None:
        self.service = service
        self.model = service_model(service)
        self._handlers = {
            name: handlers[xform_name(name)] for name in self.model.operation_names if xform_name(name) in handlers
        }

    @property
    def operations(self) -> list[str]:
        """The operations that this simulator knows."""
        return list(self._handlers)

    def modelled_errors(self, operation: str) -> list[str]:
        """Every error code that the service model lists for ``operation``."""
        return [shape.name for shape in self.model.operation_model(operation).error_shapes]

    def operation_of(self, request: Request) -> str | None:
        """Return the operation that a request addresses, if it is one of this service's."""
        raise NotImplementedError

    def parse(self, operation: str, request: Request) -> Params:
        """Read and strictly validate a request.

        Raises
        ------
        ServiceError
            ``SerializationException`` where a type is wrong, ``ValidationException`` where a limit is broken.
        """
        params = self._read(operation, request)
        shape = self.model.operation_model(operation).input_shape
        wrong_type, constraints = StrictValidator().problems(params, shape) if shape else ([], [])
        if wrong_type:
            raise ServiceError("SerializationException", "; ".join(wrong_type))
        if constraints:
            raise validation(refusal(constraints))
        return params

    def perform(self, call: Call) -> Params:
        """Run the operation and check our own answer as strictly as the request."""
        result = self._handlers[call.operation](call)
        found = self._problems(call.operation, result)
        if found:
            problems = "; ".join(found)
            raise ServiceError(
                "InternalServerException", f"the simulator's answer to {call.operation} is wrong: {problems}"
            )
        return result

    def _problems(self, operation: str, result: Params) -> list[str]:
        """Return how an answer breaks its shape; of a stream, how each event breaks its own."""
        model = self.model.operation_model(operation)
        if not model.has_event_stream_output:
            parts = [(result, model.output_shape)] if model.output_shape else []
        else:
            members = _events_of(model)
            parts = [(content, members[name]) for name, content in result["stream"]]
        found = [StrictValidator().problems(value, shape) for value, shape in parts]
        return [problem for wrong_type, constraints in found for problem in wrong_type + constraints]

    def answer(self, operation: str, result: Params) -> Response:
        """Serialise a result."""
        model = self.model.operation_model(operation)
        status = int(model.http.get("responseCode", _HTTP_OK))
        if model.has_event_stream_output:
            errors = [name for name, shape in _events_of(model).items() if shape.metadata.get("exception")]
            body = event_stream.encoded(result["stream"], errors)
            return Response(status, body, {"content-type": event_stream.CONTENT_TYPE})
        payload = _payload_of(model.output_shape)
        if payload:  # the body is the member itself, as InvokeModel's is
            return Response(status, result[payload], {"content-type": result["contentType"]})
        body = json.dumps(result, default=_timestamp, ensure_ascii=False).encode()
        return Response(status, body, {"content-type": self._content_type})

    def status_of(self, operation: str, code: str) -> int:
        """Return the HTTP status that the model gives an error of ``operation``."""
        for shape in self.model.operation_model(operation).error_shapes:
            if shape.name == code:
                return int(shape.metadata.get("error", {}).get("httpStatusCode", _BAD_REQUEST))
        return _INTERNAL if code.startswith("Internal") else _BAD_REQUEST

    def refuse(self, operation: str, error: ServiceError) -> Response:
        """Serialise a refusal in the service's shape."""
        body = json.dumps({"__type": error.code, "message": error.message}, ensure_ascii=False).encode()
        headers = {"content-type": self._content_type, "x-amzn-errortype": error.code}
        return Response(self.status_of(operation, error.code), body, headers | error.headers)

    _content_type = "application/json"

    def _read(self, operation: str, request: Request) -> Params:
        raise NotImplementedError


class RestJsonFront(ServiceFront):
    """A service whose operations are paths, such as Bedrock."""

    def __init__(self, service: str, handlers: Mapping[str, Handler]) -> None:
        super().__init__(service, handlers)
        self._routes: dict[str, list[tuple[re.Pattern[str], str]]] = {}
        for name in self.operations:
            http = self.model.operation_model(name).http
            path = _PATH_MEMBER.sub(r"(?P<\1>[^/]+)", re.escape(http["requestUri"]))
            self._routes.setdefault(http["method"], []).append((re.compile(path + "/?"), name))

    def operation_of(self, request: Request) -> str | None:
        """Match the raw path: an ARN in it carries encoded slashes that must not count as separators."""
        for pattern, name in self._routes.get(request.method, ()):
            if pattern.fullmatch(request.path):
                return name
        return None

    def _read(self, operation: str, request: Request) -> Params:
        shape = self.model.operation_model(operation).input_shape
        if shape is None:
            return {}
        payload = _payload_of(shape)
        params: Params = {}
        if payload is None:
            params = _json_object(request.body)
        elif request.body:
            params[payload] = request.body
        pattern = next(p for p, name in self._routes[request.method] if name == operation)
        found = pattern.fullmatch(request.path)
        in_path = found.groupdict() if found else {}
        in_query = parse_qs(request.query, keep_blank_values=True)
        for name, member in shape.members.items():
            place = member.serialization.get("location")
            wire = member.serialization.get("name", name)
            if place == "uri":
                params[name] = unquote(in_path[wire])
            elif place == "querystring" and wire in in_query:
                params[name] = _from_text(in_query[wire][0], member.type_name)
            elif place == "header" and wire.lower() in request.headers:
                params[name] = request.headers[wire.lower()]
        return params


class JsonRpcFront(ServiceFront):
    """A service of the AWS JSON 1.1 protocol, such as Service Quotas: the operation is named in a header."""

    _content_type = "application/x-amz-json-1.1"

    def operation_of(self, request: Request) -> str | None:
        """Read ``X-Amz-Target``."""
        prefix, _, name = (request.headers.get("x-amz-target") or "").partition(".")
        return name if prefix == self.model.metadata["targetPrefix"] and name in self.operations else None

    def _read(self, operation: str, request: Request) -> Params:  # noqa: ARG002 (same for every operation)
        return _json_object(request.body)


def _events_of(operation: Any) -> dict[str, Any]:  # noqa: ANN401 (botocore is untyped here)
    """Return the shapes of the events that an operation answers with."""
    events: dict[str, Any] = operation.output_shape.members["stream"].members
    return events


def _payload_of(shape: Any) -> str | None:  # noqa: ANN401 (botocore is untyped here)
    """Return the member that is the whole body, if a shape has one."""
    return shape.serialization.get("payload") if shape is not None else None


@functools.cache
def service_model(service: str) -> ServiceModel:
    """Load a service model once: it is read only, and tests make many simulators."""
    model: ServiceModel = botocore.session.get_session().get_service_model(service)
    return model


def _json_object(body: bytes) -> Params:
    if not body:
        return {}
    try:
        value = json.loads(body)
    except ValueError as error:
        raise ServiceError("SerializationException", f"The request body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ServiceError("SerializationException", "The request body must be a JSON object")
    return {name: member for name, member in value.items() if member is not None}


def _from_text(text: str, type_name: str) -> object:
    try:
        if type_name in ("integer", "long"):
            return int(text)
        if type_name == "timestamp":
            moment = datetime.fromisoformat(text)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        raise ServiceError("SerializationException", f"'{text}' is not a {type_name}") from None
    return text == "true" if type_name == "boolean" else text


def _timestamp(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    raise TypeError(f"{type(value).__name__} cannot be serialised")
