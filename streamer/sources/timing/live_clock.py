"""The times of what comes by itself: one clock for the pictures and the sound of a source, judged by arrival. Pure.

The times that a source says are kept to the tick while they can be true. They are not where a clock steps (a camera is
told the time of day), stands still, says something wrong once in a while, or runs slower or faster than the packets
come. Then times are those of arrival, or the source's own, moved or stretched so far that they keep to arrival.

The most punctual packets tell where a clock stands: what comes in bursts is late, but for the end of each burst.
"""

from collections import deque
from dataclasses import dataclass, field
from statistics import median_low

from streamer.sources.timing.delivery import Delivery

MIN_STEP_S = 0.001
"""The times of a track grow by this at least."""
JUMP_S = 0.1
"""A time that is further from the last one than the packets came, by this and three usual steps, is doubted. It is
believed when the next one goes on from it."""
JUMP_IN_PIECES_S = 2.0
"""The same for what comes in pieces, whose arrival says little."""
SAME_ORIGIN_S = 5.0
"""A track that begins further than this from the others has a clock with another origin."""
SYNC_S, SYNC_WITHIN_S = 0.5, 15.0
"""A jump of a track by so much at most, so soon after its beginning, puts its sound to its pictures: RTSP says how they
belong together in its first report."""
BESIDE_S = 1.0
"""A track goes on beside another one if a packet of it came so short a time ago."""
NEAR_S = 1.0
"""A clock that was in use before, or is in use for another track, is taken again if it places a packet near to its
arrival: that keeps sound with pictures over a step. Arrival is uneven by so much at most, for that."""
MAX_GAP_S = 30.0
"""Pieces that are missing make a gap of so much at most."""
PUNCTUAL_S = 0.03
"""The most punctual packets of a steady source arrive within this of each other."""
APART_S, APART_IN_BURSTS_S = 0.06, 0.25
"""Two tracks of which one keeps to its arrival may be so far apart. Where both come in bursts, the last packets of one
are of different moments: a usual step of either is added, up to the second."""
BURST_PACKET_S = 0.004
"""Packets of a burst come more quickly than this after one another, and four times as quickly as they were made."""
BURST_S = 0.06
"""A burst makes good more than this. Packets that come unevenly make good less, one or two at a time: what they are
early by is the clock's, but for `PUNCTUAL_S` of it once."""
MIN_BEAT_S, MAX_BEAT_S = 0.25, 4.0
"""Interval over which the rate of a clock is measured: short at first."""
STEADY = 0.005
"""A clock that differs by less from the arrival is not stretched."""
MAX_EPOCHS = 8
MAX_REORDERED = 5
"""A picture is decoded so many pictures ahead at most."""
MIN_STEPS, USUAL_STEPS = 3, 9


@dataclass(frozen=True, slots=True)
class Stamp:
    """What one packet says, and when it came."""

    own_s: float
    arrived_s: float


@dataclass(slots=True)
class _Track:
    """One track: its time is `own_s + epoch_s + trim_s`."""

    last_s: float
    """The newest time that was given."""
    arrived_s: float
    began_s: float
    epoch_s: float = 0.0
    """Moves the source's clock to where times are counted from."""
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
    in_order: bool = True
    """The newest one was in its place."""
    newest_own_s: float | None = None
    steps_s: deque[float] = field(default_factory=lambda: deque(maxlen=USUAL_STEPS))
    delivery: Delivery = field(default_factory=Delivery)
    beat: tuple[float, float] | None = None
    """When the rate was measured last, and the best lead then."""
    beat_s: float = MIN_BEAT_S

    def note_step(self, own_s: float) -> None:
        if self.newest_own_s is not None and own_s > self.newest_own_s:
            self.steps_s.append(own_s - self.newest_own_s)
        self.newest_own_s = own_s

    def expected_s(self, arrived_s: float, usual_s: float) -> float:
        """A time by arrival; in a burst, and after a pause that is usual between bursts, by the usual step."""
        after_s = arrived_s - self.arrived_s
        as_usual = usual_s > 0 and after_s <= max(usual_s / 2, 1.25 * self.delivery.pause_s)
        return self.last_s + (usual_s if as_usual else after_s)

    def settle(self) -> None:
        """Judges anew from the next packet on."""
        self.punctual_s, self.beat, self.beat_s, self.drift, self.pushed = None, None, MIN_BEAT_S, 0.0, False
        self.gained = self.made_good_s = self.believed_s = 0.0
        self.gains_s.extend((0.0, 0.0))
        pause_s = self.delivery.pause_s
        self.delivery = Delivery()
        self.delivery.pause_s = pause_s

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


