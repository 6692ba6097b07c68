"""The queue of pictures: whom it lets in, and who is next. Pure: it is told the time."""

import math
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from statistics import median_low

REMEMBERED = 9
"""Service times of which the median is expected: one with a network to compile counts for little."""
FIRST_S = 0.1
"""Service time that is expected before there is one."""
UPLOAD_S = 1.0
"""A body that has been coming for longer than this does not count as waiting: it is slow, and may never be whole."""


@dataclass(eq=False)
class Place:
    """One picture's place, from the headers of its request until no process has it any more."""

    client: str
    kind: str
    """Pictures of one kind take about the same time: the parser and the size."""
    entered_s: float
    pictures: int = 1
    queued: bool = field(default=False, init=False)
    """Whether its body is here."""


class Queue:
    """Round robin over clients, first in first out within one."""

    def __init__(self, workers: int, max_wait_s: float) -> None:
        self.workers = workers
        self._max_wait_s = max_wait_s
        self._places: dict[Place, None] = {}
        self._waiting: OrderedDict[str, deque[Place]] = OrderedDict()
        self._service_s: dict[str, deque[float]] = {}

    def __len__(self) -> int:
        """The number of places, those in a process included."""
        return len(self._places)

    @property
    def waiting(self) -> int:
        """The number of pictures whose body is here and that no process has."""
        return sum(map(len, self._waiting.values()))

    def expected_s(self, kind: str) -> float:
        """The time that a process takes for a picture of this kind."""
        known = self._service_s.get(kind)
        if known is not None:
            return median_low(known)
        return max(map(median_low, self._service_s.values()), default=FIRST_S)

    def estimate_s(self, now_s: float) -> float:
        """The time until a process is free for a picture that comes now."""
        counted = (each for each in self._places if each.queued or now_s - each.entered_s < UPLOAD_S)
        return sum(each.pictures * self.expected_s(each.kind) for each in counted) / self.workers

    def excess_s(self, now_s: float) -> float:
        """How much longer than allowed a picture that comes now would wait; 0 or less where it may come."""
        return self.estimate_s(now_s) - self._max_wait_s

    def enter(self, client: str, kind: str, now_s: float, pictures: int = 1) -> Place:
        """A place for a picture whose body is still to come; ask `excess_s` first."""
        place = Place(client, kind, now_s, pictures)
        self._places[place] = None
        return place

    def push(self, place: Place) -> None:
        """Its body is here: it waits for its turn."""
        place.queued = True
        self._waiting.setdefault(place.client, deque()).append(place)

    def pop(self) -> Place | None:
        """Whose turn it is; None if nobody waits."""
        if not self._waiting:
            return None
        client, places = self._waiting.popitem(last=False)
        place = places.popleft()
        if places:
            self._waiting[client] = places
        return place

    def withdraw(self, place: Place) -> bool:
        """Takes it out of the line; False if it was not in it, as when a process has it."""
        places = self._waiting.get(place.client)
        if places is None or place not in places:
            return False
        places.remove(place)
        if not places:
            del self._waiting[place.client]
        return True

    def leave(self, place: Place) -> None:
        """Gives the place up; safe to call twice."""
        self.withdraw(place)
        self._places.pop(place, None)

    def served(self, place: Place, seconds: float) -> None:
        """A process took this long for one picture of that kind."""
        self._service_s.setdefault(place.kind, deque([FIRST_S], REMEMBERED)).append(seconds)


def retry_after_s(excess_s: float, jitter: float) -> int:
    """Whole seconds after which to ask again.

    Args:
        jitter: in [0, 1): up to 30 % more, so that those who were refused together do not come back together.
    """
    return max(1, math.ceil(excess_s * (1 + 0.3 * jitter)))
