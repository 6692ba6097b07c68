"""The command that runs a live stream."""

import time
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.console import stop_on_interrupt, tell, tell_worth
from streamer.cli.options import Given, Log, LogFormat, with_options
from streamer.cli.status import line_of, plan_of, reporting, sum_up
from streamer.errors import ConfigError, SinkError
from streamer.live.card import Telling
from streamer.live.config import GROUPS, NAME, NOT_LIVE, SETTINGS, StreamConfig, configured, read_settings
from streamer.live.stream import Stream
from streamer.processes.systemd import Supervisor

_PLACES = ("record", "publish", "masks", "virtual_camera")
STATUS_EVERY_S = 0.5
WINDOW_DEFAULT = "on, unless the stream is recorded, published or a camera, or its masks are kept"


@with_options(*GROUPS.values(), without={"uri", *NOT_LIVE}, defaults={"show": WINDOW_DEFAULT}, tables=GROUPS)
def run(
    given: Given,
    source: Annotated[str | None, typer.Argument(help=SETTINGS["source"][1].sentence, show_default=False)] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="Read settings from this TOML file; options win. Its keys are the options, with _ for -."),
    ] = None,
    stream: Annotated[str | None, typer.Option(help=f"{NAME.sentence} [default: {NAME.default}]")] = None,
    log_format: Log = LogFormat.text,
) -> None:
    """Parse a live stream: show it, record it, publish its masks.

    Times are written as 250ms, 2s, 10min or 1h; a bare number is seconds.
    """
    log_format.use()
    named = {name: value for name, value in (("source", source), ("stream", stream)) if value is not None}
    _run(wanted({**given, **named}, config))


def wanted(given: Given, file: Path | None) -> StreamConfig:
    """The configuration for what was given on the command line, over what a file says.

    Raises:
        ConfigError, PipelineError: see `read_config`; or clips that nothing could write.
    """
    settings = {**(read_settings(file) if file else {}), **given}
    settings.setdefault("window", not any(settings.get(name) for name in _PLACES))
    config = configured(settings)
    if config.record.clip_seconds and not config.record.file and not config.window.show:
        raise ConfigError("clip_seconds keeps clips that a key of the window writes, and there is none: add --window")
    return config


def _run(settings: StreamConfig) -> None:
    live = Stream(settings)
    tell("started", plan_of(settings), {"stream": settings.stream})
    tell_worth(settings.parser.age_gender)
    try:
        interrupted = _followed(live)
    except SinkError:
        if live.stats.shown:  # it went on without that sink, and what it did is to be told all the same
            sum_up(live.stats, settings)
        raise
    sum_up(live.stats, settings)
    if interrupted:
        raise typer.Exit(130)


def _followed(live: Stream) -> bool:
    """Runs a stream to its end, and tells how it goes; True if somebody asked to stop it."""
    name = live.config.stream
    card = Telling({name: live.config})
    with stop_on_interrupt() as asked, Supervisor() as supervisor, card, reporting([name]) as show, live:
        try:
            while not asked() and not live.join(STATUS_EVERY_S):
                at = live.stats
                show({name: at})
                card.tell({name: at}, time.monotonic())
                supervisor.tell(line_of(at), at.silent_s, time.monotonic())
            live.stop()
            live.join()
        finally:
            show({name: live.stats})  # what happened last
        return asked()
