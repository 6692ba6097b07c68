"""The server: a socket, TLS, and the application behind it, until it is told to end."""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from streamer.errors import ConfigError, StreamerError
from streamer.web.app import Made, create_app
from streamer.web.lines import event, log_lines
from streamer.web.settings import ServeSettings

BACKLOG = 2048
DRAIN_S = 5
"""Time for requests to be answered at the end."""


class CannotListen(StreamerError):
    """Raised when the address cannot be listened at."""


def serve(settings: ServeSettings, on_start: Callable[[str, str | None], None]) -> None:
    """Serves until SIGTERM or Ctrl-C.

    Args:
        on_start: told the address and the token, once it listens.

    Raises:
        CannotListen, ConfigError: the address is taken or not this machine's, or the certificate cannot be read.
    """
    log_lines()
    event("imported")
    with _listening(settings) as listening:
        port = listening.getsockname()[1]
        made = create_app(settings, lambda: port)
        config = _config(settings, made)
        scheme = "https" if settings.access.tls_cert else "http"
        on_start(f"{scheme}://{_shown(settings.access.host)}:{port}{settings.access.root_path}/", made.token)
        event("listening", host=settings.access.host, port=port)
        asyncio.run(_Server(config).serve([listening]))
        event("ended")


class _Server(uvicorn.Server):
    """Ends when it is told to, and leaves the signal at that: the library's own would end the program by it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        heeded = (signal.SIGINT, signal.SIGTERM)
        before = {each: signal.signal(each, self.handle_exit) for each in heeded}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def _shown(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)


def _listening(settings: ServeSettings) -> socket.socket:
    host, port = settings.access.host.strip("[]"), settings.access.port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as exc:
        raise CannotListen(f"cannot listen at {host} port {port}: {exc.strerror or exc}") from exc


def _config(settings: ServeSettings, made: Made) -> uvicorn.Config:
    access = settings.access
    for path in (access.tls_cert, access.tls_key):
        if path is not None and not Path(path).is_file():
            raise ConfigError(f"no file {path}")
    return uvicorn.Config(
        made.app,
        http="h11",
        loop="asyncio",
        ws="websockets-sansio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(access.trusted_proxy),
        forwarded_allow_ips=list(access.trusted_proxy),
        ssl_certfile=access.tls_cert,
        ssl_keyfile=access.tls_key,
        timeout_graceful_shutdown=DRAIN_S,
        timeout_keep_alive=30,
        # Pictures do not become smaller, and each would take twice the time.
        ws_per_message_deflate=False,
        ws_max_size=2**20,
        h11_max_incomplete_event_size=32_768,
    )
