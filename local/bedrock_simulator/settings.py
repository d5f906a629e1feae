"""What a test or the demo may change about the simulated account while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, get_args

_OPTIONAL = (
    "throughput_usd_per_unit_hour", "latency_ms", "max_concurrency", "requests_per_minute", "burst_requests",
    "retry_after_seconds",
)  # fmt: skip
LabelSemantics = Literal["regenerate", "verbatim"]


class SettingsError(ValueError):
    """A setting that does not exist or has a value that is not allowed."""


@dataclass(frozen=True)
class Durations:
    """Real seconds that things take; hours in the service, so a test need not wait for them.

    ``hour`` is what an hour of a batch job's ``timeoutDurationInHours`` takes.
    """

    job: float = 2.0
    stop: float = 0.2
    deployment: float = 0.5
    throughput: float = 0.5
    update: float = 0.5
    batch: float = 2.0
    hour: float = 3600.0


@dataclass(frozen=True)
class Errors:
    """How the simulated models are wrong.

    Attributes
    ----------
    teacher : float
        Share of the teacher's answers with a mistake.
    baseline : float
        Share of wrong values among the choices of the baseline, or of its texts that leave something out.
    judge_noise : float
        Share of the judge's scores that are one point off, to either side.
    judge_bias : float
        Points that the judge adds to each score; below 0 it is too strict.
    judge_length : float
        Points that the judge adds for each doubling of an answer's length over that of what is right.
    judge_order : float
        Share of the pairs in which the judge gives the first answer a point more, because it is the first.
    """

    teacher: float = 0.03
    baseline: float = 0.08
    judge_noise: float = 0.05
    judge_bias: float = 0.0
    judge_length: float = 0.0
    judge_order: float = 0.05


@dataclass(frozen=True)
class Confidence:
    """What a model says of its own sureness, where an answer has the field.

    Attributes
    ----------
    field : str
        Name of the number at the top of the answer.
    informative : float
        How much the figure says: at 1 it is the model's own sureness, at 0 it is drawn at random.
    """

    field: str = "confidence"
    informative: float = 0.8


@dataclass(frozen=True)
class ModelState:
    """How one foundation model differs from the catalog; ``None`` leaves the catalog's word."""

    status: str | None = None
    end_of_life: str | None = None
    authorized: bool = True
    agreement: bool = True
    entitled: bool = True
    region_available: bool = True
    caching: bool = True
    customizations: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Settings:
    """All settings.

    Attributes
    ----------
    durations : Durations
        Seconds until a state changes.
    errors : Errors
        How often teacher, baseline and judge are wrong.
    confidence : Confidence
        What models say of their own sureness.
    label_semantics : {"regenerate", "verbatim"}
        What a DISTILLATION job trains on: the teacher asked again with the record's own prompt, as the
        documentation says, or the assistant turns as given, because the documentation leaves doubt.
    latency_scale : float
        The share of ``metrics.latencyMs`` that a call really takes; 0 answers at once.
    latency_ms : float or None
        What every call takes for real, in milliseconds, in place of the catalog's latencies. For benchmarks.
    max_concurrency, requests_per_minute : float or None
        Calls that one model answers at once and in a minute; more are throttled. ``None`` is no limit.
    burst_requests : float or None
        Calls that may come at once after a quiet time; ``None`` is the whole minute's.
    day_seconds : float
        Real seconds after which the quotas of the day (``SIM-TPD-...``) are reset.
    retry_after_seconds : float or None
        The ``Retry-After`` header of a throttled call; ``None`` is none, as Bedrock sends none.
    quotas : dict[str, float]
        Quota code to value, over the catalog's defaults.
    models : dict[str, ModelState]
        Foundation model id to what differs from the catalog.
    enforce_request_quotas : bool
        Whether the catalog's requests per minute are throttled. Off by default: simulated hours pass in seconds, so
        a real minute holds many simulated ones.
    check_access : bool
        Whether a call by a registered principal is checked against its role's policies.
    throughput_usd_per_unit_hour : float or None
        The invented price of a model-unit hour; Nova Micro's is not public.
    """

    durations: Durations = field(default_factory=Durations)
    errors: Errors = field(default_factory=Errors)
    confidence: Confidence = field(default_factory=Confidence)
    label_semantics: LabelSemantics = "regenerate"
    latency_scale: float = 0.0
    latency_ms: float | None = None
    max_concurrency: float | None = None
    requests_per_minute: float | None = None
    burst_requests: float | None = None
    retry_after_seconds: float | None = None
    day_seconds: float = 86_400.0
    quotas: dict[str, float] = field(default_factory=dict)
    models: dict[str, ModelState] = field(default_factory=dict)
    enforce_request_quotas: bool = False
    check_access: bool = True
    throughput_usd_per_unit_hour: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON carries them."""
        return asdict(self)

    def changed(self, changes: dict[str, Any]) -> Settings:
        """Return these settings with ``changes`` merged in; maps merge by key.

        Raises
        ------
        SettingsError
            Where a name is unknown or a value is not allowed; the message lists what is.
        """
        _known("settings", changes, self)
        new: dict[str, Any] = {}
        for name, value in changes.items():
            old = getattr(self, name)
            if name == "durations":
                _known("durations", value, old)
                new[name] = replace(old, **{key: _positive(f"durations.{key}", v) for key, v in value.items()})
            elif name == "errors":
                _known("errors", value, old)
                new[name] = replace(old, **{key: _error(key, v) for key, v in value.items()})
            elif name == "confidence":
                _known("confidence", value, old)
                new[name] = replace(old, **{key: _confidence(key, v) for key, v in value.items()})
            elif name == "quotas":
                new[name] = old | {code: _positive(f"quotas.{code}", v) for code, v in value.items()}
            elif name == "models":
                new[name] = old | {model: _model_state(model, v, old.get(model)) for model, v in value.items()}
            else:
                new[name] = _scalar(name, value)
        return replace(self, **new)


Current = Callable[[], Settings]
"""Gives the settings as they are now."""


def _error(name: str, value: object) -> float:
    if name in ("judge_bias", "judge_length"):
        if isinstance(value, bool) or not isinstance(value, int | float) or not -4 <= value <= 4:  # noqa: PLR2004
            raise SettingsError(f"errors.{name} must be a number of points from -4 to 4; got {value!r}")
        return float(value)
    return _share(f"errors.{name}", value)


def _confidence(name: str, value: object) -> object:
    if name == "informative":
        return _share(f"confidence.{name}", value)
    if not isinstance(value, str) or not value:
        raise SettingsError(f"confidence.{name} must be the name of a field; got {value!r}")
    return value


def _share(name: str, value: object) -> float:
    share = _positive(name, value)
    if share > 1:
        raise SettingsError(f"{name} must be a share from 0 to 1; got {value!r}")
    return share


def _scalar(name: str, value: object) -> object:
    if name == "label_semantics":
        if value not in get_args(LabelSemantics):
            raise SettingsError(f"label_semantics must be one of {', '.join(get_args(LabelSemantics))}; got {value!r}")
        return value
    if name in ("enforce_request_quotas", "check_access"):
        if not isinstance(value, bool):
            raise SettingsError(f"{name} must be true or false; got {value!r}")
        return value
    if value is None and name in _OPTIONAL:
        return None
    return _positive(name, value)


def _known(what: str, changes: object, record: object) -> None:
    if not isinstance(changes, dict):
        raise SettingsError(f"{what} must be a JSON object; got {changes!r}")
    allowed = set(vars(record))
    for name in changes:
        if name not in allowed:
            raise SettingsError(f"{what} has no '{name}'; allowed are {', '.join(sorted(allowed))}")


def _positive(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise SettingsError(f"{name} must be a number of 0 or more; got {value!r}")
    return float(value)


def _model_state(model: str, value: object, old: ModelState | None) -> ModelState:
    record = old or ModelState()
    _known(f"models.{model}", value, record)
    changes = dict(value) if isinstance(value, dict) else {}
    if changes.get("status") not in (None, "ACTIVE", "LEGACY"):
        raise SettingsError(f"models.{model}.status must be ACTIVE or LEGACY; got {changes['status']!r}")
    if changes.get("end_of_life") is not None:
        try:
            datetime.fromisoformat(changes["end_of_life"])
        except (TypeError, ValueError):
            raise SettingsError(f"models.{model}.end_of_life must be an ISO time with its zone") from None
    if changes.get("customizations") is not None:
        changes["customizations"] = tuple(changes["customizations"])
    return replace(record, **changes)
