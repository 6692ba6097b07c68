"""What servers do beside falling silent: connections that are reset on the way, HLS without its pieces, half a JPEG."""

import select
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import cv2

from benchmarks.reliability.kinds import PACKAGES, camera, gstreamer_is_here, kinds
from benchmarks.reliability.measure import Place, Row, captured, rest, running, until
from tests.support import media
from tests.support.media import Answer, cut, hang_up, hold, serving

HLS_SILENCE_S = 20.0
"""HLS comes in pieces, of ten seconds even, and so may be silent for longer than anything else."""

WHOLE = 11
"""Pictures before the half one."""


class Relay:
    """A port that passes on what comes to another, and can break all connections at once."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def reset(self) -> None:
        """As a router does that begins anew."""
        with self._lock:
            for end in list(self._pairs):
                self._drop(end)

    def _serve(self) -> None:
        while not self._over.is_set():
            with self._lock:
                ends = list(self._pairs)
            for end in select.select([self._listener, *ends], [], [], 0.02)[0]:
                with self._lock, suppress(OSError):
                    self._pass_on(end)

    def _pass_on(self, end: socket.socket) -> None:
        if end is self._listener:
            ours, theirs = end.accept()[0], socket.create_connection(("127.0.0.1", self._upstream), 5)
            self._pairs |= {ours: theirs, theirs: ours}
        elif end in self._pairs:
            try:
                piece = end.recv(1 << 16)
                self._pairs[end].sendall(piece)
            except OSError:
                piece = b""
            if not piece:
                self._drop(end)

    def _drop(self, end: socket.socket) -> None:
        other = self._pairs.pop(end, None)
        if other is not None:
            self._pairs.pop(other)
            for each in (end, other):
                with suppress(OSError):
                    cut(each)
                each.close()

    def __enter__(self) -> "Relay":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()
        self.reset()
        self._listener.close()


def reset(place: Place) -> Iterator[Row]:
    """Three times in a row, so that it does not depend on where in a picture it was."""
    back = []
    for kind in kinds(place, "hls"):
        with camera(place, kind) as source, Relay(source.port) as relay:
            with running(source.url.replace(str(source.port), str(relay.port))) as stream:
                captured(stream, 10)
                took = []
                for _ in range(1 if place.short else 3):
                    rest(0.5)
                    relay.reset()
                    took.append(max(0.0, captured(stream, 20) - 20 / 25))
            back.append(max(took))
    names = ", ".join(kinds(place, "hls"))
    yield place.in_time(f"connection reset on the way, the worst of three ({names})", "pictures as before", 2, back)


def gstreamer(place: Place) -> Iterator[Row]:
    """It has no faults of its own; where it is not installed, that is said."""
    if not (place.short or gstreamer_is_here()):
        yield Row("GStreamer's RTSP server", "as ours", f"skipped: it takes {PACKAGES}", True)


def hls(place: Place) -> Iterator[Row]:
    """The server stands still; writes no more; or has the playlist and not its pieces. And then it has."""
    if place.short:
        return
    noticed, back = [], []
    for stops, goes_on in (
        (signal.SIGSTOP, signal.SIGCONT),
        (signal.SIGUSR1, signal.SIGUSR1),
        (signal.SIGUSR2, signal.SIGUSR2),
    ):
        with camera(place, "hls") as source, running(source.url) as stream:
            captured(stream, 50)
            source.send_signal(stops)
            noticed.append(until(lambda: stream.stats.offline_since_s is not None, 60))
            rest(1)
            source.send_signal(goes_on)
            back.append(captured(stream, 1))
    faults = "HLS: server stopped, playlist not written any more, pieces gone (404)"
    yield place.in_time(faults, "noticed", HLS_SILENCE_S, noticed)
    yield place.in_time("HLS: they go on", "first frame", 2, back)


def half_a_jpeg(place: Place) -> Iterator[Row]:
    """What was decoded of half a picture is not shown."""
    pictures = media.pictures_of(place.clip("second.ts", 1))
    jpegs = [cv2.imencode(".jpg", each)[1].tobytes() for each in pictures]
    back, damaged = [], 0
    ends: tuple[Answer, ...] = (hold, cut, hang_up)
    for then in ends[: 1 if place.short else 3]:
        half = media.broken_jpeg(jpegs[: WHOLE + 1], then)
        with serving(media.by_turns(half, media.motion_jpeg(jpegs, then=hold))) as port:
            with running(f"http://127.0.0.1:{port}/1", stall_after_s=1.0) as stream:
                until(lambda: stream.stats.offline_since_s is not None)
                damaged += stream.stats.captured > WHOLE
                back.append(captured(stream, 1))
    yield place.in_time(
        "MJPEG over HTTP: half a picture, then silence, a reset, a hang-up", "first frame after it", 2, back
    )
    yield Row("the half pictures", "not shown", f"{damaged} of {len(back)} shown", damaged == 0)


FAULTS = (reset, gstreamer, hls, half_a_jpeg)
