"""The commands that examine a camera and this machine and advise settings, and that list webcams."""

import json
import shlex
from dataclasses import asdict
from typing import Annotated, Any

import msgspec
import typer

from pipeline import ParserSettings
from streamer.cli.console import say, status, watched
from streamer.cli.options import Given, Json, time_option, with_options
from streamer.diagnose.bench import Machine
from streamer.diagnose.camera import Diagnosis, costs_of, diagnosed, timed, ways
from streamer.diagnose.camera import watch as look_at
from streamer.diagnose.capacity import SMOOTH_HZ
from streamer.live.config import MaskSettings, SourceSettings
from streamer.settings import made, settings_of
from streamer.sources.devices.listing import Device, Mode
from streamer.sources.devices.listing import devices as find_devices
from streamer.sources.network import Access
from streamer.sources.open import open_source
from streamer.sources.source import Source
from streamer.sources.uri import without_password
from streamer.units import duration_text

USUAL_AGE_S = MaskSettings().max_mask_age_s
OF_SOURCES = ("rtsp_transport", "poll_hz", "latency_s", "video_track")
"""The options of `run` by which a source is opened."""


@with_options(SourceSettings, ParserSettings, MaskSettings, only={*OF_SOURCES, "model_dir", "max_mask_age_s"})
def doctor(
    given: Given,
    source: Annotated[str, typer.Argument(help="As for run: an address, webcam:0, or a file.")],
    seconds: Annotated[float, time_option("Time to watch the source.", default_s=10.0, min_s=1.0)] = 10.0,
    record: Annotated[bool, typer.Option("--record", help="Include the cost of recording.")] = False,
    as_json: Json = False,
) -> None:
    """Look at a camera and this machine, and advise settings.

    Tells what the camera sends, what decoding, drawing and parsing cost here, and the settings that will hold.
    """
    wanted = made(SourceSettings, {**given, "source": source})
    limit_s = made(MaskSettings, given).max_mask_age_s
    model_dir = made(ParserSettings, given).folder
    with status() as show:
        show(f"looking at it for {seconds:g} s")
        camera, frames, decode_s = look_at(lambda: _opened(wanted), seconds)
    costs = costs_of(frames, camera.info, decode_s, records=record)
    all_ways = ways(frames[-1].size, model_dir)
    same = [frame for frame in frames if frame.size == frames[-1].size]
    every = list(watched(timed(all_ways, same, model_dir), "timing", "ways to parse", len(all_ways)))
    machine = Machine.here()
    diagnosis = diagnosed(camera, costs, machine.cores, every, limit_s)
    if as_json:
        # What is infinite is null: JSON knows no infinity.
        say(msgspec.json.format(msgspec.json.encode(_row(diagnosis, machine), enc_hook=str)).decode())
        return
    _say(diagnosis, machine, record=record)
    _say_best(diagnosis, wanted, record=record)


def _opened(wanted: SourceSettings) -> Source:
    return open_source(
        wanted.uri,
        realtime=True,
        video_track=wanted.video_track,
        latency_s=wanted.latency_s,
        access=Access(wanted.rtsp_transport, wanted.poll_hz),
    )


def _row(diagnosis: Diagnosis, machine: Machine) -> dict[str, Any]:
    found = diagnosis.best
    more = {"best": None if found is None else asdict(found), "at_once": diagnosis.at_once}
    return {**asdict(diagnosis), "machine": asdict(machine), **more}


