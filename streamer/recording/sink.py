"""Where pictures go.

A sink is a context: left in peace, or by Ctrl-C, it completes what it has; left by any other error it
removes what it began. A file carries a hidden name beside its own until it is complete, so that nobody finds
half of one.
"""

from pathlib import Path
from typing import Protocol, Self

from pipeline import Picture, Yuv420
from streamer.media.images import write_picture
from streamer.media.paths import check_target


class Sink(Protocol):
    """Takes pictures in the order of time."""

    path: Path
    """Of what it leaves behind."""

    def write(self, picture: Picture | Yuv420, pts_s: float) -> None:
        """Takes a picture, which nobody writes to any more. Raises SinkError when it cannot be encoded or stored."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None: ...


class PictureFolder:
    """A folder of pictures, one for each that comes, named as they are told."""

    def __init__(self, path: Path, names: list[str], *, force: bool) -> None:
        self._targets = [path / name for name in names]
        self.path = path if len(names) > 1 else self._targets[0]
        for target in self._targets:
            check_target(target, force)
        self._written = 0

    def write(self, picture: Picture | Yuv420, pts_s: float) -> None:
        bgr = picture.bgr if isinstance(picture, Yuv420) else picture
        write_picture(self._targets[self._written], bgr)
        self._written += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Each picture is complete as soon as it is written."""
