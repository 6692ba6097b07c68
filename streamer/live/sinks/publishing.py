"""The publisher of a live stream."""

import time
from collections.abc import Callable

from pipeline import Parsing
from streamer.masks.headers import Totals
from streamer.zeromq.publisher import Publisher


class Publishing:
    """Sends each parsing to whoever subscribes, and at the end how the stream went."""

    def __init__(self, publisher: Publisher, totals: Callable[[], Totals]) -> None:
        """
        Args:
            totals: of the stream up to now.
        """
        self._publisher, self._totals = publisher, totals

    def write(self, item: Parsing) -> None:
        self._publisher.publish(item)

    def tick(self) -> bool:
        self._publisher.tick(time.monotonic())
        return True

    def close(self, ending: str) -> None:
        self._publisher.close(ending, self._totals())
