"""Several cameras on the machines of a cluster, one process each: as `streamer.live.fleet.Fleet` for its caller."""

import threading
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Self

from streamer.cluster.nodes import Cluster, Machine, Place
from streamer.errors import ConfigError, WorkerDied
from streamer.fleets.lives import Life
from streamer.fleets.placing import Ledger, assumed_cores
from streamer.fleets.post import Post
from streamer.fleets.watched import Watched
from streamer.live.config import PublishSettings, StreamConfig
from streamer.live.fleet import End
from streamer.live.news import News
from streamer.live.stats import Snapshot
from streamer.sources.uri import is_camera, is_screen

STANDARD_INPUT = "-"


def check_movable(fleet: Mapping[str, StreamConfig]) -> None:
    """Raises ConfigError for what a camera that may run on any machine cannot have."""
    for name, config in fleet.items():
        refused = {
            "window": config.window.show,
            "virtual_camera": config.window.virtual_camera is not None,
            f"source = {config.source.uri!r}": _is_of_one_machine(config.source.uri),
        }
        for setting, is_set in refused.items():
            if is_set:
                raise ConfigError(
                    f"camera {name}: {setting} is of one machine, and with --ray a camera may run on any: leave it out,"
                    " or run this camera without --ray"
                )
    published = {name: config.publish for name, config in fleet.items() if config.publish.address is not None}
    for name, publish in published.items():
        first, common = next(iter(published.items()))
        if publish != common:
            raise ConfigError(
                f"cameras {first} and {name} differ in publish, insecure, key or allow: with --ray these are of the"
                " address that each machine has, for all of its cameras; set them once, outside of the cameras' tables"
            )


class ClusterFleet:
    """The streams of several cameras, spread over a cluster. One that ends or fails leaves the others."""

    def __init__(self, configs: Mapping[str, StreamConfig], cluster: Cluster) -> None:
        """Nothing runs yet. Raises ConfigError: the cluster has no room, or a setting is of one machine."""
        check_movable(configs)
        self._cluster = cluster
        self._news: list[tuple[str, News]] = []
        self._lock = threading.Lock()
        self._ledger = Ledger({name: assumed_cores(config) for name, config in configs.items()})
        self._planned = self._ledger.plan(cluster.machines())
        self._published = {name: each.publish for name, each in configs.items() if each.publish.address is not None}
        self._folder = str(Path.cwd())
        self._posts: dict[str, Post] = {}
        self._overfull: set[str] = set()
        self._ended: set[str] = set()
        self._cameras = {
            name: Watched(name, config, cluster, self, self._folder, partial(self._add, name))
            for name, config in configs.items()
        }

    @property
    def stats(self) -> dict[str, Snapshot]:
        """The counters of each camera so far, over all machines that it was on."""
        return {name: camera.stats for name, camera in self._cameras.items()}

    @property
    def nodes(self) -> dict[str, str]:
        """The machine of each camera that has one."""
        return {name: camera.node for name, camera in self._cameras.items() if camera.node is not None}

    @property
    def lives(self) -> dict[str, Sequence[Life]]:
        """What each camera did, machine by machine."""
        return {name: camera.lives for name, camera in self._cameras.items()}

    @property
    def runs(self) -> bool:
        """Whether any camera goes on."""
        return len(self._ended) < len(self._cameras)

    def news(self) -> list[tuple[str, News]]:
        """What happened to cameras, by name, since this was last asked."""
        with self._lock:
            news, self._news = self._news, []
        return news

    def ended(self) -> list[End]:
        """The cameras that have ended since this was last asked."""
        ends = [
            End(name, camera.error)
            for name, camera in self._cameras.items()
            if name not in self._ended and not camera.runs
        ]
        self._ended |= {each.name for each in ends}
        return ends

    def wait(self, timeout_s: float) -> None:
        """Waits so long, or until all have ended."""
        until_s = time.monotonic() + timeout_s
        for camera in self._cameras.values():
            camera.join(max(0.0, until_s - time.monotonic()))

    def stop(self) -> None:
        """Ends all of them at the same time; twice nothing."""
        for camera in self._cameras.values():
            camera.ask_to_stop()
        for camera in self._cameras.values():
            camera.join()
        with self._lock:
            posts = list(self._posts.values())
        for post in posts:
            post.ask_to_stop()
        for post in posts:
            post.close()

    def __enter__(self) -> Self:
        for camera in self._cameras.values():
            camera.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # As `streamer.fleets.watched.Places` for the cameras' threads:

    def place(self, name: str, avoid: str | None) -> tuple[Place, Machine, Post | None] | None:
        try:
            machines = self._cluster.machines()
        except WorkerDied:  # it does not answer, and may again
            return None
        by_id = {each.id: each for each in machines}
        with self._lock:
            place = self._planned.pop(name, None)
            if place is None or place.machine not in by_id:
                place = self._ledger.place(name, machines, () if avoid is None else (avoid,))
            if place is None:
                return None
            machine = by_id[place.machine]
            publish = self._published.get(name)
            return place, machine, None if publish is None else self._post(machine, publish)

    def release(self, name: str) -> None:
        with self._lock:
            self._ledger.release(name)

    def measured(self, name: str, cores: float) -> None:
        with self._lock:
            if self._ledger.need(name) == cores:
                return
            self._ledger.measured(name, cores)
        try:
            machines = self._cluster.machines()
        except WorkerDied:
            return
        with self._lock:
            for full in self._ledger.overfull(machines):
                if full.machine.id not in self._overfull:
                    self._overfull.add(full.machine.id)
                    text = (
                        f"{full.machine.name} has {full.machine.cores:g} cores, and its cameras take {full.cores:.2f}:"
                        f" {', '.join(full.cameras)}; parse_hz makes a camera take less"
                    )
                    details = {"node": full.machine.name, "cores": full.cores, "cameras": list(full.cameras)}
                    self._news.append((name, News("machine_full", text, details)))

    def _post(self, machine: Machine, publish: PublishSettings) -> Post:
        if machine.id not in self._posts:
            self._posts[machine.id] = Post(self._cluster, machine, publish, self._folder)
        return self._posts[machine.id]

    def _add(self, name: str, news: News) -> None:
        with self._lock:
            self._news.append((name, news))


def _is_of_one_machine(uri: str) -> bool:
    return uri == STANDARD_INPUT or is_screen(uri) or is_camera(uri)
