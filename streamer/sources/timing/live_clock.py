"""The times of what comes by itself: one clock for the pictures and the sound of a source, judged by arrival. Pure.

The times that a source says are kept to the tick while they can be true. They are not where a clock steps (a camera is
told the time of day), stands still, says something wrong once in a while, or runs slower or faster than the packets
come. Then times are those of arrival, or the source's own, moved or stretched so far that they keep to arrival.

The most punctual packets tell where a clock stands: what comes in bursts is late, but for the end of each burst.
"""

from collections import deque
from statistics import median_low

from streamer.sources.timing.beside import Placing
from streamer.sources.timing.track import BESIDE_S, MIN_BEAT_S, Stamp, Track

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
SYNC_KEPT_S = 1.0
"""It is believed once the clock has gone on from it for so long: some values that are wrong in a row are no report."""
NEAR_S = 1.0
"""A clock that was in use before, or is in use for another track, is taken again if it places a packet near to its
arrival: that keeps sound with pictures over a step. Arrival is uneven by so much at most, for that."""
MAX_GAP_S = 30.0
"""Pieces that are missing make a gap of so much at most."""
BURST_PACKET_S = 0.004
"""Packets of a burst come more quickly than this after one another, and four times as quickly as they were made."""
BURST_S = 0.06
"""A burst makes good more than this. Packets that come unevenly make good less, one or two at a time: what they are
early by is the clock's, but for `PUNCTUAL_S` of it once."""
MAX_BEAT_S = 4.0
"""Interval over which the rate of a clock is measured at last: it grows from `MIN_BEAT_S`."""
STEADY = 0.005
"""A clock that differs by less from the arrival is not stretched."""
MAX_EPOCHS = 8
MAX_REORDERED = 5
"""A picture is decoded so many pictures ahead at most."""
MIN_STEPS = 3
LATE_S = 0.05
"""The most punctual packets of so long, and the longest pause, say whether a track is early or late."""


