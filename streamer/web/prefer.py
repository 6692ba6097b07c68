"""The header `Prefer` (RFC 7240): whether a client takes a job in place of an answer."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

MAX_WAIT_S = 60.0
"""Longest time that an answer is waited for before the job is answered with."""
_WAIT = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Later:
    """The client takes a job, and its answer later."""

    wait_s: float | None = None
    """Time for which the answer itself is waited for; None names none."""

    @property
    def applied(self) -> str:
        """What `Preference-Applied` says."""
        return "respond-async" if self.wait_s is None else f"respond-async, wait={self.wait_s:.0f}"


def later(headers: Iterable[tuple[bytes, bytes]]) -> Later | None:
    """What a request's headers prefer; None for an answer at once. What is not understood is ignored, as the RFC asks.

    Args:
        headers: names in lower case, and values, as ASGI has them.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        if name == b"prefer":
            for token in value.decode("latin-1").split(","):
                key, _, given = token.partition(";")[0].partition("=")
                found.setdefault(key.strip().lower(), given.strip().strip('"'))
    waits = _WAIT.fullmatch(found.get("wait", ""))
    if waits is None:
        return Later() if "respond-async" in found else None
    return Later(min(float(waits[0]), MAX_WAIT_S))
