"""The inside of a process that parses segments of a source.

It runs the network over all frames of a segment, which depends on nothing before them. Then it waits for the parser's
memory from whoever has the segment before, and finishes the parsings in their order, as one process would.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from pipeline import Frame, Parser, ParserSettings, Parsing, PipelineError, load_parser
from pipeline.parsing.reading import Begun as BegunFrame
from streamer.parsings.parsed import Saved
from streamer.parsings.resume import SAVE_EVERY
from streamer.processes.framing import ChannelClosed
from streamer.segments.messages import (
    Asker,
    Begun,
    Done,
    GivenBack,
    PictureElsewhere,
    Refused,
    Segment,
    packed,
    unpacked,
)


def serve(parent: Asker) -> None:
    """Parses until the parent wants no more. See `streamer.processes.parent`."""

    def ask(wanted: object) -> Any:
        parent.send(packed(wanted))
        return unpacked(parent.receive())

    with suppress(ChannelClosed):
        settings: ParserSettings = unpacked(parent.receive())
        try:
            parser = load_parser(settings)
            segment: Segment = unpacked(parent.receive())
            while True:
                segment = ask(parsed(parser, segment, ask))
        except PipelineError as exc:
            parent.send(packed(Refused(str(exc))))


def parsed(parser: Parser, segment: Segment, ask: Callable[[object], Any]) -> Done | GivenBack:
    """The parsings of a segment. Raises PipelineError.

    Args:
        ask: sends a message to where the segment is from, and returns the answer.
    """
    frames = [each.frame(place, ask) for place, each in enumerate(segment.frames)]
    # At the size that is due as far as is known here: `read` begins again what was begun at another one.
    begun: Sequence[Frame | BegunFrame] = frames if segment.stills else [parser.begin(frame) for frame in frames]
    memory: bytes | None = ask(Begun())
    if memory is None:
        return GivenBack()
    if memory:
        parser.load(memory)
    else:
        parser.reset()
    parsings: list[Parsing] = []
    saved: list[Saved] = []
    for count, each in enumerate(begun, start=segment.before + 1):
        if isinstance(each, Frame):
            parsings.append(parser.still(each))
        else:
            parsings.append(parser.assemble(each.frame, parser.read(each)))
        if count % SAVE_EVERY == 0:
            saved.append(Saved(count, parser.save()))
    last = frames[-1].picture
    sizes = tuple(last.used) if isinstance(last, PictureElsewhere) else ()
    return Done(tuple(parsings), tuple(saved), parser.save(), sizes)
