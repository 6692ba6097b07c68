"""Which camera is on which machine, by the cores that it takes. Pure."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from streamer.cluster.nodes import Machine, Place
from streamer.errors import ConfigError
from streamer.live.config import StreamConfig

PARSING_S = 0.016
"""Processor time of a parsing by the bundled parser, until a camera's own is measured."""
USUAL_HZ = 25.0
"""Parsings per second of a camera, where `parse_hz` names none."""
REST_CORES = 0.1
"""For decoding and the rest."""
ENCODING_CORES = 0.4
"""For drawing and encoding, where a camera is recorded."""
BUNDLED = "lite"
MEASURED_OVER_S = 30.0
LEAST_CORES = 0.05

_PARTS = 100
"""Of a core: needs are multiples of one."""


def assumed_cores(config: StreamConfig) -> float:
    """The cores that a camera is given until what it takes is measured."""
    threads = config.parser.threads or 1
    parsing = float(threads)
    if config.parser.name == BUNDLED:
        parsing = min(parsing, min(config.masks.parse_hz or USUAL_HZ, USUAL_HZ) * PARSING_S)
    return whole(parsing + REST_CORES + (ENCODING_CORES if config.record.encodes else 0.0))


def whole(cores: float) -> float:
    """Rounded up to hundredths of a core, of which a process has some at least."""
    return math.ceil(max(LEAST_CORES, cores) * _PARTS - 1e-6) / _PARTS


class Meter:
    """The cores that a camera takes: the most that it took over half a minute."""

    def __init__(self) -> None:
        self.cores: float | None = None
        """None until it is known."""
        self._since: tuple[float, float] | None = None

    def begin(self) -> None:
        """It is another process now."""
        self._since = None

    def seen(self, at_s: float, cpu_s: float) -> None:
        """At a moment, the processor time up to then."""
        if self._since is None:
            self._since = at_s, cpu_s
            return
        since_s, before_s = self._since
        if at_s - since_s >= MEASURED_OVER_S:
            self._since = at_s, cpu_s
            taken = whole((cpu_s - before_s) / (at_s - since_s))
            self.cores = taken if self.cores is None else max(self.cores, taken)


@dataclass(frozen=True, slots=True)
class Overfull:
    """A machine whose cameras take more than it has."""

    machine: Machine
    cameras: tuple[str, ...]
    cores: float


class Ledger:
    """Who has which cores."""

    def __init__(self, needs: Mapping[str, float]) -> None:
        """
        Args:
            needs: the cores that each camera needs, as far as is known.
        """
        self._needs = dict(needs)
        self._held: dict[str, Place] = {}

    def plan(self, machines: Sequence[Machine]) -> dict[str, Place]:
        """Places all cameras, so that the machines are alike in what they have left. Raises ConfigError: no room."""
        names = sorted(self._needs, key=lambda name: -self._needs[name])
        for spread in (True, False):  # what is spread may leave no room for a large one
            self._held = {}
            placed = {name: self.place(name, machines, spread=spread) for name in names}
            if None not in placed.values():
                return {name: place for name, place in placed.items() if place is not None}
        cores = ", ".join(f"{each.cores:g}" for each in machines)
        needed = sum(self._needs.values())
        raise ConfigError(
            f"the cluster has room for {len(self._held)} of {len(names)} cameras: they need {needed:.2f} cores, and it"
            f" has {len(machines)} machines of {cores}; parse_hz makes a camera need less"
        )

    def place(
        self, name: str, machines: Sequence[Machine], avoid: Collection[str] = (), *, spread: bool = True
    ) -> Place | None:
        """Gives a camera its cores on a machine; None if there is no room.

        Args:
            avoid: ids of machines that are taken only if no other has room.
            spread: on the machine with the most left; else on the one with the least that is enough.
        """
        self.release(name)
        room = {each.id: each.cores - self._taken(each.id) for each in machines}
        largest = max((each.cores for each in machines), default=0.0)
        need = min(self._needs[name], largest) if largest else self._needs[name]
        fit = [each for each in room if room[each] >= need - 1e-6]
        fit = [each for each in fit if each not in avoid] or fit
        if not fit:
            return None
        chosen = max(fit, key=lambda each: room[each] if spread else -room[each])
        self._held[name] = Place(chosen, need)
        return self._held[name]

    def release(self, name: str) -> None:
        """A camera is nowhere."""
        self._held.pop(name, None)

    def measured(self, name: str, cores: float) -> None:
        """What a camera takes: on its machine it counts if it is more than it was given, and where it goes next."""
        self._needs[name] = cores

    def need(self, name: str) -> float:
        return self._needs[name]

    def overfull(self, machines: Sequence[Machine]) -> list[Overfull]:
        """The machines whose cameras take more than there is."""
        return [
            Overfull(each, tuple(name for name, held in self._held.items() if held.machine == each.id), taken)
            for each in machines
            if (taken := self._taken(each.id)) > each.cores + 1e-6
        ]

    def _taken(self, machine: str) -> float:
        return sum(
            max(place.cores, self._needs[name]) for name, place in self._held.items() if place.machine == machine
        )
