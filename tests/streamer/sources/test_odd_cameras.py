"""Cameras that do not do as they should: JPEGs put together wrongly or one a request, RTP over UDP alone, passwords."""

import io
import random
import socket
import threading
from collections.abc import Sequence
from itertools import islice, pairwise, takewhile
from pathlib import Path

import cv2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline import Frame
from streamer import CannotOpen, ConfigError, SourceLost, StreamConfig, open_source
from streamer.errors import Cause
from streamer.sources.demuxer.jpegs import MAX_BEFORE, NoJpegs, end_of, split
from streamer.sources.network import Access
from streamer.sources.reconnect import MAX_LASTING, Connector
from streamer.sources.timing.seams import Backoff
from streamer.sources.uri import Transport, has_bare_password
from tests.support.media import NO_LENGTH, Answer, Clip, hold, http, quarters, rtsp, serving, turn_of

SECRET = "-".join(["open", "sesame"])


def jpeg(shade: int = 0) -> bytes:
    return cv2.imencode(".jpg", quarters(64, 96, shade))[1].tobytes()


def with_thumbnail() -> bytes:
    """A JPEG in a JPEG, as cameras put it into EXIF."""
    image, out = Image.new("RGB", (32, 32), "red"), io.BytesIO()
    exif = jpeg()
    image.save(out, "JPEG", exif=b"Exif\0\0" + exif)
    return out.getvalue()


# JPEGs in what comes


class Pieces:
    """An answer that comes in pieces."""

    def __init__(self, data: bytes, sizes: Sequence[int]) -> None:
        self._file, self._sizes = io.BytesIO(data), iter(sizes)

    def read1(self, size: int = -1, /) -> bytes:
        return self._file.read(next(self._sizes, size))


@given(st.lists(st.integers(1, 3000), max_size=40), st.lists(st.binary(max_size=60), min_size=4, max_size=4))
def test_jpegs_are_found_however_they_are_put_together(sizes: list[int], between: list[bytes]) -> None:
    wanted = [jpeg(1), with_thumbnail(), jpeg(2)]
    clean = [each.replace(b"\xff", b"") for each in between]
    data = b"".join(noise + each for noise, each in zip(clean, wanted)) + clean[-1]
    assert list(split(Pieces(data, sizes))) == wanted


def test_half_a_jpeg_is_none() -> None:
    whole = jpeg()
    assert end_of(whole, 0) == len(whole)
    assert all(end_of(whole[:cut], 0) is None for cut in range(2, len(whole), 7))
    assert list(split(Pieces(whole + whole[:-2], []))) == [whole]


def test_what_is_no_jpeg_is_not_read_for_ever() -> None:
    with pytest.raises(NoJpegs):
        list(split(Pieces(random.Random(0).randbytes(2 * MAX_BEFORE).replace(b"\xff", b""), [])))


def part(body: bytes, *, begins: bytes = b"--frame\r\n", longer: int = 0) -> bytes:
    return begins + b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(body) + longer, body)


PICTURES = [jpeg(shade) for shade in range(8)] * 40
PUT_TOGETHER = {
    "no first boundary": part(PICTURES[0], begins=b"") + b"".join(map(part, PICTURES[1:])),
    "the first boundary twice": b"--frame\r\n" + b"".join(map(part, PICTURES)),
    "wrong lengths": b"".join(part(each, longer=7) for each in PICTURES),
}


@pytest.mark.process
@pytest.mark.parametrize("body", PUT_TOGETHER.values(), ids=PUT_TOGETHER)
def test_motion_jpeg_plays_as_in_browsers(body: bytes) -> None:
    kind = f"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n{NO_LENGTH}"
    with serving(http(body, kind, then=hold)) as port, open_source(f"http://127.0.0.1:{port}/v") as source:
        frames = list(islice(source, 8))
    assert len(frames) == 8
    assert all(later.pts_s > earlier.pts_s for earlier, later in pairwise(frames))


