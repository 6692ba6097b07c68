"""Pictures and what was seen in them, for a while. Pure: it is told the time."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

KEEP_S = 900.0
MAX_FORGOTTEN = 10_000
"""Ids of results that are gone are remembered, so many of them."""


@dataclass(eq=False)
class Result:
    """One picture and its parsing."""

    id: str
    key: bytes
    """What it is the answer to: the same for the same picture, parser and settings."""
    body: bytes
    """The picture, as it came or covered by its effects: then the one that came is not kept."""
    kept: bytes
    """The parsing, for the process for stills."""
    made_s: float
    answers: dict[str, bytes] = field(default_factory=dict)
    """Answers by what was asked to be in them."""
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        return len(self.body) + len(self.kept) + sum(map(len, self.answers.values())) + 500


class Keeper:
    """Results, those least recently used forgotten first when they become too many bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._results: OrderedDict[str, Result] = OrderedDict()
        self._by_key: dict[bytes, str] = {}
        self._forgotten: OrderedDict[str, None] = OrderedDict()
        self.size_bytes = 0
        self.hits = self.misses = 0

    def by_key(self, key: bytes, now_s: float) -> Result | None:
        """The result for a key, if it is here; counted as a hit or a miss."""
        found = self.by_id(self._by_key.get(key, ""), now_s)
        if found is None:
            self.misses += 1
        else:
            self.hits += 1
        return found

    def by_id(self, result_id: str, now_s: float) -> Result | None:
        """The result of that id, if it is here."""
        self._expire(now_s)
        found = self._results.get(result_id)
        if found is not None:
            self._results.move_to_end(result_id)
        return found

    def was_here(self, result_id: str) -> bool:
        """Whether there was one of that id."""
        return result_id in self._forgotten

    def keep(self, result: Result) -> bool:
        """Keeps a result; False if it is too large to be kept at all."""
        if result.size_bytes > self._max_bytes:
            return False
        older = self._by_key.get(result.key)
        if older is not None:
            self._forget(older)
        self._results[result.id] = result
        self._by_key[result.key] = result.id
        self.size_bytes += result.size_bytes
        self._make_room()
        return True

    def add_answer(self, result: Result, detail: str, answer: bytes) -> None:
        """Keeps another answer with a result."""
        if self._results.get(result.id) is result:
            self.size_bytes -= result.size_bytes
            result.answers[detail] = answer
            self.size_bytes += result.size_bytes
            self._make_room()

    def __len__(self) -> int:
        return len(self._results)

    def __iter__(self) -> Iterator[Result]:
        """All results that are here, those least recently used first."""
        return iter(self._results.values())

    def _make_room(self) -> None:
        while self.size_bytes > self._max_bytes:
            self._forget(next(iter(self._results)))

    def _expire(self, now_s: float) -> None:
        old = [each.id for each in self._results.values() if now_s - each.made_s > KEEP_S]
        for result_id in old:
            self._forget(result_id)

    def _forget(self, result_id: str) -> None:
        result = self._results.pop(result_id)
        self.size_bytes -= result.size_bytes
        if self._by_key.get(result.key) == result_id:
            del self._by_key[result.key]
        self._forgotten[result_id] = None
        while len(self._forgotten) > MAX_FORGOTTEN:
            self._forgotten.popitem(last=False)
