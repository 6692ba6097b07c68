"""The command that runs several cameras."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Protocol, Self

import typer

from streamer.cli.console import stop_on_interrupt, tell, tell_worth
from streamer.cli.options import Log, LogFormat
from streamer.cli.run import STATUS_EVERY_S
from streamer.cli.status import Nodes, figures_of, line_of, plan_of, reporting, sum_up
from streamer.cluster.nodes import Cluster
from streamer.errors import ConfigError, StreamerError
from streamer.fleets.fleet import ClusterFleet, check_movable
from streamer.fleets.status_page import StatusPage, address_of
from streamer.live.card import Telling
from streamer.live.config import StreamConfig
from streamer.live.fleet import End, Fleet, read_fleet
from streamer.live.stats import Snapshot
from streamer.processes.systemd import Supervisor

RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="HOST:PORT",
        help="Run them on the machines of a Ray cluster, each on one with cores for it, elsewhere if that dies.",
    ),
]


StatusAddress = Annotated[
    str | None,
    typer.Option(
        "--status-page",
        metavar="[HOST:]PORT",
        help="Answer browsers at this port with what each camera does, and programs with JSON; port 0 is a free one.",
    ),
]


class Together(Protocol):
    """Cameras, wherever they run. See `streamer.live.fleet.Fleet`."""

    @property
    def stats(self) -> dict[str, Snapshot]: ...

    @property
    def runs(self) -> bool: ...

    def ended(self) -> list[End]: ...

    def wait(self, timeout_s: float) -> None: ...

    def stop(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def fleet(
    file: Annotated[Path, typer.Argument(help="TOML file with a table [camera.NAME] for each camera.")],
    ray: RayAddress = None,
    status_page: StatusAddress = None,
    log_format: Log = LogFormat.text,
) -> None:
    """Run the cameras of a file side by side.

    A table has the options of `streamer run`, with _ for -; those outside of the tables are for all cameras. Cameras
    share inference processes; one that fails leaves the others.
    """
    log_format.use()
    configs = read_fleet(file, one_address=ray is not None)
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
    address = None if status_page is None else address_of(status_page)
    if ray is None:
        _run(configs, Fleet(configs), address)
        return
    check_movable(configs)
    with Cluster(ray, 1) as cluster:
        spread = ClusterFleet(configs, cluster)
        _run(configs, spread, address, spread)


def _run(
    configs: Mapping[str, StreamConfig],
    together: Together,
    status_page: tuple[str, int] | None,
    spread: ClusterFleet | None = None,
) -> None:
    """Runs them.

    Args:
        status_page: where it is, if there is one.
        spread: the same, if they are on several machines.
    """
    page, card = _Page(status_page), Telling(configs)
    for name, config in configs.items():
        tell("started", f"{name}: {plan_of(config)}", {"stream": name})
    tell_worth(any(config.parser.age_gender for config in configs.values()))
    try:
        with card, page:
            interrupted = _followed(together, card, page, spread)
    finally:
        for name, config in configs.items():
            sum_up(together.stats[name], config, f"{name}: ", None if spread is None else spread.lives[name])
    if page.failed:
        raise StreamerError(f"{len(page.failed)} of {len(configs)} cameras failed: {', '.join(page.failed)}")
    if interrupted:
        raise typer.Exit(130)


class _Page:
    """How cameras ended, and the status page that says it, if it is wanted."""

    def __init__(self, address: tuple[str, int] | None) -> None:
        """Raises SinkError: nobody can listen there."""
        self.failed: dict[str, str] = {}
        """Why, by the names of cameras."""
        self.over: set[str] = set()
        self._page = None if address is None else StatusPage(*address)

    def show(self, at: Mapping[str, Snapshot], nodes: Mapping[str, str]) -> None:
        if self._page is not None:
            self._page.show({name: self._figures(name, each, nodes.get(name)) for name, each in at.items()})

    def _figures(self, name: str, at: Snapshot, node: str | None) -> dict[str, object]:
        state = "runs"
        if name in self.failed:
            state = f"FAILED: {self.failed[name]}"
        elif name in self.over:
            state = "over"
        elif at.offline_since_s is not None:
            state = f"OFFLINE for {at.offline_since_s:.0f} s"
        where = {} if node is None else {"node": node}
        short = {"mask_age_ms": round(at.mask_age.p50_s * 1e3), "dropped": at.drops.total}
        return {"state": state, **where, **figures_of(at), **short}

    def __enter__(self) -> Self:
        if self._page is not None:
            self._page.__enter__()
            tell("status_page", f"what the cameras do is at {self._page.url}", {"url": self._page.url})
        return self

    def __exit__(self, *_: object) -> None:
        if self._page is not None:
            self._page.__exit__()


def _followed(together: Together, card: Telling, page: _Page, spread: ClusterFleet | None) -> bool:
    """Runs them until all have ended, and tells how it goes; True if somebody asked to stop them."""
    nodes: Nodes = (lambda: {}) if spread is None else (lambda: spread.nodes)
    told = reporting(together.stats, named=True, nodes=nodes)
    with stop_on_interrupt() as asked, Supervisor() as supervisor, told as show, together:
        while not asked() and together.runs:
            time_s = time.monotonic()
            at = together.stats
            _tell_moves(spread)
            show(at)
            page.show(at, nodes())
            card.tell(at, time_s)
            supervisor.tell(status_of(at), max(each.silent_s for each in at.values()), time_s)
            _tell_ends(together, page)
            together.wait(STATUS_EVERY_S)
        together.stop()
        _tell_moves(spread)
        show(together.stats)
        _tell_ends(together, page)
        return asked()


def status_of(at: Mapping[str, Snapshot]) -> str:
    """One line for all cameras."""
    lost = [name for name, each in at.items() if each.offline_since_s is not None]
    if len(at) == 1:
        return line_of(next(iter(at.values())))
    parsed = sum(each.parsed_hz for each in at.values())
    offline = f"; OFFLINE: {', '.join(lost)}" if lost else ""
    return f"{len(at) - len(lost)} of {len(at)} cameras, parsed {parsed:.1f}/s in all{offline}"


def _tell_moves(spread: ClusterFleet | None) -> None:
    for name, each in [] if spread is None else spread.news():
        tell(each.event, f"{name}: {each.text}", {"stream": name, **each.details})


def _tell_ends(together: Together, page: _Page) -> None:
    for end in together.ended():
        if end.error is None:
            page.over.add(end.name)
            tell("camera_ended", f"{end.name}: it is over", {"stream": end.name})
        else:
            page.failed[end.name] = str(end.error)
            tell("camera_failed", f"{end.name}: FAILED: {end.error}", {"stream": end.name, "why": str(end.error)})
