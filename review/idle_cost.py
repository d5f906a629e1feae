"""What an environment costs in a month in which no run is in progress and no student serves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.domain.prices.price_book import HOURS_A_MONTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lambdas.domain.prices.price_book import PriceBook
    from review.assembly import Assembly, TemplateResource

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_RATES_AN_HOUR = {"minute": 60.0, "hour": 1.0, "day": 1 / 24}
_MB_A_GB = 1024

USE_ONLY = {
    "AWS::Bedrock::ApplicationInferenceProfile": "Calls are billed as those of the model that it copies.",
    "AWS::EC2::SecurityGroup": "A security group is not billed.",
    "AWS::Events::Rule": "Events of AWS services and schedules are not billed; the Lambdas that they invoke are.",
    "AWS::IAM::ManagedPolicy": "IAM is not billed.",
    "AWS::IAM::Policy": "IAM is not billed.",
    "AWS::IAM::Role": "IAM is not billed.",
    "AWS::Lambda::Function": "Billed by invocation and second.",
    "AWS::Lambda::LayerVersion": "A layer is not billed.",
    "AWS::Lambda::Permission": "A part of the Lambda.",
    "AWS::Lambda::Version": "A part of the Lambda.",
    "AWS::S3::BucketPolicy": "A part of the bucket.",
    "AWS::SNS::Subscription": "Billed by message.",
    "AWS::SNS::Topic": "Billed by message.",
    "AWS::SNS::TopicPolicy": "A part of the topic.",
    "AWS::SQS::Queue": "Billed by request.",
    "AWS::SQS::QueuePolicy": "A part of the queue.",
    "AWS::StepFunctions::StateMachine": "Billed by state transition.",
}
"""Types that bill by use alone."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the idle cost.

    Attributes
    ----------
    quantity : float or None
        Units a month; ``None`` where no template says it.
    usd_each : float or None
        Dollars a unit; ``None`` where the price book has no such price.
    """

    what: str
    quantity: float | None
    unit: str
    usd_each: float | None
    note: str
    source: str = ""

    @property
    def usd(self) -> float | None:
        """Dollars a month; ``None`` where that is unknown."""
        return None if self.quantity is None or self.usd_each is None else self.quantity * self.usd_each


def idle_cost(assembly: Assembly, book: PriceBook) -> list[Line]:
    """Price every type of resource of the templates at rest.

    Parameters
    ----------
    assembly : Assembly
        The templates.
    book : PriceBook
        Prices of the environment's Region; a price that it has not is unknown, never zero.
    """
    types = sorted({resource.type for resource in assembly.resources.values()} - set(USE_ONLY))
    return [line for kind in types for line in _MAKERS.get(kind, _unknown)(assembly, book, kind)] + list(
        _schedules(assembly, book)
    )


def by_use(assembly: Assembly) -> list[tuple[str, str]]:
    """Name the types that cost nothing at rest, and why."""
    return [(kind, why) for kind, why in USE_ONLY.items() if assembly.of_type(kind)]


def _line(
    book: PriceBook, service: str, usage: str, *, what: str, quantity: float | None, unit: str, note: str
) -> Line:
    price = book.find(service, usage)
    return Line(what, quantity, unit, price.usd if price else None, note, price.source if price else "")


def _keys(assembly: Assembly, book: PriceBook, kind: str) -> Iterator[Line]:
    count, note = len(assembly.of_type(kind)), "Each of the first two yearly rotations adds the price of one more key."
    yield _line(book, "AWS KMS", "key", what="KMS key", quantity=count, unit="key", note=note)


def _endpoints(assembly: Assembly, book: PriceBook, kind: str) -> Iterator[Line]:
    interfaces = [one for one in assembly.of_type(kind) if one.properties["VpcEndpointType"] == "Interface"]
    hours = sum(len(one.properties["SubnetIds"]) for one in interfaces) * HOURS_A_MONTH
    note = "Each bills by the hour in each subnet's Availability Zone, and by what goes through it; gateways are free."
    yield _line(
        book, "AWS PrivateLink", "endpoint", what="interface endpoints", quantity=hours, unit="zone hour", note=note
    )


def _alarms(assembly: Assembly, book: PriceBook, kind: str) -> Iterator[Line]:
    measured = [_alarm_metrics(alarm) for alarm in assembly.of_type(kind)]
    queries = measured.count(None)
    note = "An alarm bills each metric that it reads."
    if queries:
        note += f" A query, of which there is {queries}, bills every metric that it finds, and is counted as one."
    count = sum(1 if metrics is None else metrics for metrics in measured)
    yield _line(
        book, "Amazon CloudWatch", "alarm", what="CloudWatch alarms", quantity=count, unit="alarm metric", note=note
    )
    note = "Own metrics bill the hours in which they have a value: docs/watching.md says which are there at rest."
    yield _line(book, "Amazon CloudWatch", "metric", what="Own metrics", quantity=None, unit="metric", note=note)


def _alarm_metrics(alarm: TemplateResource) -> int | None:
    queries = alarm.properties.get("Metrics")
    if queries is None:
        return 1
    if any("SELECT" in str(query.get("Expression")) for query in queries):
        return None
    return sum("MetricStat" in query for query in queries)


def _dashboards(assembly: Assembly, book: PriceBook, kind: str) -> Iterator[Line]:
    count, note = len(assembly.of_type(kind)), "The first three of an account are free; counted as if they were not."
    yield _line(
        book,
        "Amazon CloudWatch",
        "dashboard",
        what="CloudWatch dashboard",
        quantity=count,
        unit="dashboard",
        note=note,
    )


def _buckets(assembly: Assembly, book: PriceBook, kind: str) -> Iterator[Line]:
    what = f"Objects in {len(assembly.of_type(kind))} buckets"
    note = "As much as runs have left: lifecycle rules end it."
    yield _line(book, "Amazon S3", "stored", what=what, quantity=None, unit="GB", note=note)


def _tables(assembly: Assembly, book: PriceBook, kind: str) -> Iterator[Line]:
    what = f"Items in {len(assembly.of_type(kind))} tables"
    yield _line(book, "Amazon DynamoDB", "stored", what=what, quantity=None, unit="GB", note="Usually far below a GB.")
    yield Line("Point-in-time recovery of the tables", None, "GB", None, "The price book has no price for it.")


def _logs(assembly: Assembly, _book: PriceBook, kind: str) -> Iterator[Line]:
    what = f"Logs in {len(assembly.of_type(kind))} groups"
    yield Line(what, None, "GB", None, "Stored until their retention ends; the price book has no price for it.")


def _schedules(assembly: Assembly, book: PriceBook) -> Iterator[Line]:
    """Price what schedules invoke: requests are certain, seconds depend on what there is to do."""
    for rule in assembly.of_type("AWS::Events::Rule"):
        rate = _RATE.fullmatch(str(rule.properties.get("ScheduleExpression", "")))
        if not rate:
            continue
        times = HOURS_A_MONTH * _RATES_AN_HOUR[rate[2]] / int(rate[1])
        names = [name for target in rule.properties["Targets"] for name in assembly.referred(target["Arn"])]
        for function in (assembly.resources[name] for name in names):
            what = f"{function.parent}, invoked by {rule.path}"
            yield _request_line(book, what, times)
            second = book.find("AWS Lambda", "gb_second")
            gigabytes = function.properties["MemorySize"] / _MB_A_GB
            yield Line(
                f"Seconds of {function.parent}",
                None,
                "second of every invocation",
                second.usd * gigabytes * times if second else None,
                "How long it takes depends on how many runs and endpoints there are to look at.",
                second.source if second else "",
            )


def _request_line(book: PriceBook, what: str, times: float) -> Line:
    price = book.find("AWS Lambda", "request")
    each = book.usd("AWS Lambda", "request", 1) if price else None
    return Line(what, times, "invocation", each, "Without the seconds.", price.source if price else "")


def _unknown(assembly: Assembly, _book: PriceBook, kind: str) -> Iterator[Line]:
    yield Line(kind, len(assembly.of_type(kind)), "resource", None, "Nobody has said what it costs at rest.")


_MAKERS: dict[str, Callable[[Assembly, PriceBook, str], Iterator[Line]]] = {
    "AWS::CloudWatch::Alarm": _alarms,
    "AWS::CloudWatch::Dashboard": _dashboards,
    "AWS::DynamoDB::Table": _tables,
    "AWS::EC2::VPCEndpoint": _endpoints,
    "AWS::KMS::Key": _keys,
    "AWS::Logs::LogGroup": _logs,
    "AWS::S3::Bucket": _buckets,
}
