"""The command that times parsers on this machine."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from pipeline import PARSERS, ParserSettings
from pipeline.m2fp.weights import WEIGHTS
from pipeline.network.options import RUNTIMES
from streamer.cli.console import say, watched
from streamer.cli.options import Given, Json, Sizes, time_option, with_options
from streamer.diagnose.bench import Machine, NotToBeHad, Timing, measure, settings
from streamer.settings import made
from streamer.sources.open import open_source, sample

BENCH_FRAMES = 30


@with_options(ParserSettings, only={"model_dir", "refine"})
def bench(
    given: Given,
    source: Annotated[
        Path | None, typer.Option(help="A video or pictures; by default the bundled clip street.")
    ] = None,
    parser: Annotated[
        list[str] | None, typer.Option(help="A parser; repeat to compare. By default all whose weights are here.")
    ] = None,
    runtime: Annotated[list[str] | None, typer.Option(help="A runtime; repeat to compare. By default all.")] = None,
    precision: Annotated[
        list[str] | None, typer.Option(help="A precision; repeat to compare. By default f32, bf16 and int8.")
    ] = None,
    threads: Annotated[
        list[int] | None,
        typer.Option(min=1, help="A number of processor threads; repeat to compare. By default one per core."),
    ] = None,
    size: Sizes = None,
    seconds: Annotated[float, time_option("Time to spend on each combination.", default_s=3.0, min_s=0.1)] = 3.0,
    as_json: Json = False,
) -> None:
    """Time parsers, runtimes, precisions, threads and sizes here.

    Each combination is timed for itself, in milliseconds a picture.
    """
    with open_source(source or sample("street.mp4")) as opened:
        frames = [frame for frame in islice(opened, BENCH_FRAMES) if frame.size == opened.info.frame_size]
    shared = made(ParserSettings, given)
    wanted = list(
        settings(
            parser or [name for name in PARSERS if name not in WEIGHTS or WEIGHTS[name].ready],
            runtime or list(RUNTIMES),
            precision or ["f32", "bf16", "int8"],
            threads or [None],
            size or [None],
            shared.folder,
            shared.refine,
        )
    )
    results = list(watched(measure(wanted, frames, seconds), "timing", "settings", len(wanted)))
    machine = Machine.here()
    if as_json:
        rows = [asdict(each) for each in results]
        say(
            json.dumps(
                {"machine": asdict(machine), "frame_size": frames[0].size, "results": rows}, indent=2, default=str
            )
        )
        return
    say(f"{machine.processor}, {machine.cores} cores, {machine.system}, OpenVINO {machine.openvino}")
    say(f"{len(frames)} pictures of {frames[0].size}, each by itself; times are of a whole parsing or of the network")
    _say_table(results)


def _say_table(results: Sequence[Timing | NotToBeHad]) -> None:
    for each in results:
        setting = each.settings
        how = f"{setting.name:6} {setting.runtime:9} {setting.threads or 'all':>3} threads"
        if isinstance(each, NotToBeHad):
            say(f"{how} {setting.precision:5} {each.why}")
            continue
        say(
            f"{how} {each.precision:5} {each.input_size!s:>9} {each.median_ms:7.1f} ms median {each.p95_ms:7.1f} p95"
            f" {each.network_ms:7.1f} network {each.pictures_per_s:7.1f} pictures/s"
        )
