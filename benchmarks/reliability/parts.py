"""Our own parts, killed, stopped or starved; and subscribers that behave badly."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import zmq

from benchmarks.reliability.measure import PATTERN, Place, Row, between, child, played, rest, running, until
from streamer import Stream, open_source, subscribe
from tests.support import media
from tests.support.media import hang_up, hold, rtsp, serving, spread

ROOT = Path(__file__).parent.parent.parent
MAIN = "from streamer.cli import main; main()"


def parsed(stream: Stream, more: int) -> float:
    """Seconds until so many more were parsed."""
    had = stream.stats.parsed
    return until(lambda: stream.stats.parsed >= had + more)


def worker_killed(place: Place) -> Iterator[Row]:
    with running(PATTERN, record=str(place.folder / "worker.mp4")) as stream:
        loading_s = parsed(stream, 1)
        took = []
        before = stream.stats
        for _ in range(1 if place.short else 5):
            parsed(stream, 3)
            child("inference").kill()
            took.append(parsed(stream, 1))
        after = stream.stats
    fault = f"kill -9 of the inference process (to load it the first time took {loading_s:.2f} s)"
    row = place.in_time(fault, "next parsing", 3 + loading_s, took)
    yield Row(row.fault, "next parsing within 3 s and the loading", row.measured, row.held)
    yield played("the picture meanwhile", before, after)


def worker_stopped(place: Place) -> Iterator[Row]:
    if place.short:
        return
    with running(PATTERN, record=str(place.folder / "stopped.mp4")) as stream:
        parsed(stream, 3)
        before = stream.stats
        child("inference").suspend()
        took_s = parsed(stream, 2)  # one may have been under way
        after = stream.stats
    # Ten to answer, two for mild ways to end it that a stopped process does not hear, three for the new one.
    yield place.in_time("SIGSTOP of the inference process", "next parsing", 15, [took_s])
    yield played("the picture meanwhile", before, after)


def worker_starved(place: Place) -> Iterator[Row]:
    """It may have no more memory than it has when its camera is turned, and its network would need another size."""
    small, large = place.clip("wide.ts", 1, size=(96, 160)), place.clip("high.ts", 60, size=(160, 96))
    turned = threading.Event()

    def answer(connection: socket.socket) -> None:
        spread(small.read_bytes(), 1.0, then=hang_up)(connection)
        turned.wait(60)
        spread(large.read_bytes(), 60.0)(connection)

    with serving(answer) as port:
        with running(f"tcp://127.0.0.1:{port}", size=None, stall_after_s=60.0) as stream:
            parsed(stream, 1)
            worker = child("inference")
            had = worker.memory_info().vms
            worker.rlimit(psutil.RLIMIT_AS, (had, had))
            turned.set()
            took_s = until(lambda: stream.newest is not None and stream.newest.frame_size == (160, 96))
            restarts = stream.stats.worker_restarts
    fault = f"inference process out of memory when the camera's picture is turned ({restarts} replaced)"
    yield place.in_time(fault, "reconnected and parsed", 4, [took_s])


def parent_killed(place: Place) -> Iterator[Row]:
    took = []
    with serving(rtsp(place.clip("long.ts", 60), then=hold, pace=media.in_time())) as port, serving(hold) as silent:
        for address, children in ((port, 2), (silent, 1)):
            command = [sys.executable, "-c", MAIN, "run", f"rtsp://127.0.0.1:{address}/1", "--size", "96x128"]
            command += ["--record", "parent.mp4", "--force"]
            with subprocess.Popen(command, cwd=place.folder, stdout=subprocess.DEVNULL) as parent:
                family = psutil.Process(parent.pid)
                until(lambda: len(family.children()) == children)  # noqa: B023
                left = family.children()
                rest(0.5)
                parent.kill()
                parent.wait()
            took.append(until(lambda: all(_gone(each) for each in left)))  # noqa: B023
    yield place.in_time("kill -9 of the program, while it streams and while it connects", "no process left", 2, took)


def _gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


FULL = """
import resource, signal, sys, threading
from streamer import SinkError, Stream, StreamConfig
from streamer.sources.open import sample
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
config = StreamConfig(str(sample("street.mp4")), loop=True, record="full.mp4", publish="ipc://full", size=(96, 128))
with Stream(config) as stream:
    while not stream.stats.sinks_ended:
        threading.Event().wait(0.05)
    parsed = stream.stats.parsed
    threading.Event().wait(2)
    print(stream.stats.parsed - parsed)
    stream.stop()
    try:
        stream.join()
    except SinkError as exc:
        print(exc)
"""


def disk_full(place: Place) -> Iterator[Row]:
    """A limit on the size of files fails a write as a full disk does."""
    if place.short:
        return
    command = [sys.executable, "-c", FULL]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=place.folder, env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    more, error = [*done.stdout.splitlines(), "", ""][:2]
    with open_source(place.folder / "full.mp4") as kept:
        frames = len(list(kept))
    yield Row(
        "disk full while recording and publishing",
        "the recording ends with its error and plays; the rest goes on",
        f"“{error}”; {frames} frames play; {more} parsings in the 2 s after",
        "cannot write" in error and frames > 0 and int(more or 0) > 0,
    )


READER = "import sys; from streamer import subscribe\nfor _ in subscribe(sys.argv[1]): pass"


def subscribers(place: Place) -> Iterator[Row]:
    """One that reads; beside it some that never read, are killed, or talk nonsense."""
    address = f"tcp://127.0.0.1:{media.free_port()}"
    host, port = "127.0.0.1", int(address.rsplit(":", 1)[1])
    with ExitStack() as stack:
        stream = stack.enter_context(
            running(PATTERN, record=str(place.folder / "chaos.mp4"), publish=address, parse_hz=10)
        )
        parsed(stream, 3)
        heard = stack.enter_context(subscribe(address))
        read = threading.Thread(target=lambda: [None for _ in heard])
        read.start()
        context = stack.enter_context(zmq.Context())
        before = stream.stats
        for _ in range(3 if place.short else 10):
            deaf = stack.enter_context(context.socket(zmq.SUB))
            deaf.setsockopt(zmq.LINGER, 0)
            deaf.setsockopt(zmq.RCVHWM, 1)
            deaf.subscribe(b"")
            deaf.connect(address)
            with socket.create_connection((host, port)) as nonsense:
                nonsense.sendall(os.urandom(5000))
            with subprocess.Popen(
                [sys.executable, "-c", READER, address], env=os.environ | {"PYTHONPATH": str(ROOT)}
            ) as reader:
                rest(0.7)
                reader.send_signal(signal.SIGKILL)
        after = stream.stats
        stream.stop()
        read.join(20)
        missed = heard.missed
    dropped = after.drops.total - before.drops.total
    yield Row(
        "subscribers that never read, are killed, send 5 kB of nonsense",
        "no frame dropped, nothing lost to one that reads",
        f"{between(before, after)}; {after.parsed_hz:.1f} parsings a second of 10; {missed} lost",
        dropped == 0 and missed == 0 and after.parsed > before.parsed,
    )


FAULTS = (worker_killed, worker_stopped, worker_starved, parent_killed, disk_full, subscribers)
