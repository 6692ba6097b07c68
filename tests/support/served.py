"""`streamer serve` as a program, and requests to it."""

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.support.waiting import eventually

START_S = 120.0


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """A running service."""

    process: "subprocess.Popen[str]"
    port: int
    log: Path
    token: str | None = None
    host: str = "127.0.0.1"
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://{self.host}:{self.port}"

    def ask(
        self, method: str, path: str, body: bytes | None = None, timeout_s: float = 120.0, **headers: str
    ) -> Answer:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)
        try:
            connection.request(method, path, body, {**self.headers, **headers})
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def ready(self, within_s: float = START_S) -> bool:
        return eventually(lambda: self.ask("GET", "/readyz").status == 200, within_s)

    def children(self, module: str) -> list[psutil.Process]:
        """Its processes that run a module."""
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if module in child.cmdline():
                    found.append(child)
            except psutil.Error:  # it has just ended
                continue
        return found

    def lines(self) -> list[dict[str, Any]]:
        """The log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@contextmanager
def served(
    log: Path, *options: str, environment: Mapping[str, str] | None = None, entry: Sequence[str] = ("streamer",)
) -> Iterator[Served]:
    """Runs the service at a free port, and ends it as a terminal would."""
    data = str(log.parent / "data")
    command = [sys.executable, "-m", *entry, "serve", "--port", "0", "--data", data, *options]
    with log.open("a") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **(environment or {})}
        )
    with ending(process):
        assert process.stdout is not None
        first = process.stdout.readline()
        found = re.match(r"https?://[^:]+:(\d+)[^#]*(?:#token=(.*))?\n", first)
        assert found, (first, log.read_text())
        yield Served(process, int(found[1]), log, found[2])


@contextmanager
def ending(process: "subprocess.Popen[str]") -> Iterator[None]:
    """Ends a service in its way, or, where it does not, in ours."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(120)
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
