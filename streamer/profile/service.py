"""A real service as a child process, its marks, and requests to it."""

import http.client
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from streamer.errors import StreamerError

HOST = "127.0.0.1"
LOOK_S = 0.02
READY_S = 1800.0
"""To be ready: M2FP makes its graph the first time."""
ANSWER_S = 900.0
END_S = 20.0
STEPS = {"imported": "service imported", "listening": "service listens"}
"""Lines of the log that mark a step, and its name."""
REACHED = {
    "imports": "worker imported",
    "network": "network loaded",
    "picture": "first picture parsed",
}
"""The same for what the process for stills has reached."""


class ServiceFailed(StreamerError):
    """Raised when the service does not start, or does not answer a picture as it should."""


class Service:
    """`streamer serve` at a free port of this machine, until it is closed."""

    def __init__(self, options: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        """Starts it, and does not wait for it.

        Args:
            folder: for its log and its data; empty.
            environment: variables beside those of this process.
        """
        self._log = folder / "log"
        command = [sys.executable, "-m", "streamer", "serve", "--port", "0", "--host", HOST]
        command += ["--data", str(folder / "data"), "--max-wait", "10min", "--deadline", "10min", *options]
        variables = {name: value for name, value in os.environ.items() if name != "M2FP_STREAMER_TOKEN"}
        variables |= environment
        nothing = subprocess.DEVNULL
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=log, env=variables)

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_ready(self, within_s: float = READY_S) -> dict[str, float]:
        """Waits until it has parsed a picture; the steps on the way by name, in Unix time. Raises ServiceFailed."""
        for _ in range(int(within_s / LOOK_S)):
            lines = self._lines()
            steps = steps_in(lines)
            if steps is not None:
                return steps
            for line in lines:
                if line.get("message") == "worker-died":
                    raise ServiceFailed(f"the service cannot parse: {line.get('why')}")
            try:
                code = self._process.wait(LOOK_S)
            except subprocess.TimeoutExpired:
                continue
            raise ServiceFailed(f"the service ended with status {code}: {self._last_words()}")
        raise ServiceFailed(f"the service was not ready within {within_s:g} s")

    @property
    def port(self) -> int:
        """The port that it listens at, once it is ready."""
        return next(int(line["port"]) for line in self._lines() if line.get("message") == "listening")

    def connect(self) -> "Client":
        """A client of it, once it is ready."""
        return Client(self.port)

    def close(self) -> None:
        """Ends it as a terminal would, and its processes with it."""
        self._process.terminate()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _lines(self) -> list[dict[str, Any]]:
        whole = self._log.read_bytes().splitlines(keepends=True)
        return [msgspec.json.decode(line) for line in whole if line.startswith(b"{") and line.endswith(b"}\n")]

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


class Client:
    """One connection, which is kept. For one thread."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_S)

    def parse(self, picture: bytes) -> dict[str, Any]:
        """The answer to a picture that is not remembered. Raises ServiceFailed."""
        try:
            headers = {"Content-Type": "image/jpeg", "Cache-Control": "no-store"}
            self._connection.request("POST", "/api/v1/parse", picture, headers)
            answer = self._connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as exc:
            raise ServiceFailed(f"the service does not answer: {exc}") from exc
        if answer.status != 200:
            raise ServiceFailed(f"the service answered with {answer.status}: {body[:300].decode(errors='replace')}")
        found: dict[str, Any] = msgspec.json.decode(body)
        return found

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def steps_in(lines: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    """The steps of a start by their names, in Unix time, in their order; None if it is not over."""
    ready = next((line for line in lines if line.get("message") == "worker-ready"), None)
    if ready is None:
        return None
    found = {STEPS[line["message"]]: float(line["time"]) for line in lines if line.get("message") in STEPS}
    found |= {REACHED[name]: float(at) for name, at in ready["reached"].items()}
    return {**dict(sorted(found.items(), key=lambda step: step[1])), "ready": float(ready["time"])}
