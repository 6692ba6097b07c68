"""The folder of recordings and clips: what is in it, each by the name that it was given here."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Literal

from streamer.web.problems import Problem

Kind = Literal["recording", "clip"]
_NAME = re.compile(r"(?P<kind>recording|clip)-(?P<source>[A-Za-z0-9_-]+?)(-\d{8}T\d{6}Z)?-[0-9a-f]{12}\.mp4", re.ASCII)


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A recording or clip."""

    name: str
    kind: Kind
    source: str
    """The name of the camera, of letters, digits, - and _ alone."""
    size_bytes: int
    changed_s: float
    """When it was last written to, as Unix time."""


class Saved:
    """Names from outside are compared with its own: no path is ever made of one that is not."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        """
        Args:
            clock: Unix seconds.
        """
        self._folder, self._clock = folder, clock

    def new(self, kind: Kind, source: str) -> Path:
        """A file for a recording or a clip of a source, which is not there yet."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        when = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock()))
        return self._folder / f"{kind}-{plain_name(source)}-{when}-{token_hex(6)}.mp4"

    def all(self) -> list[SavedFile]:
        """What there is, the newest first."""
        if not self._folder.is_dir():
            return []
        found = (_described(path) for path in self._folder.iterdir())
        return sorted((each for each in found if each), key=lambda each: (-each.changed_s, each.name))

    def path(self, name: str) -> Path:
        """The file of that name. Raises Problem."""
        path = self._folder / name if _NAME.fullmatch(name) else None
        if path is None or _described(path) is None:
            raise Problem("not-found", "no such recording or clip")
        return path

    def remove(self, name: str) -> None:
        """Raises Problem."""
        self.path(name).unlink(missing_ok=True)


def plain_name(source: str) -> str:
    """A source's name as part of a file's, and as the name of a stream."""
    return re.sub(r"[^A-Za-z0-9_-]", "", source)[:32] or "stream"


def source_of(name: str) -> str:
    """The name of the camera in the name of a file that was made here."""
    found = _NAME.fullmatch(name)
    return "" if found is None else found["source"]


def _described(path: Path) -> SavedFile | None:
    """None for what was not made here, or is not there any more."""
    found = _NAME.fullmatch(path.name)
    if found is None or path.is_symlink() or not path.is_file():
        return None
    try:
        about = path.stat()
    except OSError:  # removed between the two
        return None
    kind: Kind = "clip" if found["kind"] == "clip" else "recording"
    return SavedFile(path.name, kind, found["source"], about.st_size, about.st_mtime)
