"""Readiness, status and watchdog, told to a supervisor that asks for them."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.processes.systemd import Supervisor
from tests.support.paths import ROOT

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="systemd is on Linux alone")

PATIENCE_S = 60.0


class Listener:
    """A supervisor's socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(PATIENCE_S)

    def heard(self) -> list[str]:
        """The lines of the next message."""
        return self._socket.recv(4096).decode().split("\n")

    def is_quiet(self) -> bool:
        self._socket.setblocking(False)
        try:
            return not self._socket.recv(4096)
        except BlockingIOError:
            return True
        finally:
            self._socket.settimeout(PATIENCE_S)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    with tempfile.TemporaryDirectory() as folder:  # a socket's path may have 108 letters
        listening = Listener(Path(folder) / "notify")
        yield listening
        listening.close()


def test_ready_status_and_the_end_are_told(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(listener.path))
    with Supervisor() as supervisor:
        assert "NOTIFY_SOCKET" not in os.environ  # a child would answer in our name
        supervisor.tell("captured 0.0/s", 0.0, 1.0)
        assert listener.heard() == ["READY=1", "STATUS=captured 0.0/s"]
        supervisor.tell("captured 0.0/s", 0.0, 2.0)
        assert listener.is_quiet()
        supervisor.tell("OFFLINE 1 s", 0.0, 3.0)
        assert listener.heard() == ["STATUS=OFFLINE 1 s"]
    assert listener.heard() == ["STOPPING=1"]


def test_the_watchdog_hears_of_work_that_goes_on(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(listener.path))
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    supervisor = Supervisor()
    supervisor.tell("", 0.0, 100.0)
    assert listener.heard() == ["READY=1", "WATCHDOG=1"]
    supervisor.tell("", 0.0, 105.0)
    assert listener.is_quiet()  # not due
    supervisor.tell("", 0.2, 110.0)
    assert listener.heard() == ["WATCHDOG=1"]
    supervisor.tell("", 16.0, 120.0)
    assert listener.is_quiet()  # stuck: systemd is to restart it


def test_a_watchdog_for_another_process_is_none_of_ours(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(listener.path))
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
    Supervisor().tell("", 0.0, 100.0)
    assert listener.heard() == ["READY=1"]


def test_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    with Supervisor() as supervisor:
        supervisor.tell("", 0.0, 1.0)


def test_a_supervisor_that_is_away_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    Supervisor().tell("", 0.0, 1.0)


@pytest.mark.process
def test_a_stream_is_a_service(listener: Listener, tmp_path: Path) -> None:
    """Ready without a camera: that is lost and found many times in a service's life."""
    command = [sys.executable, "-m", "streamer", "run", "rtsp://127.0.0.1:9/cam", "--record", "a.mp4"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": str(listener.path)}
    environment["WATCHDOG_USEC"] = "2000000"
    service = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        first = listener.heard()
        assert (first[0], first[-1]) == ("READY=1", "WATCHDOG=1")
        while not any(line.startswith("STATUS=OFFLINE") for line in listener.heard()):
            pass
        service.send_signal(signal.SIGTERM)
        while listener.heard() != ["STOPPING=1"]:
            pass
    finally:
        _, log = service.communicate(timeout=PATIENCE_S)
    assert "OFFLINE: cannot open rtsp://127.0.0.1:9/cam: nobody listens there [refused]\n" in log
