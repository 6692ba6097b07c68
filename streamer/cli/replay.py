"""The command that plays what was kept of a video's parsings."""

import json
import math
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.console import say, stop_on_interrupt
from streamer.cli.options import Json
from streamer.cli.watch import line_of, row_of, viewed
from streamer.errors import ConfigError
from streamer.live.config import PublishSettings
from streamer.live.sinks.window import CLOSED, QUIT, Window
from streamer.masks.sidecar import Sidecar
from streamer.parsings.replay import played
from streamer.zeromq.publisher import Publisher


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE.hpm", help="What --masks kept.")],
    publish: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Publish the masks, as in tcp://127.0.0.1:5556.")
    ] = None,
    speed: Annotated[float, typer.Option(help="2 plays in half the time, inf without waiting.")] = 1.0,
    stream: Annotated[str, typer.Option(help="Name of the published stream.")] = "replay",
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Publish where other machines can listen, without keys.")
    ] = False,
    key: Annotated[Path | None, typer.Option(help="The publisher's .key file; what is published is encrypted.")] = None,
    allow: Annotated[Path | None, typer.Option(help="Folder of .pub files: only their owners get the masks.")] = None,
    as_json: Json = False,
    view: Annotated[bool, typer.Option("--view", help="Draw the masks in a window; q closes it.")] = False,
) -> None:
    """Play kept masks: as lines, in a window, or published.

    Prints a line for each parsing, but when it publishes.
    """
    PublishSettings(publish, insecure, key, allow)  # refuses what does not go together, as run does
    if not speed > 0 or math.isnan(speed):
        raise ConfigError(f"speed must be above 0, not {speed:g}")
    with ExitStack() as stack:
        sidecar = stack.enter_context(Sidecar(file))
        _tell(sidecar)
        asked = stack.enter_context(stop_on_interrupt())
        publisher = None
        if publish is not None:
            name = sidecar.origin.parser.name if sidecar.origin else ""
            publisher = stack.enter_context(
                Publisher(publish, stream=stream, parser=name, insecure=insecure, key=key, allow=allow)
            )
            say(f"publishing {len(sidecar)} parsings at {publisher.address}")
        window = stack.enter_context(Window(f"streamer {file.name}")) if view else None
        stopped = threading.Event()

        def tick() -> None:
            if publisher is not None:
                publisher.tick(time.monotonic())
            if asked() or (window is not None and {QUIT, CLOSED} & set(window.pressed())):
                stopped.set()

        for parsing in played(sidecar, speed, stopped, tick):
            tick()
            if publisher is not None:
                publisher.publish(parsing)
            else:
                say(json.dumps(row_of(parsing)) if as_json else line_of(parsing))
            if window is not None and {QUIT, CLOSED} & viewed(parsing, window):
                break
        if asked():
            raise typer.Exit(130)


def _tell(sidecar: Sidecar) -> None:
    if not sidecar.has_index:
        torn = f", {sidecar.damaged_bytes} damaged bytes" if sidecar.damaged_bytes else ""
        say(f"{sidecar.path} was not closed: {len(sidecar)} parsings are whole{torn}")
