"""What pages of others can do to the service, in a real browser: nothing."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.browser import chromium, opened
from tests.support.served import Served, served
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.process]

ATTACKS = {
    "get": "fetch(base + '/api/v1/labels', { mode: 'no-cors' })",
    "get with cors": "fetch(base + '/api/v1/labels')",
    "image": "new Promise((done) => { const i = new Image(); i.onload = i.onerror = done;"
    " i.src = base + '/page/icon.svg' })",
    "form": "(() => { const f = new FormData(); f.set('file', new Blob(['x'])); return fetch(base + '/api/v1/parse',"
    " { method: 'POST', mode: 'no-cors', body: f }) })()",
    "plain post": "fetch(base + '/api/v1/parse', { method: 'POST', mode: 'no-cors', body: 'x' })",
    "picture": "fetch(base + '/api/v1/parse', { method: 'POST', body: 'x', headers: { Accept: 'image/png',"
    " 'Content-Type': 'image/jpeg' } })",
    "delete": "fetch(base + '/api/v1/jobs/j_1', { method: 'DELETE' })",
    "frame": "new Promise((done) => { const f = document.createElement('iframe'); f.onload = f.onerror = done;"
    " f.src = base + '/healthz'; document.body.append(f) })",
    "script": "new Promise((done) => { const s = document.createElement('script'); s.onload = s.onerror = done;"
    " s.src = base + '/page/app.js'; document.body.append(s) })",
    "socket": "new Promise((done) => { const s = new WebSocket(base.replace('http', 'ws') + '/api/v1/webcam');"
    " s.onclose = done; s.onopen = done })",
}  # fmt: skip


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>attacker</title><body></body>")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _attacker() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("attacked") / "log", "--workers", "1") as found:
        assert found.ready()
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium("--host-resolver-rules=MAP *.test 127.0.0.1") as found:
        yield found


def _answered(running: Served) -> list[tuple[str, int]]:
    return [(line["route"], line["status"]) for line in running.lines() if line["message"] == "request"]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "evil.test"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_another_page_gets_nothing(browser: Browser, running: Served, attack: str, name: str) -> None:
    with _attacker() as port, opened(browser, f"http://{name}:{port}/") as watched:
        before = len(_answered(running))
        asked = watched.page.evaluate(
            f"(base) => Promise.resolve({ATTACKS[attack]}).then((a) => a && a.type, (e) => String(e))", running.address
        )
        assert eventually(lambda: len(_answered(running)) > before or attack == "socket", 60), asked
        assert {status for _, status in _answered(running)[before:]} <= {403}


def test_a_name_that_was_led_here_gets_nothing(browser: Browser, running: Served) -> None:
    """DNS rebinding: for the browser it is all one origin, so it sends neither Origin nor Sec-Fetch-Site."""
    with opened(browser, f"http://evil.test:{running.port}/") as watched:
        assert "this server is not known by that name" in watched.page.content()
        statuses = watched.page.evaluate(
            """() => Promise.all([
              fetch('/api/v1/labels'), fetch('/api/v1/parse', { method: 'POST', body: 'x' }), fetch('/healthz'),
            ].map((each) => each.then((answer) => answer.status)))"""
        )
        assert statuses == [421, 421, 421]
        opened_one = watched.page.evaluate(
            """() => new Promise((done) => {
              const socket = new WebSocket(`ws://${location.host}/api/v1/streams/s_1/live`);
              socket.onopen = () => done(true);
              socket.onclose = () => done(false);
            })"""
        )
        assert opened_one is False


def test_its_own_page_gets_everything(browser: Browser, running: Served, tmp_path: Path) -> None:
    with opened(browser, running.address) as watched:
        statuses = watched.page.evaluate(
            "() => Promise.all(['api/v1/labels', 'healthz'].map((each) => fetch(each).then((a) => a.status)))"
        )
        assert statuses == [200, 200]
