"""What a program tells other programs of this machine about its streams: a small file, written anew each second."""

import os
import sys
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

import msgspec
import platformdirs

from streamer.live.config import StreamConfig
from streamer.live.stats import Snapshot
from streamer.sources.uri import without_password

EVERY_S = 1.0
MAX_BYTES = 1_000_000


class StreamCard(msgspec.Struct, frozen=True):
    """A stream. Rates are pictures per second."""

    source: str
    """Without its password."""
    came: str | None = None
    """Size and rate of its pictures."""
    captured: int = 0
    shown: int = 0
    dropped: int = 0
    parsed: int = 0
    captured_hz: float = 0.0
    shown_hz: float = 0.0
    parsed_hz: float = 0.0
    mask_age_s: float = 0.0
    """The median of late."""
    mask_age_p95_s: float = 0.0
    delay_s: float = 0.0
    """Time for which pictures are kept back."""
    offline_s: float | None = None
    """Time since it was lost; None while it is there."""
    why_offline: str = ""


class Card(msgspec.Struct, frozen=True):
    """A program."""

    pid: int
    told_unix_s: float
    streams: dict[str, StreamCard]
    """By their names."""


def folder() -> Path:
    """Where the cards of this user's programs are."""
    with warnings.catch_warnings():
        # Outside of a session there is no XDG_RUNTIME_DIR, as for services; what is taken then is told to nobody.
        warnings.simplefilter("ignore")
        return platformdirs.user_runtime_path("m2fp-streamer") / "streams"


def card_of(config: StreamConfig, at: Snapshot) -> StreamCard:
    return StreamCard(
        source=without_password(config.source.uri),
        came=at.came,
        captured=at.captured,
        shown=at.shown,
        dropped=at.drops.total,
        parsed=at.parsed,
        captured_hz=at.captured_hz,
        shown_hz=at.shown_hz,
        parsed_hz=at.parsed_hz,
        mask_age_s=at.mask_age.p50_s,
        mask_age_p95_s=at.mask_age.p95_s,
        delay_s=at.delay_s,
        offline_s=at.offline_since_s,
        why_offline=at.last_loss.why if at.offline_since_s is not None and at.last_loss else "",
    )


class Telling:
    """The card of this program; `with` takes it away at the end. A stream does not end for the want of it."""

    def __init__(self, configs: Mapping[str, StreamConfig]) -> None:
        self._configs, self._due_s = configs, 0.0
        self._path = folder() / f"{os.getpid()}.json"

    def tell(self, at: Mapping[str, Snapshot], now_s: float) -> None:
        """Called every half second or so; `now_s` is monotonic."""
        if now_s < self._due_s:
            return
        self._due_s = now_s + EVERY_S
        streams = {name: card_of(self._configs[name], each) for name, each in at.items()}
        card = msgspec.json.encode(Card(os.getpid(), time.time(), streams))
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if is_ours(self._path.parent):
                half = self._path.with_suffix(".new")
                half.write_bytes(card)
                half.replace(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def is_ours(place: Path) -> bool:
    """Whether a folder is this user's own: others may make one where this one is to be."""
    return sys.platform == "win32" or place.stat().st_uid == os.getuid()


def cards() -> list[Card]:
    """Those that there are, also of programs that died and could not take theirs away."""
    found = []
    with suppress(OSError):
        if is_ours(folder()):
            for path in sorted(folder().glob("*.json")):
                with suppress(OSError, msgspec.DecodeError):  # it is just taken away, or another version's
                    if path.stat().st_size <= MAX_BYTES:
                        found.append(msgspec.json.decode(path.read_bytes(), type=Card))
    return found


def take_away(card: Card) -> None:
    """The card of a program that is dead."""
    with suppress(OSError):
        (folder() / f"{card.pid}.json").unlink(missing_ok=True)
