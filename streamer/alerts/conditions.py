"""Conditions on who is in the picture: met when they become true, or each time that something happens. Pure."""

import re
from collections.abc import Callable, Collection

from streamer.errors import ConfigError

FORMS = "person.present, person.absent, person.appeared, person.left, people>=N"

_PEOPLE = re.compile(r"people>=([1-9]\d{0,2})")


class Condition:
    """One condition on one stream. Told of each parsing's people, in order."""

    def __init__(self, text: str) -> None:
        """Raises ConfigError for what is no condition."""
        self.text = text.replace(" ", "")
        self._before: frozenset[int] | None = None
        self._held = False
        at_least = _PEOPLE.fullmatch(self.text)
        states: dict[str, Callable[[int], bool]] = {
            "person.present": lambda count: count > 0,
            "person.absent": lambda count: count == 0,
        }
        if at_least:
            least = int(at_least[1])
            states[self.text] = lambda count: count >= least
        self._state = states.get(self.text)
        if self._state is None and self.text not in ("person.appeared", "person.left"):
            raise ConfigError(f"{text!r} is no condition; there are: {FORMS}")

    def is_met(self, people: Collection[int]) -> bool:
        """Whether it became true with these people; of the first ones, whether it is."""
        now, before = frozenset(people), self._before
        self._before = now
        if self._state is not None:
            held, self._held = self._held, self._state(len(now))
            return self._held and not held
        gained, lost = now - (before or frozenset()), (before or frozenset()) - now
        return bool(gained if self.text == "person.appeared" else lost)
