"""What goes wrong with cameras and streams, and when what is played comes."""

import random
import re
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from streamer import CannotOpen, ConfigError, SourceLost, open_source
from streamer.errors import Cause
from streamer.sources import connection
from streamer.sources.devices.webcam import Camera, OpenCvCamera
from streamer.sources.network import Timeouts
from streamer.sources.uri import is_camera, without_password
from tests.support import late_demuxer
from tests.support.clicks import flashing
from tests.support.media import (
    NO_LENGTH,
    Answer,
    Clip,
    cut,
    free_port,
    hang_up,
    hold,
    http,
    motion_jpeg,
    quarters,
    raw,
    rtsp,
    serving,
    turn_of,
    with_late_sound,
)
from tests.support.waiting import fair_time

pytestmark = pytest.mark.process

SHORT = Timeouts(open_s=1.0, read_s=0.4, segment_s=0.4)
PATIENT = Timeouts(open_s=60.0, read_s=60.0, segment_s=60.0)
"""For what will open and go on: the test's own machine may be busy."""
SILENT = replace(PATIENT, read_s=0.4)
"""For what falls silent, where no more is wanted of what came before than that it came."""
PASSWORD = "-".join(["open", "sesame"])
"""Put together, for a traceback shows the lines of this file."""
JUNK = random.Random(0).randbytes(300_000)
SLACK_S = 1.5
"""Of fair time: to start a process, and to end it."""


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return Clip().make(tmp_path / "clip.ts")


def _everything_said(exc: BaseException) -> str:
    return "".join(traceback.format_exception(exc)) + repr(exc)


# What cannot be opened


@pytest.mark.parametrize(
    ("status", "says"),
    [("401 X", r"password is wrong.*401"), ("403 X", r"password is wrong.*403"), ("404 X", "no such stream.*404")],
)
def test_what_a_camera_refuses(clip: Path, status: str, says: str) -> None:
    with serving(rtsp(clip, status)) as port:
        with pytest.raises(CannotOpen, match=says) as caught:
            open_source(f"rtsp://door:{PASSWORD}@127.0.0.1:{port}/1", timeouts=PATIENT)
    assert PASSWORD not in _everything_said(caught.value)


@pytest.mark.parametrize(
    ("status", "says"),
    [(401, "password is wrong"), (403, "password is wrong"), (404, "no such stream"), (500, "error of its own")],
)
def test_what_a_web_server_refuses(status: int, says: str) -> None:
    with serving(http(b"", status=status)) as port:
        with pytest.raises(CannotOpen, match=says) as caught:
            open_source(f"http://door:{PASSWORD}@127.0.0.1:{port}/1?token={PASSWORD}", timeouts=PATIENT)
    assert PASSWORD not in _everything_said(caught.value)


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp", "http", "tcp"])
def test_nobody_listens(scheme: str) -> None:
    with pytest.raises(CannotOpen, match=rf"{scheme}://127.0.0.1:\d+/1: nobody listens") as caught:
        open_source(f"{scheme}://door:{PASSWORD}@127.0.0.1:{free_port()}/1", timeouts=PATIENT)
    assert PASSWORD not in _everything_said(caught.value)


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_host_that_nobody_knows(scheme: str) -> None:
    with pytest.raises(CannotOpen, match="no host of that name"):
        open_source(f"{scheme}://door:{PASSWORD}@camera.invalid/1", timeouts=PATIENT)


@pytest.mark.parametrize("url", ["tcp://127.0.0.1/1", "tcp://127.0.0.1:99999"])
def test_half_an_address(url: str) -> None:
    with pytest.raises(CannotOpen, match="no whole address"):
        open_source(url)


@pytest.mark.parametrize(
    ("answer", "says"), [(hang_up, "hung up before it said anything"), (raw(b"<html>Welcome</html>"), "not a video")]
)
def test_junk_and_silence_over_tcp_are_told_apart(answer: Answer, says: str) -> None:
    with serving(answer) as port, pytest.raises(CannotOpen, match=f"cannot open tcp://127.0.0.1:{port}: .*{says}"):
        open_source(f"tcp://127.0.0.1:{port}", timeouts=PATIENT)


