"""Snapshots and clips of a running stream, at the press of a key or by a call."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.pictures import on_black
from pipeline.types import Picture
from pipeline.yuv import Yuv420
from streamer.errors import SinkError
from streamer.live.sinks.sink import Drawn
from streamer.media.images import write_picture
from streamer.media.paths import check_target, free_name
from streamer.recording.clip_buffer import Recent


@dataclass(frozen=True, slots=True)
class Saved:
    """A file that a key wrote."""

    path: Path


@dataclass(frozen=True, slots=True)
class NotSaved:
    """A key was pressed in vain."""

    why: str


Save = Saved | NotSaved


class Saver:
    """Told of each picture by the thread that draws them; any thread may save."""

    def __init__(self, clip_s: float, on_save: Callable[[Save], None]) -> None:
        """
        Args:
            clip_s: the length of a clip; 0 for none.
            on_save: told what came of each key.
        """
        self.recent = Recent(clip_s) if clip_s else None
        self._on_save = on_save
        self._lock = threading.Lock()
        self._drawn: Drawn | None = None

    def show(self, drawn: Drawn) -> None:
        """The picture that a snapshot is of, from now on."""
        with self._lock:
            self._drawn = drawn

    def snapshot(self, path: Path, *, force: bool = False) -> None:
        """Writes the picture that was drawn last. Raises SinkError."""
        check_target(path, force)
        drawn = self._last()
        if drawn is None:
            raise SinkError(f"no picture was drawn yet, so {path} was not written")
        picture = drawn.picture
        write_picture(path, picture.pixels if isinstance(picture, Yuv420) else picture)

    def clip(self, path: Path, *, force: bool = False) -> None:
        """Writes the last seconds. Raises SinkError."""
        self._clips().clip(path, force=force)

    def snapshot_here(self) -> Save:
        """Into the current folder, named after the frame. Raises nothing: whoever pressed a key in vain is told why,
        and the stream goes on."""
        return self._try(lambda: Path(f"snapshot-{self._index():06d}.png"), self.snapshot)

    def clip_here(self) -> Save:
        """Writes a clip as `snapshot_here` a picture."""
        return self._try(lambda: Path(f"clip-{self._index():06d}{self._clips().suffix}"), self.clip)

    def _last(self) -> Drawn | None:
        with self._lock:
            return self._drawn

    def _index(self) -> int:
        drawn = self._last()
        return 0 if drawn is None else drawn.index

    def _clips(self) -> Recent:
        if self.recent is None:
            raise SinkError("nothing is kept for clips; --clip-seconds says how much to keep")
        return self.recent

    def _try(self, name: Callable[[], Path], save: Callable[[Path], None]) -> Save:
        done: Save
        try:
            path = free_name(name())
            save(path)
            done = Saved(path)
        except SinkError as exc:
            done = NotSaved(str(exc))
        self._on_save(done)
        return done


def bgr_of(picture: Picture | Yuv420) -> Picture:
    """uint8 (H, W, 3); maybe the picture itself. What is cut out is laid on black."""
    pixels = picture.pixels if isinstance(picture, Yuv420) else picture
    return pixels if pixels.shape[2] == 3 else on_black(pixels)


def displayed(picture: Picture | Yuv420) -> Picture:
    """As `bgr_of`, for a display, a new one: of a video's picture by its quick way."""
    pixels = picture.displayed() if isinstance(picture, Yuv420) else picture.copy()
    return pixels if pixels.shape[2] == 3 else on_black(pixels)
