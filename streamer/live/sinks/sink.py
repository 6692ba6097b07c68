"""What a stream still gives its pictures and masks to: one that fails ends alone, unless it was the last."""

import threading
from collections.abc import Callable

from streamer.errors import SinkError
from streamer.live.config import StreamConfig
from streamer.live.stats import Stats


class Outlets:
    """The window, the recording and the publisher of a stream; any thread may tell of them."""

    def __init__(self, config: StreamConfig, stats: Stats, keep: Callable[[SinkError], None]) -> None:
        """
        Args:
            keep: told of each failure that did not end the stream; it is to be raised when that ends.
        """
        wanted = {"window": config.window, "recording": config.encodes, "publisher": config.publish}
        self._lock = threading.Lock()
        self._left = {name for name, given in wanted.items() if given}
        self._stats, self._keep = stats, keep

    def fail(self, name: str, error: SinkError, *, partly: bool = False) -> None:
        """One cannot go on, or not with all that it does. Raises its error if nothing is left."""
        if partly:
            self._stats.sink_ended(name, str(error))
        elif not self.end(name, str(error)):
            raise error
        self._keep(error)

    def end(self, name: str, why: str) -> bool:
        """One is over; whether anything is left."""
        with self._lock:
            self._left.discard(name)
            left = bool(self._left)
        if left:
            self._stats.sink_ended(name, why)
        return left
