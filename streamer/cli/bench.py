"""The commands that measure this machine: how fast parsers are on it, and what the service costs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from pipeline import PARSERS, ParserSettings
from pipeline.m2fp.weights import WEIGHTS
from pipeline.network.options import PRECISIONS, RUNTIMES
from streamer.cli.console import say, tell, watched
from streamer.cli.options import Given, Json, Sizes, time_option, with_options
from streamer.diagnose.bench import Machine, NotToBeHad, Timing, measure, settings
from streamer.errors import ConfigError, StreamerError
from streamer.media.paths import check_target
from streamer.processes.cores import pairs_of_cores
from streamer.profile.settings import ProfileSettings, read_count, read_picture_size
from streamer.settings import made, names
from streamer.sources.open import open_source, sample

BENCH_FRAMES = 30
PROFILE_FILES = ("resources.md", "resources.json", "resources.svg")


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


def profile(
    sizes: Annotated[
        str, typer.Option(metavar="WxH,...", help="Sizes of the pictures, width first.")
    ] = "640x480,1024x768,1920x1080",
    repeat: Annotated[int, typer.Option(help="Pictures of each size, and of each client.")] = 5,
    concurrency: Annotated[str, typer.Option(metavar="N,...", help="Numbers of clients at the same time.")] = "1,2,4",
    parser: Annotated[str, typer.Option(metavar="NAME,...", help="Parsers, each in a service of its own.")] = "lite",
    precision: Annotated[str, typer.Option(help=f"Of the networks: {', '.join(PRECISIONS)}.")] = "auto",
    workers: Annotated[int | None, typer.Option(help="Processes for pictures; by default one for two cores.")] = None,
    rest: Annotated[
        float, time_option("Time to watch the idle service, before and after.", default_s=10, min_s=1)
    ] = 10,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help=f"Write {', '.join(PROFILE_FILES)} into this folder.")
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A resources.json of before: print the ratios to it.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
    as_json: Json = False,
) -> None:
    """Measure what the service costs here: memory, processor, time.

    A real service is started, left alone, given pictures one by one and by several clients, and left alone again. Its
    processes are sampled each tenth of a second. Weights that are not on this machine are made up.
    """
    settings = ProfileSettings(
        parsers=tuple(names(parser)),
        sizes=tuple(map(read_picture_size, names(sizes))),
        repeat=repeat,
        clients=tuple(map(read_count, names(concurrency))),
        rest_s=rest,
        precision=precision,
        # As many all the time: with a process more where pictures wait, memory would depend on who asks when.
        workers=pairs_of_cores() if workers is None else workers,
    )
    _measured(settings, out, compare, force=force, as_json=as_json)


def _measured(settings: ProfileSettings, out: Path | None, compare: Path | None, *, force: bool, as_json: bool) -> None:
    try:
        from streamer.profile.measure import measure
    except ImportError as exc:
        from pipeline.errors import installs

        raise StreamerError(f"{exc.name} is not installed; {installs('web')} installs it") from exc
    from streamer.profile.chart import chart, figure_class
    from streamer.profile.figures import read_profile
    from streamer.profile.report import comparison, report

    before = None if compare is None else read_profile(compare)
    page, data, figure = ((out or Path()) / name for name in PROFILE_FILES)
    if out is not None:
        if not out.is_dir():
            raise ConfigError(f"no folder {out}")
        for path in (page, data, figure):
            check_target(path, force)
        figure_class()  # what is missing is told before minutes are spent
    found = measure(settings, lambda text: tell("profile", text, {}))
    if out is not None:
        page.write_text(report(found, figure.name), encoding="utf-8")
        data.write_bytes(found.as_json())
        figure.write_bytes(chart(found))
        tell("written", f"{page}, {data.name}, {figure.name}", {"folder": str(out)})
    if as_json:
        say(found.as_json().decode())
    elif before is not None:
        say(comparison(before, found).rstrip())
    elif out is None:
        say(report(found).rstrip())
