"""A file that FFmpeg writes into by way of Python."""

from pathlib import Path


class PlainFile:
    """FFmpeg itself would open and write a file while no other thread of Python may run, as long as a disk hangs."""

    def __init__(self, path: Path) -> None:
        """Makes it, or empties it. Raises OSError."""
        self._raw = path.open("wb", buffering=0)
        self._error: OSError | None = None
        # FFmpeg asks for them, and takes what has them for a file that can be gone back in; a pipe cannot.
        if self._raw.seekable():
            self.seek, self.tell = self._raw.seek, self._raw.tell

    def write(self, data: bytes) -> int:
        """Writes all of it; `check` tells if that failed. FFmpeg, told here, would tell it again and again."""
        left = memoryview(data)
        while left and self._error is None:
            try:
                left = left[self._raw.write(left) :]
            except OSError as exc:
                self._error = exc
        return len(data)

    def check(self) -> None:
        """Raises OSError if something could not be written."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Raises OSError, also for what could not be written before."""
        self._raw.close()
        self.check()
