"""The command that runs several cameras."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.console import stop_on_interrupt, tell, tell_worth
from streamer.cli.options import Log, LogFormat
from streamer.cli.run import STATUS_EVERY_S
from streamer.cli.status import line_of, plan_of, reporting, sum_up
from streamer.errors import ConfigError, StreamerError
from streamer.live.card import Telling
from streamer.live.config import StreamConfig
from streamer.live.fleet import Fleet, read_fleet
from streamer.live.stats import Snapshot
from streamer.processes.systemd import Supervisor


def fleet(
    file: Annotated[Path, typer.Argument(help="TOML file with a table [camera.NAME] for each camera.")],
    log_format: Log = LogFormat.text,
) -> None:
    """Run the cameras of a file side by side.

    A table has the options of `streamer run`, with _ for -; those outside of the tables are for all cameras. Cameras
    share inference processes; one that fails leaves the others.
    """
    log_format.use()
    configs = read_fleet(file)
    for name, config in configs.items():
        if not (
            config.window.show
            or config.window.virtual_camera
            or config.record.file
            or config.publish.address
            or config.masks.sidecar
        ):
            raise ConfigError(
                f"{file}: camera {name} goes nowhere: give it record, publish, masks, virtual_camera or window"
            )
    _run(configs)


def _run(configs: Mapping[str, StreamConfig]) -> None:
    together, card = Fleet(configs), Telling(configs)
    for name, config in configs.items():
        tell("started", f"{name}: {plan_of(config)}", {"stream": name})
    tell_worth(any(config.parser.age_gender for config in configs.values()))
    failed: list[str] = []
    try:
        with card:
            interrupted = _followed(together, card, failed)
    finally:
        for name, config in configs.items():
            sum_up(together.stats[name], config, f"{name}: ")
    if failed:
        raise StreamerError(f"{len(failed)} of {len(configs)} cameras failed: {', '.join(failed)}")
    if interrupted:
        raise typer.Exit(130)


def _followed(together: Fleet, card: Telling, failed: list[str]) -> bool:
    """Runs them until all have ended, and tells how it goes; True if somebody asked to stop them."""
    names = together.stats
    with stop_on_interrupt() as asked, Supervisor() as supervisor, reporting(names, named=True) as show, together:
        while not asked() and together.runs:
            time_s = time.monotonic()
            at = together.stats
            show(at)
            card.tell(at, time_s)
            supervisor.tell(status_of(at), max(each.silent_s for each in at.values()), time_s)
            _tell_ends(together, failed)
            together.wait(STATUS_EVERY_S)
        together.stop()
        show(together.stats)
        _tell_ends(together, failed)
        return asked()


def status_of(at: Mapping[str, Snapshot]) -> str:
    """One line for all cameras."""
    lost = [name for name, each in at.items() if each.offline_since_s is not None]
    if len(at) == 1:
        return line_of(next(iter(at.values())))
    parsed = sum(each.parsed_hz for each in at.values())
    offline = f"; OFFLINE: {', '.join(lost)}" if lost else ""
    return f"{len(at) - len(lost)} of {len(at)} cameras, parsed {parsed:.1f}/s in all{offline}"


def _tell_ends(together: Fleet, failed: list[str]) -> None:
    for end in together.ended():
        if end.error is None:
            tell("camera_ended", f"{end.name}: it is over", {"stream": end.name})
        else:
            failed.append(end.name)
            tell("camera_failed", f"{end.name}: FAILED: {end.error}", {"stream": end.name, "why": str(end.error)})
