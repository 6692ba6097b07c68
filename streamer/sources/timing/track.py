"""What is known of one track of a live source: its clock, how it is corrected, and what goes on beside it. Pure."""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from statistics import median_low

from streamer.sources.timing.beside import Apart, Placing, Seen
from streamer.sources.timing.delivery import Delivery

BESIDE_S = 1.0
"""A track goes on beside another one if a packet of it came so short a time before one of the other."""
PUNCTUAL_S = 0.03
"""The most punctual packets of a steady source arrive within this of each other."""
MIN_BEAT_S = 0.25
"""Interval over which the rate of a clock is measured at first."""
USUAL_STEPS = 9
MIN_REPEATS = 3
"""A clock that says the same so often stands still."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What one packet says, and when it came."""

    own_s: float
    arrived_s: float


@dataclass(slots=True)
class Track:
    """One track: its time is `own_s + epoch_s + trim_s`, or that of another one beside it."""

    number: int
    last_s: float
    """The newest time that was given."""
    arrived_s: float
    began_s: float
    epoch_s: float = 0.0
    """Moves the source's clock to where times are counted from."""
    newest_s: float = 0.0
    """The newest time of its own clock that was believed, so moved."""
    trim_s: float = 0.0
    """Keeps a clock that runs at another rate with the arrival."""
    drift: float = 0.0
    """What `trim_s` grows by each second."""
    pushed: bool = False
    """The trim was corrected since the last beat."""
    made_good_s: float = 0.0
    """What the packets that came quickly after one another, up to the newest, were waiting for."""
    believed_s: float = 0.0
    """What was believed of it to be no error of the clock."""
    gains_s: deque[float] = field(default_factory=lambda: deque([0.0, 0.0], maxlen=2))
    """The same, of all bursts of this beat and of the one before."""
    gained: float = 0.0
    """What the clock gained each second of the last beat, if it was no error."""
    uneven_s: float = PUNCTUAL_S
    """Left of what is believed of packets that are no burst."""
    punctual_s: float | None = None
    """The lead, with the trim, of the most punctual packets; None until the first one."""
    good: Stamp | None = None
    """The newest that was believed."""
    doubted: Stamp | None = None
    """The newest, if it was not."""
    doubted_at_s: float = 0.0
    """The time that it was given."""
    doubted_from_s: float = 0.0
    """What the source said first of those in a row that are doubted."""
    in_order: bool = True
    """The newest one was in its place."""
    newest_own_s: float | None = None
    steps_s: deque[float] = field(default_factory=lambda: deque(maxlen=USUAL_STEPS))
    delivery: Delivery = field(default_factory=Delivery)
    beat: tuple[float, float] | None = None
    """When the rate was measured last, and the best lead then."""
    beat_s: float = MIN_BEAT_S
    measured: bool = False
    """The first beat is over."""
    repeats: int = 0
    """How often in a row the newest time was said again."""
    apart: defaultdict[int, Apart] = field(default_factory=lambda: defaultdict(Apart))
    """From each other track, by its number."""
    guide: "Track | None" = None
    """The track beside which its packets are placed, as its own clock is wrong."""
    placing: Placing | None = None

    def note_step(self, own_s: float) -> None:
        if self.newest_own_s is not None and own_s > self.newest_own_s:
            self.steps_s.append(own_s - self.newest_own_s)
        self.repeats = self.repeats + 1 if own_s == self.newest_own_s else 0
        self.newest_own_s = own_s

    def expected_s(self, arrived_s: float, usual_s: float) -> float:
        """A time by arrival; in a burst, and after a pause that is usual between bursts, by the usual step."""
        after_s = arrived_s - self.arrived_s
        as_usual = usual_s > 0 and after_s <= max(usual_s / 2, 1.25 * self.delivery.pause_s)
        return self.last_s + (usual_s if as_usual else after_s)

    def doubt(self, new: Stamp, at_s: float, *, goes_on: bool) -> None:
        """A time is not believed, and given another one.

        Args:
            goes_on: from the one before, which was doubted too.
        """
        self.doubted, self.doubted_at_s = new, at_s
        self.doubted_from_s = self.doubted_from_s if goes_on else new.own_s

    def settle(self) -> None:
        """Judges anew from the next packet on."""
        self.punctual_s, self.beat, self.beat_s, self.drift, self.pushed = None, None, MIN_BEAT_S, 0.0, False
        self.gained = self.made_good_s = self.believed_s = 0.0
        self.measured = False
        self.gains_s.extend((0.0, 0.0))
        pause_s = self.delivery.pause_s
        self.delivery = Delivery()
        self.delivery.pause_s = pause_s

    @property
    def step_s(self) -> float:
        return median_low(self.steps_s or (0.0,))

    def seen(self, window_s: float) -> Seen:
        return Seen(self.newest_s, self.delivery.best_s(window_s), self.epoch_s, self.step_s)

    def goes_beside(self, other: "Track") -> bool:
        """Whether it is another track that goes on, by its own clock."""
        believed = self.punctual_s is not None and self.doubted is None
        return self is not other and believed and not self.is_silent_beside(other)

    def is_silent_beside(self, other: "Track") -> bool:
        """Whether nothing of it came while the other one went on; both may have paused."""
        return other.arrived_s - self.arrived_s > BESIDE_S

    def is_worse(self, other: "Track") -> bool:
        """Whether it parts from another one by its own fault, so that its packets are better placed beside that."""
        apart = self.apart[other.number]
        return apart.parted and other.repeats < MIN_REPEATS and (self.repeats >= MIN_REPEATS or apart.by_own_fault)

    def common_trim_s(self, beside: "list[Track]") -> float:
        """Where packets come unevenly, the trim of the first track whose clock goes as its own, if both are moved: so
        they stay together."""
        agree = (each for each in beside if each.number < self.number and not self.apart[each.number].parted)
        uneven = self.delivery.uneven_s > PUNCTUAL_S
        return next((each.trim_s for each in agree if uneven and self.trim_s and each.trim_s), self.trim_s)

    @property
    def tolerance_s(self) -> float:
        return PUNCTUAL_S + self.delivery.uneven_s / 2

    def off_s(self) -> float | None:
        """How much earlier than the most punctual packets were those of late are."""
        if self.punctual_s is None:
            return None
        return self.delivery.best_s(self.delivery.window_s) + self.trim_s - self.punctual_s

    def push(self, by_s: float) -> None:
        self.trim_s += by_s
        self.pushed = self.pushed or by_s != 0
