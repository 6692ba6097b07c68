"""A service at a Unix socket: for its user alone, and started again whatever ended it."""

import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamer.cli.machine import _OverFile
from streamer.errors import ConfigError
from streamer.web.listening import CannotListen, listening_at
from streamer.web.settings import AccessSettings
from tests.support.served import ending
from tests.support.service import black

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="Unix sockets")


def _at(path: Path) -> AccessSettings:
    return AccessSettings(uds=str(path))


def test_only_its_user_reaches_it_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    before = os.umask(0)
    try:
        with listening_at(_at(path)) as listening:
            assert path.stat().st_mode & 0o777 == 0o600
            assert listening.getsockname() == str(path)
            assert os.umask(0) == 0
    finally:
        os.umask(before)
    assert not path.exists()


def test_the_socket_of_a_killed_service_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    assert path.is_socket()
    with listening_at(_at(path)):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_what_is_not_stale_stays(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with listening_at(_at(path)):
        with pytest.raises(CannotListen, match="another service listens"), listening_at(_at(path)):
            pass
        assert path.is_socket()
    path.write_text("mine")
    with pytest.raises(CannotListen, match="is no socket"), listening_at(_at(path)):
        pass
    assert path.read_text() == "mine"
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(CannotListen, match="is no socket"), listening_at(_at(link)):
        pass
    for wrong in (tmp_path / "none" / "socket", tmp_path / ("long" * 50)):
        with pytest.raises(CannotListen, match="cannot listen at"), listening_at(_at(wrong)):
            pass


def test_one_that_took_the_place_of_ours_is_left(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with listening_at(_at(path)):
        path.unlink()
        path.write_text("another's")
    assert path.read_text() == "another's"


def test_it_is_in_place_of_a_host() -> None:
    with pytest.raises(ConfigError, match="uds takes the place of host"):
        AccessSettings(uds="a", host="0.0.0.0", insecure=True)
    assert AccessSettings(uds="a").is_loopback


@contextmanager
def _served(path: Path) -> Iterator["subprocess.Popen[str]"]:
    data = str(path.parent / "data")
    command = [sys.executable, "-m", "streamer", "serve", "--uds", str(path), "--data", data, "--workers", "1"]
    with (path.parent / "log").open("a") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    with ending(process):
        assert process.stdout is not None
        assert process.stdout.readline() == f"unix:{path}\n", (path.parent / "log").read_text()
        yield process


def _asked(
    path: Path, method: str, where: str, body: bytes | None = None, host: str = "localhost"
) -> tuple[int, bytes]:
    connection = _OverFile(str(path))
    connection.timeout = 120
    try:
        connection.request(method, where, body, {"Host": host})
        answer: http.client.HTTPResponse = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.process
def test_a_service_answers_there_and_again_after_it_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with _served(path) as process:
        assert _asked(path, "GET", "/healthz")[0] == 200
        assert _asked(path, "GET", "/healthz", host="evil.test")[0] == 421
        assert path.stat().st_mode & 0o777 == 0o600
        process.kill()
        process.wait()
    assert path.is_socket()
    with _served(path):
        health = [sys.executable, "-m", "streamer", "health", "--uds", str(path)]
        while subprocess.run(health, capture_output=True, check=False).returncode:
            pass
        status, body = _asked(path, "POST", "/api/v1/parse", black())
        assert status == 200, body
    assert not path.exists()