@pytest.mark.process
@pytest.mark.parametrize("name", ["snap.jpg", "cgi-bin/snapshot?channel=1"])
def test_a_camera_that_gives_one_jpeg_a_request_is_asked_again(name: str) -> None:
    answer = http(jpeg(), "Content-Type: image/jpeg\r\n")
    with serving(answer) as port:
        url = f"http://127.0.0.1:{port}/{name}"
        with open_source(url, realtime=True, access=Access(poll_hz=10)) as source:
            assert source.info.live
            frames = list(islice(source, 6))
    assert frames[-1].pts_s - frames[0].pts_s > 4 / 10 * 0.8


@pytest.mark.process
def test_motion_jpeg_that_is_garbled_in_the_middle_is_lost() -> None:
    """And is connected to again: what FFmpeg cannot read any more has begun already."""
    body = b"".join(map(part, PICTURES[:6])) + b"neither boundary nor picture\r\n\r\n" * 3 + part(PICTURES[6])
    kind = f"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n{NO_LENGTH}"
    frames: list[Frame] = []
    with serving(http(body, kind, then=hold)) as port, open_source(f"http://127.0.0.1:{port}/v") as source:
        with pytest.raises(SourceLost):
            frames.extend(source)
    assert len(frames) == 6


@pytest.mark.process
@pytest.mark.parametrize(
    ("status", "more", "why"),
    [
        ("302 Found", "Location: /v\r\n", "it sends us on from address to address without end"),
        ("400 Bad Request", "", "it does not understand what it is asked for"),
        ("453 Not Enough Bandwidth", "", "it refuses .* too many viewers"),
        ("503 Service Unavailable", "", "it has an error of its own"),
        ("200 OK", "Content-Type: text/plain\r\n", "it hung up, or what it sent broke off before there was a video"),
    ],
    ids=["endless redirect", "400", "453", "503", "short"],
)
def test_a_web_server_that_gives_no_video_says_why(status: str, more: str, why: str) -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(f"HTTP/1.1 {status}\r\n{more}Connection: close\r\n\r\nbusy".encode())

    with serving(answer) as port, pytest.raises(CannotOpen, match=why):
        open_source(f"http://127.0.0.1:{port}/v")


# RTP over UDP


def refusing(asked: list[str]) -> Answer:
    """A camera that takes no way to send RTP."""

    def answer(connection: socket.socket) -> None:
        said = connection.makefile("rb")
        while head := b"".join(takewhile(bytes.strip, said)).decode():
            verb, number = head.split()[0], next(line for line in head.splitlines() if line.startswith("CSeq"))
            sdp = (
                "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
            )
            status, more = "200 OK", "\r\n"
            if verb == "DESCRIBE":
                more = f"Content-Type: application/sdp\r\nContent-Length: {len(sdp)}\r\n\r\n{sdp}"
            if verb == "SETUP":
                status = "461 Unsupported Transport"
                asked.append(next(line for line in head.splitlines() if line.startswith("Transport")))
            connection.sendall(f"RTSP/1.0 {status}\r\n{number}\r\n{more}".encode())

    return answer


@pytest.mark.process
@pytest.mark.parametrize(
    ("transport", "ways"), [("auto", ["TCP", "UDP"]), ("tcp", ["TCP"]), ("udp", ["UDP"])], ids=["auto", "tcp", "udp"]
)
def test_a_camera_that_refuses_tcp_is_asked_for_udp(transport: str, ways: list[str]) -> None:
    asked: list[str] = []
    with serving(refusing(asked)) as port, pytest.raises(CannotOpen, match="--rtsp-transport") as caught:
        open_source(f"rtsp://127.0.0.1:{port}/1", access=Access(transport))  # type: ignore[arg-type]
    assert caught.value.cause is Cause.UNUSABLE
    assert ["TCP" if "interleaved" in each else "UDP" for each in asked] == ways


