"""Cameras that misbehave: lost, silent, broken, back again; and a stream that goes on, or stops when it is told to."""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import Frame, Size
from streamer import CannotOpen, SinkError, Source, SourceInfo, SourceLost, Stream, StreamConfig, open_source
from streamer.errors import Cause, Loss
from streamer.live.ring import FrameRing
from streamer.live.stats import Stats
from streamer.media.packet_queue import PacketQueue
from streamer.sources import reconnect
from streamer.sources.network import Timeouts
from streamer.sources.playback import Stopped
from streamer.sources.reconnect import Connector, Reconnecting
from streamer.sources.source import Health
from streamer.sources.timing.seams import ABSENT, MAX_ABSENT_WAIT_S, MAX_WAIT_S, MIN_WAIT_S, Backoff, Seam
from tests.support.media import (
    NO_LENGTH,
    Answer,
    Camera,
    Clip,
    broken_jpeg,
    by_turns,
    cut,
    datagrams,
    free_port,
    hang_up,
    hold,
    http,
    in_time,
    motion_jpeg,
    once,
    pictures_of,
    pts_of,
    quarters,
    raw,
    rtsp,
    serving,
    sound_of,
    spread,
)
from tests.support.paths import ROOT
from tests.support.waiting import Clock, eventually, fair_time, within

PATIENT = Timeouts(open_s=60.0, read_s=60.0, segment_s=60.0)
"""Where nothing falls silent: the test's own machine may be busy."""
SHORT = replace(PATIENT, read_s=0.4)
STOP_WITHIN_S = 3.0
"""From any state, as promised."""
BACK_WITHIN_S = 2.0
"""From a camera that is up again to its first picture, as promised."""
SLACK_S = 2.0
"""Of fair time, beside what is promised."""
STUCK_COSTS_S = 1.5
"""Of two ways to end a process that does not answer, each is tried for 0.8 s before the third."""
SMALL = {"size": (96, 128)}
PASSWORD = "-".join(["open", "sesame"])
COMMAND = [sys.executable, "-c", "from streamer.cli import main; main()"]


class Hasty(Backoff):
    """For tests that lose many connections."""

    def wait_s(self, cause: Cause) -> float:
        return 0.01 + 0 * super().wait_s(cause)


def connector(
    attempts: Callable[[float], Source],
    for_s: float | None,
    stopped: Stopped | None = None,
    stats: Stats | None = None,
    backoff: Backoff | None = None,
) -> Connector:
    told = stats or Stats()
    return Connector(
        attempts,
        for_s,
        stopped or threading.Event(),
        on_loss=lambda error: told.lost(time.monotonic(), Loss(error.cause, str(error))),
        on_return=lambda: told.back(time.monotonic()),
        backoff=backoff or Hasty(),
    )


def lasting(
    url: str,
    *,
    for_s: float | None = 120.0,
    audio: bool = False,
    stats: Stats | None = None,
    timeouts: Timeouts = PATIENT,
) -> Source:
    """A source that is connected to again, as the capture thread has it."""
    stopped = threading.Event()
    connects = connector(
        lambda within_s: open_source(url, audio=audio, timeouts=timeouts, stopped=stopped), for_s, stopped, stats
    )
    source = connects.first()
    assert source is not None
    return Reconnecting(source, connects, stopped)


def take(frames: Iterator[Frame], number: int) -> list[Frame]:
    return [next(frames) for _ in range(number)]


def goes_on(frames: Sequence[Frame]) -> bool:
    """Whether numbers and times only grow."""
    return all(later.index > earlier.index and later.pts_s >= earlier.pts_s for earlier, later in pairwise(frames))


def connections_of(frames: Sequence[Frame]) -> int:
    """How many connections they came over, of a camera with 25 a second; their times are as they must be.

    By the camera's clock within a connection; a new one begins where ours is, unless the old one ran ahead of it.
    """
    gaps_s = [later.pts_s - each.pts_s for each, later in pairwise(frames)]
    begins = [place + 1 for place, gap_s in enumerate(gaps_s) if gap_s != pytest.approx(0.04)]
    zero_s = min(each.captured_s - each.pts_s for each in frames[: begins[0] if begins else None])
    for place in begins:
        expected_s = max(frames[place - 1].pts_s, frames[place].captured_s - zero_s)
        assert frames[place].pts_s == pytest.approx(expected_s, abs=0.1)
    return 1 + len(begins)


class Put(list[Frame]):
    """The frames that were captured, without their pictures."""

    def __init__(self) -> None:
        self.at_s: list[float] = []
        """When each was put into the ring, a moment after it was captured."""


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> Put:
    kept, usual = Put(), FrameRing.put

    def noted(ring: FrameRing, frame: Frame) -> None:
        kept.append(replace(frame, picture=quarters(2, 2)))
        kept.at_s.append(time.monotonic())
        usual(ring, frame)

    monkeypatch.setattr(FrameRing, "put", noted)
    return kept


def pulled(connection: socket.socket) -> None:
    """Breaks the connection when what was sent has been read."""
    threading.Event().wait(0.3)
    cut(connection)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return Clip().make(tmp_path / "clip.ts")


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """Twenty seconds."""
    return Clip(ticks=range(0, 512 * 500, 512)).make(tmp_path / "long.ts")


