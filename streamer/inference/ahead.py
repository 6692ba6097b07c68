"""The next input size's network, compiled while the present one parses."""

from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor

from pipeline import Parser, Size
from pipeline.network.runtime import Network


class Ahead:
    """For the thread that runs the parser. Compiles one network at a time."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self._pool = ThreadPoolExecutor(1, "ahead")
        self._begun: dict[Size, Future[Network]] = {}
        self._ready: set[Size] = set()

    def begin(self, size: Size) -> None:
        """Begins to make a network ready for this size, unless that was begun before."""
        if size not in self._begun and size not in self._ready:
            parser = self._parser
            self._begun[size] = self._pool.submit(parser.model.compile, size, parser.settings.run_options)

    def is_ready(self, size: Size) -> bool:
        """Whether the parser has a network for this size now, or never will: then parsing at it tells why."""
        begun = self._begun.get(size)
        if begun is not None and begun.done():
            self.wait_for(size)
        return size in self._ready

    def release(self, kept: Collection[Size]) -> None:
        """Gives back the networks for other sizes than these; one that is on its way is kept."""
        self._parser.release_networks(kept)
        self._ready &= set(kept)

    def wait_for(self, size: Size) -> None:
        """Waits for the network of this size, if it is on its way."""
        begun = self._begun.pop(size, None)
        if begun is not None:
            if begun.exception() is None:
                self._parser.keep_network(size, begun.result())
            self._ready.add(size)
