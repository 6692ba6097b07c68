"""Memory and processor time of a process and its children, over time."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import psutil

EVERY_S = 1.0
KEEP_S = 600.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one moment."""

    role: str
    pid: int
    rss_bytes: int
    """Resident memory, what is shared with others included."""
    pss_bytes: int | None
    """Resident memory, what is shared divided by those who share it; None where the system does not tell."""
    cpu_s: float
    """Processor time since it began."""
    threads: int


@dataclass(frozen=True, slots=True)
class Costs:
    """All processes at one moment."""

    at_s: float
    """Monotonic."""
    unix_s: float
    samples: tuple[Sample, ...]

    @property
    def rss_bytes(self) -> int:
        return sum(each.rss_bytes for each in self.samples)

    @property
    def pss_bytes(self) -> int | None:
        known = [each.pss_bytes for each in self.samples]
        return None if None in known else sum(filter(None, known))

    @property
    def cpu_s(self) -> float:
        return sum(each.cpu_s for each in self.samples)


class Sampler:
    """Samples processes, and remembers the last ten minutes. For one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[int, psutil.Process] = {}
        self.history: deque[Costs] = deque(maxlen=round(KEEP_S / EVERY_S))

    def sample(self, roles: Mapping[int, str], *, proportional: bool = True) -> Costs:
        """Looks at processes now; those that have ended are left out.

        Args:
            roles: what each process is for, by process id.
            proportional: read shared memory, too; that takes some milliseconds a process.
        """
        found = (self._sample(pid, role, proportional) for pid, role in roles.items())
        costs = Costs(self._clock(), time.time(), tuple(each for each in found if each is not None))
        self._known = {pid: process for pid, process in self._known.items() if pid in roles}
        return costs

    def remember(self, costs: Costs) -> None:
        self.history.append(costs)

    def _sample(self, pid: int, role: str, proportional: bool) -> Sample | None:
        try:
            process = self._known.setdefault(pid, psutil.Process(pid))
            with process.oneshot():
                memory, times = process.memory_info(), process.cpu_times()
                threads = process.num_threads()
            pss = _pss(process) if proportional else None
        except psutil.Error:
            self._known.pop(pid, None)
            return None
        return Sample(role, pid, memory.rss, pss, times.user + times.system, threads)


def family(pid: int, roles: Mapping[str, str]) -> dict[int, str]:
    """What a process and all below it are for, by process id; empty if it has ended.

    Args:
        roles: by the module that a process runs. One that runs none of them is `main` if it is the process itself, and
            left out else.
    """
    try:
        below = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return {}
    found = {pid: "main"}
    for child in below:
        try:
            words = child.cmdline()
        except psutil.Error:  # it has just ended
            continue
        role = next((role for module, role in roles.items() if module in words), None)
        if role is not None:
            found[child.pid] = role
    return found


def descendants(pid: int, told_unix_s: float) -> tuple[int, ...]:
    """A process and all below it; none if it has ended.

    Args:
        told_unix_s: it lived then: one that began later has the number of a dead one.
    """
    try:
        process = psutil.Process(pid)
        if process.create_time() > told_unix_s + 1 or process.status() == psutil.STATUS_ZOMBIE:
            return ()
        return (pid, *(each.pid for each in process.children(recursive=True)))
    except psutil.Error:
        return ()


def _pss(process: psutil.Process) -> int | None:
    """Linux alone tells it."""
    try:
        return getattr(process.memory_full_info(), "pss", None)
    except (psutil.AccessDenied, NotImplementedError):
        return None


def rates(history: Iterable[Costs]) -> list[tuple[float, Mapping[str, float]]]:
    """Cores in use by role between each two moments, at the later one, in Unix time."""
    found: list[tuple[float, Mapping[str, float]]] = []
    before: Costs | None = None
    for now in history:
        if before is not None:
            then = {each.pid: each.cpu_s for each in before.samples}
            used: dict[str, float] = {}
            for each in now.samples:
                spent = each.cpu_s - then.get(each.pid, each.cpu_s)
                used[each.role] = used.get(each.role, 0.0) + max(0.0, spent) / max(1e-6, now.at_s - before.at_s)
            found.append((now.unix_s, used))
        before = now
    return found
