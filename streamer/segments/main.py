"""The inside of a process that parses segments of a source.

It runs the network over all frames of a segment, which depends on nothing before them. Then it waits for the parser's
memory from whoever has the segment before, and finishes the parsings in their order, as one process would.

Where the size of the network's input was given, it waits twice: for the averages of answers, which it hands on at once,
and, after it has decoded all of its own answers while others average and decode theirs, for what is remembered of
people.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from pipeline import Frame, Parser, ParserSettings, Parsing, PipelineError, load_parser
from pipeline.parsing.reading import Begun as BegunFrame
from streamer.parsings.parsed import Saved
from streamer.parsings.resume import SAVE_EVERY
from streamer.processes.framing import ChannelClosed
from streamer.segments.messages import (
    Asker,
    Averaged,
    Begun,
    Done,
    GivenBack,
    Part,
    PictureElsewhere,
    Refused,
    Segment,
    packed,
    unpacked,
)

Ask = Callable[[object], Any]
"""Sends a message to where a segment is from, and returns the answer."""


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


def parsed(parser: Parser, segment: Segment, ask: Ask) -> Done | GivenBack:
    """The parsings of a segment. Raises PipelineError."""
    frames = [each.frame(place, ask) for place, each in enumerate(segment.frames)]
    done: Done | None
    if segment.stills:
        done = _alone(parser, frames)
    elif parser.size_is_given:
        done = _in_two_turns(parser, [parser.begin(frame) for frame in frames], segment.before, ask)
    else:
        done = _in_one_turn(parser, [parser.begin(frame) for frame in frames], segment.before, ask)
    if done is None:
        return GivenBack()
    last = frames[-1].picture
    return replace(done, sizes=tuple(last.used)) if isinstance(last, PictureElsewhere) else done


def _alone(parser: Parser, frames: Sequence[Frame]) -> Done:
    return Done(tuple(parser.still(each) for each in frames), (), b"", Part.ALL, ())


def _in_one_turn(parser: Parser, begun: Sequence[BegunFrame], before: int, ask: Ask) -> Done | None:
    """All that depends on frames before, frame after frame; None where the memory was not to be had."""
    memory: bytes | None = ask(Begun())
    if memory is None:
        return None
    parser.reset()
    if memory:
        parser.load(memory)
    parsings: list[Parsing] = []
    saved: list[Saved] = []
    # Of a size that is due as far as was known: `read` begins again what was begun at another one.
    for count, each in enumerate(begun, start=before + 1):
        parsings.append(parser.assemble(each.frame, parser.read(each)))
        if count % SAVE_EVERY == 0:
            saved.append(Saved(count, parser.save()))
    return Done(tuple(parsings), tuple(saved), parser.save(), Part.ALL, ())


def _in_two_turns(parser: Parser, begun: Sequence[BegunFrame], before: int, ask: Ask) -> Done | None:
    """The same where answers are decoded between what depends on frames before."""
    averages: bytes | None = ask(Begun(Part.AVERAGES))
    if averages is None:
        return None
    parser.reset()
    if averages:
        parser.load_averages(averages)
    averaged, kept = [], {}
    for count, each in enumerate(begun, start=before + 1):
        averaged.append(parser.average(each))
        if count % SAVE_EVERY == 0:
            kept[count] = parser.memory.averages().save()
    ask(Averaged(parser.memory.averages().save()))
    readings = [(each.frame, parser.decode(each)) for each in averaged]
    people: bytes | None = ask(Begun(Part.PEOPLE))
    if people is None:
        return None
    if people:
        parser.load_people(people)
    parsings: list[Parsing] = []
    saved: list[Saved] = []
    for count, (frame, reading) in enumerate(readings, start=before + 1):
        parsings.append(parser.assemble(frame, reading))
        if count in kept:
            parser.load_averages(kept[count])
            saved.append(Saved(count, parser.save()))
    return Done(tuple(parsings), tuple(saved), parser.memory.people().save(), Part.PEOPLE, ())
