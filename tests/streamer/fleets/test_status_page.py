"""The page that tells what the cameras of a fleet do."""

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from streamer.errors import ConfigError, SinkError
from streamer.fleets.status_page import StatusPage, address_of, is_of_this_machine
from tests.support.waiting import eventually

CAMERAS = {
    "door": {"state": "runs", "captured_hz": 25.0, "parsed_hz": 7.96, "dropped": 3, "captured": 500},
    "<yard>": {"state": "FAILED: <no> such file", "captured_hz": 0.0, "dropped": 0},
}


@pytest.fixture
def page() -> Iterator[StatusPage]:
    with StatusPage("127.0.0.1", 0) as page:
        page.show(CAMERAS)
        yield page


def ask(page_url: str, path: str, method: str = "GET", host: str | None = None) -> tuple[http.client.HTTPResponse, str]:
    at = urlsplit(page_url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=60)
    try:
        connection.request(method, path, headers={} if host is None else {"Host": host})
        answer = connection.getresponse()
        return answer, answer.read().decode()
    finally:
        connection.close()


def test_programs_get_all_counters(page: StatusPage) -> None:
    answer, body = ask(page.url, "/status.json?now")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert json.loads(body) == {"cameras": CAMERAS}


def test_people_get_a_table_in_which_nothing_is_taken_for_markup(page: StatusPage) -> None:
    answer, body = ask(page.url, "/")
    assert answer.status == 200
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert '<tr><td>door</td><td>runs</td><td class="figure">25.0</td>' in body
    assert '<tr class="trouble"><td>&lt;yard&gt;</td><td>FAILED: &lt;no&gt; such file</td>' in body
    assert "machine" not in body
    page.show({"door": {"state": "OFFLINE for 3 s", "node": "one", "captured_hz": 0.0}})
    body = ask(page.url, "/")[1]
    assert "<th>machine</th>" in body
    assert '<tr class="trouble"><td>door</td><td>one</td><td>OFFLINE for 3 s</td>' in body


def test_a_head_has_no_body_and_other_paths_are_not_there(page: StatusPage) -> None:
    answer, body = ask(page.url, "/", "HEAD")
    assert (answer.status, body) == (200, "")
    assert int(answer.headers["Content-Length"]) > 500
    assert ask(page.url, "/etc/passwd")[0].status == 404
    assert ask(page.url, "/", "POST")[0].status == 501


def test_a_rebound_name_reads_nothing(page: StatusPage) -> None:
    answer, body = ask(page.url, "/status.json", host="evil.example:80")
    assert answer.status == 421
    assert "door" not in body


@pytest.mark.parametrize(
    ("asked", "theirs"),
    [
        ("127.0.0.1:9000", True),
        ("192.168.1.7", True),
        ("[::1]:9000", True),
        ("[::1]", True),
        ("LocalHost:9000", True),
        ("cameras.lan:9000", True),
        ("other.lan:9000", False),
        ("", False),
    ],
)
def test_what_a_request_may_call_it(asked: str, theirs: bool) -> None:
    assert is_of_this_machine(asked, "cameras.lan") is theirs


def test_where_it_is() -> None:
    assert address_of("9000") == ("127.0.0.1", 9000)
    assert address_of("0.0.0.0:80") == ("0.0.0.0", 80)
    assert address_of("[::1]:80") == ("::1", 80)
    for text in ("", "door", "127.0.0.1:", "127.0.0.1:http", "70000", "1:-2"):
        with pytest.raises(ConfigError, match="give a port, as 9000"):
            address_of(text)


def test_a_port_that_is_taken_is_told(page: StatusPage) -> None:
    with pytest.raises(SinkError, match=r"cannot listen at 127\.0\.0\.1:"):
        StatusPage("127.0.0.1", urlsplit(page.url).port or 0)


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent otherwise there")
def test_the_command_tells_where_it_is_and_it_tells_how_cameras_are(tmp_path: Path) -> None:
    (tmp_path / "fleet.toml").write_text(
        'size = [64, 96]\nrecord = "{camera}.mp4"\nkeep_free = 0\nsource = "test:size=96x128,rate=20"\n'
        '[camera.door]\n[camera.yard]\nsource = "none.mp4"\n'
    )
    command = [sys.executable, "-m", "streamer", "fleet", "fleet.toml", "--status-page", "0", "--log-format", "json"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    with process, process.stderr as lines:
        url = next(found["url"] for line in lines if (found := json.loads(line))["event"] == "status_page")

        def cameras() -> dict[str, dict[str, object]]:
            found: dict[str, dict[str, object]] = json.loads(ask(url, "/status.json")[1])["cameras"]
            return found

        try:
            assert eventually(lambda: "door" in cameras() and cameras()["door"]["shown"] != 0)
            assert cameras()["door"]["state"] == "runs"
            assert eventually(lambda: "none.mp4" in str(cameras()["yard"]["state"]))
        finally:
            process.send_signal(signal.SIGINT)
            list(lines)
    assert process.returncode == 1  # for one failed
