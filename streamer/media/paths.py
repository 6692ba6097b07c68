"""Names of files to write, and whether they may be written."""

import os
from datetime import datetime
from hashlib import blake2s
from pathlib import Path

from streamer.errors import ConfigError, SinkError

VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".webm")
ANIMATION_SUFFIXES = (".gif", ".webp")
TRANSPARENT_PICTURES = (".png", ".webp", ".tif", ".tiff")
TRANSPARENT_VIDEOS = (".webm", ".mkv", ".mov")
MAX_NAME_BYTES = 255
"""As most file systems have it."""


def check_target(path: Path, force: bool) -> None:
    """Raises SinkError where no file can be written, or one is that is not to be overwritten."""
    if len(os.fsencode(path.name)) > MAX_NAME_BYTES:
        raise SinkError(f"the name of {path} is too long: {MAX_NAME_BYTES} bytes are the most that there can be")
    if not path.parent.is_dir():
        raise SinkError(f"no folder {path.parent} to write {path.name} into")
    if path.is_dir():
        raise SinkError(f"{path} is a folder")
    if path.exists() and not force:
        raise SinkError(f"{path} exists; --force overwrites it")


def opaque_or_not(name: str, *, cut: bool, strict: bool = False) -> str:
    """The name of a picture or video, with another suffix if it is to hold transparency and its own kind does not.

    Args:
        cut: whether it is to hold transparency.
        strict: raise ConfigError instead.
    """
    path = Path(name)
    suffix = path.suffix.lower()
    if not cut or suffix in (*TRANSPARENT_PICTURES, *TRANSPARENT_VIDEOS):
        return name
    if strict:
        raise ConfigError(f"{name} holds no transparency, which cut needs: write .png, .webp or .tif")
    return str(path.with_suffix(".webm" if suffix in VIDEO_SUFFIXES else ".png"))


def partial_name(path: Path) -> Path:
    """The name of a file until it is complete: hidden, beside its own, and no longer than a name may be."""
    name = f".{path.stem}.partial{path.suffix}"
    if len(os.fsencode(name)) > MAX_NAME_BYTES:
        name = f".{blake2s(os.fsencode(path.name), digest_size=8).hexdigest()}.partial{path.suffix}"
    return path.with_name(name)


def check_apart(source: str | Path, out: Path) -> None:
    """Raises ConfigError where what is to be written is what is read: not even --force means that."""
    try:
        same = out.samefile(source)
    except OSError:  # one of them is not there
        return
    if same:
        raise ConfigError(f"{out} is the source itself; name another file to write")


def free_name(path: Path) -> Path:
    """The path itself, or with a number if there is something already."""
    taken = 0
    free = path
    while free.exists():
        taken += 1
        free = path.with_stem(f"{path.stem}-{taken}")
    return free


def dated(path: Path, began: datetime) -> Path:
    """A name for what began then: `door.mp4` becomes `door-20261122-071500.mp4`, or with a number if that is taken."""
    return free_name(path.with_stem(f"{path.stem}-{began:%Y%m%d-%H%M%S}"))
