"""The network's input size: larger while the people in a stream are small.

A network knows people of the sizes that it learnt. In a street seen from afar they are a few cells tall at the usual
input, and half of them are not seen; at half as many rows and columns again most are. That takes twice as long, so that
it is done only where somebody small is, and nobody who would become too tall.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.geometry import Box, Size
from pipeline.network.letterbox import Letterbox, network_size
from pipeline.types import Person

SHORT_PX = 150
"""The height at which the shorter people are shown, in pixels of the network's input, within the limits below."""
TALL_PX = 300
"""Maximum height at which anybody is shown: the network was trained on pictures of that height."""
ZOOM_STEPS = (1.0, 1.25, 1.5)
"""Multiples of the usual rows and columns."""
STILL_ZOOM = 1.5
"""A picture that belongs to no stream is first seen with this many times the usual rows and columns."""
STILL_TALL_PX = 400
"""Where somebody in it is taller than this, it is seen again at the usual size: photos of one tall person and heads
that fill the picture lose more than small people gain."""
SMALLER = (0.7, 0.5, 0.35)
"""Shares of the usual pixels that a machine may parse that is too slow for all of them."""
UP_AFTER_S, DOWN_AFTER_S = 0.5, 3.0
"""Time for which people must be smaller, or taller, before a running stream changes the size: a person who turns up
for a frame changes nothing."""


@dataclass(slots=True)
class Zoom:
    """The zoom over the frames of one stream, in their order."""

    _times: float = ZOOM_STEPS[0]
    _pts_s: float | None = None
    _since_s: float | None = None

    def times(self, pts_s: float) -> float:
        """The zoom of the frame of this time."""
        return self._times if self._goes_on(pts_s) else ZOOM_STEPS[0]

    def seen(self, people: Sequence[Person], usual: Letterbox, pts_s: float) -> float:
        """After each parsing: what `times` is from now on.

        Args:
            people: who was found.
            usual: how frames of this size go into the network when nobody is small.
            pts_s: the frame's time. Not later than the last one's means another stream, or a picture by itself, of
                which the first parsing decides.
        """
        wanted = times_for(people, usual)
        if not self._goes_on(pts_s):
            self._times, self._since_s = wanted, None
        elif wanted == self._times:
            self._since_s = None
        elif self._since_s is None:
            self._since_s = pts_s
        elif pts_s - self._since_s >= (UP_AFTER_S if wanted > self._times else DOWN_AFTER_S):
            self._times, self._since_s = wanted, None
        self._pts_s = pts_s
        return self._times

    def _goes_on(self, pts_s: float) -> bool:
        return self._pts_s is not None and pts_s > self._pts_s


def times_for(people: Sequence[Person], usual: Letterbox) -> float:
    """The step of `ZOOM_STEPS` that shows these people best."""
    frame = usual.frame_size
    shown = usual.content_size.height / frame.height
    whole = [each.box for each in people if not _is_cut(each.box, frame)]
    if not whole:
        return ZOOM_STEPS[0]
    short = float(np.quantile([shown * (box.bottom - box.top) for box in whole], 0.25))
    tall = max(shown * (each.box.bottom - each.box.top) for each in people)
    wanted = min(SHORT_PX / short, TALL_PX / tall)
    return min(ZOOM_STEPS, key=lambda step: abs(step - wanted))


def still_times(people: Sequence[Person], usual: Letterbox) -> float:
    """How many times the usual rows and columns show a picture by itself best, after a look at `STILL_ZOOM`.

    It stays at that but where somebody is taller than `STILL_TALL_PX`: whoever is cut by an edge counts, too.
    """
    shown = usual.content_size.height / usual.frame_size.height
    tall = max((shown * (each.box.bottom - each.box.top) for each in people), default=0.0)
    return STILL_ZOOM if tall * STILL_ZOOM <= STILL_TALL_PX else ZOOM_STEPS[0]


def larger(usual: Letterbox, times: float) -> Size:
    """The input of so many times the usual rows and columns; never of more pixels than the frame has."""
    own, frame = usual.input_size, usual.shown_size
    grown = network_size(frame, int(min(times * times * own.area, frame.area)))
    return grown if grown.area > own.area else own


def _is_cut(box: Box, frame: Size) -> bool:
    """True if a person may extend beyond the frame's edge, so that their height is unknown."""
    return box.left <= 0 or box.top <= 0 or box.right >= frame.width or box.bottom >= frame.height