def test_what_is_not_a_video() -> None:
    with serving(http(b"<html>Welcome</html>", "Content-Type: text/html\r\n")) as port:
        with pytest.raises(CannotOpen, match="not a video"):
            open_source(f"http://127.0.0.1:{port}/", timeouts=PATIENT)


def test_a_busy_machine_is_no_silent_camera(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The camera's time begins when the process that asks it does."""
    monkeypatch.setattr(connection, "_MODULE", late_demuxer.__name__)
    timeouts = replace(PATIENT, open_s=6.0)
    assert timeouts.open_s < late_demuxer.LATE_S
    with serving(raw(clip.read_bytes())) as port:
        with open_source(f"tcp://127.0.0.1:{port}", timeouts=timeouts) as source:
            assert next(iter(source)).index == 0


def test_a_process_that_never_begins_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_MODULE", late_demuxer.__name__)
    monkeypatch.setattr(connection, "START_S", 0.5)
    with serving(hold) as port, pytest.raises(CannotOpen, match="no answer in"):
        open_source(f"tcp://127.0.0.1:{port}", timeouts=replace(PATIENT, open_s=0.5))


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp", "http", "tcp", "udp"])
def test_a_sender_that_never_says_a_word(scheme: str) -> None:
    with serving(hold) as port:
        with fair_time() as spent_s:
            with pytest.raises(CannotOpen, match="no answer in"):
                open_source(f"{scheme}://127.0.0.1:{port}/1", timeouts=SHORT)
            assert spent_s() < SHORT.open_s + SLACK_S


def test_a_camera_that_freezes_before_its_first_picture() -> None:
    with serving(rtsp(None, then=hold)) as port:
        with fair_time() as spent_s:
            with pytest.raises(CannotOpen, match=r"nothing came|no picture|no frames|no answer"):
                open_source(f"rtsp://127.0.0.1:{port}/1", timeouts=SHORT)
            assert spent_s() < SHORT.open_s + SLACK_S


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("rtsp://127.0.0.1:{port}/1", Cause.TIMEOUT),
        ("rtsp://127.0.0.1:{nobody}/1", Cause.REFUSED),
        ("rtsp://camera.invalid/1", Cause.UNREACHABLE),
        ("tcp://127.0.0.1", Cause.NOT_FOUND),
        ("gopher://127.0.0.1", Cause.NOT_FOUND),
        ("webcam:/dev/null", Cause.NOT_FOUND),
    ],
)
def test_what_is_wrong_has_a_kind(url: str, cause: Cause) -> None:
    with serving(hold) as port:
        with pytest.raises(CannotOpen) as caught:
            open_source(
                url.format(port=port, nobody=free_port()), timeouts=SHORT if cause is Cause.TIMEOUT else PATIENT
            )
    assert caught.value.cause is cause


@pytest.mark.parametrize(
    ("scheme", "answer", "cause"),
    [
        ("rtsp", rtsp(None, "401 X"), Cause.AUTH),
        ("rtsp", rtsp(None, "403 X"), Cause.AUTH),
        ("rtsp", rtsp(None, "404 X"), Cause.NOT_FOUND),
        ("http", http(b"", status=401), Cause.AUTH),
        ("http", http(b"", status=404), Cause.NOT_FOUND),
        ("http", http(b"", status=500), Cause.FAILED),
        ("http", http(b"<html>Welcome</html>"), Cause.CODEC),
        ("rtsp", hang_up, Cause.ENDED),
        ("rtsp", cut, Cause.ENDED),
        ("tcp", cut, Cause.ENDED),
        ("tcp", hang_up, Cause.ENDED),
        ("tcp", raw(b"<html>Welcome</html>"), Cause.CODEC),
        ("tcp", raw(JUNK), Cause.CODEC),
    ],
)
def test_what_is_said_instead_of_pictures_has_a_kind(scheme: str, answer: Answer, cause: Cause) -> None:
    with serving(answer) as port, pytest.raises(CannotOpen) as caught:
        open_source(f"{scheme}://127.0.0.1:{port}/1", timeouts=PATIENT)
    assert caught.value.cause is cause


