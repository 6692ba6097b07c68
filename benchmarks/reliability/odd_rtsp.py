"""A camera over RTSP whose clock and network are as odd as one wants, with sound; it may send over UDP alone."""

import io
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from re import search
from threading import Event
from typing import Any

import av
import numpy as np

from tests.support.media import Answer, Clip

RATE = 25
FLASHES = 5
"""Pictures of each second that are white; sound is loud meanwhile."""
LOUD_S = FLASHES / RATE
SOUND_S = 0.02
"""Of one packet of sound: 160 bytes of G.711."""
LOUD, QUIET = bytes((0x00, 0x80)) * 80, bytes((0xFF,)) * 160
REPORT_EVERY_S = 2.0
NTP_S = 3_900_000_000.0
"""The hour of the day at which the camera was started, in seconds since 1900."""
VIDEO, SOUND = 0, 1
_RATES = {VIDEO: 90_000, SOUND: 8_000}
_KINDS = {VIDEO: 96, SOUND: 0}
_SDP = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=odd
c=IN IP4 127.0.0.1
t=0 0
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1
a=control:track0
m=audio 0 RTP/AVP 0
a=rtpmap:0 PCMU/8000
a=control:track1
""".replace("\n", "\r\n")


@dataclass(frozen=True)
class Odd:
    """What is odd about a camera. Its true time begins with its first picture."""

    stamp: Callable[[int, float], float] = lambda number, true_s: true_s
    """The time that a picture of this number and true time says of itself."""
    arrives: Callable[[float], float] = lambda true_s: true_s
    """The time at which what was made at a true time is sent."""
    steps: Callable[[float], float] | None = None
    """Seconds by which the hour of the day is wrong that it reports; None reports none."""
    only_udp: bool = False
    """It refuses to send over the connection that it is asked on."""


def flashing(path: Path, seconds: float) -> Path:
    """A clip that is white for a fifth of each second and dark otherwise."""
    shots = [np.full((240, 320, 3), 235 if number % RATE < FLASHES else 40, np.uint8) for number in range(RATE)]
    count = round(seconds * RATE)
    ticks, base = range(0, count * 3600, 3600), Fraction(1, 90_000)
    Clip(size=(240, 320), ticks=ticks, time_base=base, b_frames=0).make(
        path, (shots[number % RATE] for number in range(count))
    )
    return path


def odd_camera(clip: Path, odd: Odd) -> Answer:
    """Sends the clip with sound to whoever connects."""

    def answer(connection: socket.socket) -> None:
        with ExitStack() as stack:
            ways = dict(_asked(connection, odd, stack))
            if VIDEO in ways:
                _play(clip, odd, _Sender(ways))

    return answer


Way = Callable[[bytes, bool], None]
"""Sends a packet, of RTP or, if true, a report about it."""


def _asked(connection: socket.socket, odd: Odd, stack: ExitStack) -> Iterator[tuple[int, Way]]:
    """The ways to send each track, when the pictures are asked for; none if the other end leaves."""
    asked = stack.enter_context(connection.makefile("rb"))
    while head := b"".join(_head(asked)).decode():
        verb, address = head.split()[:2]
        fields = dict(line.split(": ", 1) for line in head.splitlines()[1:])
        status, more = "200 OK", ""
        if verb == "DESCRIBE":
            more = f"Content-Type: application/sdp\r\nContent-Length: {len(_SDP)}\r\n\r\n{_SDP}"
        if verb == "SETUP":
            way = fields["Transport"]
            if "interleaved" in way and odd.only_udp:
                status = "461 Unsupported Transport"
            else:
                track = int(address[-1])
                yield track, _way(connection, way, stack)
                more = f"Transport: {way}\r\nSession: 1\r\n"
        ending = "" if verb == "DESCRIBE" else "\r\n"
        session = "Session: 1\r\n" if verb == "PLAY" else ""
        connection.sendall(f"RTSP/1.0 {status}\r\nCSeq: {fields['CSeq']}\r\n{session}{more}{ending}".encode())
        if verb == "PLAY":
            return


def _head(asked: io.BufferedReader) -> Iterator[bytes]:
    while (line := asked.readline()).strip():
        yield line


def _way(connection: socket.socket, transport: str, stack: ExitStack) -> Way:
    if found := search(r"interleaved=(\d+)", transport):
        channel = int(found[1])
        return lambda data, report: connection.sendall(struct.pack("!cBH", b"$", channel + report, len(data)) + data)
    found = search(r"client_port=(\d+)-(\d+)", transport)
    assert found is not None
    sender = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sender.bind(("127.0.0.1", 0))
    ports = int(found[1]), int(found[2])

    def send(data: bytes, report: bool) -> None:
        if select.select([connection], [], [], 0)[0] and not connection.recv(4096):
            raise BrokenPipeError  # who asked has left
        sender.sendto(data, ("127.0.0.1", ports[report]))

    return send


class _Sender(io.RawIOBase):
    """Stamps packets and sends them. What is written into it is RTP of pictures, whose stamps are replaced."""

    def __init__(self, ways: dict[int, Way]) -> None:
        self._ways = ways
        self._count = 0
        self.says_s = 0.0
        """What the next picture says of its time."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        packet = bytes(data)
        if not 200 <= packet[1] <= 204:  # FFmpeg's own reports tell the true time
            stamp = struct.pack("!I", _ticks(VIDEO, self.says_s))
            self._ways[VIDEO](packet[:4] + stamp + packet[8:], False)
        return len(packet)

    def sound(self, true_s: float) -> None:
        head = struct.pack("!BBHII", 0x80, _KINDS[SOUND], self._count & 0xFFFF, _ticks(SOUND, true_s), 2)
        self._count += 1
        if SOUND in self._ways:
            self._ways[SOUND](head + (LOUD if (true_s + 1e-6) % 1 < LOUD_S else QUIET), False)

    def report(self, true_s: float, step_s: float) -> None:
        """Tells the hour of the day."""
        hour_s = NTP_S + true_s + step_s
        for track, way in self._ways.items():
            says_s = self.says_s if track == VIDEO else true_s
            whole = int(hour_s), int(hour_s % 1 * 2**32), _ticks(track, says_s), 1, 0
            way(struct.pack("!BBHIIIIII", 0x80, 200, 6, track + 1, *whole), True)


def _ticks(track: int, says_s: float) -> int:
    return (1_000_000 + round(says_s * _RATES[track])) & 0xFFFFFFFF


def _play(clip: Path, odd: Odd, sender: _Sender) -> None:
    began, pause = time.monotonic(), Event()
    options = {"packetsize": "1400", "ssrc": "1"}

    def wait(true_s: float) -> None:
        pause.wait(max(0.0, began + odd.arrives(true_s) - time.monotonic()))

    with av.open(str(clip)) as source:
        video = source.streams.video[0]
        with av.open(sender, "w", format="rtp", container_options=options, buffer_size=1500) as out:
            stream = out.add_stream_from_template(video)
            sounds, told_s = 0, -REPORT_EVERY_S
            for number, packet in enumerate(each for each in source.demux(video) if each.size):
                true_s = number / RATE
                while sounds * SOUND_S <= true_s:
                    wait(sounds * SOUND_S)
                    sender.sound(sounds * SOUND_S)
                    sounds += 1
                wait(true_s)
                sender.says_s = odd.stamp(number, true_s)
                if odd.steps is not None and true_s >= told_s + REPORT_EVERY_S:
                    told_s = true_s
                    sender.report(true_s, odd.steps(true_s))
                packet.stream = stream
                out.mux(packet)
