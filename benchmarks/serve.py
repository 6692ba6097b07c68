"""The service under load, beside the usual way to serve a network: a threaded server with the parser behind a lock.

    python -m benchmarks.serve [--rounds 3] [--seconds 8] [--short]

Both do the same work for a picture. They take turns; clients send the next picture when they have an answer. Then
there are 64 clients, and after them so many that some ten times of what the service can take is asked for: whoever is
refused asks again after a second, whatever Retry-After says. Bars, on a quiet machine: 1.25 times as many pictures a
second as the usual way with 8 clients, p99 with 32 clients within what the service lets wait and 20 % more, 80 % of
the best rate with 64 clients and in the flood, where every other answer is 429, memory that grows by less than 50 MB
in the flood, when all processes are there, and the next picture answered. Exits with 1 if one of them is not met.
"""

import argparse
import http.client
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median, quantiles

from pipeline import Size
from streamer.diagnose.sampler import family
from streamer.processes.cores import cores
from streamer.profile.pictures import pictures
from streamer.profile.recorder import Recorder
from streamer.profile.service import Service

HOST = "127.0.0.1"
PICTURE = Size(720, 1280)
PICTURES = 8
MAX_WAIT_S = 5.0
CLIENTS = (1, 8, 32)
OVERLOADING = 64
FLOODING = 320
REFUSED_PAUSE_S = 1.0
"""Of who floods. Of two cores, some 100 pictures wait: the others ask 200 times a second."""
ANSWER_S = 300.0
WORKER = "streamer.stills.main"


@dataclass(frozen=True, slots=True)
class Load:
    """What clients got."""

    statuses: Counter[int]
    times_s: tuple[float, ...]
    """Of the good answers."""
    rate_hz: float
    """Good answers a second."""
    cpu_ms: float
    """Processor time of the server for a good answer."""
    grown_mb: float

    @property
    def p99_s(self) -> float:
        return quantiles(self.times_s, n=100)[98] if len(self.times_s) > 1 else sum(self.times_s)

    def __str__(self) -> str:
        others = {status: count for status, count in self.statuses.items() if status != 200}
        told = f", not answered: {others}" if others else ""
        times = f"{median(self.times_s or [0]):7.3f} s median {self.p99_s:7.3f} p99"
        return f"{self.rate_hz:6.1f} pictures/s {self.cpu_ms:7.1f} ms processor {times}{told}"


def load(port: int, pid: int, clients: int, seconds: float, pause_s: float = 0.0) -> Load:
    """Sends pictures from so many clients for so long, and waits for the answers under way; who gets no good answer
    asks again after a pause."""
    sent = pictures(PICTURE, PICTURES)
    statuses: Counter[int] = Counter()
    times_s: list[float] = []
    turn = threading.Lock()
    with Recorder(lambda: family(pid, {WORKER: "stills"})) as recorder:
        began = recorder.mark()
        until_s = time.monotonic() + seconds

        def run(number: int) -> None:
            for status, took_s in _answers(port, sent[number % PICTURES :] + sent[: number % PICTURES], until_s):
                with turn:
                    statuses[status] += 1
                    if status == 200:
                        times_s.append(took_s)
                if status != 200:
                    time.sleep(pause_s)

        threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        window = recorder.since(began)
    good = max(1, len(times_s))
    grown = window.ended.rss_bytes - window.began.rss_bytes
    return Load(statuses, tuple(times_s), len(times_s) / window.seconds, 1e3 * window.cpu_s / good, grown / 1e6)


def _answers(port: int, sent: list[bytes], until_s: float) -> Iterator[tuple[int, float]]:
    connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_S)
    number = 0
    while time.monotonic() < until_s:
        began_s = time.monotonic()
        connection.request("POST", "/api/v1/parse", sent[number % len(sent)], {"Cache-Control": "no-store"})
        answer = connection.getresponse()
        answer.read()
        yield answer.status, time.monotonic() - began_s
        number += 1
    connection.close()


