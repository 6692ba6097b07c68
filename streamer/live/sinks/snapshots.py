"""What is saved of a running stream when a key is pressed or a program asks: the picture, and the last seconds."""

from collections.abc import Callable
from pathlib import Path

from pipeline import Picture, Yuv420
from streamer.errors import SinkError
from streamer.live.stats import Stats
from streamer.media.images import write_picture
from streamer.media.paths import check_target, free_name
from streamer.recording.clip_buffer import Recent


class Saver:
    """Told of each picture by the thread that draws them; any thread may save."""

    def __init__(self, clip_s: float, stats: Stats) -> None:
        """
        Args:
            clip_s: how long a clip is; 0 for none.
        """
        self.recent = Recent(clip_s) if clip_s else None
        self.picture: Picture | Yuv420 | None = None
        """What was drawn last."""
        self._stats = stats

    def snapshot(self, path: Path, *, force: bool = False) -> None:
        """Writes what was drawn last. Raises SinkError."""
        check_target(path, force)
        picture = self.picture
        if picture is None:
            raise SinkError(f"no picture was drawn yet, so {path} was not written")
        write_picture(path, picture.bgr if isinstance(picture, Yuv420) else picture)

    def clip(self, path: Path, *, force: bool = False) -> None:
        """Writes the last seconds. Raises SinkError."""
        self._clips().clip(path, force=force)

    def snapshot_here(self, frame_index: int) -> None:
        """Into the current folder, named after the frame. What came of it stands in the status line: somebody who
        pressed a key in vain wants to know why, and the stream goes on."""
        self._tell(lambda: Path(f"snapshot-{frame_index:06d}.png"), self.snapshot)

    def clip_here(self, frame_index: int) -> None:
        """As `snapshot_here`."""
        self._tell(lambda: Path(f"clip-{frame_index:06d}{self._clips().suffix}"), self.clip)

    def _clips(self) -> Recent:
        if self.recent is None:
            raise SinkError("nothing is kept for clips; --clip-seconds says how much to keep")
        return self.recent

    def _tell(self, name: Callable[[], Path], save: Callable[[Path], None]) -> None:
        try:
            path = free_name(name())
            save(path)
        except SinkError as exc:
            self._stats.noted(str(exc))
        else:
            self._stats.noted(f"wrote {path}")
