"""Colours of pictures by a table: HDR becomes what an ordinary display shows, and the other way round."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Lock

import av
import numpy as np
from av.filter import Graph
from av.filter.context import FilterContext

from pipeline.hdr import Colours
from streamer.media.fields import FrameFilter

_STEPS = 33
"""Of each colour; between them it is interpolated."""


class ColourTable:
    """A function of coded colours, applied to whole pictures by FFmpeg's lut3d. Threads may share it."""

    def __init__(self, function: Callable[[Colours], Colours]) -> None:
        """
        Args:
            function: of float64 (n, 3) from 0 to 1: red, green, blue.
        """
        steps = np.linspace(0, 1, _STEPS)
        blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")  # red runs fastest
        self._values = function(np.stack([red, green, blue], axis=-1).reshape(-1, 3))
        self._filter = FrameFilter(self._node)
        self._lock = Lock()

    def of(self, rgb: av.VideoFrame) -> av.VideoFrame:
        """A new picture.

        Args:
            rgb: of planes of red, green and blue, such as gbrp10le.
        """
        with self._lock:
            (mapped,) = self._filter.put(rgb)
            return mapped

    def _node(self, graph: Graph) -> FilterContext:
        """FFmpeg reads tables from files alone, and when the filter is made."""
        with tempfile.TemporaryDirectory() as folder:
            cube = Path(folder) / "table.cube"
            with cube.open("w") as file:
                file.write(f"LUT_3D_SIZE {_STEPS}\n")
                np.savetxt(file, self._values, "%.6f")
            return graph.add("lut3d", file=str(cube), interp="tetrahedral")
