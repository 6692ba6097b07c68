"""The state of a stream in the words that the window shows."""

from streamer.live.sinks.words import Tone, Word
from streamer.live.stats import Snapshot

RECORDING = "recording"
"""The name of that sink."""


def words_of(at: Snapshot, *, records: bool) -> list[Word]:
    """
    Args:
        records: whether the stream was asked to write a file.
    """
    words = []
    if at.offline_since_s is not None:
        words.append(Word(f"OFFLINE {at.offline_since_s:.0f} s", Tone.ALARM))
        if at.last_loss is not None:
            words.append(Word(str(at.last_loss), Tone.ALARM))
    if at.people_too_small:
        words.append(Word("people too small for this machine", Tone.WARNING))
    if records and any(sink.name == RECORDING for sink in at.sinks_ended):
        words.append(Word("recording ended", Tone.ALARM))
    elif records and at.shown:
        words.append(Word("recording", Tone.GOOD))
    return words
