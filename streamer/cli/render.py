"""The verbs that turn files into files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline import Look, Parser, ParserSettings, PipelineError, Size, load_parser
from streamer.cli.console import complain, progress, say, stop_on_interrupt
from streamer.cli.options import Given, with_options
from streamer.errors import StreamerError
from streamer.media.paths import free_name
from streamer.offline import Progress, Rendered, Rendering, render_file, targets
from streamer.recording.codecs import Encoding
from streamer.settings import made
from streamer.sources.open import sample


class DemoClip(StrEnum):
    """The clips that come with the program, by name."""

    PEOPLE = "people"
    PORTRAIT = "portrait"
    STREET = "street"


DEMO_SIZES = {DemoClip.STREET: Size(576, 768)}
"""Network input sizes that are not chosen by the clip's people: those of `street` are small, so it is not reduced."""


def demo(
    clip: Annotated[
        DemoClip, typer.Option(help="people: one or two near the camera; portrait: a face; street: many, small.")
    ] = DemoClip.PEOPLE,
) -> None:
    """Parse a bundled clip into demo.mp4, in the current folder."""
    settings = Rendering(ParserSettings("lite", size=DEMO_SIZES.get(clip)), Look(legend=True))
    done = _watched_render(sample(f"{clip}.mp4"), free_name(Path("demo.mp4")), settings, load_parser(settings.parser))
    _report(done)


GROUPS = ("parser", "look", "encoding")
"""The fields of `Rendering` that are settings of their own."""


@with_options(ParserSettings, Look, Encoding, Rendering, without=GROUPS)
def render(
    given: Given,
    paths: Annotated[
        list[Path], typer.Argument(metavar="IN... OUT", help="Videos or pictures, and a file or folder to write.")
    ],
) -> None:
    """Draw every person's parts over videos and pictures.

    Every frame of a video is drawn, at its time, and its sound is kept.
    """
    wanted, look = made(ParserSettings, given), made(Look, given)
    parser = load_parser(wanted)
    look = replace(look, hidden=frozenset(parser.label_set.name_of(name) for name in look.hidden))
    others: dict[str, Any] = {name: given[name] for name in ("parse_every", "force") if name in given}
    settings = Rendering(wanted, look, encoding=made(Encoding, given), **others)
    with _no_empty_folder(paths[-1]):
        _render_all(targets(paths), settings, parser)


def _render_all(jobs: Sequence[tuple[Path, Path]], settings: Rendering, parser: Parser) -> None:
    failed = 0
    for source, out in jobs:
        try:
            done = _watched_render(source, out, settings, parser)
        except (PipelineError, StreamerError) as exc:
            if len(jobs) == 1:
                raise
            complain(exc)
            failed += 1
            continue
        _report(done)
    if failed:
        raise StreamerError(f"{failed} of {len(jobs)} could not be rendered")


@contextmanager
def _no_empty_folder(out: Path) -> Iterator[None]:
    """One that is made meanwhile goes again if nothing was written into it."""
    was_there = out.exists()
    try:
        yield
    finally:
        if not was_there and out.is_dir():
            with suppress(OSError):  # something is in it
                out.rmdir()


def _watched_render(source: Path, out: Path, settings: Rendering, parser: Parser) -> Rendered:
    with stop_on_interrupt() as asked, progress(source.name, "frames") as show:

        def on_frame(so_far: Progress) -> bool:
            show(so_far.done, so_far.total)
            return not asked()

        return render_file(source, out, settings, on_frame, parser)


def _report(done: Rendered) -> None:
    rate = done.frames / done.seconds if done.seconds else 0.0
    frames = "1 frame" if done.frames == 1 else f"{done.frames} frames"
    say(f"{done.path}: {frames} in {done.seconds:.1f} s, {rate:.1f} frames/s")
    if done.damaged:
        say(f"{done.damaged} damaged pieces of the source could not be decoded and were left out")
    if done.missing_s:
        say(f"the source is cut short: its pictures end {done.missing_s:.1f} s before the time that it states")
    if done.stopped:
        say("stopped before the end; the file is complete as far as it goes")
        raise typer.Exit(130)
