"""A live HLS server in a process of its own: PyAV writes segments and a playlist, a web server gives them away.

`--piece SECONDS` says how long a segment is. SIGUSR1 stops the writing and lets it go on; SIGUSR2 takes the segments
away, but not the playlist, and gives them back.
"""

import argparse
import signal
import sys
import tempfile
import threading
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import av

from tests.support.media import in_time

PLAYLIST = "live.m3u8"
OPTIONS = {"hls_list_size": "6", "hls_flags": "delete_segments"}


class Handler(SimpleHTTPRequestHandler):
    """Files of a folder; of segments it may deny that they are there."""

    denies = threading.Event()

    def do_GET(self) -> None:
        if self.path.endswith(".ts") and self.denies.is_set():
            self.send_error(404)
        else:
            super().do_GET()

    def log_message(self, *what: object) -> None:
        """Not wanted."""


class Server(ThreadingHTTPServer):
    def handle_error(self, *request: object) -> None:
        """Whoever reads it may leave."""


def write(second: str, folder: Path, piece_s: int, paused: threading.Event, over: threading.Event) -> None:
    """A clip of one second again and again, in real time, in segments of this length."""
    with av.open(second) as source:
        video = source.streams.video[0]
        packets = [(bytes(each), each.pts, each.dts, each.is_keyframe) for each in source.demux(video) if each.size]
        with av.open(str(folder / PLAYLIST), "w", format="hls", options={"hls_time": str(piece_s), **OPTIONS}) as out:
            stream = out.add_stream_from_template(video)
            pace, rest = in_time(), threading.Event()
            begins = packets[0][2]
            for number in count():
                for body, pts, dts, key in packets:
                    ticks = dts - begins + number * 90_000
                    pace(ticks / 90_000)
                    while paused.is_set() and not over.is_set():
                        rest.wait(0.05)
                    if over.is_set():
                        return
                    packet = av.Packet(body)
                    packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 90_000), key
                    packet.dts, packet.pts = ticks, ticks + pts - dts
                    out.mux(packet)


def toggle(event: threading.Event) -> None:
    (event.clear if event.is_set() else event.set)()


def serve(second: str, port: int, piece_s: int) -> None:
    """Until nobody holds the other end of standard input."""
    paused, over = threading.Event(), threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: toggle(paused))
    signal.signal(signal.SIGUSR2, lambda *_: toggle(Handler.denies))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writing = threading.Thread(target=write, args=(second, folder, piece_s, paused, over))
        writing.start()
        with Server(("127.0.0.1", port), partial(Handler, directory=name)) as server:
            serving = threading.Thread(target=server.serve_forever)
            serving.start()
            while not (folder / PLAYLIST).exists():
                over.wait(0.05)
            sys.stdout.write("up\n")
            sys.stdout.flush()
            sys.stdin.read()
            over.set()
            server.shutdown()
        writing.join()
        serving.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--piece", type=int, default=1)
    parser.add_argument("kind")
    parser.add_argument("second")
    parser.add_argument("port", type=int)
    given = parser.parse_args()
    serve(given.second, given.port, given.piece)
