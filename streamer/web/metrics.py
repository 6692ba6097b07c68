"""The service's figures, as Prometheus reads them. Labels are names of ours, never words from outside."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from streamer.web.requests import BUCKETS_S, Requests

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _Read(Collector):
    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        return self._read()


def text(read: Callable[[], Iterable[Metric]]) -> bytes:
    """All figures, in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Read(read))
    return generate_latest(registry)


def of_requests(requests: Requests) -> Iterator[Metric]:
    """The number of requests, and their times."""
    counted = CounterMetricFamily("m2fp_http_requests", "Requests answered.", labels=["route", "method", "status"])
    for key, count in requests.counts.items():
        counted.add_metric(list(key), count)
    yield counted
    times = HistogramMetricFamily("m2fp_http_request_duration_seconds", "Time of requests.", labels=["route"])
    ends = [*map(str, BUCKETS_S), "+Inf"]
    for route, buckets in requests.buckets.items():
        times.add_metric([route], list(zip(ends, accumulate(buckets))), requests.sums_s[route])
    yield times


Values = Mapping[str, float] | Mapping[tuple[str, ...], float]
"""A figure for each value of a label, or of several."""


def gauge(name: str, about: str, values: Values, *labels: str) -> Metric:
    """A figure now: one for each value of the labels, or one alone, under ""."""
    return _added(GaugeMetricFamily(name, about, labels=labels), values)


def counter(name: str, about: str, values: Values, *labels: str) -> Metric:
    """A figure that only grows, as `gauge`."""
    return _added(CounterMetricFamily(name, about, labels=labels), values)


def _added(family: GaugeMetricFamily | CounterMetricFamily, values: Values) -> Metric:
    for key, value in values.items():
        family.add_metric([] if key == "" else [key] if isinstance(key, str) else key, value)
    return family


def summary(name: str, about: str, values: Mapping[str, tuple[int, float]], label: str) -> Metric:
    """Number and sum for each value of a label."""
    family = SummaryMetricFamily(name, about, labels=[label])
    for key, (count, total) in values.items():
        family.add_metric([key], count, total)
    return family


def info(name: str, about: str, **labels: str) -> Metric:
    """What does not change, as labels of a figure that is 1."""
    family = GaugeMetricFamily(name, about, labels=list(labels))
    family.add_metric(list(labels.values()), 1)
    return family
