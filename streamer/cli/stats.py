"""The command that tells what was seen in a video."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.console import say
from streamer.cli.options import Json
from streamer.errors import ConfigError
from streamer.export.colours import Colours
from streamer.export.plot import write_plot
from streamer.export.stats import Figures, PersonStats, figures_of, write_samples
from streamer.masks.sidecar import Sidecar
from streamer.media.paths import check_target
from streamer.parsings.identity import check_source
from streamer.sources.open import open_source

MAX_LINES = 20


def stats(
    file: Annotated[Path, typer.Argument(metavar="FILE.hpm", help="What --masks kept.")],
    video: Annotated[
        str | None, typer.Option(metavar="IN", help="The video itself, to measure the colours of garments.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the areas of parts and persons over time.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw them, and who was there when, into a PNG, SVG or PDF.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
    as_json: Json = False,
) -> None:
    """Tell what was seen in a video: parts, people, for how long.

    Presence is the time in the picture, dwell the time from coming to going: gaps of up to a second are no going.
    """
    for path in (csv, plot):
        if path is not None:
            check_target(path, force)
    with ExitStack() as stack:
        sidecar = stack.enter_context(Sidecar(file))
        if not sidecar.masks:
            raise ConfigError(f"{file} has no parsings")
        colours = None
        if video is not None:
            check_source(sidecar, video)
            colours = Colours(iter(stack.enter_context(open_source(video))))
        figures = figures_of(sidecar, colours)
        label_set = sidecar.label_set_of(sidecar.masks[0])
    if csv is not None:
        write_samples(figures, csv)
    if plot is not None:
        write_plot(figures, label_set, plot)
    if as_json:
        say(json.dumps(figures.as_json()))
        return
    for line in _lines(figures):
        say(line)


def _lines(figures: Figures) -> list[str]:
    lines = [
        f"{len(figures.samples)} parsings over {figures.duration_s:.1f} s, {len(figures.people)} persons,"
        f" {figures.most_at_once} at once at most"
    ]
    for name, part in sorted(figures.parts.items(), key=lambda each: -each[1].area_s):
        lines.append(f"{name:14} {part.seen_s:7.1f} s  {part.area:6.2%} of the picture, {part.max_share:.2%} at most")
    people = sorted(figures.people.values(), key=lambda each: -each.seen_s)
    lines += [_line(person) for person in people[:MAX_LINES]]
    if len(people) > MAX_LINES:
        lines.append(f"and {len(people) - MAX_LINES} more persons, which --json lists")
    return lines


def _line(person: PersonStats) -> str:
    worn = sorted(person.garments_s, key=lambda name: -person.garments_s[name])[:3]
    told = [f"{name} {person.colours[name]}" if name in person.colours else name for name in worn]
    visits = "1 visit" if len(person.visits) == 1 else f"{len(person.visits)} visits"
    return (
        f"person {person.id:<7} {person.seen_s:7.1f} s  {person.area:6.2%} of the picture, dwell {person.dwell_s:.1f} s"
        f" in {visits}{': ' if told else ''}{', '.join(told)}"
    )
