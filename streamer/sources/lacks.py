"""What a recording lacks or has damaged, and the sentences that tell it."""

from dataclasses import dataclass

from streamer.media.tags import SourceInfo
from streamer.sources.source import Health

MIN_MISSING_S = 0.5
"""A source that ends so much earlier than it said is not cut short: headers are rounded."""
MIN_TOLD_S = 0.005


@dataclass(frozen=True, slots=True)
class Lacks:
    """What is wrong with a recording that was read, as far as it was read."""

    damaged: int = 0
    """Pieces that could not be decoded and were left out."""
    lost_pictures: int = 0
    lost_sound_s: float = 0.0
    """Of the track that lacks most."""
    flawed: int = 0
    """Pictures that are shown though parts of them could not be decoded."""
    jumps: int = 0
    """Times at which its clock jumped."""
    missing_s: float = 0.0
    """Seconds by which it ended earlier than it had said."""


def lacks_of(health: Health, missing_s: float, damaged: int = 0) -> Lacks:
    """What was counted while a recording was read.

    Args:
        missing_s: what `missing_end_s` says; not used where the clock jumps, which then does not tell the length.
        damaged: pieces that a sink left out, in addition.
    """
    return Lacks(
        health.damaged + damaged,
        health.lost_pictures,
        health.lost_sound_s,
        health.flawed,
        health.jumps,
        0.0 if health.jumps else missing_s,
    )


def missing_end_s(info: SourceInfo, frames: int, shown_s: float) -> float:
    """Seconds that a source had said it would show and did not; the last frame's own time is not counted as missing.

    Args:
        frames: that came, all there are.
        shown_s: time of the last one.
    """
    if info.duration_s is None or (info.frames is not None and frames >= info.frames):
        return 0.0
    missing = info.duration_s - shown_s
    return missing if missing > max(MIN_MISSING_S, 2 * info.duration_s / max(1, frames)) else 0.0


def sentences_of(lacks: Lacks) -> list[str]:
    """One for each thing that is wrong; none for a recording that is whole."""
    said = []
    if lacks.damaged:
        said.append(f"left out of the source, for they cannot be decoded: {_counted(lacks.damaged, 'damaged piece')}")
    lost = [_counted(lacks.lost_pictures, "picture")] if lacks.lost_pictures else []
    lost += [f"{lacks.lost_sound_s:.2f} s of sound"] if lacks.lost_sound_s >= MIN_TOLD_S else []
    if lost:
        said.append(f"missing in the source: {' and '.join(lost)}")
    if lacks.flawed:
        verb = "is" if lacks.flawed == 1 else "are"
        said.append(f"{_counted(lacks.flawed, 'picture')} {verb} damaged and shown as far as decoded")
    if lacks.jumps:
        times = "once" if lacks.jumps == 1 else f"{lacks.jumps} times"
        said.append(f"the source's clock jumps {times}; what follows goes on without a pause")
    if lacks.missing_s:
        ends = f"its pictures end {lacks.missing_s:.1f} s before the time that it states"
        said.append(f"the source is cut short: {ends}")
    return said


def _counted(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number} {what}s"
