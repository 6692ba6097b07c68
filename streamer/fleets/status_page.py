"""A page with what the cameras of a fleet do, wherever they run: for a browser, and as JSON for programs."""

import sys
import threading
from collections.abc import Mapping
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from socket import AF_INET, AF_INET6
from socketserver import TCPServer
from typing import Self

import msgspec

from streamer.errors import ConfigError, SinkError

LOOPBACK = "127.0.0.1"
REFRESH_S = 2
_LOCAL_NAMES = frozenset({"localhost", "localhost.localdomain"})
_COLUMNS = {
    "node": "machine",
    "state": "state",
    "captured_hz": "captured/s",
    "shown_hz": "shown/s",
    "parsed_hz": "parsed/s",
    "mask_age_ms": "masks, ms old",
    "dropped": "dropped",
    "reconnects": "reconnected",
}
"""Figures that the page shows, and what it calls them. JSON has more."""
_HEAD = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="{REFRESH_S}">
<meta name="viewport" content="width=device-width"><title>Cameras</title>
<style>body{{font:16px system-ui,sans-serif;margin:2rem;color-scheme:light dark}}
table{{border-collapse:collapse}}td,th{{padding:.3rem .8rem;text-align:left;border-bottom:1px solid #8888}}
td.figure{{text-align:right;font-variant-numeric:tabular-nums}}tr.trouble td{{color:#c40;font-weight:600}}</style>
</head><body><h1>Cameras</h1>
"""

Figures = Mapping[str, object]
"""Of a camera: `state`, `node` where it runs on another machine, and counters."""


def address_of(text: str) -> tuple[str, int]:
    """Host and port of `[HOST:]PORT`; without a host this machine alone. Raises ConfigError."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or LOOPBACK
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"--status-page {text!r}: give a port, as 9000, or an address and a port, as 0.0.0.0:9000")
    return host, int(port)


class StatusPage:
    """Answers `/` with a table and `/status.json` with all counters, from when it is entered until it is left."""

    def __init__(self, host: str, port: int) -> None:
        """
        Args:
            host: an address or a name of this machine.
            port: 0 is any that is free; see `url`.

        Raises:
            SinkError: nobody can listen there.
        """
        self._cameras: Mapping[str, Figures] = {}
        try:
            self._server = _server_class(host)((host, port), self._handler(host))
        except OSError as exc:
            raise SinkError(f"--status-page: cannot listen at {host}:{port}: {exc.strerror}") from exc
        at = f"[{host}]" if ":" in host else host
        self.url = f"http://{at}:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, name="status page")

    def show(self, cameras: Mapping[str, Figures]) -> None:
        """What is answered from now on; from any thread."""
        self._cameras = cameras

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self, host: str) -> type[BaseHTTPRequestHandler]:
        page = self

        class Handler(BaseHTTPRequestHandler):
            """One request."""

            server_version, sys_version = "streamer", ""
            timeout = 10

            def do_GET(self) -> None:
                self._answer(body=True)

            def do_HEAD(self) -> None:
                self._answer(body=False)

            def _answer(self, *, body: bool) -> None:
                found = {"/": _html, "/status.json": _json}.get(self.path.partition("?")[0])
                # A page elsewhere whose name was rebound to this address is not to read it.
                if not is_of_this_machine(self.headers.get("Host", ""), host):
                    self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "Use the address that was told")
                elif found is None:
                    self.send_error(HTTPStatus.NOT_FOUND)
                else:
                    kind, content = found(page._cameras)
                    self.send_response(HTTPStatus.OK)
                    self.send_header("Content-Type", kind)
                    self.send_header("Content-Length", str(len(content)))
                    self.send_header("Cache-Control", "no-store")
                    self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
                    self.send_header("X-Content-Type-Options", "nosniff")
                    self.end_headers()
                    self.wfile.write(content if body else b"")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Requests are no news."""

        return Handler


def is_of_this_machine(asked: str, host: str) -> bool:
    """Whether a `Host` header names an address, this machine, or what the page listens at."""
    name = asked if asked.startswith("[") and asked.endswith("]") else asked.rpartition(":")[0] or asked
    name = name.removeprefix("[").removesuffix("]").lower()
    if name in _LOCAL_NAMES or name == host.lower():
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _server_class(host: str) -> type[ThreadingHTTPServer]:
    class Server(ThreadingHTTPServer):
        """Of the family of the address, and not kept by a client that does not read."""

        daemon_threads = True
        # On Windows two programs may else have the same port.
        allow_reuse_address = sys.platform != "win32"

        def server_bind(self) -> None:
            """Without the name of the address, for which HTTPServer asks a name server that may not answer."""
            TCPServer.server_bind(self)
            self.server_name, self.server_port = host, self.server_address[1]

        address_family = AF_INET6 if ":" in host else AF_INET

    return Server


def _html(cameras: Mapping[str, Figures]) -> tuple[str, bytes]:
    head = "".join(f"<th>{escape(title)}</th>" for title in ("camera", *_columns(cameras).values()))
    rows = "".join(_row(name, each, _columns(cameras)) for name, each in cameras.items())
    return "text/html; charset=utf-8", f"{_HEAD}<table><tr>{head}</tr>{rows}</table></body></html>\n".encode()


def _columns(cameras: Mapping[str, Figures]) -> dict[str, str]:
    spread = any("node" in each for each in cameras.values())
    return {key: title for key, title in _COLUMNS.items() if key != "node" or spread}


def _row(name: str, figures: Figures, columns: Mapping[str, str]) -> str:
    trouble = "" if figures.get("state") in ("runs", "over") else ' class="trouble"'
    return f"<tr{trouble}><td>{escape(name)}</td>{''.join(_cell(figures.get(key)) for key in columns)}</tr>"


def _cell(value: object) -> str:
    if isinstance(value, (int, float)):
        return (
            f'<td class="figure">{value:.1f}</td>' if isinstance(value, float) else f'<td class="figure">{value}</td>'
        )
    return f"<td>{escape('' if value is None else str(value))}</td>"


def _json(cameras: Mapping[str, Figures]) -> tuple[str, bytes]:
    return "application/json", msgspec.json.encode({"cameras": cameras})
