"""What goes between the command that runs cameras on a cluster and their processes. Pickled: both are ours."""

from dataclasses import dataclass

from streamer.live.config import PublishSettings, StreamConfig
from streamer.live.stats import Snapshot


@dataclass(frozen=True, slots=True)
class Begin:
    """Begins a camera."""

    config: StreamConfig
    folder: str
    """The files of the configuration are named from here."""
    again: bool
    """It ran before, somewhere: what it wrote there is not to be written over."""


@dataclass(frozen=True, slots=True)
class Look:
    """Asks a camera how it goes."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Ends a camera, or a machine's address, in its way."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A camera at one moment."""

    at: Snapshot
    config: StreamConfig
    """With the files that it writes in fact."""
    over: bool
    error: str | None
    """Why it is over, if it failed."""
    at_s: float
    """Monotonic seconds of its machine."""
    cpu_s: float
    """Processor time that it has taken, its inference process included."""
    address: str | None
    """Where it publishes, for its own machine; None if nothing is published."""


@dataclass(frozen=True, slots=True)
class Open:
    """Begins a machine's address."""

    publish: PublishSettings
    folder: str


@dataclass(frozen=True, slots=True)
class Publishers:
    """Asks a machine's address to have the messages of these publishers, and of no others."""

    addresses: frozenset[str]


@dataclass(frozen=True, slots=True)
class Opened:
    """How a machine's address goes."""

    address: str
    error: str | None
    """Why it is not there."""
