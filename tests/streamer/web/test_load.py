"""What `benchmarks.serve` counts, of a server whose answers are known."""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import pytest

from benchmarks.serve import load


@pytest.fixture
def port() -> Iterator[int]:
    """A server that refuses each third picture."""
    number = count()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(429 if next(number) % 3 == 2 else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = False

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.slow
@pytest.mark.process
def test_good_answers_are_counted_apart_from_refusals(port: int) -> None:
    seen = load(port, os.getpid(), clients=2, seconds=0.5)
    assert set(seen.statuses) <= {200, 429}
    assert len(seen.times_s) == seen.statuses[200] >= 2
    assert abs(seen.statuses[429] - sum(seen.statuses.values()) / 3) <= 1
    assert 0 < min(seen.times_s) <= seen.p99_s
    assert seen.rate_hz > 0
    assert seen.cpu_ms > 0
    assert f"not answered: {{429: {seen.statuses[429]}}}" in str(seen) or not seen.statuses[429]
