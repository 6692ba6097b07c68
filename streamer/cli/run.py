"""The command that runs a live stream."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from pipeline import PARSERS, RUNTIMES
from streamer.cli.console import say, stop_on_interrupt, terminal
from streamer.cli.options import Hide, InputSize, KeepFree, LiveCrf, MaskAge, ModelDir, Preset, Segment
from streamer.cli.status import line_of, plan_of, reporting, troubles_of
from streamer.live.config import StreamConfig, configured, read_settings
from streamer.live.stream import Stream
from streamer.recording.codecs import CODECS

STATUS_EVERY_S = 0.5


def run(
    source: Annotated[
        str | None,
        typer.Argument(
            help="rtsp://…, rtmp://…, http://…, tcp://… or udp://… (MPEG-TS), webcam:0, /dev/video0, a file, or test:"
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="A TOML file; its keys are these options, with _ for -, and _s after what is seconds."),
    ] = None,
    parser: Annotated[str | None, typer.Option(help=f"One of: {', '.join(PARSERS)}; lite by default.")] = None,
    model_dir: ModelDir = None,
    size: InputSize = None,
    runtime: Annotated[str | None, typer.Option(help=f"One of: {', '.join(RUNTIMES)}; openvino by default.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, f32, bf16 or int8.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Of the network.")] = None,
    parse_hz: Annotated[float | None, typer.Option(help="Parse so many frames a second at most.")] = None,
    max_mask_age: MaskAge = None,
    sync: Annotated[
        str | None,
        typer.Option(
            help="live: each frame at once, with masks carried to it; exact: it waits for its own, or those around it."
        ),
    ] = None,
    still_for: Annotated[
        float | None,
        typer.Option(
            min=0.0, help="Seconds after which a scene without motion is parsed again; 1 by default, 0 never skips."
        ),
    ] = None,
    mask_ttl: Annotated[float | None, typer.Option(help="Seconds after which masks are not drawn any more.")] = None,
    mask_wait: Annotated[
        float | None, typer.Option(help="Seconds to wait at most for a frame's own masks; 0.06 by default.")
    ] = None,
    window: Annotated[
        bool | None,
        typer.Option(
            "--window/--no-window", help="Keys: q quit, space pause, o opacity, l legend, s snapshot, c clip."
        ),
    ] = None,
    record: Annotated[str | None, typer.Option(help="A video file to write.")] = None,
    segment: Segment = None,
    keep_free: KeepFree = None,
    clip_seconds: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Keep the last seconds for clips; 30 by default when recording, else 0: without a recording it takes"
            " an encoder of its own.",
        ),
    ] = None,
    publish: Annotated[str | None, typer.Option(help="A ZeroMQ address, as in tcp://127.0.0.1:5556.")] = None,
    stream: Annotated[str | None, typer.Option(help="What the stream is called in its messages.")] = None,
    insecure: Annotated[
        bool | None, typer.Option("--insecure", help="Publish beyond this machine without keys.")
    ] = None,
    duration: Annotated[float | None, typer.Option(help="Seconds.")] = None,
    reconnect_for: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Seconds to try again when a camera or stream is lost, 0 for never; for ever by default, unless it"
            " refuses us from the first.",
        ),
    ] = None,
    stall_after: Annotated[
        float | None, typer.Option(help="Seconds of silence after which a camera or stream is lost; 5 by default.")
    ] = None,
    loop: Annotated[bool | None, typer.Option("--loop", help="Begin a file again at its end.")] = None,
    opacity: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Of the colours.")] = None,
    outline: Annotated[bool | None, typer.Option("--outline/--no-outline", help="Around each person.")] = None,
    legend: Annotated[bool | None, typer.Option("--legend/--no-legend", help="What the colours mean.")] = None,
    tags: Annotated[bool | None, typer.Option("--tags/--no-tags", help="Each person's number.")] = None,
    hide: Hide = None,
    codec: Annotated[
        str | None, typer.Option(help=f"Of the recording, one of: {', '.join(CODECS)}; h264 by default.")
    ] = None,
    crf: LiveCrf = None,
    preset: Preset = None,
    force: Annotated[bool | None, typer.Option("--force", help="Overwrite the recording.")] = None,
) -> None:
    """Parse a live stream: show it, record it, publish its masks."""
    options = {
        "source": source,
        "parser": parser,
        "model_dir": None if model_dir is None else str(model_dir),
        "size": size,
        "runtime": runtime,
        "precision": precision,
        "threads": threads,
        "parse_hz": parse_hz,
        "max_mask_age_s": max_mask_age,
        "sync": sync,
        "still_for_s": still_for,
        "mask_ttl_s": mask_ttl,
        "mask_wait_s": mask_wait,
        "window": window,
        "record": record,
        "segment_s": segment,
        "keep_free_bytes": keep_free,
        "clip_seconds": clip_seconds,
        "publish": publish,
        "stream": stream,
        "insecure": insecure,
        "duration_s": duration,
        "reconnect_for_s": reconnect_for,
        "stall_after_s": stall_after,
        "loop": loop,
        "opacity": opacity,
        "outline": outline,
        "legend": legend,
        "tags": tags,
        "hide": tuple(hide) if hide else None,
        "codec": codec,
        "crf": crf,
        "preset": preset,
        "force": force,
    }
    given = {name: value for name, value in options.items() if value is not None}
    settings = {**(read_settings(config) if config else {}), **given}
    settings.setdefault("window", not (settings.get("record") or settings.get("publish")))
    _run(configured(settings))


def _run(settings: StreamConfig) -> None:
    with stop_on_interrupt() as asked, ExitStack() as stack:
        live = Stream(settings)
        terminal().print(Text(plan_of(settings)))
        tell = stack.enter_context(reporting())
        stack.enter_context(live)
        while not asked() and not live.join(STATUS_EVERY_S):
            tell(live.stats)
        live.stop()
        live.join()
    for line in (line_of(live.stats), *troubles_of(live.stats)):
        say(line)
    if settings.record.file:
        name = Path(settings.record.file)
        shown = f"{live.stats.shown} frames" if live.stats.shown else "no picture came, so it was not written"
        say(f"{name.with_stem(f'{name.stem}-*') if settings.record.segment_s else name}: {shown}")
    if asked():
        raise typer.Exit(130)
