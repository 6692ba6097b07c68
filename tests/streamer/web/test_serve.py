"""`streamer serve` as it is run: real processes, a real socket."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.served import Served, served
from tests.support.service import black, street
from tests.support.waiting import eventually, within

pytestmark = pytest.mark.process
WORKER = "streamer.stills.main"
PARSE = "/api/v1/parse"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served") / "log", "--workers", "1", "--deadline", "2min") as found:
        assert found.ready()
        yield found


def _rss(process: psutil.Process) -> int:
    return int(process.memory_info().rss)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="counts shared memory by Linux's smaps")
def test_an_idle_service_is_small(running: Served) -> None:
    web = psutil.Process(running.process.pid)
    assert _rss(web) < 60e6
    tree = [web, *running.children(WORKER)]
    assert len(tree) == 2
    assert sum(each.memory_full_info().pss for each in tree) < 250e6


def test_pictures_are_parsed(running: Served) -> None:
    answer = running.ask("POST", PARSE, street())
    assert answer.status == 200
    assert len(answer.json()["people"]) >= 2


def test_the_log_marks_the_steps_of_the_start(running: Served) -> None:
    lines = {line["message"]: line for line in running.lines()}
    steps = ["imports", "network", "picture"]
    reached = lines["worker-ready"]["reached"]
    assert list(reached) == steps
    times = [psutil.Process(running.process.pid).create_time() - 1, lines["imported"]["time"]]
    times += [lines["listening"]["time"], *(reached[step] for step in steps), lines["worker-ready"]["time"]]
    assert times == sorted(times)


def test_a_killed_process_is_replaced_and_nobody_waits_for_ever(tmp_path: Path) -> None:
    with served(tmp_path / "log", "--workers", "1", "--deadline", "2min") as running:
        assert running.ready()
        (worker,) = running.children(WORKER)
        worker.suspend()  # it answers nothing before it dies
        answers = []
        asking = threading.Thread(target=lambda: answers.append(running.ask("POST", PARSE, street(2.0), 120.0)))
        asking.start()
        worker.kill()
        asking.join(120)
        assert [each.status for each in answers] == [200]
        assert running.ready()
        (new,) = running.children(WORKER)
        assert new.pid != worker.pid
        assert any(line["message"] == "worker-died" for line in running.lines())


def test_a_client_that_hangs_up_and_slow_ones_hold_nobody_up(running: Served) -> None:
    held = []
    for _ in range(8):
        slow = socket.create_connection((running.host, running.port))
        slow.sendall(
            f"POST {PARSE} HTTP/1.1\r\nHost: {running.host}:{running.port}\r\nContent-Length: 999\r\n\r\n".encode()
        )
        held.append(slow)
    hurried = socket.create_connection((running.host, running.port))
    head = f"POST {PARSE} HTTP/1.1\r\nHost: {running.host}:{running.port}\r\nContent-Length: {len(black())}\r\n\r\n"
    hurried.sendall(head.encode() + black())
    hurried.close()
    try:
        assert eventually(lambda: running.ask("POST", PARSE, street(3.0)).status == 200, 60)
    finally:
        for each in held:
            each.close()


def test_the_log_tells_no_secrets(tmp_path: Path) -> None:
    canary = "canary-token-0123456789abcdef"
    with served(tmp_path / "log", environment={"M2FP_STREAMER_TOKEN": canary}) as running:
        bodies = [
            running.ask("GET", f"/api/v1/labels?token={canary}").body,
            running.ask("GET", "/api/v1/labels", Authorization=f"Bearer {canary}x").body,
            running.ask("GET", f"/rtsp://admin:{canary}@camera/1").body,
            running.ask("POST", "/session", b'{"token": "' + canary.encode() + b'"}').body,
            running.ask("POST", f"{PARSE}?effect={canary}", black(), Authorization=f"Bearer {canary}").body,
        ]
        assert not any(canary.encode() in body for body in bodies[:4])
        lines = running.lines()
        assert [line["status"] for line in lines if line["message"] == "request"][:3] == [401, 401, 401]
        assert canary not in running.log.read_text()


def test_it_ends_when_told_to_and_leaves_nothing(tmp_path: Path) -> None:
    with served(tmp_path / "log") as running:
        assert running.ready()
        tree = [psutil.Process(running.process.pid), *running.children(WORKER)]
        running.process.terminate()
        assert running.process.wait(120) == 0
        with within(10):
            assert eventually(lambda: not any(each.is_running() for each in tree))
        assert running.lines()[-1]["message"] == "ended"


def test_without_its_service_the_process_ends(tmp_path: Path) -> None:
    with served(tmp_path / "log") as running:
        assert running.ready()
        tree = running.children(WORKER)
        running.process.kill()
        with within(10):
            assert eventually(lambda: not any(each.is_running() for each in tree))


def test_its_health_is_asked_for(running: Served) -> None:
    def ask(port: int) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "streamer", "health", "--port", str(port)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert ask(running.port).returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    silent = ask(port)
    assert (silent.returncode, "no service answers" in silent.stderr) == (1, True)


def test_a_taken_port_is_told(running: Served, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError, match=f"cannot listen at 127.0.0.1 port {running.port}"):
        with served(tmp_path / "log", "--port", str(running.port)):
            pass
