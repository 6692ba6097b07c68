"""Several cameras: the file that names them, which every program that runs many reads, and their streams."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from pipeline import PipelineError
from streamer.errors import ConfigError, StreamerError
from streamer.live.cameras import CAMERA, camera_names, no_camera
from streamer.live.config import StreamConfig, configured, settings_from
from streamer.live.stats import Snapshot
from streamer.live.stream import Stream
from streamer.settings import read_toml

PLACEHOLDER = "{camera}"
"""Stands for the camera's name in a setting that all have, as in `record = "{camera}.mp4"`."""


def read_fleet(path: Path, *, one_address: bool = False) -> dict[str, StreamConfig]:
    """The configurations of the cameras in a TOML file, by their names, in the order of the file.

    Args:
        one_address: `publish` is that of a machine, which its cameras share.

    The file has a table `[camera.NAME]` for each camera, with the settings of `read_settings`. Settings outside of
    these tables are for all cameras; a camera's own win. The name of the camera is that of its stream.

    Raises:
        ConfigError: it cannot be read, has no camera, two write or publish to the same place, or a key or value is not
            possible; names file, camera, key and value.
    """
    return read_toml(path, partial(fleet_from, one_address=one_address))


def fleet_from(found: Mapping[str, object], *, one_address: bool = False) -> dict[str, StreamConfig]:
    """The same from what the file holds."""
    fleet = {}
    for name, settings in fleet_settings(found).items():
        try:
            fleet[name] = configured(settings)
        except (ConfigError, PipelineError) as exc:
            raise ConfigError(f"camera {name}: {exc}") from exc
    _check_apart(fleet, one_address=one_address)
    return fleet


def fleet_settings(found: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """The settings of each camera, by their names outside of the groups. Raises ConfigError."""
    names = camera_names(found)
    if not names:
        raise no_camera()
    common = settings_from({key: value for key, value in found.items() if key != CAMERA})
    if "stream" in common:
        raise ConfigError("stream is the name of each camera: leave it out")
    cameras = found[CAMERA]
    assert isinstance(cameras, dict)
    return {name: _settings_of(name, cameras[name], common) for name in names}


def _settings_of(name: str, table: object, common: Mapping[str, object]) -> dict[str, object]:
    try:
        if not isinstance(table, dict):
            raise ConfigError(f"it is a table of settings, not {table!r}")
        own = settings_from(table)
        if "stream" in own:
            raise ConfigError("stream is the name of the camera: leave it out")
    except ConfigError as exc:
        raise ConfigError(f"camera {name}: {exc}") from exc
    return {key: _named(value, name) for key, value in {**common, **own, "stream": name}.items()}


def _named(value: object, name: str) -> object:
    return value.replace(PLACEHOLDER, name) if isinstance(value, str) else value


def _check_apart(fleet: Mapping[str, StreamConfig], *, one_address: bool) -> None:
    taken: dict[object, str] = {}
    for name, config in fleet.items():
        files = (config.record.file, config.masks.sidecar)
        address = None if one_address else config.publish.address
        for place in (*(Path(each) for each in files if each), address):
            if place is None or str(place).endswith(":*"):  # any port that is free
                continue
            if place in taken:
                raise ConfigError(
                    f"cameras {taken[place]} and {name} have the same {place}: give each its own, or put {PLACEHOLDER}"
                    " into it"
                )
            taken[place] = name


@dataclass(frozen=True, slots=True)
class End:
    """A camera's stream that is over."""

    name: str
    error: StreamerError | PipelineError | None
    """Why, if it failed."""


class Fleet:
    """The streams of several cameras, side by side. One that ends or fails leaves the others."""

    def __init__(self, configs: Mapping[str, StreamConfig]) -> None:
        """Nothing runs yet. Raises as `Stream`, with the camera's name."""
        self._streams: dict[str, Stream] = {}
        for name, config in configs.items():
            try:
                self._streams[name] = Stream(config)
            except (StreamerError, PipelineError) as exc:
                raise type(exc)(f"camera {name}: {exc}") from exc
        self._ended: set[str] = set()

    @property
    def stats(self) -> dict[str, Snapshot]:
        """The counters of each camera so far."""
        return {name: stream.stats for name, stream in self._streams.items()}

    @property
    def runs(self) -> bool:
        """Whether any camera goes on."""
        return len(self._ended) < len(self._streams)

    def ended(self) -> list[End]:
        """The cameras that have ended since this was last asked."""
        ends = []
        for name, stream in self._streams.items():
            if name in self._ended:
                continue
            error: StreamerError | PipelineError | None = None
            try:
                if not stream.join(0.0):
                    continue
            except (StreamerError, PipelineError) as exc:  # raised when all its threads have ended
                error = exc
            self._ended.add(name)
            ends.append(End(name, error))
        return ends

    def wait(self, timeout_s: float) -> None:
        """Waits so long, or until all have ended."""
        until_s = time.monotonic() + timeout_s
        for name, stream in self._streams.items():
            if name not in self._ended:
                with suppress(StreamerError, PipelineError):  # `ended` tells it
                    stream.join(max(0.0, until_s - time.monotonic()))

    def stop(self) -> None:
        """Ends all of them at the same time. Raises ShutdownTimeout."""
        for stream in self._streams.values():
            stream.ask_to_stop()
        for stream in self._streams.values():
            stream.stop()

    def __enter__(self) -> Self:
        for stream in self._streams.values():
            stream.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
