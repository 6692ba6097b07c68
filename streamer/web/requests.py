"""The requests that were answered, counted. Prometheus' library, which takes 7 MB, is loaded when somebody scrapes."""

from bisect import bisect_left
from collections import Counter

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper ends, included; one more bucket has the rest."""


class Requests:
    """Counts requests. Routes are names of ours, never words from outside."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()
        """By route, method and status."""
        self.buckets: dict[str, list[int]] = {}
        """By route, the number of requests in each bucket of their time."""
        self.sums_s: dict[str, float] = {}

    def add(self, route: str, method: str, status: int, seconds: float) -> None:
        """Counts a request; one without a status hung up first."""
        self.counts[route, method if method in METHODS else "other", str(status or 499)] += 1
        buckets = self.buckets.setdefault(route, [0] * (len(BUCKETS_S) + 1))
        buckets[bisect_left(BUCKETS_S, seconds)] += 1
        self.sums_s[route] = self.sums_s.get(route, 0.0) + seconds