def _say(diagnosis: Diagnosis, machine: Machine, *, record: bool) -> None:
    camera, costs = diagnosis.camera, diagnosis.costs
    info = camera.info
    rate = "" if info.rate is None else f", {float(info.rate):g} frames/s by its own account"
    say(f"{info.name}: {info.codec or 'pictures'}, {info.frame_size}{rate}")
    say(
        f"  came: {camera.hz:.2f} frames/s, the first after {camera.opened_s:.1f} s; one in twenty"
        f" {camera.jitter_s * 1e3:.0f} ms late, longest pause {camera.gap_s * 1e3:.0f} ms"
    )
    if camera.delay_s:
        say(
            f"  in pieces or bursts, up to {camera.uneven_s:.1f} s late: run shows it steadily,"
            f" {camera.delay_s:.1f} s late (--latency)"
        )
    if camera.bits_per_s:
        keys = (
            "no two key frames seen" if camera.key_every_s is None else f"a key frame each {camera.key_every_s:.1f} s"
        )
        say(f"  {camera.bits_per_s / 1e6:.1f} Mbit/s, {keys}, {camera.damaged} pieces damaged")
    if camera.lost:
        say(f"  it was lost: {camera.lost}")
    say(f"{machine.processor}, {machine.cores} cores; of one core, a frame takes")
    encode = f", encoding {costs.encode_s * 1e3:.1f} ms" if record else ""
    say(f"  decoding {costs.decode_s * 1e3:.1f} ms, drawing {costs.draw_s * 1e3:.1f} ms{encode}")
    for each in diagnosis.forecasts:
        say(
            f"  {each.way.parser:6} {each.way.size!s:>9} {each.way.takes_s * 1e3:6.1f} ms ->"
            f" {each.parse_hz:5.1f} parsed/s, masks up to {each.mask_age_s * 1e3:.0f} ms old,"
            f" {each.load:.0%} of the machine"
        )


def _say_best(diagnosis: Diagnosis, source: SourceSettings, *, record: bool) -> None:
    found = diagnosis.best
    if found is None or found.parse_hz <= 0:
        say("nothing holds: decoding and drawing take the whole machine; ask the camera for a smaller picture")
        return
    holds = "this will hold" if found.mask_age_s <= diagnosis.limit_s else "nothing holds; this comes nearest"
    age_ms = found.mask_age_s * 1e3
    say(
        f"{holds}: {found.shown_hz:.0f} shown/s, {found.parse_hz:.0f} parsed/s at {found.way.size}, {age_ms:.0f} ms old"
    )
    # lite is given no size: while it runs, the size is chosen as here, and again when the machine gets busy.
    parser = "" if found.way.parser == "lite" else f" --parser {found.way.parser} --size {found.way.size}"
    age = "" if diagnosis.limit_s == USUAL_AGE_S else f" --max-mask-age {duration_text(diagnosis.limit_s)}"
    name, out = shlex.quote(without_password(source.uri)), " --record out.mp4" if record else ""
    say(f"  streamer run {name}{_given(source)}{parser}{age}{out}")
    _say_at_once(diagnosis, record=record)


def _say_at_once(diagnosis: Diagnosis, *, record: bool) -> None:
    at_once = diagnosis.at_once or 0
    done = "shown and recorded" if record else "shown"
    cure = "; --preset ultrafast takes less" if record else ""
    say(f"cameras like this that hold here at once, {done}, each parsed {SMOOTH_HZ:g} times a second: {at_once}{cure}")


def _given(source: SourceSettings) -> str:
    """The options by which it was opened, as far as they are not the defaults."""
    told = ""
    for setting in settings_of(SourceSettings):
        value = getattr(source, setting.field)
        if setting.field in OF_SOURCES and value != setting.default:
            is_time = setting.field.endswith("_s") and not isinstance(value, str)
            text = duration_text(value) if is_time else value if isinstance(value, str) else f"{value:g}"
            told += f" {setting.option} {text}"
    return told


def devices(as_json: Json = False) -> None:
    """List the webcams of this machine, with their modes.

    Modes are told on Linux alone. On Windows and macOS the list is what FFmpeg says, and was not tried there.
    """
    found = find_devices()
    if as_json:
        say(json.dumps([asdict(each) for each in found], indent=2))
        return
    if not found:
        say("no camera is here")
    for each in found:
        for line in lines_of(each):
            say(line)


def lines_of(device: Device) -> list[str]:
    """What is told of a camera: its source and name, then a line for each kind of pixels."""
    trouble = f": {device.trouble}" if device.trouble else ""
    lines = [f"{device.source:10} {device.name}{trouble}"]
    for pixels in dict.fromkeys(mode.pixels for mode in device.modes):
        modes = [_text(mode) for mode in device.modes if mode.pixels == pixels]
        lines.append(f"{'':10} {pixels}: {', '.join(modes)}")
    return lines


def _text(mode: Mode) -> str:
    size = "any size" if mode.size is None else str(mode.size)
    return f"{size} at {'/'.join(f'{rate:g}' for rate in mode.rates)}/s" if mode.rates else size
