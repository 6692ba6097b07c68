"""Sources that ask for something else, or will never work; and files whose opening or reading does not return."""

import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path

import cv2

from benchmarks.reliability.measure import PATTERN, SIZE, Place, Row, captured, rest, running, until
from benchmarks.reliability.odd_rtsp import RATE, Odd, flashing, odd_camera
from streamer import SourceError, StreamConfig, StreamerError, open_source
from tests.support import media
from tests.support.media import NO_LENGTH, Answer, hold, http, serving, spread

SECRET = "hunter2"
BOUNDED_S = 12
MAIN = "from streamer.cli import main; main()"


def only_udp(place: Place) -> Iterator[Row]:
    clip = flashing(place.folder / "udp.ts", 30)
    with serving(odd_camera(clip, Odd(only_udp=True))) as port:
        with running(f"rtsp://127.0.0.1:{port}/1") as stream:
            took_s = captured(stream, 25)
            reconnects = stream.stats.reconnects
    row = place.in_time("RTSP camera that refuses RTP over TCP (461)", "a second of pictures over UDP", 4, [took_s])
    yield Row(row.fault, row.promised, f"{row.measured}, {reconnects} reconnects", row.held and not reconnects)


def bare_password(place: Place) -> Iterator[Row]:
    del place
    told, took_s = "not told", 0.0
    began = time.monotonic()
    try:
        StreamConfig(f"rtsp://admin:{SECRET}/w?rd#1@127.0.0.1:1/cam")
    except StreamerError as exc:
        told, took_s = str(exc), time.monotonic() - began
    yield Row(
        "a password with / ? # in an address",
        "told at once, with the cure, and not printed",
        f"{took_s:.2f} s: “{told}”",
        took_s < 1 and "%2F" in told and SECRET not in told,
    )


def _jpeg(shade: int) -> bytes:
    picture = media.quarters(240, 320, shade % 30)
    cv2.randu(picture[::2], 0, 255)  # as large as those of a camera
    return cv2.imencode(".jpg", picture)[1].tobytes()


def one_a_request(place: Place) -> Iterator[Row]:
    seconds = 3.0 if place.short else 6.0
    with serving(http(_jpeg(0), "Content-Type: image/jpeg\r\n")) as port:
        with running(f"http://127.0.0.1:{port}/snap.jpg", poll_hz=5) as stream:
            captured(stream, 1)
            before = stream.stats.captured
            rest(seconds)
            stats = stream.stats
    hz = (stats.captured - before) / seconds
    yield Row(
        "a camera that gives one JPEG per request, --poll-hz 5",
        "5 pictures/s, no reconnect",
        f"{hz:.1f} pictures/s, {stats.reconnects} reconnects",
        abs(hz - 5) < 1 + place.slack_s and not stats.reconnects,
    )


def _part(body: bytes, *, begins: bytes = b"--frame\r\n", longer: int = 0) -> bytes:
    return begins + b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(body) + longer, body)


def wrong_boundaries(place: Place) -> Iterator[Row]:
    first, *others = [_jpeg(shade) for shade in range(BOUNDED_S * RATE)]
    bodies = {
        "no boundary before the first": _part(first, begins=b"") + b"".join(map(_part, others)),
        "the first boundary twice": b"--frame\r\n" + b"".join(map(_part, [first, *others])),
        "wrong lengths": b"".join(_part(each, longer=7) for each in [first, *others]),
    }
    kind = f"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n{NO_LENGTH}"
    took = []
    for body in bodies.values():
        sent = http(b"", kind, then=spread(body, BOUNDED_S))
        with serving(sent) as port, running(f"http://127.0.0.1:{port}/v") as stream:
            took.append(captured(stream, RATE))
    yield place.in_time(f"motion JPEG with {', '.join(bodies)}", "a second of pictures", 4, took)