@pytest.mark.process
@pytest.mark.parametrize("transport", ["auto", "udp"])
def test_a_camera_that_refuses_tcp_is_seen_over_udp(transport: Transport, tmp_path: Path) -> None:
    """What waits for its reader fits into the system's buffer: nothing of it is lost."""
    clip = Clip(b_frames=0).make(tmp_path / "clip.ts")
    camera = rtsp(clip, then=hold, only_udp=True)
    with serving(camera) as port, open_source(f"rtsp://127.0.0.1:{port}/1", access=Access(transport)) as source:
        frames = list(islice(source, 8))
    assert len(frames) == 8
    assert turn_of(frames[-1].bgr) == [0, 1, 2, 3]


@pytest.mark.process
def test_a_camera_that_refuses_tcp_is_not_asked_for_udp_against_the_word_of_its_owner(tmp_path: Path) -> None:
    clip = Clip(b_frames=0).make(tmp_path / "clip.ts")
    with serving(rtsp(clip, then=hold, only_udp=True)) as port, pytest.raises(CannotOpen, match="--rtsp-transport"):
        open_source(f"rtsp://127.0.0.1:{port}/1", access=Access("tcp"))


# What does not pass by waiting


def attempts(causes: Sequence[Cause]) -> tuple[Connector, list[Cause]]:
    left, made = iter(causes), []

    def open_once(within_s: float):  # type: ignore[no-untyped-def]
        made.append(next(left))
        raise CannotOpen("no", made[-1])

    nobody = threading.Event()
    backoff = Backoff(chance=lambda: 0.0)
    return Connector(open_once, None, nobody, lambda error: None, lambda: None, backoff), made


def test_what_does_not_pass_by_waiting_ends_at_the_third_time() -> None:
    connector, made = attempts([Cause.UNUSABLE] * 5)
    with pytest.raises(CannotOpen, match="the same 3 times"):
        connector.first()
    assert len(made) == MAX_LASTING


def test_what_may_pass_is_waited_for() -> None:
    causes = [Cause.UNUSABLE, Cause.UNUSABLE, Cause.REFUSED, Cause.UNUSABLE, Cause.UNUSABLE, Cause.AUTH]
    connector, made = attempts(causes)
    with pytest.raises(CannotOpen, match=r"^no$"):
        connector.first()
    assert made == causes


def test_what_was_there_is_waited_for_however_it_fails() -> None:
    connector, made = attempts([Cause.UNUSABLE] * 5)
    with pytest.raises((StopIteration, RuntimeError)):
        connector.again(SourceLost("gone", Cause.ENDED))
    assert len(made) == 5


# Passwords


@pytest.mark.parametrize(
    "url",
    [
        f"rtsp://admin:{SECRET}/w?rd#1%@127.0.0.1:554/cam",
        f"rtsp://admin:p@{SECRET}/w?rd@10.0.0.5/cam",
        f"rtsp://admin:{SECRET}?x@camera.local/1",
        f"http://admin:{SECRET}#x@camera.local:8080/video",
        f"rtsp://admin:{SECRET}/@[fe80::1]:554/1",
        f"rtsp://admin:12/{SECRET}@10.0.0.5/1",
    ],
)
def test_a_password_that_ends_the_address_is_told_and_not_shown(url: str) -> None:
    assert has_bare_password(url)
    with pytest.raises(ConfigError, match="%2F for /") as refused:
        StreamConfig(url)
    with pytest.raises(CannotOpen, match="%2F for /") as unopened:
        open_source(url)
    assert SECRET not in f"{refused.value} {unopened.value}"


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://camera/1",
        "rtsp://10.0.0.5:554/1",
        "rtsp://[fe80::1]/1",
        "rtsp://admin:p%2Fw@10.0.0.5/1",
        "rtsp://admin:p@ss@10.0.0.5/1",
        "rtsp://10.0.0.5/live@720p",
        "rtsp://camera.local/user@example.com/1",
        "http://10.0.0.5:80/?user=me@example.com",
        "rtsp://admin:pw@10.0.0.5/stream@10.0.0.6",
        "rtsp://admin:pw@localhost/x@10.0.0.6",
        "tcp://127.0.0.1:9000?listen=1",
    ],
)
def test_other_addresses_are_taken(url: str) -> None:
    assert not has_bare_password(url)
