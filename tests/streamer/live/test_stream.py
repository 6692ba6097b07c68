"""A whole stream on real processes: what comes through, how it ends, and what happens when parts of it fail."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import psutil
import pytest

from pipeline import CIHP, Look, Parsing, RuntimeUnavailable, Size, UnknownName
from pipeline.drawing.overlay import drawn_size
from streamer import (
    CannotOpen,
    ConfigError,
    SinkError,
    SourceLost,
    Stream,
    StreamConfig,
    WorkerDied,
    open_source,
    subscribe,
)
from streamer.live.render import RenderLoop
from streamer.live.stream import RING_FRAMES
from streamer.masks.sidecar import Sidecar
from streamer.media.opencv_threads import CORES_A_THREAD
from streamer.sources.open import sample
from tests.support.media import Clip, free_port, hang_up, http, pictures_of, pts_of, serving, sound_of, spread
from tests.support.paths import ROOT
from tests.support.waiting import eventually, fair_time, within

pytestmark = pytest.mark.process

BACK_WITHIN_S = 3.0
"""What the issue of shutting down allows; the tests' own machine may be busy, so they allow as much again."""
COMMAND = [sys.executable, "-c", "from streamer.cli import main; main()"]
SMALL = {"size": (96, 128)}


def free_address() -> str:
    return f"tcp://127.0.0.1:{free_port()}"


@pytest.fixture
def in_time() -> Iterator[None]:
    """The test stops a stream as its last act: it and what it started must be gone soon after."""
    yield
    before = {each.pid for each in psutil.Process().children(recursive=True)}
    with fair_time() as spent_s:
        assert eventually(lambda: not before & {each.pid for each in psutil.Process().children(recursive=True)})
        assert spent_s() < 2 * BACK_WITHIN_S


def recorded(growing: Path) -> int:
    """How many pictures a file has that is being written."""
    try:
        return len(pts_of(growing))
    except av.error.FFmpegError:
        return 0


def stopping_takes(stream: Stream) -> float:
    with fair_time() as spent_s:
        stream.stop()
        return spent_s()


