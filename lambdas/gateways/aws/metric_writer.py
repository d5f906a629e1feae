"""Write metrics in CloudWatch's embedded metric format: one line of the log a value, nothing is called."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from lambdas.domain.metrics import ENVIRONMENT, NAMESPACE, Measured, Metric


class Meter:
    """Emits the metrics of one environment.

    Parameters
    ----------
    environment : str
        Environment name, the dimension that every metric has.
    """

    def __init__(self, environment: str) -> None:
        self._environment = environment

    def emit(self, metric: Metric, value: float, of: str | None = None) -> None:
        """Write one value.

        Parameters
        ----------
        metric : Metric
        value : float
        of : str, optional
            Value of the metric's own dimension.

        Raises
        ------
        ValueError
            When a metric with a dimension of its own gets no value for it, or one without gets a value.
        """
        if (metric.by is None) != (of is None):
            raise ValueError(f"metric {metric.name} has the dimension {metric.by}, and its value is {of!r}")
        # An empty service: by default Powertools would add the Lambda's name as one more dimension.
        line = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, service="")
        line.add_dimension(ENVIRONMENT, self._environment)
        if metric.by is not None and of is not None:
            line.add_dimension(metric.by, of)
        line.add_metric(metric.name, metric.unit, value)
        # One write: answers are paid for by several threads, each with its line.
        sys.stdout.write(f"{json.dumps(line.serialize_metric_set())}\n")

    def emit_all(self, measured: Iterable[Measured]) -> None:
        """Write several values."""
        for one in measured:
            self.emit(one.metric, one.value, one.of)
