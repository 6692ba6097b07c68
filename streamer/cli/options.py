"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline import PARSERS, RUNTIMES, Size
from streamer.config import read_size
from streamer.errors import ConfigError
from streamer.sinks import CODECS


def _size(text: str) -> Size:
    try:
        return read_size(text)
    except ConfigError as exc:
        raise typer.BadParameter(str(exc)) from exc


ParserName = Annotated[str, typer.Option("--parser", help=f"One of: {', '.join(PARSERS)}.")]
ModelDir = Annotated[
    Path | None,
    typer.Option(help="Weights of m2fp in a folder of yours, as ModelScope makes it; see `streamer models`."),
]
InputSize = Annotated[
    Size | None,
    typer.Option(
        "--size",
        parser=_size,
        metavar="HxW",
        help="Of the network's input, multiples of 32; larger finds smaller people and takes longer.",
    ),
]
Runtime = Annotated[str, typer.Option(help=f"What runs the network: {', '.join(RUNTIMES)}.")]
Precision = Annotated[
    str, typer.Option(help="auto, f32, bf16, or int8 for m2fp; auto takes bf16 where the processor has it.")
]
Threads = Annotated[int | None, typer.Option(min=1, help="Processor threads of the network; all by default.")]
Json = Annotated[bool, typer.Option("--json", help="For programs to read.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite.")]
Opacity = Annotated[float, typer.Option(min=0.0, max=1.0, help="Of the colours over the picture.")]
Outline = Annotated[bool, typer.Option(help="A white line around each person.")]
Tags = Annotated[bool, typer.Option(help="Each person's number.")]
Legend = Annotated[bool, typer.Option(help="What the colours mean.")]
Hide = Annotated[list[str] | None, typer.Option(help="A class not to draw, as in --hide Hat; may be repeated.")]
CodecName = Annotated[str, typer.Option("--codec", help=f"One of: {', '.join(CODECS)}.")]
Crf = Annotated[int | None, typer.Option(help="Quality; lower is better and larger. 20 for h264 by default.")]
Preset = Annotated[str | None, typer.Option(help="Work to spend on a small file, as in ultrafast or medium.")]
Sizes = Annotated[list[Size] | None, typer.Option("--size", parser=_size, metavar="HxW", help="Repeat to compare.")]
