"""Cameras whose clock is wrong, and those whose pictures come in bursts or pieces. Each has sound.

Of the pictures that were captured, those count as ones to keep that were not still to be drawn when the stream was
stopped.
"""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

from benchmarks.reliability.measure import Place, Row, captured, rest, running, until
from benchmarks.reliability.odd_rtsp import LOUD_S, RATE, Odd, flashing, odd_camera
from streamer import Snapshot, Stream
from tests.support import media
from tests.support.media import Camera, serving

MAX_APART_S = 0.1
"""Between what is seen and what is heard of one moment."""
MAX_PAUSE_S = 0.2
"""Between two pictures on the screen: what a person takes for a stop is longer."""
HOUR_S = 3600.0


@dataclass(frozen=True)
class Recorded:
    """A recording of a camera that flashes and sounds once a second."""

    times_s: tuple[float, ...]
    """Of its pictures."""
    apart_s: float
    """The most that a flash and its sound are apart; infinite where sound is missing."""

    @property
    def lasts_s(self) -> float:
        return self.times_s[-1] - self.times_s[0] + 1 / RATE

    @property
    def gap_s(self) -> float:
        return max(later - each for each, later in pairwise(self.times_s))


def recorded(path: Path) -> Recorded:
    with av.open(str(path)) as container:
        pictures = [(each.pts * each.time_base, each.to_ndarray(format="gray")) for each in container.decode(video=0)]
    seen = [(float(time), picture.mean() > 128) for time, picture in pictures]
    flashes = [later for (_, before), (later, after) in pairwise(seen) if after and not before]
    heard = _onsets(path)
    # Of the last second perhaps one half was recorded.
    apart_s = [min((abs(each - other) for other in heard), default=math.inf) for each in flashes[:-1]]
    return Recorded(tuple(each for each, _ in seen), max(apart_s, default=math.inf))


def _onsets(path: Path) -> list[float]:
    """When it gets loud."""
    onsets, quiet_since_s = list[float](), -math.inf
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            rate = frame.sample_rate
            samples = abs(frame.to_ndarray().astype(np.float64)[0])
            loud = np.flatnonzero(samples > 0.1 * (1 if frame.format.name.startswith("flt") else 32_768))
            if len(loud):
                begins_s = float(frame.pts * frame.time_base)
                first_s = begins_s + int(loud[0]) / rate
                if first_s - quiet_since_s > LOUD_S:
                    onsets.append(first_s)
                quiet_since_s = begins_s + int(loud[-1]) / rate
    return onsets


def _outliers(off_s: float) -> Odd:
    return Odd(stamp=lambda number, true_s: true_s + (off_s if number % 50 == 49 else 0.0))


CLOCKS = {
    "the hour of the day steps by +1 h after 5 s": Odd(steps=lambda true_s: HOUR_S if true_s > 5 else 0.0),
    "by -1 h": Odd(steps=lambda true_s: -HOUR_S if true_s > 5 else 0.0),
    "its pictures' clock steps by +1 h after 5 s": Odd(
        stamp=lambda number, true_s: true_s + (HOUR_S if true_s > 5 else 0.0)
    ),
    "each 50th picture is stamped 9 s too late": _outliers(9.0),
    "9 s too early": _outliers(-9.0),
    "all pictures are stamped alike": Odd(stamp=lambda number, true_s: 0.0),
    "its pictures' clock runs at 84 %": Odd(stamp=lambda number, true_s: 0.84 * true_s),
    "at 50 %": Odd(stamp=lambda number, true_s: 0.5 * true_s),
}


