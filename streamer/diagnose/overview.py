"""The streams that run on this machine, and what their programs take of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamer.diagnose.sampler import Costs, Sampler, descendants
from streamer.live.card import Card, StreamCard, cards, take_away

SILENT_S = 5.0
"""A program that has told nothing for so long hangs, or is stopped."""


@dataclass(frozen=True, slots=True)
class Running:
    """A program that runs streams."""

    pid: int
    streams: dict[str, StreamCard]
    memory_bytes: int
    """Of it and its processes; what these share is counted once where the system tells."""
    cores: float | None
    """Processor cores in use since the last look; None at the first."""
    silent_s: float
    """Time since it has told anything; 0 where that is usual."""


class Overview:
    """Looks again and again. For one thread."""

    def __init__(self, told: Callable[[], Sequence[Card]] = cards) -> None:
        self._told, self._sampler = told, Sampler()
        self._before: dict[int, Costs] = {}

    def look(self) -> list[Running]:
        """The programs, by their number. Cards of the dead are taken away."""
        found, now = [], dict[int, Costs]()
        told = self._told()
        families = {card.pid: descendants(card.pid, card.told_unix_s) for card in told}
        roles = {pid: str(owner) for owner, family in families.items() for pid in family}
        costs = self._sampler.sample(roles)
        for card in told:
            mine = tuple(each for each in costs.samples if each.role == str(card.pid))
            if not mine:
                take_away(card)
                continue
            now[card.pid] = Costs(costs.at_s, costs.unix_s, mine)
            found.append(_running(card, now[card.pid], self._before.get(card.pid)))
        self._before = now
        return sorted(found, key=lambda each: each.pid)


def _running(card: Card, now: Costs, before: Costs | None) -> Running:
    cores = None
    if before is not None and now.at_s > before.at_s:
        then = {each.pid: each.cpu_s for each in before.samples}
        spent_s = sum(max(0.0, each.cpu_s - then.get(each.pid, each.cpu_s)) for each in now.samples)
        cores = spent_s / (now.at_s - before.at_s)
    silent_s = now.unix_s - card.told_unix_s
    memory = now.rss_bytes if now.pss_bytes is None else now.pss_bytes
    return Running(card.pid, card.streams, memory, cores, silent_s if silent_s > SILENT_S else 0.0)