@pytest.mark.parametrize("over", ["tcp", "disk"])
def test_sound_that_is_announced_and_does_not_come_is_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, over: str
) -> None:
    """MPEG-TS says only in its packets how the sound is made."""
    sung = Clip(sound="aac", ticks=range(0, 512 * 200, 512)).make(tmp_path / "sung.ts")
    mute = with_late_sound(sung, tmp_path / "mute.ts", 1000.0)
    with serving(raw(mute.read_bytes(), then=hold)) as port:
        name = f"tcp://127.0.0.1:{port}" if over == "tcp" else str(mute)
        with open_source(name, audio=True, timeouts=PATIENT) as source:
            assert source.audio.streams == ()
            assert len(list(islice(source, 100))) == 100
    (said,) = [record.getMessage() for record in caplog.records]
    assert said == f"{name} announces sound of a kind that is not known, or not yet: it is left out"


@pytest.mark.parametrize("over", ["tcp", "disk"])
def test_sound_that_begins_unannounced_is_left_out(tmp_path: Path, over: str) -> None:
    """In mid-stream PyAV has no place for it, and fails at the end."""
    path = flashing(tmp_path / "late.flv", 40.0, (), heard=((30.0, 40.0),))
    mute = bytearray(path.read_bytes())
    mute[4] = 1  # of FLV's head: there are pictures and no sound
    path.write_bytes(mute)
    with serving(raw(mute)) as port:
        with open_source(f"tcp://127.0.0.1:{port}" if over == "tcp" else path, audio=True, timeouts=PATIENT) as source:
            assert source.audio.streams == ()
            assert len(list(source)) == 1000


def test_another_codec_in_mid_stream_is_no_silence(clip: Path, tmp_path: Path) -> None:
    other = Clip(codec="mpeg4", ticks=range(0, 512 * 60, 512)).make(tmp_path / "other.ts")
    with serving(raw(clip.read_bytes() + other.read_bytes(), then=hold)) as port:
        with open_source(f"tcp://127.0.0.1:{port}", timeouts=replace(PATIENT, read_s=3.0)) as source:
            with pytest.raises(SourceLost, match="nothing that can be decoded for 3 s") as caught:
                list(source)
    assert caught.value.cause is Cause.CODEC


def test_stopping_ends_opening(clip: Path) -> None:
    stopped = threading.Event()
    stopper = threading.Timer(0.3, stopped.set)
    stopper.start()
    with serving(hold) as port, pytest.raises(CannotOpen, match="it was stopped"):
        open_source(f"rtsp://127.0.0.1:{port}/1", stopped=stopped, timeouts=PATIENT)
    stopper.join()


def test_live_sources_cannot_be_looped(clip: Path) -> None:
    with serving(raw(clip.read_bytes())) as port:
        with pytest.raises(ConfigError, match="live and cannot be looped"):
            open_source(f"tcp://127.0.0.1:{port}", loop=True, timeouts=PATIENT)


# What is lost


@pytest.mark.parametrize(
    ("scheme", "make"),
    [
        ("rtsp", lambda clip: rtsp(clip, then=hold)),
        ("tcp", lambda clip: raw(clip.read_bytes(), then=hold)),
        ("http", lambda clip: http(clip.read_bytes(), NO_LENGTH, then=hold)),
        ("http", lambda clip: motion_jpeg([_jpeg()] * 12, then=hold)),
    ],
    ids=["rtsp", "tcp", "http", "mjpeg"],
)
def test_a_stream_that_falls_silent(clip: Path, scheme: str, make: Callable[[Path], Answer]) -> None:
    with serving(make(clip)) as port:
        with open_source(f"{scheme}://door:{PASSWORD}@127.0.0.1:{port}/1", timeouts=SILENT) as source:
            began = time.monotonic()
            with fair_time() as spent_s:
                with pytest.raises(SourceLost, match=r"for 0\.4 s") as caught:
                    list(source)
                assert spent_s() < SILENT.read_s + SLACK_S
            assert SILENT.read_s <= time.monotonic() - began
            assert PASSWORD not in _everything_said(caught.value) + repr(source.info)


def _jpeg() -> bytes:
    import cv2

    return cv2.imencode(".jpg", quarters(64, 96))[1].tobytes()