def test_every_frame_of_a_source_is_shown_and_accounted_for(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    with Stream(StreamConfig("test:size=240x320,rate=30,frames=60", record=str(out))) as stream:
        assert stream.join(120)
    stats = stream.stats
    assert (stats.captured, stats.shown, stats.drops.total, stats.waiting) == (60, 60, 0, 0)
    assert 0 < stats.parsed <= 60
    assert len(pts_of(out)) == 60
    assert stream.newest is not None


def test_what_is_recorded_waits_until_the_recording_is_set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which takes seconds on a machine that has much to do. Sixty frames are due in a sixteenth of one."""
    made, begin = threading.Event(), RenderLoop._begin

    def begun(loop: RenderLoop) -> bool:
        made.wait()
        return begin(loop)

    monkeypatch.setattr(RenderLoop, "_begin", begun)
    out = tmp_path / "out.mp4"
    with Stream(StreamConfig("test:size=64x64,rate=1000,frames=60", record=str(out), **SMALL)) as stream:
        try:
            assert eventually(lambda: stream.stats.captured == RING_FRAMES - 1)
            assert not eventually(lambda: stream.stats.captured > RING_FRAMES - 1, 0.5)
        finally:
            made.set()
        assert stream.join(120)
    assert (stream.stats.captured, stream.stats.shown, len(pts_of(out))) == (60, 60, 60)


def test_the_recording_carries_masks_of_its_own_frames(tmp_path: Path) -> None:
    """With a wait for them long enough for any machine, a frame after the network is loaded has its own."""
    config = StreamConfig(str(sample("street.mp4")), size=(288, 384), record=str(tmp_path / "out.mp4"), mask_wait_s=0.5)
    with Stream(config) as stream:
        assert stream.join(120)
    assert stream.stats.shown == 80
    assert stream.stats.mask_age.p50_s == 0
    assert stream.stats.parsed > 20


def test_a_legend_below_makes_every_picture_of_a_recording_higher(tmp_path: Path) -> None:
    """Those before the first masks, too, and none is scaled to make room."""
    out = tmp_path / "out.mp4"
    look = {"legend": "below", "opacity": 0.0, "outline": False, "tags": False}
    with Stream(StreamConfig("test:size=240x320,rate=30,frames=40", record=str(out), crf=1, **look, **SMALL)) as stream:
        assert stream.join(120)
    high, wide = drawn_size(Size(240, 320), Look(legend="below"), CIHP)
    pictures = pictures_of(out)
    assert high > 240
    assert {each.shape[:2] for each in pictures} == {(high + high % 2, wide)}
    with open_source("test:size=240x320,rate=30,frames=40") as pattern:
        for frame, picture in zip(pattern, pictures, strict=True):
            assert np.abs(picture[:240].astype(int) - frame.bgr).mean() < 8


def test_masks_too_old_are_not_drawn(tmp_path: Path) -> None:
    config = StreamConfig(
        "test:size=240x320,rate=30,frames=40", parse_hz=0.01, mask_ttl_s=0.2, record=str(tmp_path / "out.mp4"), **SMALL
    )
    with Stream(config) as stream:
        assert stream.join(120)
    assert stream.stats.parsed <= 2  # the first, and the last once no more can come
    assert stream.stats.mask_age.p99_s <= 0.2


def test_parse_hz_is_kept(tmp_path: Path) -> None:
    config = StreamConfig("test:size=240x320,rate=30,frames=90", parse_hz=5, record=str(tmp_path / "out.mp4"), **SMALL)
    with Stream(config) as stream:
        assert stream.join(120)
    assert 5 <= stream.stats.parsed <= 16


def test_a_stream_without_sinks_says_so() -> None:
    with Stream(StreamConfig("test:size=240x320,frames=20", **SMALL)) as stream:
        assert stream.join(120)
    assert stream.stats.drops.no_sink == stream.stats.captured == 20
    assert stream.stats.waiting == 0


def test_subscribers_see_what_is_parsed(tmp_path: Path) -> None:
    address = free_address()
    seen: list[Parsing] = []
    with subscribe(address, timeout_s=120) as heard:
        with Stream(StreamConfig(str(sample("street.mp4")), size=(288, 384), publish=address, stream="door")) as stream:
            seen.extend(heard)
            assert stream.join(120)
    assert heard.end_reason == "ended"
    assert heard.end_totals is not None
    assert heard.end_totals.captured == 80
    assert heard.end_totals.parsed == stream.stats.parsed
    assert heard.end_totals.parsed_after.p50_s > 0
    assert heard.bad_messages == 0
    assert len(seen) > 20
    assert all(later.frame_index > earlier.frame_index for earlier, later in pairwise(seen))
    assert any(parsing.people for parsing in seen)
    assert stream.newest is not None
    assert (seen[-1].labels == stream.newest.labels).all()


def test_what_is_parsed_is_kept_with_its_times(tmp_path: Path) -> None:
    masks = tmp_path / "door.hpm"
    began_unix_s = time.time()
    with Stream(StreamConfig(str(sample("street.mp4")), masks=str(masks), **SMALL)) as stream:
        stream.join()
    with Sidecar(masks) as sidecar:
        assert sidecar.has_index
        assert len(sidecar) == stream.stats.parsed > 0
        assert sidecar.origin is not None
        assert (sidecar.origin.live, sidecar.origin.source.name) == (True, "street.mp4")
        frames = [each.frame for each in sidecar.masks]
        assert frames == sorted(set(frames))
        assert all(each.captured_s > began_unix_s - 1 for each in sidecar)
    with pytest.raises(SinkError, match=r"door\.hpm exists"):
        Stream(StreamConfig("test:", masks=str(masks)))


def test_duration_and_loop(tmp_path: Path) -> None:
    config = StreamConfig(
        "test:size=64x64,rate=30,frames=10", loop=True, duration_s=1.0, record=str(tmp_path / "out.mp4"), **SMALL
    )
    with Stream(config) as stream:
        assert stream.join(120)
    assert 25 <= stream.stats.captured <= 32
    assert len(pts_of(tmp_path / "out.mp4")) == stream.stats.shown


def test_a_recording_that_is_to_last_a_while_has_no_more_sound(tmp_path: Path) -> None:
    """The file ends with its second picture, and its sound much later."""
    lecture = Clip(ticks=(0, 6_400), sound="aac", b_frames=0).make(tmp_path / "short.mp4")
    config = StreamConfig(str(lecture), duration_s=0.7, record=str(tmp_path / "out.mp4"), **SMALL)
    with Stream(config) as stream:
        assert stream.join(120)
    assert float(sound_of(lecture)[0][-1][0]) > 0.9
    assert 0.6 < float(sound_of(tmp_path / "out.mp4")[0][-1][0]) < 0.7


@pytest.mark.parametrize("cores", [2, 16])
def test_opencv_leaves_the_cores_to_the_network(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cv2.getNumThreads()
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    cv2.setNumThreads(cores)
    one, other = (Stream(StreamConfig("test:size=64x64", **SMALL)) for _ in range(2))
    held = max(1, cores // CORES_A_THREAD)
    try:
        with one:
            with other:
                assert eventually(lambda: min(one.stats.captured, other.stats.captured) > 0)
                assert cv2.getNumThreads() == held
            assert cv2.getNumThreads() == held
        assert cv2.getNumThreads() == cores  # as the program had it that the streams are a part of
    finally:
        cv2.setNumThreads(before)


def test_a_number_of_opencv_threads_that_was_chosen_meanwhile_stays() -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        with Stream(StreamConfig("test:size=64x64", **SMALL)) as stream:
            assert eventually(lambda: stream.stats.captured > 0)
            cv2.setNumThreads(3)
        assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(before)


# Stopping


@pytest.mark.usefixtures("in_time")
def test_stopping_in_the_middle_completes_the_recording(tmp_path: Path) -> None:
    with Stream(StreamConfig("test:size=240x320,rate=30", record=str(tmp_path / "out.mp4"), **SMALL)) as stream:
        assert eventually(lambda: stream.stats.shown > 20)
        assert not stream.join(0.1)
        assert stopping_takes(stream) < 2 * BACK_WITHIN_S
        assert stopping_takes(stream) < 0.5  # twice is once
    stats = stream.stats
    assert stats.captured == stats.shown + stats.drops.total
    assert len(pts_of(tmp_path / "out.mp4")) == stats.shown


@pytest.mark.usefixtures("in_time")
def test_stopping_before_the_worker_is_up() -> None:
    with Stream(StreamConfig("test:size=240x320,rate=30")) as stream:
        assert eventually(lambda: stream.stats.captured > 0)
        assert stopping_takes(stream) < 2 * BACK_WITHIN_S
    assert stream.stats.parsed == 0


@pytest.mark.usefixtures("in_time")
def test_stopping_at_once() -> None:
    with Stream(StreamConfig("test:size=240x320,rate=30")) as stream:
        assert stopping_takes(stream) < 2 * BACK_WITHIN_S


@pytest.mark.usefixtures("in_time")
def test_stopping_during_a_long_inference() -> None:
    config = StreamConfig("test:size=240x320,rate=30", size=(1600, 1600), runtime="onnx", threads=1)
    with Stream(config) as stream:
        assert eventually(lambda: bool(psutil.Process().children()))
        assert eventually(lambda: stream.stats.captured > 30)
        assert stopping_takes(stream) < 2 * BACK_WITHIN_S


@pytest.mark.usefixtures("in_time")
def test_stopping_from_another_thread_while_somebody_joins() -> None:
    with Stream(StreamConfig("test:size=240x320,rate=30", **SMALL)) as stream:
        stopper = threading.Timer(0.5, stream.stop)
        stopper.start()
        assert stream.join(120)
        stopper.join()


def test_a_stream_is_started_once() -> None:
    stream = Stream(StreamConfig("test:size=64x64,frames=2", **SMALL))
    with stream:
        stream.join(120)
        with pytest.raises(ConfigError, match="started once"):
            stream.start()


# Failing


def failing(config: StreamConfig) -> Stream:
    stream = Stream(config)
    with stream:
        stream.join(120)
    return stream


@pytest.mark.usefixtures("in_time")
def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CannotOpen, match="No such file"):
        failing(StreamConfig("nothing.mp4", record=str(tmp_path / "out.mp4")))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("in_time")
def test_a_recording_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="no folder"):
        failing(StreamConfig("test:size=64x64", record=str(tmp_path / "no" / "out.mp4"), **SMALL))


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_disk_that_fills_up_keeps_what_was_recorded(tmp_path: Path, suffix: str) -> None:
    """A limit on the size of files fails a write as a full disk does."""
    code = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
from streamer.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "run", str(sample("street.mp4")), "--record", f"out{suffix}", "--size", "96x128"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    *_, error = done.stderr.splitlines()  # the first says where it goes
    assert error == f"error: cannot write out{suffix}: File too large; what was written until then is kept"
    assert [path.name for path in tmp_path.iterdir()] == [f"out{suffix}"]
    with open_source(tmp_path / f"out{suffix}") as kept:  # its last picture may be cut in two
        assert len(list(kept)) > 5


@pytest.mark.usefixtures("in_time")
def test_a_source_that_fails_in_the_middle_completes_the_recording(tmp_path: Path) -> None:
    clip = Clip(size=(240, 320), ticks=range(0, 512 * 50, 512)).make(tmp_path / "clip.ts")
    with serving(http(clip.read_bytes(), "Content-Length: 1000000\r\n")) as port:
        url = f"http://127.0.0.1:{port}/clip.ts"
        with pytest.raises(SourceLost):
            failing(StreamConfig(url, record=str(tmp_path / "out.mp4"), reconnect_for_s=0, **SMALL))
    assert len(pts_of(tmp_path / "out.mp4")) > 5


@pytest.mark.usefixtures("in_time")
def test_an_address_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SinkError, match=re.escape(address)):
            failing(StreamConfig("test:size=64x64", publish=address, **SMALL))


def test_settings_that_cannot_be_are_told_before_anything_runs() -> None:
    with pytest.raises(UnknownName, match="no parser 'big'"):
        Stream(StreamConfig("test:", parser="big"))
    with pytest.raises(UnknownName, match="Nose"):
        Stream(StreamConfig("test:", hide=("Nose",)))
    with pytest.raises(UnknownName, match="no runtime"):
        Stream(StreamConfig("test:", runtime="cuda"))


@pytest.mark.usefixtures("in_time")
def test_a_network_that_cannot_be_loaded(tmp_path: Path) -> None:
    """In a process of its own, whose copy of the program has a broken network."""
    root = ROOT
    for package in ("pipeline", "streamer"):
        shutil.copytree(root / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "pipeline" / "lite" / "lite.onnx").write_bytes(b"no network")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from streamer.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "run", "test:size=64x64", "--record", "out.mp4"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    *_, error = done.stderr.splitlines()
    assert error.startswith("error: ")
    assert "lite.onnx is damaged" in error


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize(
    ("number", "at_least_hz"), [(signal.SIGKILL, 0), (signal.SIGSTOP, 20)], ids=["killed", "stopped"]
)
def test_a_lost_worker_is_replaced_and_the_picture_plays_on(
    tmp_path: Path, number: signal.Signals, at_least_hz: int
) -> None:
    """One that was stopped is given ten seconds to answer, in which 300 frames come."""
    with Stream(StreamConfig("test:size=240x320,rate=30", record=str(tmp_path / "out.mp4"), **SMALL)) as stream:
        assert eventually(lambda: stream.stats.parsed > 3)
        (worker,) = psutil.Process().children()
        parsed, shown = stream.stats.parsed, stream.stats.shown
        with fair_time() as spent_s:
            worker.send_signal(number)
            assert eventually(lambda: stream.stats.worker_restarts == 1, 300)
            assert stream.stats.shown >= shown + at_least_hz * spent_s()
        assert eventually(lambda: stream.stats.parsed > parsed + 3 and stream.stats.shown > shown)
        stream.stop()
        with within(5):
            assert stream.join(120)
    assert stream.stats.drops.behind == 0


@pytest.mark.process
def test_what_hides_people_hides_all_until_somebody_is_known(tmp_path: Path) -> None:
    """Nobody is in the test pattern: it is shown as it is from the first parsing on, and not before."""
    out = tmp_path / "private.mp4"
    config = StreamConfig("test:size=64x64,rate=30", effect=("fill=red",), record=str(out), **SMALL)
    with Stream(config) as stream:
        assert eventually(lambda: stream.stats.parsed > 3, 60)
        assert eventually(lambda: stream.stats.shown > 60, 60)
        stream.stop()
        with within(10):
            assert stream.join(120)
    covered = [bool((abs(each.astype(int) - (0, 0, 255)) < 30).all()) for each in pictures_of(out)]
    assert covered[0]
    assert not covered[-1]
    assert covered == sorted(covered, reverse=True)


@pytest.mark.usefixtures("in_time")
def test_a_network_that_never_ran_is_not_tried_again() -> None:
    with Stream(StreamConfig("test:size=64x64,rate=30", runtime="onnx", precision="bf16", **SMALL)) as stream:
        with pytest.raises(RuntimeUnavailable, match="does not support bf16"):
            stream.join(120)
    assert stream.stats.worker_restarts == 0


@pytest.mark.usefixtures("in_time")
@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_a_worker_without_memory_is_replaced(tmp_path: Path, runtime: str) -> None:
    """A camera is turned, the network for the new size needs memory, and there is none."""
    small = Clip(size=(96, 160), ticks=range(0, 512 * 25, 512)).make(tmp_path / "small.ts")
    large = Clip(size=(160, 96), ticks=range(0, 512 * 500, 512)).make(tmp_path / "large.ts")
    turned = threading.Event()

    def answer(connection: socket.socket) -> None:
        spread(small.read_bytes(), 1.0, then=hang_up)(connection)
        turned.wait(120)
        spread(large.read_bytes(), 20.0)(connection)

    with serving(answer) as port:
        config = StreamConfig(f"tcp://127.0.0.1:{port}", runtime=runtime, stall_after_s=60.0)
        with Stream(config) as stream:
            assert eventually(lambda: stream.stats.parsed > 0)
            worker = next(each for each in psutil.Process().children() if "inference" in " ".join(each.cmdline()))
            had = worker.memory_info().vms
            worker.rlimit(psutil.RLIMIT_AS, (had, had))
            turned.set()
            assert eventually(lambda: stream.stats.worker_restarts == 1)
            assert eventually(lambda: stream.newest is not None and stream.newest.frame_size == (160, 96))
            stream.stop()
            with within(5):
                assert stream.join(120)


@pytest.mark.usefixtures("in_time")
def test_a_worker_that_dies_again_and_again_ends_the_stream() -> None:
    def kill_all(stream: Stream) -> None:
        while not stream.join(0.05):
            for child in psutil.Process().children():
                child.kill()

    with Stream(StreamConfig("test:size=64x64,rate=60", **SMALL)) as stream:
        with pytest.raises(WorkerDied, match="restarted 5 times within 60 s and is not again; the last time, "):
            kill_all(stream)


@pytest.mark.usefixtures("in_time")
def test_ctrl_c_to_the_whole_group(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "run", "test:size=240x320,rate=30", "--record", "out.mp4", "--size", "96x128"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        recording = tmp_path / "out.mp4"
        assert eventually(lambda: recording.exists() and recorded(recording) > 5)
        with fair_time() as spent_s:
            os.killpg(process.pid, signal.SIGINT)
            out, errors = process.communicate(timeout=120)
            assert spent_s() < 2 * BACK_WITHIN_S
    assert process.returncode == 130
    assert "goes to the file out.mp4, without a window" in errors.splitlines()[0]
    assert "Traceback" not in errors
    assert "shown" in out
    assert len(pts_of(tmp_path / "out.mp4")) > 5


@pytest.mark.usefixtures("in_time")
def test_a_killed_parent_leaves_no_orphan(tmp_path: Path) -> None:
    with subprocess.Popen([*COMMAND, "run", "test:size=240x320", "--record", "out.mp4"], cwd=tmp_path) as process:
        parent = psutil.Process(process.pid)
        assert eventually(lambda: bool(parent.children()))
        (worker,) = parent.children()
        process.kill()
        process.wait()
        with within(5):
            assert eventually(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)


# What the README shows


def snippet(word: str) -> str:
    text = (ROOT / "README.md").read_text()
    blocks = [block.split("```")[0] for block in text.split("```python\n")[1:]]
    return next(block for block in blocks if word in block)


def test_the_readmes_stream_and_subscriber(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As they stand there, but for the camera and the port."""
    monkeypatch.chdir(tmp_path)
    address = free_address()
    source = snippet("with Stream(").replace("rtsp://camera/1", str(sample("street.mp4")))
    reader = snippet("subscribe(")
    assert "tcp://127.0.0.1:5556" in source
    assert "tcp://127.0.0.1:5556" in reader
    streaming = threading.Thread(target=lambda: exec(source.replace("tcp://127.0.0.1:5556", address), {}))
    streaming.start()
    exec(reader.replace("tcp://127.0.0.1:5556", address), {})
    streaming.join(120)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 10
    assert re.fullmatch(r"\d+ \[[\d, ]*\]", lines[-1])
    assert len(pts_of(tmp_path / "door.mp4")) == 80
