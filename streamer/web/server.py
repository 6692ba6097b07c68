"""The server: a socket, TLS, and the application behind it, until it is told to end."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from streamer.errors import ConfigError
from streamer.web.app import Made, create_app
from streamer.web.lines import event, log_lines
from streamer.web.listening import listening_at
from streamer.web.settings import AccessSettings, ServeSettings

DRAIN_S = 5
"""Time for requests to be answered at the end."""


def serve(settings: ServeSettings, on_start: Callable[[str, str | None], None]) -> None:
    """Serves until SIGTERM or Ctrl-C.

    Args:
        on_start: told the address and the token, once it listens.

    Raises:
        CannotListen, ConfigError: the address is taken or not this machine's, or the certificate cannot be read.
    """
    log_lines()
    event("imported")
    access = settings.access
    with listening_at(access) as listening:
        port = 0 if access.uds is not None else listening.getsockname()[1]
        made = create_app(settings, lambda: port)
        config = _config(settings, made)
        on_start(_address(access, port), made.token)
        event("listening", **({"host": access.host, "port": port} if access.uds is None else {"uds": access.uds}))
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


def _address(access: AccessSettings, port: int) -> str:
    """What leads to the service: an address, or the file of its socket."""
    if access.uds is not None:
        return f"unix:{access.uds}"
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(
        access.host, f"[{access.host}]" if ":" in access.host else access.host
    )
    return f"{'https' if access.tls_cert else 'http'}://{host}:{port}{access.root_path}/"


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