def test_an_rtsp_sender_that_falls_silent_is_not_an_end(clip: Path) -> None:
    with serving(rtsp(clip, then=hold)) as port:
        with open_source(f"rtsp://127.0.0.1:{port}/1", timeouts=SILENT) as source:
            with pytest.raises(SourceLost, match="no picture for"):  # and not a second wait, or FFmpeg's end
                list(source)


def test_sound_alone_is_silence(tmp_path: Path) -> None:
    sung = Clip(sound="aac").make(tmp_path / "sung.ts").read_bytes()
    over = threading.Event()

    def trickle(connection: socket.socket) -> None:
        connection.sendall(sung[: -30 * 188])
        for start in range(len(sung) - 30 * 188, len(sung), 188):
            if not over.wait(0.05):
                connection.sendall(sung[start : start + 188])
        over.wait()  # and not an end

    with serving(trickle) as port:
        with open_source(f"tcp://127.0.0.1:{port}", audio=True, timeouts=SILENT) as source:
            try:
                with pytest.raises(SourceLost, match="no picture for"):
                    list(source)
            finally:
                over.set()


def test_the_decoder_holds_no_picture_back(tmp_path: Path) -> None:
    clip = Clip(codec="mpeg4").make(tmp_path / "clip.ts")
    with serving(raw(clip.read_bytes(), then=hold)) as port:
        with open_source(f"tcp://127.0.0.1:{port}", timeouts=replace(PATIENT, read_s=3.0)) as source:
            came = 0
            with pytest.raises(SourceLost):
                for _ in source:
                    came += 1
    # Where a picture ends is known when the next one begins: once for MPEG-TS, once for MPEG-4. Threads that take
    # a frame each would keep one more each.
    assert came >= 12 - 2


def test_a_connection_that_breaks(clip: Path) -> None:
    seen = threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.sendall(clip.read_bytes())
        seen.wait(120)
        cut(connection)

    with serving(answer) as port:
        with open_source(f"tcp://door:{PASSWORD}@127.0.0.1:{port}", timeouts=PATIENT) as source:
            with pytest.raises(SourceLost, match="reset by peer") as caught:
                for _ in source:
                    seen.set()
    assert PASSWORD not in _everything_said(caught.value)


def test_what_has_a_length_is_a_recording(clip: Path) -> None:
    """Although its server cannot wind, so that nobody knows how many seconds it has."""
    for headers, live in (("", False), (NO_LENGTH, True)):
        with serving(http(clip.read_bytes(), headers)) as port:
            with open_source(f"http://127.0.0.1:{port}/clip.ts", timeouts=PATIENT) as source:
                assert source.info.duration_s is None
                assert source.info.live is live


def test_a_download_that_is_cut_off(clip: Path) -> None:
    with serving(http(clip.read_bytes(), "Content-Length: 1000000\r\n")) as port:
        with open_source(f"http://127.0.0.1:{port}/clip.ts", timeouts=PATIENT) as source, pytest.raises(SourceLost):
            list(source)


def test_mpeg_ts_over_udp_until_it_stops(clip: Path) -> None:
    port, over = free_port(), threading.Event()

    def send() -> None:
        data = clip.read_bytes()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not over.wait(0.02):
                for start in range(0, len(data), 1316):
                    sender.sendto(data[start : start + 1316], ("127.0.0.1", port))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        with open_source(f"udp://127.0.0.1:{port}", timeouts=SILENT) as source:
            frames = iter(source)
            assert turn_of(next(frames).bgr) == [0, 1, 2, 3]
            over.set()
            with pytest.raises(SourceLost):
                list(frames)
    finally:
        over.set()
        thread.join()


def test_a_sender_that_connects_to_us(clip: Path) -> None:
    port = free_port()

    def send() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", port)) as connection:
                    connection.sendall(clip.read_bytes())
                return
            except ConnectionRefusedError:
                continue

    thread = threading.Thread(target=send)
    thread.start()
    with open_source(f"tcp://127.0.0.1:{port}?listen=1", timeouts=PATIENT) as source:
        assert len(list(source)) == 12
    thread.join()