def _refusing() -> Answer:
    """A camera that takes no way to send RTP."""
    sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"

    def answer(connection: socket.socket) -> None:
        said: io.BufferedReader = connection.makefile("rb")
        while head := b"".join(takewhile(bytes.strip, said)).decode():
            number = re.search(r"CSeq: \d+", head)
            assert number is not None
            described = head.startswith("DESCRIBE")
            status = "461 Unsupported Transport" if head.startswith("SETUP") else "200 OK"
            more = f"Content-Type: application/sdp\r\nContent-Length: {len(sdp)}\r\n\r\n{sdp}" if described else "\r\n"
            connection.sendall(f"RTSP/1.0 {status}\r\n{number[0]}\r\n{more}".encode())

    return answer


def for_ever(place: Place) -> Iterator[Row]:
    """What cannot pass by waiting is not waited for."""
    told, began = "it is tried for ever", time.monotonic()
    with serving(_refusing()) as port, running(f"rtsp://127.0.0.1:{port}/1") as stream:
        try:
            stream.join(60)
        except SourceError as exc:
            told = str(exc).replace(str(port), "PORT")
    took_s = time.monotonic() - began
    yield Row(
        "RTSP camera that refuses both TCP and UDP",
        "ends with a hint after the third time, within 20 s",
        f"{took_s:.1f} s: “{told}”",
        "3 times" in told and took_s < 20 + place.slack_s,
    )


def blocking_files(place: Place) -> Iterator[Row]:
    """Opening a named pipe waits for somebody at its other end; as a network disk that hangs makes one wait."""
    unread, full, silent = (place.folder / f"{name}.mp4" for name in ("unread", "full", "silent"))
    for pipe in (unread, full, silent):
        os.mkfifo(pipe)
    yield _told(place, "recording into a pipe that nobody reads", lambda: _recorded_into(unread), "SinkError")
    yield _told(place, "a source that is a pipe into which nobody writes", lambda: open_source(silent), "CannotOpen")
    if place.short:
        return
    reader = os.open(full, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with running(PATTERN, record=str(full), force=True, publish="tcp://127.0.0.1:*") as stream:
            ended = until(lambda: bool(stream.stats.sinks_ended), 60) < 60
            parsed = stream.stats.parsed
            goes_on = until(lambda: stream.stats.parsed > parsed) < 30
            why = ", ".join(each.why.replace(f"{full.parent}/", "") for each in stream.stats.sinks_ended)
    finally:
        os.close(reader)
    yield Row(
        "recording into a pipe that is read no more, and publishing",
        "the recording ends alone and says why",
        f"“{why}”; parsing {'goes on' if goes_on else 'stands still'}",
        ended and goes_on and "does not answer" in why,
    )


def _recorded_into(pipe: Path) -> None:
    with running(PATTERN, record=str(pipe), force=True) as stream:
        stream.join(30)


def _told(place: Place, fault: str, work: Callable[[], object], kind: str) -> Row:
    told, began = "nothing", time.monotonic()
    try:
        work()
    except StreamerError as exc:
        told = type(exc).__name__
    row = place.in_time(fault, "told and left", 3.5, [time.monotonic() - began])
    return Row(row.fault, row.promised, f"{row.measured}: {told}", row.held and told == kind)


def second_interrupt(place: Place) -> Iterator[Row]:
    """One asks, the second ends, whatever is waited for."""
    pipe = place.folder / "second.mp4"
    os.mkfifo(pipe)
    took = []
    with serving(hold) as port:
        runs = (["run", PATTERN, "--record", str(pipe), "--force"], ["run", f"rtsp://127.0.0.1:{port}/1", "--window"])
        for arguments in runs:
            command = [sys.executable, "-c", MAIN, *arguments, "--size", f"{SIZE[0]}x{SIZE[1]}"]
            with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
                assert process.stderr is not None
                process.stderr.readline()  # it says what it will do, and does it
                rest(1)
                for _ in range(2):
                    process.send_signal(signal.SIGINT)
                    rest(0.2)
                began = time.monotonic()
                until(lambda: process.poll() is not None)
                took.append(time.monotonic() - began)
                process.kill()
    yield place.in_time("Ctrl-C twice, while a pipe is opened and while a camera is silent", "over", 2, took)


FAULTS = (only_udp, bare_password, one_a_request, wrong_boundaries, for_ever, blocking_files, second_interrupt)
