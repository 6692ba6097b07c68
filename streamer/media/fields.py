"""Interlaced video: pictures of two fields, which are half of the rows each, and of two moments."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
from av.filter import Graph
from av.filter.context import FilterContext


class FrameFilter:
    """A filter of FFmpeg's for pictures of one kind after the other; it is made anew for each kind."""

    def __init__(self, add: Callable[[Graph], FilterContext]) -> None:
        """
        Args:
            add: makes it in a graph.
        """
        self._add = add
        self._kind: tuple[str, int, int] | None = None
        self._graph: Any = None
        self._time_base: Fraction | None = None

    def put(self, frame: av.VideoFrame) -> list[av.VideoFrame]:
        """The pictures that are ready."""
        kind = (frame.format.name, frame.width, frame.height)
        ready = [] if kind == self._kind else self.finish()
        if self._graph is None:
            self._kind, self._graph = kind, self._made(frame)
        self._time_base = frame.time_base
        self._graph.push(frame)
        return ready + self._pulled()

    def finish(self) -> list[av.VideoFrame]:
        """Those that were held back."""
        if self._graph is None:
            return []
        self._graph.push(None)
        ready, self._graph = self._pulled(), None
        return ready

    def _made(self, frame: av.VideoFrame) -> Graph:
        graph = Graph()
        base = frame.time_base or Fraction(1)
        buffer = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=base)
        nodes = [buffer, self._add(graph), graph.add("buffersink")]
        graph.link_nodes(*nodes).configure()
        return graph

    def _pulled(self) -> list[av.VideoFrame]:
        ready: list[av.VideoFrame] = []
        while True:
            try:
                frame = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return ready
            # A deinterlacer counts in half ticks.
            if frame.pts is not None and self._time_base and frame.time_base != self._time_base:
                frame.pts = round(frame.pts * frame.time_base / self._time_base)
                frame.duration = round(frame.duration * frame.time_base / self._time_base)
                frame.time_base = self._time_base
            ready.append(frame)


class FieldOrder:
    """Says of pictures that they are interlaced, and which field is shown first: an encoder asks each of them."""

    def __init__(self, order: str) -> None:
        """
        Args:
            order: tff, the upper one, or bff.
        """
        self._filter = FrameFilter(lambda graph: graph.add("setfield", order))

    def of(self, frame: av.VideoFrame) -> av.VideoFrame:
        (said,) = self._filter.put(frame)
        return said
