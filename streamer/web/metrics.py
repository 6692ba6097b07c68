"""The service's figures, as Prometheus reads them. Labels are names of ours, never words from outside."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class _Read(Collector):
    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        return self._read()


class Metrics:
    """Counts requests, and reads the other figures where they are when somebody asks."""

    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "m2fp_http_requests", "Requests answered.", ("route", "method", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "m2fp_http_request_duration_seconds", "Time of requests.", ("route",), registry=self._registry,
            buckets=_BUCKETS_S,
        )  # fmt: skip
        self._registry.register(_Read(read))

    def add(self, route: str, method: str, status: int, seconds: float) -> None:
        """Counts a request; one without a status hung up first."""
        self._requests.labels(route, method if method in METHODS else "other", status or 499).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All of them, in Prometheus' text format."""
        return generate_latest(self._registry)


def gauge(name: str, about: str, values: Mapping[str, float], label: str = "") -> Metric:
    """A figure now: one for each value of a label, or one alone, under ""."""
    family = GaugeMetricFamily(name, about, labels=[label] if label else [])
    for key, value in values.items():
        family.add_metric([key] if label else [], value)
    return family


def counter(name: str, about: str, values: Mapping[str, float], label: str = "") -> Metric:
    """A figure that only grows, as `gauge`."""
    family = CounterMetricFamily(name, about, labels=[label] if label else [])
    for key, value in values.items():
        family.add_metric([key] if label else [], value)
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
