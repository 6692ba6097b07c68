"""What happened to a stream, and what is not as it should be: from its counters, as sentences and as data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from streamer.live.sinks.snapshots import Save, Saved
from streamer.live.stats import SinkEnd, Snapshot
from streamer.sources.lacks import sentences_of

TOO_SMALL = "people are too small for this machine: they were found in a larger input than it has time for"

TAKES_LESS = "fewer cameras, smaller pictures from them, or --preset ultrafast where they are recorded take less"


@dataclass(frozen=True, slots=True)
class News:
    """One thing that happened."""

    event: str
    """The kind, a word for programs: `opened`, `offline`, `back`, `worker_replaced`, `too_slow`, `too_small`,
    `left_out`, `sink_ended`, `saved` or `not_saved`."""
    text: str
    """The sentence for people."""
    details: Mapping[str, object] = field(default_factory=dict)
    """What the sentence says, as numbers and words."""


def news_of(before: Snapshot, at: Snapshot) -> list[News]:
    """What happened from one moment to another; each is worth a line of its own."""
    return [*_of_source(before, at), *_of_parsing(before, at), *_of_sinks(before, at)]


def troubles_of(at: Snapshot) -> list[str]:
    """What is not as it should be, or was not, and what the last key wrote."""
    found = [] if at.offline_since_s is None else [f"OFFLINE for {at.offline_since_s:.0f} s: {at.last_loss}"]
    if at.reconnects:
        last = "" if at.offline_since_s is not None else f", the last time: {at.last_loss}"
        found.append(f"reconnected {_times(at.reconnects)}, offline {at.offline_s:.1f} s in all{last}")
    parsing = [each.text for each in _of_parsing(Snapshot(), at)]
    if at.damaged_sound:
        found.append(f"{at.damaged_sound} damaged packets of sound were left out of the recording")
    found += sentences_of(at.lacks)
    return [*found, *parsing, *(_ended(each).text for each in at.sinks_ended), *map(_saved, at.saves[-1:])]


def _of_source(before: Snapshot, at: Snapshot) -> Iterator[News]:
    if at.came is not None and before.came is None:
        yield News("opened", f"the source is there: {at.came}", {"pictures": at.came})
    came_back = {"offline_s": at.offline_s, "reconnects": at.reconnects}
    back = News("back", f"the source is back; offline {at.offline_s:.1f} s in all", came_back)
    if at.offline_since_s is None:
        if before.offline_since_s is not None:
            yield back
        elif at.reconnects > before.reconnects:  # it was lost, and back before anybody looked
            yield _offline(at)
            yield back
    elif before.offline_since_s is None or at.last_loss != before.last_loss:
        yield _offline(at)


def _of_parsing(before: Snapshot, at: Snapshot) -> Iterator[News]:
    if at.worker_restarts > before.worker_restarts:
        text = f"the inference process was replaced {_times(at.worker_restarts)}"
        yield News("worker_replaced", text, {"times": at.worker_restarts})
    if at.too_slow_s is not None and before.too_slow_s is None:
        size = "" if at.size is None else f" at {at.size}"
        text = f"masks get {at.too_slow_s * 1e3:.0f} ms old{size}, and nothing smaller may be parsed"
        yield News("too_slow", text, {"mask_age_s": at.too_slow_s})
    if at.left_out and not before.left_out:
        text = f"{at.left_out:.0%} of the pictures are left out, for this machine is too slow for all: {TAKES_LESS}"
        yield News("left_out", text, {"share": round(at.left_out, 3)})
    if at.people_too_small and not before.people_too_small:
        yield News("too_small", TOO_SMALL)


def _of_sinks(before: Snapshot, at: Snapshot) -> Iterator[News]:
    yield from map(_ended, at.sinks_ended[len(before.sinks_ended) :])
    new = at.saves_total - before.saves_total
    for save in at.saves[max(0, len(at.saves) - new) :]:
        details = {"path": str(save.path)} if isinstance(save, Saved) else {}
        yield News("saved" if details else "not_saved", _saved(save), details)


def _offline(at: Snapshot) -> News:
    loss = at.last_loss
    details = {} if loss is None else {"why": loss.why, "cause": str(loss.cause)}
    return News("offline", f"OFFLINE: {loss}", details)


def _ended(sink: SinkEnd) -> News:
    return News("sink_ended", f"the {sink.name} ended: {sink.why}", {"sink": sink.name, "why": sink.why})


def _saved(save: Save) -> str:
    return f"wrote {save.path}" if isinstance(save, Saved) else save.why


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