def test_sound_comes_along_from_the_first_picture_on(tmp_path: Path) -> None:
    late = tuple(range(12_800, 12_800 + 12 * 512, 512))
    sung = Clip(sound="aac", ticks=late).make(tmp_path / "sung.ts").read_bytes()
    with serving(raw(sung)) as port, open_source(f"tcp://127.0.0.1:{port}", audio=True, timeouts=PATIENT) as source:
        assert len(list(source)) == 12
        times = [float(packet.pts * packet.time_base) for packet in source.audio.take() if packet.pts is not None]
    assert len(times) > 10
    assert 0 <= times[0] < 0.2
    assert times == sorted(times)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_recording_on_a_web_server_is_upright(tmp_path: Path, turn: int) -> None:
    film = Clip(rotation=turn).make(tmp_path / "film.mp4").read_bytes()
    with serving(http(film)) as port, open_source(f"http://127.0.0.1:{port}/film.mp4", timeouts=PATIENT) as source:
        frames = list(source)
    assert source.info.tags.rotation == turn
    assert len(frames) == 12
    assert (frames[0].size.height > frames[0].size.width) is (turn in (90, 270))


@pytest.mark.parametrize(
    ("codec", "pixels"),
    [("rawvideo", "yuyv422"), ("mjpeg", "yuvj420p"), ("mpeg4", "yuv420p"), ("libx265", "yuv420p")],
)
def test_packets_cross_from_another_process_whatever_the_codec(tmp_path: Path, codec: str, pixels: str) -> None:
    clip = Clip(codec=codec, pixels=pixels).make(tmp_path / "clip.nut")
    with serving(raw(clip.read_bytes())) as port, open_source(f"tcp://127.0.0.1:{port}", timeouts=PATIENT) as source:
        frames = list(source)
    assert len(frames) == 12
    assert turn_of(frames[0].bgr) == [0, 1, 2, 3]


def test_ffmpeg_keeps_its_words_to_itself(clip: Path) -> None:
    damaged = clip.with_name("damaged.ts")
    data = bytearray(clip.read_bytes())
    data[2000:2600] = bytes(600)
    damaged.write_bytes(data)
    with serving(raw(damaged.read_bytes())) as port:
        url = f"tcp://door:{PASSWORD}@127.0.0.1:{port}"
        code = (
            "from streamer import open_source; from streamer.sources.network import Timeouts; "
            f"print(len(list(open_source({url!r}, timeouts=Timeouts(60.0, 60.0, 60.0)))))"
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(run.stdout) > 0
    assert run.stderr == ""


# Passwords


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://door:sesame@camera/1",
        "rtsp://door:ses@me/sesame@camera:554/1",
        "http://camera/video?user=door&password=sesame&channel=1",
        "http://camera/live.m3u8?channel=1&Token=sesame",
        "rtsp://camera/user=door_password=sesame_channel=1.sdp",
    ],
)
def test_passwords_are_not_shown(url: str) -> None:
    assert not re.search("ses|me/", without_password(url))
    assert "camera" in without_password(url)


def test_addresses_without_a_password_are_shown_as_they_are() -> None:
    for url in ("rtsp://camera:554/1", "tcp://127.0.0.1:5000?listen=1", "http://camera/live.m3u8?channel=1"):
        assert without_password(url) == url


# Webcams


@pytest.mark.parametrize(
    ("uri", "yes"),
    [("0", True), ("webcam:0", True), ("/dev/video12", True), ("webcam:/dev/v4l/by-id/x", True), ("0.png", False)],
)
def test_what_is_called_a_webcam(uri: str, yes: bool) -> None:
    assert is_camera(uri) is yes


def test_opencvs_cameras_stand_in(tmp_path: Path) -> None:
    camera = OpenCvCamera(Camera(str(Clip().make(tmp_path / "clip.mp4"))))  # OpenCV opens a file as it opens a camera
    frames = []
    with pytest.raises(SourceLost, match="no more pictures"):
        for frame in camera:
            frames.append(frame)  # noqa: PERF402  (what came before the error counts)
    assert camera.info.live
    assert [frame.index for frame in frames] == list(range(12))
    assert frames[0].pts_s == 0
    assert [frame.pts_s for frame in frames] == sorted(frame.pts_s for frame in frames)
    assert all(frame.size == camera.info.frame_size == (64, 96) for frame in frames)
    with pytest.raises(CannotOpen, match="cannot open the camera"):
        OpenCvCamera(Camera(str(tmp_path / "nothing.mp4")))