class LiveClock:
    """The times of all tracks of a live source, counted from the first packet. They grow."""

    def __init__(self, *, usual_s: float | None = None, in_pieces: bool = False, by_arrival: bool = True) -> None:
        """
        Args:
            usual_s: between two pictures, as the source says it; None is not known.
            in_pieces: the source is read in pieces of several seconds, each as fast as it can be had.
            by_arrival: the arrival that is told is true, and not that of a reader who was busy: rates are judged by it.
        """
        self._usual_s = usual_s or 0.0
        self._in_pieces, self._by_arrival = in_pieces, by_arrival
        self._tracks: dict[int, _Track] = {}
        self._epochs: deque[float] = deque(maxlen=MAX_EPOCHS)
        self._zero_s = 0.0

    def knows(self, track: int) -> bool:
        """Whether the source has said a time of this track."""
        return track in self._tracks and self._tracks[track].good is not None

    def time_s(self, track: int, own_s: float | None, arrived_s: float, *, in_order: bool = True) -> float:
        """The time of the next packet of a track, seconds.

        Args:
            track: any number for it.
            own_s: what the source says, seconds; None if it says nothing.
            arrived_s: by any clock that does not jump.
            in_order: false of times of showing, in the order of decoding: they need not grow.
        """
        state = self._tracks.get(track)
        if state is None:
            self._zero_s = arrived_s if not self._tracks else self._zero_s
            state = self._tracks[track] = self._begun(own_s, arrived_s)
            return state.last_s
        if own_s is None:
            wanted_s = state.last_s + arrived_s - state.arrived_s
        else:
            wanted_s = self._judged(state, Stamp(own_s, arrived_s))
            state.note_step(own_s)
        state.arrived_s = arrived_s
        if not in_order or not state.in_order:
            # They are in order some pictures earlier, once it is known of them when they are decoded.
            state.in_order = in_order
            state.last_s = max(state.last_s, wanted_s) - MAX_REORDERED * self._usual_s
            wanted_s = max(wanted_s, state.last_s + MIN_STEP_S)
            state.last_s = wanted_s if in_order else state.last_s
            return wanted_s
        state.last_s = max(wanted_s, state.last_s + MIN_STEP_S)
        return state.last_s

    def _begun(self, own_s: float | None, arrived_s: float) -> _Track:
        state = _Track(arrived_s - self._zero_s, arrived_s, arrived_s)
        if own_s is None:
            return state
        state.note_step(own_s)
        others = [each.last_s for each in self._tracks.values()]
        state.epoch_s = state.last_s - own_s
        if others and self._epochs:
            at_s = own_s + self._epochs[-1]
            if min(abs(at_s - each) for each in (state.last_s, *others)) <= SAME_ORIGIN_S:
                state.epoch_s, state.last_s = self._epochs[-1], at_s
        self._use(state.epoch_s)
        state.good = Stamp(own_s, arrived_s)
        self._in_step(state, state.good, 0.0)
        return state

    def _judged(self, state: _Track, new: Stamp) -> float:
        """A time that goes on from the last good one, or from one that was doubted, is believed."""
        known = len(state.steps_s) >= MIN_STEPS or (state.steps_s and not self._usual_s)
        usual_s = median_low(state.steps_s) if known else self._usual_s
        if state.good is None:
            # RTSP says no time for its first picture, and the second comes in the same breath.
            after_s = new.arrived_s - state.arrived_s
            at_once = self._usual_s > 0 and after_s <= self._usual_s + JUMP_S
            state.epoch_s = state.last_s + (self._usual_s if at_once else after_s) - new.own_s
            self._use(state.epoch_s)
        elif not self._follows(state.good, new, usual_s) and not self._rejoins(state, state.good, new, usual_s):
            doubted = state.doubted
            if doubted is None or not self._follows(doubted, new, usual_s):
                state.doubted = new
                state.doubted_at_s = state.expected_s(new.arrived_s, usual_s)
                return state.doubted_at_s
            self._jump(state, state.good, doubted, new)
        after_s = 0.0 if state.good is None else new.own_s - state.good.own_s
        state.good, state.doubted = new, None
        return self._in_step(state, new, after_s)

    def _follows(self, old: Stamp, new: Stamp, usual_s: float) -> bool:
        slack_s = 3 * usual_s + (JUMP_IN_PIECES_S if self._in_pieces else JUMP_S)
        return -slack_s <= new.own_s - old.own_s <= new.arrived_s - old.arrived_s + slack_s

    def _jump(self, state: _Track, good: Stamp, doubted: Stamp, new: Stamp) -> None:
        """The clock has really jumped. What is ahead, and not early, is a gap; all else is another clock."""
        at_s = new.own_s + state.epoch_s + state.trim_s
        early_s = at_s - new.arrived_s - (state.punctual_s or 0.0)
        gap_s = new.own_s - good.own_s
        if gap_s > 0 and state.punctual_s is not None and early_s <= state.tolerance_s:
            return
        if 0 < gap_s <= MAX_GAP_S and self._in_pieces:
            return
        expected_s = state.doubted_at_s + new.own_s - doubted.own_s
        soon = new.arrived_s - state.began_s <= SYNC_WITHIN_S and len(self._tracks) > 1
        if not (soon and abs(at_s - expected_s) <= SYNC_S):
            epoch_s = state.doubted_at_s - doubted.own_s - state.trim_s
            near_s = min(NEAR_S, JUMP_S + state.delivery.uneven_s)
            others = [each for each in self._epochs if each != state.epoch_s and abs(each - epoch_s) <= near_s]
            state.epoch_s = min(others, key=lambda each: abs(each - epoch_s), default=epoch_s)
            self._use(state.epoch_s)
        state.settle()

    def _rejoins(self, state: _Track, good: Stamp, new: Stamp, usual_s: float) -> bool:
        """Whether a track that jumps ahead is nearer to what went on beside it then: something of it was lost."""
        at_s, expected_s = new.own_s + state.epoch_s + state.trim_s, state.expected_s(new.arrived_s, usual_s)
        since_s = new.arrived_s - BESIDE_S
        beside = [each for each in self._tracks.values() if each is not state and each.arrived_s >= since_s]
        return new.own_s > good.own_s and any(
            abs(at_s - each.last_s) < abs(expected_s - each.last_s) for each in beside
        )

    def _use(self, epoch_s: float) -> None:
        """Remembers it as the newest."""
        if epoch_s in self._epochs:
            self._epochs.remove(epoch_s)
        self._epochs.append(epoch_s)

    def _in_step(self, state: _Track, new: Stamp, after_own_s: float) -> float:
        """The time of a packet that is believed, with the trim that keeps it to its arrival."""
        if self._by_arrival:
            self._follow_arrival(state, new, after_own_s)
        return new.own_s + state.epoch_s + state.trim_s

    def _follow_arrival(self, state: _Track, new: Stamp, after_own_s: float) -> None:
        after_s = new.arrived_s - state.arrived_s
        lead_s = new.own_s + state.epoch_s - new.arrived_s
        state.delivery.add(lead_s, new.arrived_s)
        state.trim_s += state.drift * after_s
        self._beat(state, new.arrived_s)
        if state.punctual_s is None:
            state.punctual_s = lead_s + state.trim_s
        early_s = lead_s + state.trim_s - state.punctual_s
        if self._in_pieces:
            state.punctual_s += max(0.0, early_s)
            return
        quick = after_s < min(BURST_PACKET_S, after_own_s / 4)
        if quick:
            state.made_good_s += after_own_s - after_s
        elif state.made_good_s:
            early_s += self._end_of_burst(state)
        if early_s > 0 and quick and not state.drift:
            # What came before had waited somewhere: it was not the clock, if that is what it was taken for.
            back_s = min(early_s, max(0.0, state.trim_s))
            state.push(-back_s)
            state.punctual_s += early_s - back_s
            state.believed_s += early_s - back_s
        elif early_s > state.tolerance_s:
            state.push(state.tolerance_s - early_s)
        off_s = state.off_s() or 0.0
        if off_s < -state.tolerance_s:
            state.push(-state.tolerance_s - off_s)
        self._keep_together(state)

    @staticmethod
    def _gains_again(state: _Track, beat_s: float) -> bool:
        """Whether bursts of a second beat make good as much: what is early is the clock, which runs fast."""
        before, rate = state.gained, state.gains_s[-1] / beat_s
        again = STEADY < rate < 2 * before < 4 * rate
        if again and state.punctual_s is not None:
            state.punctual_s -= sum(state.gains_s)
        state.gained = 0.0 if again else rate
        state.gains_s.append(0.0)
        return again

    @staticmethod
    def _end_of_burst(state: _Track) -> float:
        """Takes back what was believed of packets that were no burst; how much."""
        kept_s = state.believed_s if state.made_good_s > BURST_S else min(state.believed_s, state.uneven_s)
        if state.made_good_s > BURST_S:
            state.gains_s[-1] += kept_s
        else:
            state.uneven_s -= kept_s
        taken_s = state.believed_s - kept_s
        state.punctual_s = (state.punctual_s or 0.0) - taken_s
        state.made_good_s = state.believed_s = 0.0
        return taken_s

    def _keep_together(self, state: _Track) -> None:
        """Of two tracks that part, the one that is further from its arrival is moved."""
        for other in self._tracks.values():
            off_s, other_s = state.off_s(), other.off_s()
            if other is state or state.arrived_s - other.arrived_s > BESIDE_S or off_s is None or other_s is None:
                continue
            uneven_s = max(state.delivery.uneven_s, other.delivery.uneven_s)
            step_s = max(median_low(each.steps_s or (0.0,)) for each in (state, other))
            most_s = min(APART_IN_BURSTS_S, APART_S + min(step_s, uneven_s / 2))
            apart_s = off_s - other_s
            if abs(apart_s) > most_s and abs(off_s) >= abs(other_s):
                state.push((most_s if apart_s > 0 else -most_s) - apart_s)

    def _beat(self, state: _Track, now_s: float) -> None:
        """Measures the rate of a clock that had to be pushed, over longer and longer times, until it is right again."""
        window_s = state.delivery.window_s
        best_s = state.delivery.best_s(window_s)
        if state.beat is None:
            state.beat = (now_s, best_s)
            return
        began_s, before_s = state.beat
        if now_s - began_s < max(state.beat_s, 2 * window_s):
            return
        state.beat = (now_s, best_s)
        rate = -(best_s - before_s) / (now_s - began_s)
        gains_again = self._gains_again(state, now_s - began_s)
        if not state.pushed and not state.drift and not gains_again:
            return
        if abs(rate) < STEADY and not state.pushed and state.beat_s >= MAX_BEAT_S:
            state.drift, state.beat_s = 0.0, MIN_BEAT_S
            return
        state.drift = (state.drift + rate) / 2 if state.drift else rate
        state.beat_s = min(MAX_BEAT_S, 2 * state.beat_s)
        if state.punctual_s is not None:
            state.trim_s -= (best_s + state.trim_s - state.punctual_s) / 4
        state.pushed = False
