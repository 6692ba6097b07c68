"""The controls of a running stream: its look, saving, and its end."""

import threading
from collections.abc import Callable
from dataclasses import replace

from pipeline import Look
from pipeline.drawing.look import LegendPlace
from streamer.live.sinks.snapshots import Saver

OPACITIES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""The steps of `next_opacity`."""


class Controls:
    """For any thread."""

    def __init__(self, look: Look, saver: Saver, stop: Callable[[], None]) -> None:
        """
        Args:
            stop: ends the stream.
        """
        self._lock = threading.Lock()
        self._look = look
        self.saver, self.stop = saver, stop

    @property
    def look(self) -> Look:
        """The look of the next picture."""
        with self._lock:
            return self._look

    def next_opacity(self) -> None:
        """The next of `OPACITIES`, and after the last one the first."""
        with self._lock:
            later = (step for step in OPACITIES if step > self._look.opacity)
            self._look = replace(self._look, opacity=next(later, OPACITIES[0]))

    def toggle_legend(self) -> None:
        """On or off; a legend below the picture stays, for a recording cannot change its size. Where each person has a
        colour there are no classes to name."""
        with self._lock:
            if self._look.colours == "person":
                return
            others: dict[LegendPlace, LegendPlace] = {"below": "below", "off": "auto"}
            self._look = replace(self._look, legend=others.get(self._look.legend, "off"))
