"""The command that writes masks as files for other tools."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from pipeline import ParserSettings, load_parser
from streamer.cli.console import progress, say, tell_worth
from streamer.cli.options import Given, with_options
from streamer.errors import ConfigError
from streamer.export.formats import FORMATS
from streamer.export.formats import export as write_export
from streamer.export.label_studio import labelling_of
from streamer.masks.records import SUFFIX, is_sidecar
from streamer.masks.sidecar import Sidecar
from streamer.parsings.take import FromParser
from streamer.parsings.threads import threads_beside
from streamer.settings import made
from streamer.sources.open import open_source


@with_options(ParserSettings)
def export(
    given: Given,
    source: Annotated[
        str, typer.Argument(metavar="FILE.hpm|IN", help="What --masks kept; or a video or pictures, to be parsed.")
    ],
    out: Annotated[Path, typer.Argument(help="The file to write, or for png the folder, of any name.")],
    to: Annotated[str, typer.Option(metavar="|".join(FORMATS), help="The format.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite what exists.")] = False,
) -> None:
    """Write masks as files for other tools.

    coco: persons, parts and faces as COCO's JSON, masks as run lengths. png: class ids and persons' numbers, a file
    of each for each frame. csv: a row for each part of each person and each face. npz: arrays for NumPy.
    label-studio: polygons as tasks with predictions. webm-alpha: the classes' colours as a video that is
    transparent elsewhere.
    """
    if to not in FORMATS:
        raise ConfigError(f"no format {to!r}; there are: {', '.join(FORMATS)}")
    with _sidecar_of(source, given) as sidecar:
        write_export(sidecar, out, to, force=force)
        say(f"{out}: {len(sidecar)} parsings as {to}")
        if to == "label-studio":
            say("the labelling interface of the project:")
            say(labelling_of(sidecar.label_set_of(sidecar.masks[0])))


@contextmanager
def _sidecar_of(source: str, given: Given) -> Iterator[Sidecar]:
    if is_sidecar(Path(source)):
        if given:
            options = ", ".join(sorted(f"--{name.replace('_', '-')}" for name in given))
            raise ConfigError(f"{source} is parsed already, so leave out what is for parsing: {options}")
        with Sidecar(Path(source)) as sidecar:
            yield sidecar
        return
    with TemporaryDirectory() as folder:
        masks = Path(folder) / f"parsed{SUFFIX}"
        settings = made(ParserSettings, given)
        tell_worth(settings.age_gender)
        parser = load_parser(threads_beside(settings))
        with (
            open_source(source) as opened,
            progress(Path(source).name, "frames") as show,
            FromParser(parser, source, masks=masks).over(opened) as pairs,
        ):
            for done, _ in enumerate(pairs, start=1):
                show(done, opened.info.expected_frames)
        with Sidecar(masks) as sidecar:
            yield sidecar
