"""Times of a track whose clock is wrong, by those of another track whose packets came beside it. Pure.

What delays packets, a network, a connection that was being opened, a machine that is busy, delays those of all tracks
alike. So the order in which they came tells more of when they were made than the moment of their arrival.
"""

from dataclasses import dataclass

APART_S = 0.06
"""A track may be so far from where it began beside another one, and a usual step, until its clock is doubted."""
FAULT_S = 0.04
"""The one whose fault it is went so much further from its arrival than the other."""
IN_A_ROW = 3
"""Packets that have to be: those of sound may come several at once."""
AT_ONCE = 2.5
"""What comes so many times as fast as it was made has waited somewhere."""
GAP_S = 0.5
"""A packet that is further from where it belongs is put there."""
PULL = 0.15
"""Others are moved by such a share of it, so that times are even."""
MANY_STEPS = 50
"""The usual step is about the mean of so many."""
TRIED_S, TRIED_APART_S = 10.0, 0.05
"""A clock that parts by less in this time is right again."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a track when a packet has come."""

    time_s: float
    """The newest one, by its own clock."""
    lead_s: float
    """How early the most punctual packets of late were, by it."""
    epoch_s: float
    """What that clock is counted from."""
    step_s: float
    """A usual one."""


@dataclass(frozen=True, slots=True)
class _Start:
    """From where two clocks are compared with the arrival."""

    arrived_s: float
    mine: Seen
    other: Seen

    def holds(self, mine: Seen, other: Seen, arrived_s: float) -> bool:
        """Not where a clock was set, nor while what has waited somewhere comes at once."""
        set_anew = (mine.epoch_s, other.epoch_s) != (self.mine.epoch_s, self.other.epoch_s)
        went_s = max(mine.time_s - self.mine.time_s, other.time_s - self.other.time_s)
        return not set_anew and went_s <= AT_ONCE * (arrived_s - self.arrived_s)


class Apart:
    """How far a track is from where it began beside another one, and whose fault that is."""

    def __init__(self) -> None:
        self._at_first_s: float | None = None
        self._in_a_row = 0
        self._start: _Start | None = None
        self.by_own_fault = False
        """The track went further from its arrival than the other one did."""

    def begin(self, ahead_s: float) -> None:
        """A packet of the other track has come; the first says how they belong together."""
        self._at_first_s = ahead_s if self._at_first_s is None else self._at_first_s

    def note(self, mine: Seen, other: Seen, arrived_s: float) -> None:
        """A packet of the track has come."""
        ahead_s = mine.time_s - other.time_s
        self.begin(ahead_s)
        off_s = ahead_s - (self._at_first_s or 0.0)
        together = not other.step_s or abs(off_s) <= APART_S + other.step_s
        side = 0 if together else 1 if off_s > 0 else -1
        self._in_a_row = side if self._in_a_row * side <= 0 else self._in_a_row + side
        if self._start is None or not self._start.holds(mine, other, arrived_s):
            self._start = _Start(arrived_s, mine, other)
        mine_s, other_s = mine.lead_s - self._start.mine.lead_s, other.lead_s - self._start.other.lead_s
        self.by_own_fault = abs(mine_s - other_s) > FAULT_S and abs(mine_s) > abs(other_s)

    def move(self, by_s: float) -> None:
        """They belong together in another way from now on."""
        if self._at_first_s is not None:
            self._at_first_s += by_s

    @property
    def parted(self) -> bool:
        """Whether the clock of one of them must be wrong."""
        return abs(self._in_a_row) >= IN_A_ROW

    def at_s(self, other_s: float) -> float:
        """Where a packet belongs that came when the newest one of the other track was at `other_s`."""
        return other_s + (self._at_first_s or 0.0)


class Placing:
    """Evenly growing times near to those where packets belong."""

    def __init__(self, last_s: float, own_s: float, at_s: float) -> None:
        """
        Args:
            last_s: the time of the packet before.
            own_s, at_s: what the source says of this one, and where it belongs.
        """
        self.last_s, self._at_s = max(last_s, at_s), at_s
        self._step_s, self._steps = 0.0, 0
        self._tried = (own_s, at_s)

    def place(self, at_s: float) -> float:
        """The time of the next packet, which belongs at `at_s`."""
        after_s, self._at_s = at_s - self._at_s, at_s
        self._step_s = self._step_s if self._steps else after_s
        expected_s = self.last_s + self._step_s
        off_s = at_s - expected_s
        if abs(off_s) <= GAP_S:
            self._steps = min(self._steps + 1, MANY_STEPS)
            self._step_s += (after_s - self._step_s) / self._steps
            at_s = expected_s + PULL * off_s
        self.last_s = max(self.last_s, at_s)
        return self.last_s

    def is_right(self, own_s: float, at_s: float) -> bool:
        """Whether what the source says goes on as it should again."""
        was_own_s, was_at_s = self._tried
        if at_s - was_at_s < TRIED_S:
            return False
        self._tried = own_s, at_s
        return abs((own_s - was_own_s) - (at_s - was_at_s)) <= TRIED_APART_S
