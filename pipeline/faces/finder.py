"""The faces of a parsing: found in its frame, and each given to its person."""

from dataclasses import replace

from pipeline.faces.detector import PIXELS, FaceDetector
from pipeline.faces.owners import owned
from pipeline.network.options import RunOptions
from pipeline.types import Frame, Parsing

PIXELS_A_CELL = 2
"""Pixels of the detector's input for each cell of the parser's maps: these grow while people are small."""
MAX_PIXELS = 736 * 1280


class FaceFinder:
    """Finds the faces of the frames of one stream. For one thread at a time."""

    def __init__(self, options: RunOptions) -> None:
        """
        Args:
            options: of the parser's network; the runtime and the precision count.
        """
        self._detector = FaceDetector(options=replace(options, threads=1, in_flight=1))

    def __call__(self, frame: Frame, parsing: Parsing) -> Parsing:
        """The parsing of a frame with its faces.

        Raises:
            WeightsError, RuntimeUnavailable: see `pipeline.network.runtime.compile_network`.
        """
        pixels = min(MAX_PIXELS, max(PIXELS, PIXELS_A_CELL * parsing.map_size.area))
        return replace(parsing, faces=owned(self._detector(frame, pixels=pixels), parsing))
