"""The names of the cameras in a settings file. Brings nothing else in: the service's own process loads it."""

import re
from collections.abc import Mapping

from streamer.errors import ConfigError

CAMERA = "camera"
"""The table that holds a table for each camera of a fleet."""
_NAME = re.compile(r"[A-Za-z0-9_-]+")


def camera_names(found: Mapping[str, object]) -> tuple[str, ...]:
    """The names of a fleet's cameras, in the order of the file; none for the file of one stream.

    Raises:
        ConfigError: there is something else where the cameras should be, or a name cannot be.
    """
    if CAMERA not in found:
        return ()
    cameras = found[CAMERA]
    if not isinstance(cameras, dict) or not cameras:
        raise no_camera()
    for name in cameras:
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{name!r} is no name of a camera; letters, digits, - and _ can be in it")
    return tuple(cameras)


def no_camera() -> ConfigError:
    """What a fleet without a camera is told."""
    return ConfigError("there is no camera: begin a table [camera.NAME] for each, with its source = …")
