"""The share of the pictures that a stream leaves out because its machine is too slow. Pure: it is told the time."""

from collections import deque

OVER_S = 10.0
"""The share is that of so long."""
MIN_OVER_S = 5.0
"""Nothing is said before."""
EVERY_S = 1.0
ON, OFF = 0.05, 0.01
"""A stream that leaves out more than the first share is too much for its machine until it leaves out less than the
second."""


class LeftOut:
    """Of one stream."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int, int]] = deque()
        """Times, and the frames captured and left out until then; each second."""
        self.share = 0.0
        """0 unless the stream is too much for its machine."""

    def count(self, now_s: float, captured: int, left_out: int) -> None:
        """After each frame that is captured; the counts are those of the whole stream."""
        if self._seen and now_s - self._seen[-1][0] < EVERY_S:
            return
        self._seen.append((now_s, captured, left_out))
        while now_s - self._seen[0][0] > OVER_S:
            self._seen.popleft()
        began_s, captured_before, left_out_before = self._seen[0]
        if now_s - began_s < MIN_OVER_S:
            return
        share = (left_out - left_out_before) / max(1, captured - captured_before)
        self.share = share if share > (OFF if self.share else ON) else 0.0