@contextmanager
def black_hole() -> Iterator[int]:
    """Somebody who takes a connection and never says a word; the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


# When to try again


@given(st.lists(st.sampled_from(list(Cause)), max_size=30), st.floats(0, 1, exclude_max=True))
def test_no_wait_is_shorter_or_longer_than_promised(causes: list[Cause], chance: float) -> None:
    backoff = Backoff(lambda: chance)
    for cause in causes:
        assert MIN_WAIT_S <= backoff.wait_s(cause) <= MAX_WAIT_S


def test_who_turns_us_away_is_left_alone_for_longer_each_time() -> None:
    backoff = Backoff(lambda: 1.0)
    assert [backoff.wait_s(Cause.AUTH) for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    backoff.reset()
    assert backoff.wait_s(Cause.ENDED) == 1


def test_nobody_is_disturbed_where_nobody_answers() -> None:
    backoff = Backoff(lambda: 1.0)
    waits = [backoff.wait_s(cause) for cause in (Cause.REFUSED, Cause.UNREACHABLE, Cause.TIMEOUT) * 10]
    assert set(waits) == {MAX_ABSENT_WAIT_S}
    assert backoff.wait_s(Cause.NOT_FOUND) == 1


def test_a_webcam_that_was_pulled_out_is_looked_for_as_often() -> None:
    backoff = Backoff(lambda: 1.0, ABSENT | {Cause.NOT_FOUND})
    assert {backoff.wait_s(Cause.NOT_FOUND) for _ in range(10)} == {MAX_ABSENT_WAIT_S}


def test_chance_spreads_the_waits() -> None:
    assert len({Backoff().wait_s(Cause.REFUSED) for _ in range(20)}) > 10


# Numbers and times over a gap


def frame(index: int, pts_s: float, captured_s: float) -> Frame:
    return Frame(quarters(2, 2), index, pts_s, captured_s)


def test_times_do_not_run_ahead_with_each_connection() -> None:
    """Of each, the first frame comes half a second late and the second with it."""
    seam = Seam()
    for began_s in range(100, 200):
        seam.cut()
        first = seam.placed(frame(0, 0.0, began_s + 0.5))
        last = seam.placed(frame(1, 0.5, began_s + 0.5))
        assert 0 <= first.pts_s - (began_s - 100) <= 0.5
        assert 0 <= last.pts_s - (began_s - 100) - 0.5 <= 0.5


def test_a_gap_is_as_long_as_the_clock_says() -> None:
    seam = Seam()
    assert [seam.placed(frame(each, each / 25, 100 + each / 25)).pts_s for each in range(3)] == [0, 0.04, 0.08]
    seam.cut()
    first = seam.placed(frame(0, 0.0, 107.08))
    assert (first.index, round(first.pts_s, 6)) == (3, 7.08)
    second = seam.placed(frame(2, 0.08, 107.1))
    assert (second.index, round(second.pts_s, 6)) == (5, 7.16)
    assert round(seam.shift_s, 6) == 7.08


@given(
    st.lists(st.lists(st.tuples(st.floats(-20, 20), st.floats(0, 3)), min_size=1, max_size=5), min_size=1, max_size=5)
)
def test_whatever_connections_say_it_only_grows(connections: list[list[tuple[float, float]]]) -> None:
    seam, now_s = Seam(), 50.0
    out = []
    for connection in connections:
        for index, (pts_s, after_s) in enumerate(connection):
            now_s += after_s
            out.append(seam.placed(frame(index, pts_s, now_s)))
        seam.cut()
    assert goes_on(out)


# How often to try


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(reconnect, "time", made)
    return made


class Attempts:
    """What opening answers, one after the other; the last again and again."""

    def __init__(self, *answers: Exception | Source) -> None:
        self.made = 0
        self._answers = answers

    def __call__(self, within_s: float) -> Source:
        assert within_s > 0
        answer = self._answers[min(self.made, len(self._answers) - 1)]
        self.made += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


LOSS = SourceLost("rtsp://door/1: no picture for 5 s", Cause.TIMEOUT)


@pytest.mark.parametrize("cause", [Cause.AUTH, Cause.NOT_FOUND, Cause.CODEC])
def test_a_mistake_in_the_address_is_told_at_once(cause: Cause) -> None:
    attempts = Attempts(CannotOpen("no", cause))
    with pytest.raises(CannotOpen, match=r"^no$"):
        connector(attempts, None).first()
    assert attempts.made == 1


@pytest.mark.parametrize("cause", list(Cause))
def test_it_is_tried_again_when_asked_for_or_when_it_was_there_before(cause: Cause) -> None:
    with open_source("test:") as there:
        for_a_while = Attempts(CannotOpen("no", cause), CannotOpen("no", cause), there)
        assert connector(for_a_while, 10.0).first() is there
        once_lost = Attempts(CannotOpen("no", cause), CannotOpen("no", cause), there)
        assert connector(once_lost, None).again(LOSS) is there
        assert for_a_while.made == once_lost.made == 3


def test_it_is_given_up_in_time_and_the_cause_is_told(clock: Clock) -> None:
    refused = CannotOpen("cannot open rtsp://door/1: nobody listens there", Cause.REFUSED)
    with pytest.raises(SourceLost, match=r"nobody listens there; it did not come back in 0\.2 s") as lost:
        connector(Attempts(refused), 0.2, clock).again(LOSS)
    assert clock.now_s == pytest.approx(1000.2)
    with pytest.raises(CannotOpen, match=r"nobody listens there; it did not come back in 0\.2 s"):
        connector(Attempts(refused), 0.2, clock).first()
    assert lost.value.cause is Cause.REFUSED
    assert clock.now_s == pytest.approx(1000.4)


def test_stopping_ends_the_wait_for_the_next_attempt(clock: Clock) -> None:
    clock.stops_s = 1000.2
    attempts = Attempts(CannotOpen("no", Cause.REFUSED))
    waiting = connector(attempts, None, clock, backoff=Backoff(lambda: 1.0))
    assert waiting.again(LOSS) is None
    assert clock.now_s == clock.stops_s
    assert waiting.first() is None
    assert attempts.made == 0


# What is lost comes back


@pytest.mark.process
@pytest.mark.parametrize(
    ("scheme", "make"),
    [
        ("rtsp", lambda clip, then: rtsp(clip, then=then)),
        ("tcp", lambda clip, then: raw(clip.read_bytes(), then=then)),
        ("http", lambda clip, then: http(clip.read_bytes(), NO_LENGTH, then=then)),
        ("http", lambda clip, then: motion_jpeg([jpeg(quarters(64, 96))] * 12, then=then)),
    ],
    ids=["rtsp", "tcp", "http", "mjpeg"],
)
@pytest.mark.parametrize("then", [hang_up, pulled, hold], ids=["hangs up", "is reset", "freezes"])
def test_frames_go_on(clip: Path, scheme: str, make: Callable[[Path, Answer], Answer], then: Answer) -> None:
    stats = Stats()
    with serving(make(clip, then)) as port:
        timeouts = SHORT if then is hold else PATIENT
        with lasting(f"{scheme}://door:{PASSWORD}@127.0.0.1:{port}/1", stats=stats, timeouts=timeouts) as source:
            frames = take(iter(source), 25)
    assert goes_on(frames)
    assert [each.index for each in frames] == list(range(25))
    assert connections_of(frames) > 1
    at = stats.snapshot(time.monotonic())
    assert at.last_loss is not None
    assert PASSWORD not in repr(at) + at.last_loss.why
    if then is hold:
        assert max(later.captured_s - each.captured_s for each, later in pairwise(frames)) > SHORT.read_s
        assert "no picture for 0.4 s" in at.last_loss.why
        assert at.last_loss.cause is Cause.TIMEOUT


def jpeg(picture: np.ndarray) -> bytes:
    import cv2

    return cv2.imencode(".jpg", picture)[1].tobytes()


@pytest.mark.process
def test_half_a_frame_and_damaged_packets_are_got_over(clip: Path) -> None:
    whole = clip.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2 : len(whole) // 2 + 600] = os.urandom(600)
    half = raw(whole[: len(whole) * 2 // 3 + 77], then=pulled)
    with serving(by_turns(half, raw(bytes(damaged)), raw(os.urandom(5000)), raw(whole))) as port:
        with lasting(f"tcp://127.0.0.1:{port}") as source:
            frames = take(iter(source), 25)
    assert goes_on(frames)
    assert all(each.size == (64, 96) for each in frames)


class Damaged(Source):
    """One picture, beside a piece that could not be decoded."""

    health = Health(damaged=1)
    audio = PacketQueue()
    info = SourceInfo("camera", Size(4, 6), live=True)

    def __iter__(self) -> Iterator[Frame]:
        yield Frame.still(np.zeros((*self.info.frame_size, 3), np.uint8))


def test_damage_is_counted_over_all_connections() -> None:
    stopped = threading.Event()
    with Reconnecting(Damaged(), connector(lambda within_s: Damaged(), None, stopped), stopped) as source:
        take(iter(source), 3)
        assert source.health.damaged == 3


@pytest.mark.process
@pytest.mark.parametrize("then", [hang_up, pulled, hold], ids=["hangs up", "is reset", "freezes"])
def test_half_a_jpeg_is_not_shown(then: Answer) -> None:
    jpegs = [jpeg(quarters(64, 96, shade=shade)) for shade in range(12)]
    with serving(by_turns(broken_jpeg(jpegs, then), motion_jpeg(jpegs, then=hold))) as port:
        with lasting(f"http://127.0.0.1:{port}/1", timeouts=SHORT if then is hold else PATIENT) as source:
            frames = take(iter(source), 20)
    assert goes_on(frames)
    of_first = next(place for place in range(1, 20) if frames[place].captured_s - frames[place - 1].captured_s > 0.05)
    assert of_first <= 11  # a reset throws away what was not read
    assert max(np.abs(each.bgr.astype(int) - frames[0].bgr)[-8:].mean() for each in frames) < 15


@pytest.mark.process
@pytest.mark.parametrize("ticks", [(0, 2**33 - 30_000), (2_000_000, 0)], ids=["far ahead", "back"])
def test_a_clock_that_jumps_within_a_connection(tmp_path: Path, ticks: tuple[int, int]) -> None:
    def part(name: str, start: int) -> bytes:
        times = range(start, start + 12 * 3600, 3600)
        return Clip(ticks=times, time_base=Fraction(1, 90_000)).make(tmp_path / name).read_bytes()

    with serving(raw(part("one.ts", ticks[0]) + part("two.ts", ticks[1]))) as port:
        with open_source(f"tcp://127.0.0.1:{port}") as source:
            frames = list(source)
    assert len(frames) >= 22
    assert goes_on(frames)
    assert frames[-1].pts_s < 24 / 25 + SLACK_S


@pytest.mark.process
def test_pictures_of_another_size_and_kind_in_mid_stream_and_after_it(tmp_path: Path) -> None:
    small = Clip().make(tmp_path / "small.ts").read_bytes()
    large = Clip(size=(128, 160)).make(tmp_path / "large.ts").read_bytes()
    other = Clip(size=(80, 64), codec="mpeg4", pixels="yuv420p").make(tmp_path / "other.ts").read_bytes()
    with serving(by_turns(raw(small + large), raw(other))) as port:
        with lasting(f"tcp://127.0.0.1:{port}") as source:
            frames = take(iter(source), 30)
    assert goes_on(frames)
    assert list(dict.fromkeys(each.size for each in frames)) == [(64, 96), (128, 160), (80, 64)]


@pytest.mark.process
def test_sound_goes_on_and_keeps_to_its_pictures(tmp_path: Path) -> None:
    sung = Clip(sound="aac").make(tmp_path / "sung.ts").read_bytes()
    mute = Clip().make(tmp_path / "mute.ts").read_bytes()
    lower = Clip(sound="mp2").make(tmp_path / "lower.ts").read_bytes()
    with serving(by_turns(raw(sung), raw(mute), raw(lower), raw(sung))) as port:
        with lasting(f"tcp://127.0.0.1:{port}", audio=True) as source:
            frames = take(iter(source), 45)
            packets = source.audio.take()
    times = [float(each.dts * each.time_base) for each in packets if each.dts is not None]
    assert times == sorted(set(times))
    assert {each.stream for each in packets} == set(source.audio.streams)
    # The fourth connection's first picture; it may be moved by a millisecond to come after the last one of the third.
    again_s = frames[36].pts_s - 0.002
    assert any(time_s < 1 for time_s in times)
    assert not any(1.2 < time_s < again_s for time_s in times)
    assert any(again_s <= time_s < again_s + 0.2 for time_s in times)


@pytest.mark.process
def test_a_broadcast_that_became_a_recording_is_over(clip: Path, tmp_path: Path) -> None:
    film = Clip().make(tmp_path / "film.mp4").read_bytes()
    live = http(clip.read_bytes(), NO_LENGTH)
    with serving(by_turns(live, http(film))) as port:
        with lasting(f"http://127.0.0.1:{port}/1") as source:
            assert len(list(source)) <= 12


@pytest.mark.process
@pytest.mark.parametrize("answers", [(hang_up, hang_up), (cut, hang_up)], ids=["hangs up", "is reset"])
def test_a_sender_that_is_not_ready_yet_is_waited_for(clip: Path, answers: tuple[Answer, ...]) -> None:
    """As a relay, whose port is open before its camera is there."""
    stats = Stats()
    with serving(by_turns(*answers, raw(clip.read_bytes()))) as port:
        with lasting(f"tcp://127.0.0.1:{port}", for_s=None, stats=stats) as source:
            assert goes_on(take(iter(source), 10))
    loss = stats.snapshot(time.monotonic()).last_loss
    assert loss is not None
    assert loss.cause is Cause.ENDED
    assert "hung up" in loss.why


@pytest.mark.process
def test_a_sender_that_begins_with_something_else_is_waited_for(clip: Path) -> None:
    """Over TCP nothing says what comes, and what it is may change."""
    answers = by_turns(raw(b"220 ready\r\n"), raw(random.Random(0).randbytes(300_000)), raw(clip.read_bytes(), hold))
    with serving(answers) as port, Stream(StreamConfig(f"tcp://127.0.0.1:{port}", **SMALL)) as stream:
        assert eventually(lambda: stream.stats.last_loss is not None)
        assert eventually(lambda: stream.stats.captured > 3)
        loss = stream.stats.last_loss
    assert loss is not None
    assert loss.cause is Cause.CODEC
    assert "not a video" in loss.why


@pytest.mark.process
def test_what_is_heard_of_it_later_does_not_end_it(clip: Path) -> None:
    answers = by_turns(rtsp(clip), rtsp(None, "401 X"), rtsp(None, "404 X"), rtsp(clip))
    with serving(answers) as port, lasting(f"rtsp://door:{PASSWORD}@127.0.0.1:{port}/1", for_s=None) as source:
        assert goes_on(take(iter(source), 20))


@pytest.mark.process
def test_twenty_quick_losses_leave_nothing_behind(clip: Path) -> None:
    """As many before are for what a process keeps anyway."""
    me = psutil.Process()

    def held() -> tuple[int, int, int, int]:
        return me.num_fds(), threading.active_count(), len(me.children()), me.memory_info().rss

    with serving(rtsp(clip)) as port, lasting(f"rtsp://127.0.0.1:{port}/1") as source:
        frames = iter(source)
        take(frames, 20 * 10)
        before = held()
        index = next(frames).index
        take(frames, 20 * 12)
        after = held()
    assert index > 0
    assert after[:3] == before[:3]
    assert after[3] - before[3] < 20e6  # what malloc keeps for its own varies; a decoder each would be more


@pytest.mark.process
@pytest.mark.parametrize(
    ("number", "says"),
    [(signal.SIGKILL, "ended with exit code -9"), (signal.SIGSTOP, "no picture for 0.4 s")],
    ids=["killed", "stopped"],
)
def test_the_process_of_a_connection_is_replaced(long: Path, number: signal.Signals, says: str) -> None:
    stats = Stats()
    with serving(rtsp(long, then=hold, pace=in_time())) as port:
        timeouts = SHORT if number == signal.SIGSTOP else PATIENT
        with lasting(f"rtsp://127.0.0.1:{port}/1", stats=stats, timeouts=timeouts) as source:
            frames = iter(source)
            take(frames, 5)
            (process,) = psutil.Process().children()
            process.send_signal(number)
            take(frames, 60)
    loss = stats.snapshot(time.monotonic()).last_loss
    assert loss is not None
    assert says in loss.why


# Stopping, whatever it waits for


def stopping_takes(stream: Stream) -> float:
    with fair_time() as spent_s:
        stream.stop()
        return spent_s()


@pytest.mark.process
@pytest.mark.parametrize(
    ("scheme", "stuck"),
    [("rtsp", False), ("http", False), ("tcp", False), ("udp", False), ("rtmp", False), ("rtsp", True)],
)
def test_stopping_while_it_connects_to_a_black_hole(scheme: str, stuck: bool) -> None:
    """Stuck: where nothing interrupts it, as when it looks up a name."""
    with black_hole() as port, Stream(StreamConfig(f"{scheme}://127.0.0.1:{port}/1", **SMALL)) as stream:
        assert eventually(lambda: bool(psutil.Process().children()))
        assert not stream.join(0.3)
        if stuck:
            psutil.Process().children()[0].suspend()
        assert stopping_takes(stream) < STOP_WITHIN_S
        with within(1):
            assert stream.join(120)


@pytest.mark.process
def test_stopping_while_nobody_listens() -> None:
    with Stream(StreamConfig(f"rtsp://127.0.0.1:{free_port()}/1", **SMALL)) as stream:
        assert eventually(lambda: stream.stats.offline_since_s is not None)
        assert "nobody listens there" in str(stream.stats.last_loss)
        assert stopping_takes(stream) < STOP_WITHIN_S
        with within(1):
            assert stream.join(120)


@pytest.mark.process
@pytest.mark.parametrize("stuck", [False, True], ids=["silent", "stuck where nothing interrupts it"])
def test_stopping_while_it_is_silent(clip: Path, stuck: bool) -> None:
    """A process that was stopped is as deaf as one that looks up a name or waits for a driver."""
    with serving(rtsp(clip, then=hold)) as port:
        with Stream(StreamConfig(f"rtsp://127.0.0.1:{port}/1", **SMALL)) as stream:
            assert eventually(lambda: stream.stats.captured > 8)
            for child in psutil.Process().children():
                if stuck and "demux" in " ".join(child.cmdline()):
                    child.suspend()
            assert stopping_takes(stream) < STOP_WITHIN_S
            with within(1):
                assert stream.join(120)


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_before_there_was_a_picture(tmp_path: Path, number: int) -> None:
    with black_hole() as port:
        command = [*COMMAND, "run", f"rtsp://door:{PASSWORD}@127.0.0.1:{port}/1", "--record", "out.mp4"]
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
            assert eventually(lambda: bool(psutil.Process(run.pid).children()))
            children = psutil.Process(run.pid).children()
            assert PASSWORD not in str([child.cmdline() for child in children])
            with fair_time() as spent_s:
                run.send_signal(number)
                out, errors = run.communicate(timeout=120)
                assert spent_s() < STOP_WITHIN_S
    assert run.returncode == 130
    assert errors.count("\n") == 1  # what the stream would have done
    assert PASSWORD not in errors
    assert out.endswith("\nout.mp4: no picture came, so it was not written\n")
    assert all(gone(child) for child in children)


@pytest.mark.process
@pytest.mark.parametrize("connected", [False, True])
def test_a_killed_parent_leaves_no_connection(long: Path, tmp_path: Path, connected: bool) -> None:
    with serving(rtsp(long, then=hold, pace=in_time()) if connected else hold) as port:
        command = [*COMMAND, "run", f"rtsp://127.0.0.1:{port}/1", "--record", "out.mp4", "--size", "96x128"]
        with subprocess.Popen(command, cwd=tmp_path) as run:
            assert eventually(lambda: len(psutil.Process(run.pid).children()) == 1 + connected)
            children = psutil.Process(run.pid).children()
            with fair_time() as spent_s:
                run.kill()
                assert eventually(lambda: all(gone(child) for child in children))
                assert spent_s() < 2 + SLACK_S


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.process
def test_the_duration_ends_a_stream_that_is_offline(clip: Path) -> None:
    with serving(by_turns(rtsp(clip), hold)) as port:
        with Stream(StreamConfig(f"rtsp://127.0.0.1:{port}/1", duration_s=1.0, **SMALL)) as stream:
            with within(20):
                assert stream.join(120)
    assert stream.stats.captured == 12


# Whole streams


@pytest.mark.process
@pytest.mark.usefixtures("whole")
def test_a_camera_that_is_killed_and_comes_back_is_recorded_at_the_right_times(
    long: Path, tmp_path: Path, put: Put
) -> None:
    out = tmp_path / "out.mp4"
    with Camera(long) as camera, Stream(StreamConfig(camera.url, record=str(out), **SMALL)) as stream:
        assert eventually(lambda: stream.stats.captured > 20)
        camera.kill()
        with within(10):
            assert eventually(lambda: stream.stats.offline_since_s is not None)
        with within(10):
            assert eventually(lambda: (stream.stats.offline_since_s or 0) > 1.5)
        assert not stream.join(0)
        had = stream.stats.captured
        camera.start()
        with fair_time() as spent_s:
            assert eventually(lambda: stream.stats.captured > had)
            assert spent_s() < BACK_WITHIN_S + SLACK_S
        assert eventually(lambda: stream.stats.captured > had + 20)
        stream.stop()
        with within(5):
            assert stream.join(120)
        stats = stream.stats
    assert stats.reconnects == 1
    assert stats.offline_since_s is None
    times = [float(each) for each in pts_of(out)]
    assert len(times) == stats.shown
    assert stats.captured == stats.shown + stats.drops.total == len(put)
    due = np.array([each.pts_s for each in put])
    assert max(np.abs(due - (time_s + due[0])).min() for time_s in times) < 0.002
    back = max(range(1, len(put)), key=lambda place: put[place].pts_s - put[place - 1].pts_s)
    zero_s = min(each.captured_s - each.pts_s for each in put[:back])
    assert put[back].pts_s == pytest.approx(put[back].captured_s - zero_s, abs=0.1)
    assert 1.5 < stats.offline_s <= put.at_s[back] - put[back - 1].captured_s
    assert max(later - each for each, later in pairwise(times)) > 1.5


@pytest.mark.process
def test_a_camera_that_freezes_is_noticed_and_taken_up_again(long: Path) -> None:
    """The loss is told of when a little of the time is left, which it takes to see it and end the connection."""
    with Camera(long, "tcp") as camera, Stream(StreamConfig(camera.url, stall_after_s=1.0, **SMALL)) as stream:
        assert eventually(lambda: stream.stats.captured > 5)
        with fair_time() as spent_s:
            camera.send_signal(signal.SIGSTOP)
            assert eventually(lambda: stream.stats.offline_since_s is not None)
            assert spent_s() < 1 + SLACK_S
        assert stream.stats.last_loss is not None
        assert "no picture for 0.96 s" in stream.stats.last_loss.why
        had = stream.stats.captured
        with fair_time() as spent_s:
            camera.send_signal(signal.SIGCONT)
            assert eventually(lambda: stream.stats.captured > had)
            assert spent_s() < BACK_WITHIN_S + SLACK_S


@pytest.mark.process
def test_a_process_that_is_stuck_is_noticed_as_soon(long: Path) -> None:
    """It hears of no mild way to end it, and is given no time for them."""
    with Camera(long) as camera, Stream(StreamConfig(camera.url, stall_after_s=3.0, **SMALL)) as stream:
        assert eventually(lambda: stream.stats.captured > 5)
        with fair_time() as spent_s:
            next(each for each in psutil.Process().children() if "demux" in " ".join(each.cmdline())).suspend()
            assert eventually(lambda: stream.stats.offline_since_s is not None)
            assert spent_s() < 3 + STUCK_COSTS_S
        assert eventually(lambda: stream.stats.reconnects == 1)


@pytest.mark.process
def test_a_dead_stream_beside_others_costs_them_nothing(long: Path, tmp_path: Path) -> None:
    """In one process: one that nobody answers, one whose camera freezes, and one that has to do with neither."""
    well = Stream(StreamConfig("test:size=64x64,rate=30", record=str(tmp_path / "out.mp4"), **SMALL))
    absent = Stream(StreamConfig(f"rtsp://127.0.0.1:{free_port()}/1", **SMALL))
    with Camera(long, "tcp") as camera:
        frozen = Stream(StreamConfig(camera.url, stall_after_s=1.0, **SMALL))
        with well, absent, frozen:
            assert eventually(lambda: well.stats.parsed > 0 and frozen.stats.captured > 5)
            camera.send_signal(signal.SIGSTOP)
            dead = (absent, frozen)
            assert eventually(lambda: all(each.stats.offline_since_s is not None for each in dead))
            before = well.stats
            assert eventually(lambda: well.stats.shown > before.shown + 40)
            assert well.stats.last_loss is None
    with within(1):
        assert well.join(120)
    assert len(pts_of(tmp_path / "out.mp4")) == well.stats.shown


@pytest.mark.process
def test_mpeg_ts_over_udp_that_falls_silent(clip: Path) -> None:
    port = free_port()
    body = clip.read_bytes()
    with Stream(StreamConfig(f"udp://127.0.0.1:{port}", stall_after_s=3.0, **SMALL)) as stream:
        with datagrams(body, 0.5, port):
            assert eventually(lambda: stream.stats.captured > 20)
        assert eventually(lambda: stream.stats.last_loss is not None)
        assert stream.stats.last_loss is not None
        assert stream.stats.last_loss.cause is Cause.TIMEOUT
        had = stream.stats.captured
        with datagrams(body, 0.5, port):
            assert eventually(lambda: stream.stats.captured > had + 10)
        assert stream.stats.reconnects == 1


@pytest.mark.process
def test_a_flood_is_counted_and_not_kept(long: Path, tmp_path: Path) -> None:
    """All of a connection at once: what is shown is the newest, and what is recorded has its own times."""
    out = tmp_path / "out.mp4"
    with serving(raw(long.read_bytes(), then=hold)) as port:
        with Stream(StreamConfig(f"tcp://127.0.0.1:{port}", record=str(out), **SMALL)) as stream:
            assert eventually(lambda: stream.stats.captured > 490, 60)  # the last wait for the next
            assert stopping_takes(stream) < STOP_WITHIN_S
            stats = stream.stats
    assert stats.shown + stats.drops.total == stats.captured
    times = pts_of(out)
    assert len(times) == stats.shown
    assert times[-1] <= 20


@pytest.mark.process
@pytest.mark.usefixtures("whole")
def test_a_recording_that_goes_on_through_all_of_it(tmp_path: Path, put: Put) -> None:
    def part(name: str, start: int = 0, **kind: object) -> bytes:
        times = range(start, start + 25 * 3600, 3600)
        return Clip(ticks=times, time_base=Fraction(1, 90_000), **kind).make(tmp_path / name).read_bytes()

    def damaged(body: bytes) -> bytes:
        return body[: len(body) // 2] + os.urandom(500) + body[len(body) // 2 + 500 :]

    plain, back = part("plain.ts", 9_000_000), part("back.ts")
    large = part("large.ts", size=(128, 160))
    other = Clip(codec="mpeg4", ticks=range(0, 512 * 25, 512)).make(tmp_path / "other.ts").read_bytes()
    out = tmp_path / "out.mp4"
    answers = by_turns(
        spread(plain + back + large, 3.0, then=cut),  # runs back, another size, and the cable is pulled
        spread(damaged(plain), 1.0),  # damaged, and freezes
        spread(plain[: len(plain) // 2 + 77], 0.5, then=hang_up),  # half a frame
        spread(other + plain, 2.0),  # another codec, and back again
    )
    with serving(answers) as port:
        config = StreamConfig(f"tcp://127.0.0.1:{port}", record=str(out), stall_after_s=0.7, **SMALL)
        with Stream(config) as stream:
            assert eventually(lambda: stream.stats.captured > 0)
            assert eventually(lambda: stream.stats.reconnects >= 4)
            had = stream.stats.captured
            assert eventually(lambda: stream.stats.captured > had + 3)
            stream.stop()
            with within(5):
                assert stream.join(120)
            stats = stream.stats
    times = [float(each) for each in pts_of(out)]
    assert len(times) == stats.shown
    assert times == sorted(set(times))
    assert stats.captured == stats.shown + stats.drops.total == len(put)
    assert times[-1] - times[0] == pytest.approx(put[len(times) - 1].captured_s - put[0].captured_s, abs=1.5)


@pytest.mark.process
@pytest.mark.usefixtures("whole")
def test_another_size_goes_into_the_same_recording(tmp_path: Path) -> None:
    """Letterboxed into the first one, parsed in its own."""
    out = tmp_path / "out.mp4"
    small = Clip(size=(96, 128), ticks=range(0, 512 * 40, 512)).make(tmp_path / "small.ts").read_bytes()
    large = Clip(size=(128, 96), ticks=range(0, 512 * 80, 512)).make(tmp_path / "large.ts").read_bytes()
    parsing = threading.Event()
    with serving(spread(small, 1.0, then=once(parsing, spread(large, 4.0)))) as port:
        config = StreamConfig(
            f"tcp://127.0.0.1:{port}", record=str(out), crf=1, hide=("Hair",), stall_after_s=60.0, **SMALL
        )
        with Stream(config) as stream:
            assert eventually(lambda: stream.stats.parsed > 0)
            parsing.set()
            assert eventually(lambda: stream.newest is not None and stream.newest.frame_size == (128, 96))
            parsed = stream.stats.parsed
            assert eventually(lambda: stream.stats.parsed > parsed + 3)
            stream.stop()
            with within(5):
                assert stream.join(120)
    pictures = pictures_of(out)
    assert {each.shape for each in pictures} == {(96, 128, 3)}
    assert pictures[0][5, 5].max() > 100
    assert pictures[-1][5, 5].max() < 60
    assert pictures[-1][48, 64].max() > 100


@pytest.mark.process
@pytest.mark.usefixtures("whole")
def test_masks_of_another_size_are_not_drawn(tmp_path: Path) -> None:
    """Only one of the first pictures is parsed; then there are others."""
    out, ticks = tmp_path / "out.mp4", range(0, 512 * 50, 512)
    small = Clip(size=(96, 128), ticks=ticks).make(tmp_path / "small.ts").read_bytes()
    large = Clip(size=(128, 96), ticks=ticks).make(tmp_path / "large.ts").read_bytes()
    parsed = threading.Event()
    with serving(spread(small, 2.0, then=once(parsed, spread(large, 2.0)))) as port:
        config = StreamConfig(
            f"tcp://127.0.0.1:{port}", parse_hz=0.01, mask_ttl_s=60.0, stall_after_s=60.0, record=str(out), **SMALL
        )
        with Stream(config) as stream:
            assert eventually(lambda: stream.stats.parsed == 1 and stream.stats.shown >= 40)
            parsed.set()
            assert eventually(lambda: stream.stats.shown > 60)  # of which 50 are small
            masks = stream.stats.mask_age
            assert eventually(lambda: stream.stats.shown > 90)
            assert stream.stats.parsed == 1
            assert stream.stats.mask_age == masks


@pytest.mark.process
@pytest.mark.usefixtures("whole")
def test_a_recording_of_sound_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    sung = Clip(sound="aac", ticks=range(0, 512 * 25, 512)).make(tmp_path / "sung.ts").read_bytes()
    with serving(by_turns(spread(sung, 1.0, then=hang_up), spread(sung, 1.0))) as port:
        with Stream(StreamConfig(f"tcp://127.0.0.1:{port}", record=str(out), **SMALL)) as stream:
            assert eventually(lambda: stream.stats.reconnects == 1 and stream.stats.shown > 40)
            stream.stop()
            with within(5):
                assert stream.join(120)
    (track,) = sound_of(out)
    times = [float(time_s) for time_s, _ in track]
    pictures = [float(each) for each in pts_of(out)]
    again_s = next(later for each, later in pairwise(pictures) if later - each > 0.3)
    assert times == sorted(set(times))
    assert any(again_s - 0.05 < time_s < again_s + 0.2 for time_s in times)


@pytest.mark.process
@pytest.mark.parametrize("place", ["disk", "web server", "web server that cannot wind"])
def test_the_end_of_a_recording_is_the_end(clip: Path, tmp_path: Path, place: str) -> None:
    film = clip if "wind" in place else Clip().make(tmp_path / "film.mp4")
    with serving(http(film.read_bytes())) as port:
        source = str(film) if place == "disk" else f"http://127.0.0.1:{port}/{film.name}"
        with Stream(StreamConfig(source, reconnect_for_s=float("inf"), **SMALL)) as stream:
            assert stream.join(120)
    assert stream.stats.captured == 12
    assert stream.stats.last_loss is None


@pytest.mark.process
def test_never_again(clip: Path) -> None:
    with serving(rtsp(clip, then=hang_up)) as port:
        with Stream(StreamConfig(f"rtsp://127.0.0.1:{port}/1", reconnect_for_s=0, **SMALL)) as stream:
            assert stream.join(120)
    with serving(rtsp(clip, then=hold)) as port:
        with Stream(
            StreamConfig(f"rtsp://127.0.0.1:{port}/1", reconnect_for_s=0, stall_after_s=0.4, **SMALL)
        ) as stream:
            with pytest.raises(SourceLost, match=r"no picture for 0\.384 s$"):
                stream.join(120)
    with Stream(StreamConfig(f"rtsp://127.0.0.1:{free_port()}/1", reconnect_for_s=0, **SMALL)) as stream:
        with pytest.raises(CannotOpen, match=r"nobody listens there$"):
            stream.join(120)


@pytest.mark.process
def test_not_for_long(clip: Path) -> None:
    with Stream(StreamConfig(f"rtsp://127.0.0.1:{free_port()}/1", reconnect_for_s=1.0, **SMALL)) as stream:
        with pytest.raises(CannotOpen, match="did not come back in 1 s"):
            stream.join(120)
    with serving(rtsp(None, "401 X")) as port, Stream(StreamConfig(f"rtsp://127.0.0.1:{port}/1", **SMALL)) as stream:
        with pytest.raises(CannotOpen, match="password is wrong") as caught:
            stream.join(120)
    assert caught.value.cause is Cause.AUTH


# Sinks that fail


@pytest.mark.process
def test_a_full_disk_ends_the_recording_and_not_the_stream(tmp_path: Path) -> None:
    """A limit on the size of files fails a write as a full disk does."""
    code = f"""
