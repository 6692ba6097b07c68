"""The figures of a profile, and their file."""

from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec

from streamer.diagnose.bench import Machine
from streamer.errors import ConfigError

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values, the least and the largest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the service's start, as the service marks it."""

    name: str
    at_s: float
    """Since the service was started."""
    cpu_s: float
    """Processor time of all its processes, until the first sample behind the step."""
    rss_mb: float
    """Of all of them in that sample."""


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    """One process of the idle service."""

    role: str
    rss_mb: float
    pss_mb: float | None
    """None where the system does not tell."""
    threads: int


@dataclass(frozen=True, slots=True)
class Idle:
    """The service before its first request."""

    processes: tuple[ProcessFigures, ...]
    cores: float
    """Cores in use."""

    @property
    def rss_mb(self) -> float:
        return sum(each.rss_mb for each in self.processes)

    @property
    def pss_mb(self) -> float | None:
        known = [each.pss_mb for each in self.processes if each.pss_mb is not None]
        return sum(known) if len(known) == len(self.processes) else None


@dataclass(frozen=True, slots=True)
class SizeFigures:
    """Pictures of one size, one after the other."""

    width: int
    height: int
    pictures: int
    people: int
    """Found in all of them."""
    total_s: Spread
    """From the client's request to the whole answer."""
    stages: dict[str, float]
    """Median seconds of each stage, as the service tells them."""
    cpu_s: float
    """Processor time of all processes for one picture."""
    peak_rss_mb: float
    peak_pss_mb: float | None


@dataclass(frozen=True, slots=True)
class ClientsFigures:
    """Clients that send pictures at the same time, each the next one when it has an answer."""

    clients: int
    pictures: int
    total_s: Spread
    pictures_per_s: float
    cpu_s: float
    peak_rss_mb: float
    peak_pss_mb: float | None


@dataclass(frozen=True, slots=True)
class Recording:
    """What the sampling was like."""

    seconds: float
    samples: int
    missed: int
    """Moments without a sample, because the machine had no time for it."""
    cpu_s: float
    """Processor time of the sampling itself, which is in no other figure."""


@dataclass(frozen=True, slots=True)
class Point:
    """All processes at one moment."""

    at_s: float
    """Since the service was started."""
    rss_mb: float
    pss_mb: float | None
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the measurement, from its first mark to its last."""

    name: str
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class Run:
    """One parser's service."""

    parser: str
    precision: str
    weights: str
    """bundled, on this machine, or made up."""
    workers: int
    steps: tuple[Step, ...]
    idle: Idle
    sizes: tuple[SizeFigures, ...]
    clients: tuple[ClientsFigures, ...]
    growth_mb: float | None
    """Memory after all of it and a rest, less that before: PSS, or RSS where the system tells no PSS."""
    recording: Recording
    parts: tuple[Part, ...]
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """What the service costs on a machine."""

    schema: int
    version: str
    """Of the program."""
    command: str
    """As it was given."""
    unix_s: float
    machine: Machine
    load: float
    """Processes that wanted a core when it began: the load average of the last minute."""
    repeat: int
    rest_s: float
    shared_size: tuple[int, int]
    """(height, width) of the pictures of clients at the same time."""
    runs: tuple[Run, ...]

    @property
    def is_busy(self) -> bool:
        """Whether something else used the machine when it began, so that times by the clock are too long."""
        return self.load > 0.5 * self.machine.cores

    def as_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=1)


def read_profile(path: Path) -> Profile:
    """What `as_json` made. Raises ConfigError."""
    try:
        body = path.read_bytes()
        schema = msgspec.json.decode(body, type=dict[str, object]).get("schema")
        if schema != SCHEMA:
            raise ConfigError(f"{path} has schema {schema}; this version reads {SCHEMA}: measure again")
        return msgspec.json.decode(body, type=Profile)
    except OSError as exc:
        raise ConfigError(f"cannot read {path}: {exc.strerror or exc}") from exc
    except msgspec.MsgspecError as exc:
        raise ConfigError(f"{path} is not the JSON of a profile: {exc}") from exc