@contextmanager
def served() -> Iterator[tuple[int, int]]:
    """The service; its port and process id."""
    with tempfile.TemporaryDirectory() as scratch:
        with Service(["--max-wait", f"{MAX_WAIT_S:g}s"], Path(scratch), {}) as service:
            service.wait_ready()
            yield service.port, service.pid


@contextmanager
def usual() -> Iterator[tuple[int, int]]:
    """The usual way; its port and process id."""
    command = [sys.executable, "-m", "benchmarks.serve", "--usual"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), process.pid
        finally:
            process.kill()


def serve_usual() -> None:
    """Threads take requests, and one after the other parses, as with Flask and a lock."""
    from streamer.stills.main import Desk
    from streamer.stills.messages import Parse, Parsed, StillSettings

    desk, lock = Desk(StillSettings(threads=cores())), threading.Lock()
    desk.load()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                answered = desk.answer(Parse(body, "lite"))
            assert isinstance(answered, Parsed)
            self.send_response(200)
            self.send_header("Content-Length", str(len(answered.answer)))
            self.end_headers()
            self.wfile.write(answered.answer)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 256

    server = Server((HOST, 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


def compare(rounds: int, seconds: float, clients: tuple[int, ...]) -> dict[tuple[str, int], list[Load]]:
    found: dict[tuple[str, int], list[Load]] = {}
    for turn in range(rounds):
        for name, start in (("service", served), ("usual", usual))[:: 1 if turn % 2 == 0 else -1]:
            with start() as (port, pid):
                load(port, pid, 1, min(2.0, seconds))  # warm
                for count in clients:
                    seen = load(port, pid, count, seconds)
                    print(f"round {turn + 1} {name:8} {count:3} clients {seen}", flush=True)
                    found.setdefault((name, count), []).append(seen)
    return found


def overload(seconds: float) -> tuple[list[Load], bool]:
    """What many clients get, then those of a flood, and whether the next picture is answered as usual."""
    with served() as (port, pid):
        load(port, pid, 2, min(2.0, seconds))
        found = []
        for name, clients, pause_s in (("overload", OVERLOADING, 0.0), ("flood", FLOODING, REFUSED_PAUSE_S)):
            found.append(load(port, pid, clients, seconds, pause_s))
            print(f"{name:8} {clients:3} clients {found[-1]}", flush=True)
            print(f"memory after it {found[-1].grown_mb:+.0f} MB", flush=True)
        after = load(port, pid, 1, 0.001)
    return found, after.statuses == Counter({200: 1})


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument(
        "--seconds", type=float, default=8.0, help="of each load; overload and flood have eight times that"
    )
    arguments.add_argument("--short", action="store_true", help="one round of 2 s with 1 and 8 clients")
    arguments.add_argument("--usual", action="store_true", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.usual:
        serve_usual()
        return
    rounds, seconds, clients = (1, 2.0, CLIENTS[:2]) if given.short else (given.rounds, given.seconds, CLIENTS)
    found = compare(rounds, seconds, clients)
    flooded, well = overload(8 * seconds)
    best_hz = max(each.rate_hz for (name, _), loads in found.items() if name == "service" for each in loads)
    ours, theirs = (median(each.rate_hz for each in found[name, 8]) for name in ("service", "usual"))
    spent, other = (median(each.cpu_ms for each in found[name, 8]) for name in ("service", "usual"))
    print(f"with 8 clients: {ours / theirs:.2f} times the usual rate, {spent / other:.2f} times its processor time")
    bars = {
        "rate": ours >= 1.25 * theirs,
        "overload": all(each.rate_hz >= 0.8 * best_hz for each in flooded),
        "only 429": set(flooded[0].statuses) | set(flooded[1].statuses) <= {200, 429},
        "memory": flooded[1].grown_mb < 50,
        "well afterwards": well,
    }
    if ("service", 32) in found:
        bars["p99"] = all(each.p99_s <= 1.2 * MAX_WAIT_S for each in found["service", 32])
    missed = [name for name, met in bars.items() if not met]
    print(f"not met: {', '.join(missed)}" if missed else "all bars are met")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