import resource, signal, sys
sys.path.insert(0, {str(ROOT)!r})
from tests.support.waiting import Clock, eventually, fair_time, within
from streamer import SinkError, Stream, StreamConfig
from streamer.sources.open import sample
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
config = StreamConfig(
    str(sample("street.mp4")), loop=True, record="out.mp4", publish="ipc://sock", size=(96, 128)
)
with Stream(config) as stream:
    assert eventually(lambda: stream.stats.sinks_ended, 60)
    before = stream.stats
    print(stream.stats.sinks_ended[-1].why)
    assert eventually(lambda: stream.stats.parsed > before.parsed + 5)
    stream.stop()
    at = stream.stats
    assert at.captured == at.shown + at.drops.total and at.drops.no_sink, at
    try:
        stream.join()
    except SinkError as exc:
        print(exc)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.stderr == ""
    why, error = done.stdout.splitlines()
    assert why == error
    assert error == "cannot write out.mp4: File too large; what was written until then is kept"
    with open_source(tmp_path / "out.mp4") as kept:
        assert len(list(kept)) > 3


@pytest.mark.process
def test_a_recording_that_cannot_begin_ends_the_stream(tmp_path: Path) -> None:
    """Somebody is there to see it, and to put it right."""
    config = StreamConfig(
        "test:size=64x64", record=str(tmp_path / "out.mp4"), publish=f"ipc://{tmp_path}/sock", **SMALL
    )
    stream = Stream(config)
    (tmp_path / "out.mp4").touch()  # that there is one already would be told before
    with stream, pytest.raises(SinkError, match="--force overwrites it"):
        stream.join(120)
