"""Several cameras in one program."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress

import psutil

from benchmarks.reliability.measure import PATTERN, Place, Row, captured, child, rest, running, until
from streamer import Stream

MAX_MORE_MB = 90
"""Memory of one stream more."""
FAIR = 0.5
"""The slowest has at least this share of what the fastest has."""


def memory_mb() -> float:
    """The memory of this process and its own: what several share is counted once (PSS)."""
    me, total = psutil.Process(), 0
    for each in (me, *me.children(recursive=True)):
        with suppress(psutil.Error):
            total += each.memory_full_info().pss
    return total / 1e6


def several(place: Place) -> Iterator[Row]:
    if place.short:
        return
    seconds = 20.0
    with ExitStack() as stack:

        def more(count: int) -> Sequence[Stream]:
            numbers = range(len(streams), len(streams) + count)
            new = [
                stack.enter_context(
                    running(PATTERN, record=str(place.folder / f"several-{number}.mp4"), size=(96, 128))
                )
                for number in numbers
            ]
            for each in new:
                until(lambda: each.stats.parsed > 3)  # noqa: B023
            return [*streams, *new]

        streams: Sequence[Stream] = []
        streams = more(2)
        rest(seconds)
        before_mb = memory_mb()
        streams = more(2)
        rest(seconds)
        each_mb = (memory_mb() - before_mb) / 2
        had = [each.stats for each in streams]
        rest(seconds)
        counts = [each.stats.parsed - before.parsed for each, before in zip(streams, had)]
        hz = [count / seconds for count in counts]
        child("inference").kill()
        until(lambda: any(each.stats.worker_restarts for each in streams))
        captured(streams[0], 60)
        after = [each.stats for each in streams]
        told = [stats.worker_restarts for stats in after]
        parsed_on = [until(lambda: each.stats.parsed > stats.parsed) < 30 for each, stats in zip(streams, after)]  # noqa: B023
        dropped = sum(each.stats.drops.total for each in streams)
    yield Row(
        "four streams in one program, the memory of one more",
        f"less than {MAX_MORE_MB} MB",
        f"{each_mb:.0f} MB",
        each_mb < MAX_MORE_MB,
    )
    yield Row(
        "their parsings",
        "none starves: the slowest has half of the fastest at least",
        ", ".join(f"{each:.1f}/s" for each in hz),
        min(hz) >= FAIR * max(hz),
    )
    yield Row(
        "kill -9 of one of their inference processes",
        "told by those that use it; all go on, nothing dropped",
        f"told by {sum(map(bool, told))} of 4; {sum(parsed_on)} of 4 are parsed on; {dropped} dropped",
        0 < sum(map(bool, told)) < 4 + (psutil.cpu_count() == 1) and all(parsed_on) and not dropped,
    )


FAULTS = (several,)