class LiveClock:
    """The times of all tracks of a live source, counted from the first packet. They grow."""

    def __init__(self, *, usual_s: float | None = None, in_pieces: bool = False, by_arrival: bool = True) -> None:
        """
        Args:
            usual_s: between two pictures, as the source says it; None is not known.
            in_pieces: the source is read in pieces of several seconds, each as fast as it can be had.
            by_arrival: the arrival that is told is true, and not that of a reader so slow that packets wait to be
                received: rates are judged by it.
        """
        self._usual_s = usual_s or 0.0
        self._in_pieces, self._by_arrival = in_pieces, by_arrival
        self._tracks: dict[int, Track] = {}
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
            state = self._tracks[track] = self._begun(track, own_s, arrived_s)
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

    def _begun(self, track: int, own_s: float | None, arrived_s: float) -> Track:
        state = Track(track, arrived_s - self._zero_s, arrived_s, arrived_s)
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

    def _judged(self, state: Track, new: Stamp) -> float:
        """A time that goes on from the last good one, or from one that was doubted, is believed."""
        if state.guide is not None:
            return self._placed(state, state.guide, new)
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
            goes_on = doubted is not None and self._follows(doubted, new, usual_s)
            if doubted is None or not goes_on or not self._jump(state, state.good, doubted, new):
                state.doubt(new, state.expected_s(new.arrived_s, usual_s), goes_on=goes_on)
                return state.doubted_at_s
        after_s = 0.0 if state.good is None else new.own_s - state.good.own_s
        state.good, state.doubted = new, None
        return self._in_step(state, new, after_s)

    def _follows(self, old: Stamp, new: Stamp, usual_s: float) -> bool:
        slack_s = 3 * usual_s + (JUMP_IN_PIECES_S if self._in_pieces else JUMP_S)
        return -slack_s <= new.own_s - old.own_s <= new.arrived_s - old.arrived_s + slack_s

    def _jump(self, state: Track, good: Stamp, doubted: Stamp, new: Stamp) -> bool:
        """The clock has really jumped. What is ahead, and not early, is a gap; all else is another clock. False where
        that is not certain yet."""
        at_s = new.own_s + state.epoch_s + state.trim_s
        early_s = at_s - new.arrived_s - (state.punctual_s or 0.0)
        gap_s = new.own_s - good.own_s
        if gap_s > 0 and state.punctual_s is not None and early_s <= state.tolerance_s:
            return True
        if 0 < gap_s <= MAX_GAP_S and self._in_pieces:
            return True
        epoch_s = state.doubted_at_s - doubted.own_s - state.trim_s
        near_s = min(NEAR_S, JUMP_S + state.delivery.uneven_s)
        known = [each for each in self._epochs if each != state.epoch_s and abs(each - epoch_s) <= near_s]
        off_s = state.epoch_s - epoch_s
        soon = new.arrived_s - state.began_s <= SYNC_WITHIN_S and len(self._tracks) > 1
        if soon and abs(off_s) <= SYNC_S and not known:
            if new.own_s - state.doubted_from_s < SYNC_KEPT_S:
                return False
            for other in self._tracks.values():
                state.apart[other.number].move(off_s)
                other.apart[state.number].move(-off_s)
        else:
            state.epoch_s = min(known, key=lambda each: abs(each - epoch_s), default=epoch_s)
            self._use(state.epoch_s)
        state.settle()
        return True

    def _rejoins(self, state: Track, good: Stamp, new: Stamp, usual_s: float) -> bool:
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

    def _in_step(self, state: Track, new: Stamp, after_own_s: float) -> float:
        """The time of a packet that is believed, with the trim that keeps it to its arrival."""
        state.newest_s = new.own_s + state.epoch_s
        if not self._by_arrival:
            return state.newest_s
        self._follow_arrival(state, new, after_own_s)
        beside = [each for each in self._tracks.values() if each.goes_beside(state)]
        for each in beside:
            window_s = LATE_S + max(state.delivery.pause_s, each.delivery.pause_s)
            state.apart[each.number].note(state.seen(window_s), each.seen(window_s), new.arrived_s)
            each.apart[state.number].begin(each.newest_s - state.newest_s)
        state.guide = next((each for each in beside if state.is_worse(each)), None)
        if state.guide is None:
            return state.newest_s + state.common_trim_s(beside)
        at_s = state.apart[state.guide.number].at_s(state.guide.last_s)
        state.placing = Placing(state.last_s, new.own_s, at_s)
        state.settle()
        return state.placing.last_s

    def _placed(self, state: Track, guide: Track, new: Stamp) -> float:
        """The time of a packet beside another track, until that falls silent or its own clock is right again."""
        at_s = state.apart[guide.number].at_s(guide.last_s)
        assert state.placing is not None
        time_s = state.placing.place(at_s)
        if guide.is_silent_beside(state) or state.placing.is_right(new.own_s, at_s):
            state.guide = state.placing = None
            state.trim_s = guide.trim_s
            state.epoch_s = time_s - state.trim_s - new.own_s
        state.good, state.doubted = new, None
        return time_s

    def _follow_arrival(self, state: Track, new: Stamp, after_own_s: float) -> None:
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

    @staticmethod
    def _gains_again(state: Track, beat_s: float) -> bool:
        """Whether bursts of a second beat make good as much: what is early is the clock, which runs fast."""
        if not state.measured:  # the first packets were as late as they happened to be
            state.gains_s[-1], state.measured = 0.0, True
        before, rate = state.gained, state.gains_s[-1] / beat_s
        again = STEADY < rate < 2 * before < 4 * rate
        if again and state.punctual_s is not None:
            state.punctual_s -= sum(state.gains_s)
        state.gained = 0.0 if again else rate
        state.gains_s.append(0.0)
        return again

    @staticmethod
    def _end_of_burst(state: Track) -> float:
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

    def _beat(self, state: Track, now_s: float) -> None:
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
