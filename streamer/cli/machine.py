"""The commands that ask what runs on this machine: its streams, and whether its service is ready."""

import http.client
import json
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from streamer.cli.console import say, stop_on_interrupt
from streamer.cli.options import Json
from streamer.errors import ConfigError, StreamerError

if TYPE_CHECKING:
    from rich.table import Table

    from streamer.diagnose.overview import Running
    from streamer.live.card import StreamCard

TIMEOUT_S = 2.5
MIN_LOOK_S = 0.5
"""Processor time is that between two looks."""
LOOK_UP_S = 0.1
COLUMNS = 160
"""Where there is no terminal."""
NOTHING = "no stream runs here: streamer run, fleet and serve start them"


def health(
    port: Annotated[int, typer.Option(help="The port of the service.", min=1, max=65535)] = 7860,
    uds: Annotated[str | None, typer.Option(help="The file of its Unix socket, in place of a port.")] = None,
) -> None:
    """Ask the service on this machine whether it is ready.

    The exit status is 0 if it is, and 1 if not.
    """
    where = f"port {port}" if uds is None else uds
    asking = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S) if uds is None else _OverFile(uds)
    try:
        asking.request("GET", "/readyz")
        answer = asking.getresponse()
        body = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as exc:
        raise StreamerError(f"no service answers at {where}: {exc}") from exc
    finally:
        asking.close()
    if answer.status != http.HTTPStatus.OK:
        raise StreamerError(f"the service is not ready: {body}")
    typer.echo(body)


class _OverFile(http.client.HTTPConnection):
    """A connection to the file of a Unix socket."""

    def __init__(self, file: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._file = file

    def connect(self) -> None:
        """Raises OSError."""
        if sys.platform == "win32":
            raise OSError("this system has no Unix sockets")
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._file)


def top(
    every: Annotated[float, typer.Option(help="Seconds from one look to the next.", min=MIN_LOOK_S)] = 2.0,
    as_json: Json = False,
) -> None:
    """Show the streams that run on this machine, as they go.

    A line for each stream of this user's run, fleet and serve, anew every two seconds; q ends it. Where there is no
    terminal it is one table; with --json, one line for each program.
    """
    try:
        from streamer.diagnose.overview import Overview
    except ImportError as exc:
        raise ConfigError("top needs psutil; install it by: pip install 'm2fp-streamer[top]'") from exc
    look = Overview().look
    if not as_json and sys.stdout.isatty():
        _follow(look, every)
        return
    look()
    with stop_on_interrupt() as asked:
        if not _left(asked, _never, every):
            _say(look(), as_json)


def _say(found: "Sequence[Running]", as_json: bool) -> None:
    from rich.console import Console

    if as_json:
        for each in found:
            say(json.dumps(msgspec.to_builtins(asdict(each) | {"streams": each.streams})))
    elif found:
        Console(width=COLUMNS).print(table_of(found))
    else:
        say(NOTHING)


def _follow(look: "Callable[[], list[Running]]", every_s: float) -> None:
    from rich.console import Console
    from rich.live import Live

    live = Live(table_of(look()), console=Console(), screen=True, auto_refresh=False)
    with stop_on_interrupt() as asked, quitting() as quits, live:
        wait_s = MIN_LOOK_S
        while not _left(asked, quits, wait_s):
            live.update(table_of(look()), refresh=True)
            wait_s = every_s


def _left(asked: Callable[[], bool], quits: Callable[[float], bool], wait_s: float) -> bool:
    """Waits; whether somebody wants no more."""
    until_s = time.monotonic() + wait_s
    while (left_s := until_s - time.monotonic()) > 0:
        if quits(min(left_s, LOOK_UP_S)) or asked():
            return True
    return False


def table_of(found: "Sequence[Running]") -> "Table":
    """A row for each stream; what is its program's stands beside the first."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", caption=None if found else NOTHING)
    for name in ("stream", "source", "shows"):
        table.add_column(name)  # these give way where it is narrow, and do not go on in another line
    for name in ("in/s", "out/s", "parsed/s", "masks ms", "p95", "dropped", "pid", "MB", "cores"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in found:
        cores = "" if each.cores is None else f"{each.cores:.2f}"
        costs = [str(each.pid), f"{each.memory_bytes / 1e6:.0f}", cores]
        for name, stream in each.streams.items():
            style = "red" if each.silent_s or stream.offline_s is not None else ""
            cells = [name, stream.source, _state(stream, each.silent_s), *_figures(stream), *costs]
            table.add_row(*(Text(cell, overflow="ellipsis", no_wrap=True) for cell in cells), style=style)
            costs = [""] * len(costs)
    return table


def _state(stream: "StreamCard", silent_s: float) -> str:
    if silent_s:
        return f"SILENT {silent_s:.0f} s"
    if stream.offline_s is not None:
        return f"OFFLINE {stream.offline_s:.0f} s: {stream.why_offline}"
    late = f", {stream.delay_s:.1f} s late" if stream.delay_s >= MIN_LOOK_S else ""
    return "starting" if stream.came is None else stream.came + late


def _figures(stream: "StreamCard") -> list[str]:
    ages = (f"{each * 1e3:.0f}" for each in (stream.mask_age_s, stream.mask_age_p95_s))
    rates = (f"{each:.1f}" for each in (stream.captured_hz, stream.shown_hz, stream.parsed_hz))
    return [*rates, *ages, str(stream.dropped)]


@contextmanager
def quitting() -> Iterator[Callable[[float], bool]]:
    """Yields what waits so many seconds for a q of the terminal; whether it came."""
    if sys.platform == "win32":
        yield _quit_on_windows
        return
    if not sys.stdin.isatty():
        yield _never
        return
    import termios
    import tty

    file = sys.stdin.fileno()
    before = termios.tcgetattr(file)
    tty.setcbreak(file)
    try:
        yield _quit_by_key
    finally:
        termios.tcsetattr(file, termios.TCSADRAIN, before)


def _never(wait_s: float) -> bool:
    from threading import Event

    return Event().wait(wait_s)


def _quit_by_key(wait_s: float) -> bool:
    if not select.select([sys.stdin], [], [], wait_s)[0]:
        return False
    return sys.stdin.read(1) in ("q", "Q", "")


def _quit_on_windows(wait_s: float) -> bool:
    if sys.platform != "win32":
        return False
    import msvcrt

    _never(wait_s)
    return bool(msvcrt.kbhit()) and msvcrt.getwch() in ("q", "Q")
