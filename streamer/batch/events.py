"""What is told while files are rendered by several processes."""

from dataclasses import dataclass
from typing import Literal

from streamer.batch.messages import Work
from streamer.offline import Rendered


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file."""

    work: Work
    state: Literal["done", "complete", "failed", "stopped"]
    """complete: it was done by an earlier run."""
    exit: int = 0
    why: str = ""
    rendered: Rendered | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """How far a file is."""

    work: Work
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Again:
    """A process died, and its file is rendered again."""

    work: Work
    why: str


@dataclass(frozen=True, slots=True)
class Slow:
    """A file goes from a slow process to another one."""

    work: Work
    where: str
    """Names the slow one."""
    network_s: float
    """The time that the network takes there for a frame."""
    elsewhere_s: float
    """The same of the other one."""


Event = Share | Again | Slow | Outcome
"""What is told while files are rendered."""