def clocks(place: Place) -> Iterator[Row]:
    """The recording of each is as long as it took, and sound stays beside pictures."""
    seconds = 8.0 if place.short else 20.0
    clip = flashing(place.folder / "flashes.ts", seconds + 10)
    chosen = dict(list(CLOCKS.items())[:1]) if place.short else CLOCKS
    for number, (name, odd) in enumerate(chosen.items()):
        out = place.folder / f"clock-{number}.mp4"
        with serving(odd_camera(clip, odd)) as port:
            with running(f"rtsp://127.0.0.1:{port}/1", record=str(out), parse_hz=3) as stream:
                captured(stream, 1)
                rest(seconds)
                stream.stop()
                stats = stream.stats
        got = recorded(out)
        kept = stats.captured - stats.drops.at_end
        took_s = kept / RATE  # more than was waited: those of the first moment come at once
        yield Row(
            f"camera's clock is wrong: {name}",
            "as long as it took, to 1 %; each picture kept; sound within 100 ms",
            f"{got.lasts_s:.2f} s of {took_s:.2f} s, {len(got.times_s)} of {kept} pictures,"
            f" sound {got.apart_s * 1e3:.0f} ms off",
            abs(got.lasts_s - took_s) <= 0.01 * took_s + place.slack_s
            and (place.short or len(got.times_s) == kept)
            and got.apart_s <= MAX_APART_S + place.slack_s,
        )


def bursts(place: Place) -> Iterator[Row]:
    """A camera over Wi-Fi that sends two seconds at once."""
    if place.short:
        return
    seconds = 20.0
    clip = flashing(place.folder / "burst.ts", seconds + 20)
    out = place.folder / "burst.mp4"
    odd = Odd(arrives=lambda true_s: (int(true_s / 2) + 1) * 2.0)
    with serving(odd_camera(clip, odd)) as port:
        with running(f"rtsp://127.0.0.1:{port}/1", record=str(out), parse_hz=3) as stream:
            captured(stream, 4 * RATE)
            pause_s = longest_pause_s(stream, seconds)
            stream.stop()
            stats = stream.stats
    yield _even("RTSP in bursts of 2 s", recorded(out), stats, pause_s, place)


def pieces(place: Place) -> Iterator[Row]:
    """HLS comes a piece at a time. There is no sound in it."""
    if place.short:
        return
    for piece_s in (2, 4):
        out = place.folder / f"pieces-{piece_s}.mp4"
        program = (sys.executable, "-m", "tests.support.hls", "--piece", str(piece_s))
        with Camera(place.clip("second.ts", 1), "hls", program) as source:
            rest(3.5 * piece_s)  # who comes early finds one piece alone, and waits for the next
            with running(source.url, record=str(out), parse_hz=3) as stream:
                captured(stream, 4 * RATE)
                pause_s = longest_pause_s(stream, 20.0)
                stream.stop()
                stats = stream.stats
        times_s = tuple(map(float, media.pts_of(out)))
        yield _even(f"HLS in pieces of {piece_s} s", Recorded(times_s, 0.0), stats, pause_s, place)


def longest_pause_s(stream: Stream, seconds: float) -> float:
    """The longest time in which no picture was shown."""
    longest_s = left_s = 0.0
    while left_s < seconds:
        shown = stream.stats.shown
        pause_s = until(lambda: stream.stats.shown > shown, seconds)  # noqa: B023
        longest_s, left_s = max(longest_s, pause_s), left_s + pause_s
    return longest_s


def _even(what: str, got: Recorded, stats: Snapshot, pause_s: float, place: Place) -> Row:
    late_s = stats.shown_after.p50_s + stats.delay_s
    kept = stats.captured - stats.drops.at_end
    return Row(
        what,
        f"each picture kept by its own time; shown without a pause of {MAX_PAUSE_S:g} s; sound within 100 ms",
        f"{len(got.times_s)} of {kept} pictures, {got.gap_s * 1e3:.0f} ms apart at most; longest pause"
        f" {pause_s * 1e3:.0f} ms, {late_s:.1f} s late; sound {got.apart_s * 1e3:.0f} ms off",
        len(got.times_s) == kept
        and got.gap_s < 1.5 / RATE
        and pause_s <= MAX_PAUSE_S + place.slack_s
        and got.apart_s <= MAX_APART_S,
    )


FAULTS = (clocks, bursts, pieces)
