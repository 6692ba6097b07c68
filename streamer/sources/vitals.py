"""What is counted of a video while it is read."""

from dataclasses import dataclass


@dataclass(slots=True)
class Vitals:
    """Of the packets of the pictures so far; of what has no packets, nothing."""

    bytes: int = 0
    keys: int = 0
    """Pictures that need no other to be decoded."""
    _first_key_s: float = 0.0
    _last_key_s: float = 0.0

    def saw(self, size: int, time_s: float | None, *, key: bool) -> None:
        """Counts a packet; its time is the stream's own, in seconds."""
        self.bytes += size
        if key and time_s is not None:
            self._first_key_s = time_s if not self.keys else self._first_key_s
            self._last_key_s = time_s
            self.keys += 1

    @property
    def key_every_s(self) -> float | None:
        """Seconds from one key frame to the next, on average; None before the second."""
        return (self._last_key_s - self._first_key_s) / (self.keys - 1) if self.keys > 1 else None
