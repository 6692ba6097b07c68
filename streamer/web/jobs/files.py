"""The folder of the jobs: uploads, results, the database. Names that clients give are never used in it."""

import os
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

RESULT = "result"
"""The file that a job of pictures makes, in its folder."""
_HEADS = {b"\x1aE\xdf\xa3": ".mkv", b"RIFF": ".avi", b"\x47": ".ts"}


@dataclass(frozen=True, slots=True)
class Folder:
    """Where things are."""

    root: Path

    def make(self) -> None:
        """Creates it, for this user alone."""
        for path in (self.root, self.uploads, self.results):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def base(self) -> Path:
        return self.root / "jobs.sqlite"

    @property
    def uploads(self) -> Path:
        return self.root / "uploads"

    @property
    def results(self) -> Path:
        return self.root / "results"

    def of(self, job_id: str) -> Path:
        """The folder of a job's results."""
        return self.results / job_id

    def upload(self, name: str) -> Path:
        return self.uploads / name

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.root).free

    def used_bytes(self) -> int:
        """Of all that is in it, recordings and the database too."""
        return sum(map(_size_bytes, self.root.rglob("*")))

    def remove(self, job_id: str, upload: str) -> None:
        """Removes what belongs to a job; safe to call twice."""
        shutil.rmtree(self.of(job_id), ignore_errors=True)
        self.upload(upload).unlink(missing_ok=True)

    def sweep(self, uploads: Iterable[str], jobs: Iterable[str]) -> None:
        """Removes what belongs to no job: uploads that were not accepted, results that were being removed."""
        kept, known = set(uploads), set(jobs)
        for path in self.uploads.iterdir():
            if path.name not in kept:
                path.unlink(missing_ok=True)
        for path in self.results.iterdir():
            if path.name not in known:
                shutil.rmtree(path, ignore_errors=True)


def _size_bytes(path: Path) -> int:
    """0 for a folder, and for what is not there any more."""
    try:
        about = path.lstat()
    except OSError:
        return 0
    return about.st_size if stat.S_ISREG(about.st_mode) else 0


def accept(part: Path, whole: Path) -> None:
    """Gives an upload that is whole its name, so that it is there after a crash, too."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(whole)
    descriptor = os.open(whole.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def container_of(head: bytes) -> str | None:
    """The suffix of a video file by its first bytes; None for what is no container that is taken.

    FFmpeg would open playlists, too, which name other files: only containers that hold their own pictures are taken.
    """
    if head[4:8] == b"ftyp":
        return ".mp4"
    if head[:1] == b"\x47" and head[188:189] not in (b"\x47", b""):
        return None
    return next((suffix for start, suffix in _HEADS.items() if head.startswith(start)), None)
