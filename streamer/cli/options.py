"""Options that several verbs share."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from pipeline import PARSERS, RUNTIMES, Size
from streamer.errors import ConfigError
from streamer.recording.codecs import CODECS
from streamer.units import read_bytes, read_duration, read_size

Value = TypeVar("Value")


def _reading(read: Callable[[str], Value]) -> Callable[[str], Value]:
    def parse(text: str) -> Value:
        try:
            return read(text)
        except ConfigError as exc:
            raise typer.BadParameter(str(exc)) from exc

    return parse


_size = _reading(read_size)


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
        help="Of the network's input, multiples of 32; larger finds smaller people and takes longer. By default it"
        " follows the picture's shape and how small its people are.",
    ),
]
Refine = Annotated[
    bool,
    typer.Option(
        "--refine", help="Look again, from closer by, at people who are small in a big picture; takes longer."
    ),
]
Runtime = Annotated[str, typer.Option(help=f"What runs the network: {', '.join(RUNTIMES)}.")]
Precision = Annotated[str, typer.Option(help="auto, f32, bf16 or int8; auto takes what is quickest here without loss.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Processor threads of the network; all by default.")]
Json = Annotated[bool, typer.Option("--json", help="For programs to read.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite.")]
Opacity = Annotated[float, typer.Option(min=0.0, max=1.0, help="Of the colours over the picture.")]
Outline = Annotated[bool, typer.Option(help="A white line around each person.")]
Tags = Annotated[bool, typer.Option(help="Each person's number.")]
Legend = Annotated[bool, typer.Option(help="What the colours mean.")]
Hide = Annotated[list[str] | None, typer.Option(help="A class not to draw, as in --hide Hat; may be repeated.")]
CodecName = Annotated[str, typer.Option("--codec", help=f"One of: {', '.join(CODECS)}.")]
Crf = Annotated[
    int | None, typer.Option(help=f"Quality; lower is better and larger. {CODECS['h264'].crf} for h264 by default.")
]
LiveCrf = Annotated[
    int | None,
    typer.Option("--crf", help=f"Quality; lower is better and larger. {CODECS['h264'].live_crf} for h264 by default."),
]
Preset = Annotated[str | None, typer.Option(help="Work to spend on a small file, as in ultrafast or medium.")]
Sizes = Annotated[list[Size] | None, typer.Option("--size", parser=_size, metavar="HxW", help="Repeat to compare.")]
MaskAge = Annotated[
    float | None,
    typer.Option(
        "--max-mask-age",
        parser=_reading(read_duration),
        metavar="TIME",
        help="How old masks may get, 250ms by default: how large and how often is parsed follows from it; or any.",
    ),
]
Segment = Annotated[
    float | None,
    typer.Option(
        "--segment",
        parser=_reading(read_duration),
        metavar="TIME",
        help="Begin a new file after so long, as in 30s, 10min or 1h: door.mp4 becomes door-20261122-071500.mp4, …",
    ),
]
KeepFree = Annotated[
    int | None,
    typer.Option(
        "--keep-free",
        parser=_reading(read_bytes),
        metavar="SIZE",
        help="Stop recording when less is free on the disk, as in 500MB, the default, or 2GB; 0 for no such floor.",
    ),
]
