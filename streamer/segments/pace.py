"""Which process is slow, by the time that others take for the same. Time is an argument."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median_low

SLOW = 3.0
"""A process that takes so many times as long as the others is slow."""
LATE_S = 0.5
"""Nothing is late that takes less: a busy machine may leave a process without a core for as long."""
MAX_RESTS = 5
"""A process rests at most 2 to the power of this times as long as it took for what it was late with."""


@dataclass(slots=True, eq=False)
class Pace:
    """The time that a process takes for segments."""

    where: str
    """Names the process to a user."""
    begun_s: float | None = None
    """For its first segment, as far as that can be done without the memory before it."""
    first_s: float | None = None
    """For all of its first segment, and for getting ready before it."""
    frame_s: float | None = None
    """For a frame of its latest one behind the first."""
    late: int = 0
    """The number of segments in a row that it was late with."""
    rests_until_s: float = 0.0

    def usual_s(self, frames: int, others: Iterable["Pace"]) -> float | None:
        """The time in which others would have done what it does now; None if that is not known."""
        times = [each._time_s(frames, first=self.first_s is None) for each in others if each is not self]
        known = [each for each in times if each is not None]
        return median_low(known) if known else None

    def _time_s(self, frames: int, *, first: bool) -> float | None:
        """For so many frames; as long as it has done but one segment, for that one, which took longer."""
        if first or self.frame_s is None:
            return self.begun_s if self.first_s is None else self.first_s
        return self.frame_s * frames

    def did(self, frames: int, took_s: float) -> None:
        """It has done a segment in time."""
        if self.first_s is None:
            self.first_s = took_s
        else:
            self.frame_s = took_s / frames
        self.late = 0

    def rest(self, took_s: float, now_s: float) -> None:
        """It is done with a segment that it was late with: it is to begin nothing, for longer each time in a row."""
        self.rests_until_s = now_s + took_s * 2 ** min(self.late, MAX_RESTS)


def is_late(took_s: float, usual_s: float | None) -> bool:
    """Whether something takes far longer than it does elsewhere."""
    return usual_s is not None and took_s > max(LATE_S, SLOW * usual_s)
