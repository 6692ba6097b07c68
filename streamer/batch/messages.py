"""What goes between the process that shares files out and those that render them. Pickled: both are ours."""

from dataclasses import dataclass
from pathlib import Path

from streamer.offline import Rendered, Rendering


@dataclass(frozen=True, slots=True)
class Work:
    """A file to render."""

    source: str
    """As for `open_source`."""
    out: Path
    masks: Path | None = None
    """The sidecar to write, or to read the parsings from."""
    redraws: bool = False
    """Parse nothing, and draw what `masks` has."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Asks a process to render a file."""

    work: Work
    settings: Rendering
    splits: int = 1
    """Number of processes that parse it; of 1 it is the process that renders it."""


@dataclass(frozen=True, slots=True)
class Going:
    """How far it is. The answer is whether to go on."""

    done: int
    total: int | None
    network_s: float = 0.0
    """The time that the network took for a frame, as a mean; 0 if none was parsed."""


@dataclass(frozen=True, slots=True)
class Ended:
    """It is written."""

    rendered: Rendered
    network_s: float = 0.0
    """As of `Going`."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Nothing is written, for a reason that will be there the next time."""

    why: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Nothing is written, for it was asked to stop."""
