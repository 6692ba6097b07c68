"""Media that the tests make for themselves: small, and known to the pixel."""

import io
import random
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, cycle, repeat
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

_OPTIONS = {"libx265": {"x265-params": "pools=none:frame-threads=1:log-level=error"}}
"""Its threads are known to race (Multicorewareinc/x265, issue 684), and the tests once crashed inside it."""

QUADRANTS = ((40, 40, 200), (40, 200, 40), (200, 40, 40), (220, 220, 220))
"""BGR of the quarters of a picture: top left, top right, bottom left, bottom right. No two turns look alike."""


def quarters(height: int, width: int, shade: int = 0) -> NDArray[np.uint8]:
    """A picture of four quarters; `shade` (0-30) darkens it, which tells frames apart."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = QUADRANTS[0]
    picture[: height // 2, width // 2 :] = QUADRANTS[1]
    picture[height // 2 :, : width // 2] = QUADRANTS[2]
    picture[height // 2 :, width // 2 :] = QUADRANTS[3]
    return picture - np.uint8(shade)


def which_quarter(colour: Sequence[float]) -> int:
    """The index in `QUADRANTS` of the colour nearest to this."""
    return int(np.argmin([np.abs(np.subtract(colour, each)).sum() for each in QUADRANTS]))


def turn_of(picture: NDArray[np.uint8]) -> list[int]:
    """Which quarter is seen at the top left, top right, bottom left and bottom right."""
    height, width = picture.shape[:2]
    spots = [(height // 4, width // 4), (height // 4, 3 * width // 4)]
    spots += [(3 * height // 4, width // 4), (3 * height // 4, 3 * width // 4)]
    return [which_quarter(picture[spot]) for spot in spots]


@dataclass(frozen=True)
class Clip:
    """A video to be made."""

    size: tuple[int, int] = (64, 96)
    ticks: Sequence[int] = tuple(range(0, 12 * 512, 512))
    """Timestamp of each frame."""
    time_base: Fraction = Fraction(1, 12_800)
    codec: str = "libx264"
    pixels: str = "yuv420p"
    rotation: int = 0
    sound: str = ""
    """Encoder of a track of sound, a little longer than the pictures."""
    matrix: int = 2
    colour_range: int = 0
    aspect: Fraction = Fraction(1)
    b_frames: int | None = None
    """At most so many in a row; None is the encoder's usual number."""

    def make(self, path: Path, pictures: Iterable[NDArray[np.uint8]] | None = None) -> Path:
        """Writes the clip; its frames are `quarters`, each a little darker, unless pictures are given."""
        with av.open(str(path), "w") as container:
            rate = Fraction(1) / (self.time_base * max(1, self.ticks[-1] // max(1, len(self.ticks) - 1)))
            video: Any = container.add_stream(self.codec, rate.limit_denominator(1000), _OPTIONS.get(self.codec))
            context = video.codec_context
            context.height, context.width = self.size
            context.pix_fmt = self.pixels
            context.time_base = video.time_base = self.time_base
            context.colorspace, context.color_range = self.matrix, self.colour_range
            context.sample_aspect_ratio = self.aspect
            if self.b_frames is not None:
                context.max_b_frames = self.b_frames
            if self.rotation:
                video.set_display_rotation(self.rotation)
            audio: Any = container.add_stream(self.sound, rate=48_000) if self.sound else None
            made = (quarters(*self.size, shade=2 * index % 30) for index in range(len(self.ticks)))
            shots = made if pictures is None else pictures
            for tick, picture in zip(self.ticks, shots):
                frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
                frame = frame.reformat(
                    format=self.pixels, dst_colorspace=self.matrix, dst_color_range=self.colour_range or None
                )
                frame.pts, frame.time_base = tick, self.time_base
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
            if audio is not None:
                _sing(container, audio, float(self.ticks[-1] * self.time_base) + 0.5)
        return path


def _sing(container: Any, audio: Any, seconds: float) -> None:
    for start in range(0, int(seconds * 48_000), 1024):
        wave = np.sin(np.arange(start, start + 1024) * 0.03).astype(np.float32) * 0.3
        frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
        container.mux(audio.encode(frame))
    container.mux(audio.encode(None))


def with_late_sound(clip: Path, out: Path, heard_s: float) -> Path:
    """The same packets in the order of their times, but those of sound before a time; it still announces them."""
    with av.open(str(clip)) as source, av.open(str(out), "w") as late:
        streams = {stream: late.add_stream_from_template(stream, opaque=True) for stream in source.streams}
        packets = [packet for packet in source.demux() if packet.size]
        begins_s = min(each.dts * each.time_base for each in packets)
        for packet in sorted(packets, key=lambda each: each.dts * each.time_base):
            if packet.stream.type == "video" or packet.dts * packet.time_base - begins_s >= heard_s:
                packet.stream = streams[packet.stream]
                late.mux(packet)
    return out


def pts_of(path: Path) -> list[Fraction]:
    """When each picture of a file is shown, in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [frame.pts * stream.time_base for frame in container.decode(stream)]


def sound_of(path: Path) -> list[list[tuple[Fraction, bytes]]]:
    """Each track of sound as packets: time in seconds, bytes."""
    with av.open(str(path)) as container:
        tracks: list[list[tuple[Fraction, bytes]]] = [[] for _ in container.streams.audio]
        places = {stream.index: place for place, stream in enumerate(container.streams.audio)}
        for packet in container.demux():
            if packet.size and packet.stream.index in places:
                tracks[places[packet.stream.index]].append((packet.pts * packet.time_base, bytes(packet)))
        return tracks


def pictures_of(path: Path) -> list[NDArray[np.uint8]]:
    """What a player shows: each picture, upright, BGR."""
    with av.open(str(path)) as container:
        return [
            np.rot90(frame.to_ndarray(format="bgr24"), round(frame.rotation / 90))
            for frame in container.decode(video=0)
        ]


def planes_of(path: Path) -> list[NDArray[np.float64]]:
    """The mean of Y, U and V of each picture, as stored."""
    with av.open(str(path)) as container:
        return [
            np.array(
                [
                    np.mean(np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, : plane.width])
                    for plane in frame.planes
                ]
            )
            for frame in container.decode(video=0)
        ]


# Senders. Each answers one connection at a time and hangs up when it returns.

SEND_S = 300.0
"""The whole of what a sender sends may take so long: `sendall` counts from its beginning, and a reader may be slow."""

Answer = Callable[[socket.socket], None]


@contextmanager
def serving(answer: Answer, port: int = 0) -> Iterator[int]:
    """A server on loopback while the context lasts; its port, a free one if none is given."""
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            with listener.accept()[0] as connection:
                connection.settimeout(SEND_S)
                with suppress(OSError, av.error.FFmpegError):  # the other end left
                    if not over.is_set():
                        answer(connection)

    with socket.create_server(("127.0.0.1", port)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield port
        finally:
            over.set()
            socket.create_connection(("127.0.0.1", port)).close()  # wakes it up
            thread.join()


_PORTS = cycle(range(20_000 + random.randrange(10_000), 32_000))


def free_port() -> int:
    """A port on loopback that nobody uses, and that no system gives to whoever asks for any: those begin at 32768."""
    while True:
        port = next(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def hold(connection: socket.socket) -> None:
    """Says nothing more until the other end leaves: a sender that freezes."""
    while connection.recv(4096):
        pass


def in_time() -> Callable[[float], None]:
    """The pace of a camera that sends each picture when it is due."""
    began: list[float] = []
    due = threading.Event()

    def pace(time_s: float) -> None:
        began.append(time.monotonic() - time_s)
        due.wait(max(0.0, began[0] + time_s - time.monotonic()))

    return pace


def spread(body: bytes, seconds: float, then: Answer = hold) -> Answer:
    """The bytes, evenly over so much time, as a camera sends its stream."""
    pieces = [body[start : start + 1316] for start in range(0, len(body), 1316)]

    def answer(connection: socket.socket) -> None:
        pace = in_time()
        for number, piece in enumerate(pieces):
            pace(number * seconds / len(pieces))
            connection.sendall(piece)
        then(connection)

    return answer


def once(event: threading.Event, then: Answer) -> Answer:
    """Says nothing until something has happened, and goes on then."""

    def answer(connection: socket.socket) -> None:
        event.wait(60)
        then(connection)

    return answer


@contextmanager
def datagrams(body: bytes, seconds: float, port: int) -> Iterator[None]:
    """The bytes over UDP, evenly over so much time, again and again while the context lasts."""
    over = threading.Event()
    pieces = [body[start : start + 1316] for start in range(0, len(body), 1316)]

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while True:
                for piece in pieces:
                    sender.sendto(piece, ("127.0.0.1", port))
                    if over.wait(seconds / len(pieces)):
                        return

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


URLS = {
    "mjpeg": "http://127.0.0.1:{}/1",
    "hls": "http://127.0.0.1:{}/live.m3u8",
    "gstreamer": "rtsp://127.0.0.1:{}/1",
}


class Camera:
    """A sender in a process of its own, which can be killed, stopped and started again on the same port."""

    def __init__(self, clip: Path, kind: str = "rtsp", program: Sequence[str] = (sys.executable, __file__)) -> None:
        """
        Args:
            program: is told the kind, the clip and a port; it says "up", and goes when nobody holds its input.
        """
        self.port = free_port()
        self.url = URLS.get(kind, f"{kind}://127.0.0.1:{{}}/1").format(self.port)
        self._clip, self._kind, self._program = clip, kind, program
        self._process: subprocess.Popen[str] | None = None

    def start(self, clip: Path | None = None) -> None:
        """Returns when it listens."""
        self._clip = clip or self._clip
        command = [*self._program, self._kind, str(self._clip), str(self.port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "up\n"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def send_signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Ends it at once; the system closes its connections."""
        if self._process is not None:
            self._process.kill()
            with self._process:
                pass
            self._process = None

    def __enter__(self) -> "Camera":
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()


def cut(connection: socket.socket) -> None:
    """Ends the connection as a cable that is pulled and plugged in again does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hang_up(connection: socket.socket) -> None:
    """Nothing more is to be done."""


def raw(body: bytes, then: Answer = hang_up) -> Answer:
    """Just the bytes."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(body)
        then(connection)

    return answer


NO_LENGTH = "X-Length: none\r\n"
"""For `http`: as a camera answers, which does not know when it ends."""


def http(body: bytes, headers: str = "", status: int = 200, then: Answer = hang_up) -> Answer:
    """An answer over HTTP to whatever is asked for; its length is the body's unless the headers speak of it."""

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        length = "" if "Length" in headers or "chunked" in headers else f"Content-Length: {len(body)}\r\n"
        connection.sendall(f"HTTP/1.1 {status} X\r\n{headers}{length}Connection: close\r\n\r\n".encode() + body)
        then(connection)

    return answer


def http_folder(folder: Path) -> Answer:
    """The files of a folder over HTTP."""

    def answer(connection: socket.socket) -> None:
        with connection.makefile("rb") as asked:
            name = _request(asked)[0].split()[1].lstrip("/")
        body = (folder / name).read_bytes()
        connection.sendall(
            f"HTTP/1.1 200 X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
        )

    return answer


def by_turns(*answers: Answer) -> Answer:
    """The first connection gets the first answer, and so on; the last one is for all that come after."""
    left = chain(answers, repeat(answers[-1]))

    def answer(connection: socket.socket) -> None:
        next(left)(connection)

    return answer


MULTIPART = "Content-Type: multipart/x-mixed-replace; boundary=next\r\nTransfer-Encoding: chunked\r\n"


def motion_jpeg(pictures: Iterable[bytes], then: Answer = hang_up) -> Answer:
    """JPEG after JPEG over HTTP, as cheap cameras send them."""
    body = _multipart(pictures)
    return http(body + b"0\r\n\r\n" if then is hang_up else body, MULTIPART, then=then)


def broken_jpeg(pictures: Iterable[bytes], then: Answer) -> Answer:
    """The same, but that of the last picture only half comes."""
    *whole, last = pictures
    return http(_multipart(whole) + _multipart([last])[: len(last) // 2], MULTIPART, then=then)


def _multipart(pictures: Iterable[bytes]) -> bytes:
    parts = [b"--next\r\nContent-Type: image/jpeg\r\n\r\n" + jpeg + b"\r\n" for jpeg in pictures]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


def _jpegs_of(clip: str) -> Iterator[bytes]:
    for picture in pictures_of(Path(clip)):
        yield cv2.imencode(".jpg", picture)[1].tobytes()


_SDP = """v=0
o=- 0 0 IN IP4 127.0.0.1
s=camera
c=IN IP4 127.0.0.1
t=0 0
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1
a=control:track
""".replace("\n", "\r\n")


def at_once(time_s: float) -> None:
    """The pace of a camera that sends all that it has."""


def rtsp(
    clip: Path | None,
    status: str = "200 OK",
    then: Answer = hang_up,
    pace: Callable[[float], None] = at_once,
    *,
    only_udp: bool = False,
) -> Answer:
    """A camera: what it is asked for it grants, or refuses with another status; RTP goes the way RTSP came.

    Args:
        pace: is called with each packet's time before it is sent.
        only_udp: RTP goes over UDP, and is refused over the connection.
    """

    def answer(connection: socket.socket) -> None:
        way = _plays(connection, status, only_udp=only_udp)
        if way is None:
            return
        with way:
            if clip is not None:
                with av.open(str(clip)) as source:
                    _send_rtp(way, source, pace)
            then(connection)

    return answer


def _plays(connection: socket.socket, status: str, *, only_udp: bool) -> io.RawIOBase | None:
    """Answers until the other end may see the pictures: where RTP is to be written. None if it leaves."""
    way: io.RawIOBase = _Interleaved(connection)
    with connection.makefile("rb") as asked:
        while lines := _request(asked):
            verb, number = lines[0].split()[0], next(line for line in lines if line.startswith("CSeq"))
            granted = "200 OK" if verb == "OPTIONS" else status
            more = {
                "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(_SDP)}\r\n\r\n{_SDP}",
                "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n\r\n",
            }.get(verb, "Session: 1\r\n\r\n")
            if verb == "SETUP" and only_udp:
                wanted = next(line for line in lines if line.startswith("Transport:"))
                ports = re.search(r"client_port=([0-9]+)-([0-9]+)", wanted)
                granted = "461 Unsupported Transport" if ports is None else granted
                way = way if ports is None else _Datagrams(int(ports[1]), int(ports[2]))
                more = f"{wanted}\r\nSession: 1\r\n\r\n"
            if granted == status != "200 OK":
                more = 'WWW-Authenticate: Basic realm="camera"\r\n\r\n'
            connection.sendall(f"RTSP/1.0 {granted}\r\n{number}\r\n{more}".encode())
            if verb == "PLAY":
                return way
    return None


def _request(asked: io.BufferedReader) -> list[str]:
    lines = []
    for line in asked:
        if not line.strip():
            break
        lines.append(line.decode().strip())
    return lines


def _send_rtp(way: io.RawIOBase, source: Any, pace: Callable[[float], None]) -> None:
    options = {"packetsize": "1400"}
    with av.open(way, "w", format="rtp", container_options=options, buffer_size=1500) as sender:
        video = source.streams.video[0]
        stream = sender.add_stream_from_template(video)
        for packet in source.demux(video):
            if packet.size:
                pace(float(packet.dts * packet.time_base))
                packet.stream = stream
                sender.mux(packet)


class _Interleaved(io.RawIOBase):
    """Puts each RTP packet into the RTSP connection, reports (types 200 to 204) into the channel beside."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        packet = bytes(data)
        channel = 1 if 200 <= packet[1] <= 204 else 0
        self._connection.sendall(struct.pack("!cBH", b"$", channel, len(packet)) + packet)
        return len(packet)


class _Datagrams(io.RawIOBase):
    """Sends each RTP packet to one port on loopback, reports to another."""

    def __init__(self, port: int, reports: int) -> None:
        self._ports = port, reports
        self._sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        packet = bytes(data)
        return self._sender.sendto(packet, ("127.0.0.1", self._ports[200 <= packet[1] <= 204]))

    def close(self) -> None:
        self._sender.close()
        super().close()


def _be_camera(kind: str, clip: str, port: str) -> None:
    """What `Camera` runs."""
    ticks_s = 1.0 if kind == "rtsp" else float(pts_of(Path(clip))[-1])
    jpegs = _multipart(_jpegs_of(clip)) if kind == "mjpeg" else b""

    def answer(connection: socket.socket) -> None:
        if kind == "rtsp":
            rtsp(Path(clip), then=hold, pace=in_time())(connection)
        elif kind == "mjpeg":
            http(b"", MULTIPART, then=spread(jpegs, ticks_s))(connection)
        else:
            spread(Path(clip).read_bytes(), ticks_s)(connection)

    with serving(answer, int(port)):
        sys.stdout.write("up\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    _be_camera(*sys.argv[1:])
