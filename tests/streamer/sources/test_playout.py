"""What arrives in bursts is shown steadily, what arrives evenly at once, and packets wait in bounded memory."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

import av
import pytest

from streamer.errors import SourceLost
from streamer.sources.timing import buffer
from streamer.sources.timing.buffer import MAX_BEHIND_S, Buffer, Timed, Wait
from streamer.sources.timing.playout import MARGIN, MARGIN_S, SHRINK, TOLERATED_S, Latency, Playing, Playout
from tests.support.waiting import Clock

RATE = 25.0
SHIFT_S = 500.0
"""Times and arrivals are of different clocks."""


def shown(
    arrives: Callable[[float], float], latency_s: Latency = "auto", *, lasts_s: float = 30, in_pieces: bool = False
) -> tuple[list[float], list[float], Playout]:
    """The times of pictures, when each is shown, and what decided."""
    playout = Playout(latency_s, in_pieces=in_pieces)
    times = [index / RATE for index in range(int(lasts_s * RATE))]
    waiting, out = [*times], []
    for time_s in times:
        now_s = arrives(time_s) + SHIFT_S
        while waiting[0] < time_s and playout.due_s(waiting[0]) < now_s:
            out.append(max(playout.due_s(waiting[0]), arrives(waiting[0]) + SHIFT_S))
            waiting.pop(0)
        playout.add(time_s, now_s)
    out += [max(playout.due_s(each), arrives(each) + SHIFT_S) for each in waiting]
    return times, out, playout


def bursts(of_s: float) -> Callable[[float], float]:
    return lambda time_s: (int(time_s / of_s) + 1) * of_s + time_s % of_s * 1e-3


def gaps(shown_s: Sequence[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(shown_s)]


def test_what_comes_evenly_is_not_kept_back() -> None:
    times, out, playout = shown(lambda time_s: time_s + 0.1 * (time_s % 0.3))
    assert out == pytest.approx([each + 0.1 * (each % 0.3) + SHIFT_S for each in times])
    assert playout.delay_s == 0
    assert 0 < playout.uneven_s < TOLERATED_S


@pytest.mark.parametrize("of_s", [0.5, 2.0, 3.0])
def test_bursts_are_shown_steadily_from_the_second_on(of_s: float) -> None:
    _, out, playout = shown(bursts(of_s))
    settled = out[int(2 * of_s * RATE) :]
    assert gaps(settled) == pytest.approx([1 / RATE] * (len(settled) - 1))
    assert playout.delay_s == pytest.approx(of_s * (1 + MARGIN) + MARGIN_S, abs=0.1)


@pytest.mark.parametrize("piece_s", [2.0, 4.0, 6.0])
def test_pieces_are_shown_steadily_from_the_first_picture_on(piece_s: float) -> None:
    """The first three come at once, as the standard of HLS wants it."""

    def arrives(time_s: float) -> float:
        return max(3 * piece_s + time_s * 1e-3, bursts(piece_s)(time_s))

    _, out, playout = shown(arrives, in_pieces=True)
    assert gaps(out) == pytest.approx([1 / RATE] * (len(out) - 1))
    assert out[0] == pytest.approx(arrives(0) + SHIFT_S)
    assert playout.delay_s == pytest.approx(3 * piece_s, abs=0.2)


def test_a_backlog_at_the_beginning_is_hurried_through() -> None:
    """A server gives what it has since the last key frame, and then what comes."""
    _, out, playout = shown(lambda time_s: max(3 + time_s * 1e-3, time_s))
    assert out[int(3.2 * RATE)] == pytest.approx(3.2 + SHIFT_S)
    assert playout.delay_s == 0


def test_a_delay_that_is_needed_no_more_is_reduced_unseen() -> None:
    def arrives(time_s: float) -> float:
        return max(time_s, 12 + time_s * 1e-3) if 10 <= time_s < 12 else time_s

    _, out, playout = shown(arrives, lasts_s=220)
    steps = gaps(out[int(15 * RATE) :])
    assert max(steps) <= 1 / RATE + 1e-6
    assert min(steps) >= (1 - SHRINK) / RATE - 1e-6
    assert playout.delay_s == 0


@pytest.mark.parametrize("latency_s", [0.5, 3.0])
def test_a_latency_that_is_given_is_kept(latency_s: float) -> None:
    times, out, _ = shown(bursts(2.0), latency_s)
    late_s = [now_s - time_s - SHIFT_S for time_s, now_s in zip(times, out)][int(2 * RATE) :]
    if latency_s >= 2:
        assert late_s == pytest.approx([latency_s] * len(late_s), abs=0.1)
    else:
        assert min(late_s) == pytest.approx(latency_s, abs=0.1)


def test_no_latency_shows_what_is_there() -> None:
    times, out, playout = shown(bursts(2.0), 0.0)
    assert out == pytest.approx([bursts(2.0)(each) + SHIFT_S for each in times])
    assert playout.delay_s == 0


# The buffer


def packet(time_s: float, *, key: bool = False, size: int = 10) -> av.Packet:  # type: ignore[type-arg]
    made = av.Packet(bytes(size))
    made.pts, made.time_base, made.is_keyframe = round(time_s * 1000), Fraction(1, 1000), key
    return made


def fed(packets: Sequence[tuple[float, bool]], *, error: Exception | None = None) -> Iterator[Timed | None]:
    """Packets that are there at once: the time of each and whether it is of pictures."""
    for time_s, pictures in packets:
        now_s = time.monotonic()
        yield Timed(packet(time_s, key=time_s % 1 == 0), time_s, now_s, now_s, pictures)
    yield None
    if error is not None:
        raise error


def played(packets: Iterator[Timed | None], playing: Playing, *, in_pieces: bool = True) -> Buffer:
    return Buffer(packets, Wait(), Playout(playing.latency_s, in_pieces=in_pieces), playing, threading.Event())


def times_of(packets: Iterator[av.Packet | None]) -> list[float]:  # type: ignore[type-arg]
    return [each.pts / 1000 for each in packets if each is not None and each.pts is not None]


def test_a_burst_comes_out_in_time_and_sound_with_its_pictures() -> None:
    sounds = [(index / 50, False) for index in range(25)]
    pictures = [(index / 25, True) for index in range(10)]
    began_s = time.monotonic()
    came: list[tuple[float, float]] = []
    for each in played(fed([pictures[0], *sounds, *pictures[1:]]), Playing()):
        came += [] if each is None else [(each.pts / 1000, time.monotonic() - began_s)]
    assert len(came) == 35
    assert all(now_s >= time_s - 0.001 for time_s, now_s in came if time_s <= 9 / 25)  # none is early
    times = [time_s for time_s, _ in came]
    assert times == sorted(times)


def test_an_error_comes_after_what_came_before_it() -> None:
    came = []
    with pytest.raises(SourceLost, match="gone"):
        for each in played(fed([(0.0, True), (0.04, True)], error=SourceLost("gone")), Playing()):
            came += [] if each is None else [each]
    assert len(came) == 2


def test_stopping_is_heard_while_nothing_is_due() -> None:
    """Whoever reads is told at once that nothing comes, and may stop."""
    packets = iter(played(fed([(0.0, True), (3600.0, True)]), Playing()))
    assert next(packets) is not None
    assert next(packets) is None


def test_pictures_wait_for_a_reader_that_has_no_room() -> None:
    room = threading.Event()
    asked: list[float] = []

    def ready() -> bool:
        asked.append(time.monotonic())
        if len(asked) == 10:
            room.set()
        return room.is_set()

    assert times_of(iter(played(fed([(0.0, True), (0.01, True)]), Playing(0.0, ready), in_pieces=False))) == [0.0, 0.01]
    assert len(asked) >= 10


def test_a_reader_that_never_has_room_is_not_waited_for_longer_than_it_was_told() -> None:
    began_s, held_s = time.monotonic(), 0.5
    assert len(times_of(iter(played(fed([(0.0, True), (0.01, True)]), Playing(0.0, lambda: False, held_s))))) == 2
    assert time.monotonic() - began_s >= held_s


def test_more_than_may_wait_is_hurried_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer, "MAX_BYTES", 100)
    packets = played(fed([(index * 3600.0, True) for index in range(20)]), Playing())
    came = iter(packets)
    first = [next(came) for _ in range(9)]
    assert times_of(iter(first)) == [index * 3600.0 for index in range(9)]  # at most 100 bytes are kept back


def test_pictures_are_given_while_a_burst_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine so busy that each packet takes 10 ms: a burst of 2 s took half a second without a picture."""
    clock, wait = Clock(), Wait()
    monkeypatch.setattr(buffer, "time", clock)
    began_s = clock.now_s

    def slowly() -> Iterator[Timed | None]:
        for number in range(250):
            arrived_s = began_s + 2.0 * (number // 50)
            while clock.now_s < arrived_s:
                if wait.seconds:
                    clock.wait(min(wait.seconds, arrived_s - clock.now_s))
                yield None
            clock.wait(0.01)
            yield Timed(packet(number / 25), number / 25, arrived_s, clock.now_s, True)

    playing = Playing(2.0)
    given_s = [
        clock.now_s
        for each in Buffer(slowly(), wait, Playout(playing.latency_s), playing, clock)
        if each is not None and clock.now_s > began_s + 2.5
    ]
    assert len(given_s) > 150
    assert max(later - earlier for earlier, later in pairwise(given_s)) < 0.2


def test_decoding_that_is_too_slow_goes_on_from_the_newest_key_frame() -> None:
    late = time.monotonic() - MAX_BEHIND_S - 1
    packets = [Timed(packet(index / 5, key=index % 5 == 0), index / 5, late, late, True) for index in range(13)]
    playing = Playing(0.0)
    made = Buffer(iter(packets), Wait(), Playout(0.0), playing, threading.Event())
    assert times_of(iter(made)) == [2.0, 2.2, 2.4]
    assert made.skipped == 10
