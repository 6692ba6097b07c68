"""Files that processes have in hand, and which of them is better rendered elsewhere. No clock: only ratios."""

from collections.abc import Iterable
from dataclasses import dataclass

from streamer.batch.messages import Going, Work

SLOW = 3.0
"""A process whose network takes so many times as long as another one's is slow."""
WORTH = 2.0
"""A file is rendered again elsewhere if what is left of it takes so many times as long as all of it would there."""
LEFT_S = 5.0
"""A file is left where it is if the network needs no longer for the rest of it."""


@dataclass(slots=True, eq=False)
class Running:
    """A file that a process has in hand."""

    work: Work
    by: str
    """The thread that holds the process."""
    where: str = ""
    """Names the process to a user."""
    done: int = 0
    total: int | None = None
    network_s: float = 0.0
    """The time that the network takes for a frame there, which depends on the process and not on the file."""
    given_up_by: str | None = None
    """The thread whose process had it before."""
    given_up: bool = False
    """Another process is to have it."""
    starts_since_s: float | None = None
    """Since when its process is being started, if it is."""

    def came(self, going: Going) -> None:
        self.done, self.total, self.network_s = going.done, going.total, going.network_s

    def is_better_by(self, network_s: float) -> bool:
        """Whether a process whose network takes this long is done earlier, though it draws all of it again.

        A file is given to another process once only.
        """
        if self.given_up or self.given_up_by is not None or not self.total or not network_s or not self.network_s:
            return False
        times, left = self.network_s / network_s, self.total - self.done
        return times > SLOW and left * times > WORTH * self.total and left * self.network_s > LEFT_S


def slow_one(running: Iterable[Running], network_s: float) -> Running | None:
    """The file that gains most by a process whose network takes this long; None if none does."""
    better = [each for each in running if each.is_better_by(network_s)]
    return max(better, key=lambda each: each.network_s, default=None)
