"""What a damaged recording lacks is counted, whatever its container, and told; of a whole one nothing is."""

import threading
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from streamer.cli import app
from streamer.live.capture import capture
from streamer.live.config import SourceSettings
from streamer.live.news import troubles_of
from streamer.live.ring import FrameRing
from streamer.live.stats import Stats
from streamer.sources.lacks import Lacks, sentences_of
from streamer.sources.open import open_source
from streamer.sources.playback import Looped
from streamer.sources.timing.losses import Losses, Pauses, Undecoded
from tests.streamer.sources.test_clocks import joined, part_of
from tests.support.media import Clip

RATE = 25
FRAMES = 4 * RATE
SOUND_OFF_S = 0.06
"""Sound is in pieces of about 25 ms, and damage begins and ends within one."""

KINDS = {
    ".ts": ("libx264", "aac"),
    ".mkv": ("libx264", "aac"),
    ".mp4": ("libx264", "aac"),
    ".avi": ("mpeg4", "libmp3lame"),
}


@dataclass(frozen=True)
class Read:
    """What was read of a file, and what was said of it."""

    times_s: list[float]
    sound_s: float
    lost_pictures: int
    lost_sound_s: float


def clip(folder: Path, suffix: str, ticks: range | list[int] = range(FRAMES)) -> Path:
    """Four seconds of noise, so that pictures are larger than what is around them, and a tone."""
    codec, sound = KINDS[suffix]
    noise = np.random.default_rng(0).integers(0, 256, (FRAMES, 64, 96, 3), np.uint8)
    whole = Clip(ticks=ticks, time_base=Fraction(1, RATE), codec=codec, sound=sound).make(folder / "packets.mp4", noise)
    out = folder / f"whole{suffix}"
    options = {"cluster_time_limit": "400"} if suffix == ".mkv" else {}
    with av.open(str(whole)) as source, av.open(str(out), "w", options=options) as file:
        streams = [file.add_stream_from_template(each, opaque=True) for each in source.streams]
        packets = [packet for packet in source.demux() if packet.size]
        for packet in sorted(packets, key=lambda each: each.dts * each.time_base):
            packet.stream = streams[packet.stream.index]
            file.mux(packet)
    return out


def with_hole(whole: Path, first: int, last: int) -> Path:
    """The file with zeros from the middle of one picture to the middle of a later one."""
    with av.open(str(whole)) as file:
        video = file.streams.video[0]
        ends = [packet.pos + packet.size // 2 for packet in file.demux(video) if packet.size and packet.pos]
    body = bytearray(whole.read_bytes())
    body[ends[first] : ends[last]] = bytes(ends[last] - ends[first])
    out = whole.with_stem("hole")
    out.write_bytes(body)
    return out


def read(path: Path) -> Read:
    with open_source(path, audio=True) as source:
        times_s = [frame.pts_s for frame in source]
        sound = source.audio.take()
        heard_s = float(sum(packet.duration * packet.time_base for packet in sound if bytes(packet).strip(b"\0")))
        return Read(times_s, heard_s, source.health.lost_pictures, source.health.lost_sound_s)


@pytest.mark.parametrize("suffix", KINDS)
def test_a_hole_is_counted(tmp_path: Path, suffix: str) -> None:
    clean = read(clip(tmp_path, suffix))
    assert (len(clean.times_s), clean.lost_pictures, clean.lost_sound_s) == (FRAMES, 0, 0.0)
    damaged = read(with_hole(tmp_path / f"whole{suffix}", 40, 46))
    assert 0 < damaged.lost_pictures == FRAMES - len(damaged.times_s)
    assert damaged.lost_sound_s > 0.05
    assert damaged.lost_sound_s == pytest.approx(clean.sound_s - damaged.sound_s, abs=SOUND_OFF_S)
    # What comes after the hole is where it was.
    assert {round(each, 2) for each in damaged.times_s} <= {round(each, 2) for each in clean.times_s}


def test_two_holes_of_an_avi_are_counted_by_its_index(tmp_path: Path) -> None:
    whole = clip(tmp_path, ".avi")
    clean, damaged = read(whole), read(with_hole(with_hole(whole, 20, 23), 60, 65))
    assert 0 < damaged.lost_pictures == FRAMES - len(damaged.times_s)
    assert damaged.times_s[-1] == pytest.approx(clean.times_s[-1])
    assert damaged.lost_sound_s == pytest.approx(clean.sound_s - damaged.sound_s, abs=SOUND_OFF_S)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_pictures_that_pause_are_not_missing(tmp_path: Path, suffix: str) -> None:
    """As in a recorded screen: its sound goes on."""
    ticks = [tick for tick in range(FRAMES) if not 30 <= tick < 60]
    paused = read(clip(tmp_path, suffix, ticks))
    assert (len(paused.times_s), paused.lost_pictures, paused.lost_sound_s) == (len(ticks), 0, 0.0)


TOLD = [["render", "{source}", "{out}", "--parse-every", "100"], ["run", "{source}", "--record", "{out}"]]


@pytest.mark.process
@pytest.mark.parametrize("command", TOLD, ids=lambda command: command[0])
def test_it_is_told(tmp_path: Path, command: list[str]) -> None:
    clip(tmp_path, ".ts")
    damaged = with_hole(tmp_path / "whole.ts", 40, 46)
    words = [word.format(source=damaged, out=tmp_path / "out.mp4") for word in command]
    said = CliRunner().invoke(app, words)
    lost = read(damaged)
    assert said.exit_code == 0, said.output
    line = f"missing in the source: {lost.lost_pictures} pictures and {lost.lost_sound_s:.2f} s of sound"
    assert line in said.output


@pytest.mark.process
def test_a_jump_is_told(tmp_path: Path) -> None:
    both = joined(tmp_path / "both.ts", *(part_of(tmp_path, str(begins_s), begins_s) for begins_s in (0, 500)))
    said = CliRunner().invoke(app, ["render", str(both), str(tmp_path / "out.mp4"), "--parse-every", "100"])
    assert said.exit_code == 0, said.output
    assert "the source's clock jumps once; what follows goes on without a pause" in said.output


def test_a_file_that_is_played_lacks_what_it_lacks_when_it_is_read(tmp_path: Path) -> None:
    clip(tmp_path, ".mp4")
    damaged = with_hole(tmp_path / "whole.mp4", 40, 46)
    lost, stats, ring = read(damaged), Stats(), FrameRing(2 * FRAMES)
    capture(SourceSettings(str(damaged)), True, ring, stats, threading.Event(), lambda source: None)
    at = stats.snapshot(time.monotonic())
    assert (at.lacks.lost_pictures, at.lacks.lost_sound_s) == (lost.lost_pictures, lost.lost_sound_s)
    assert set(sentences_of(at.lacks)) <= set(troubles_of(at))


def test_a_file_that_is_played_again_lacks_no_more_than_once(tmp_path: Path) -> None:
    clip(tmp_path, ".ts")
    damaged = with_hole(tmp_path / "whole.ts", 40, 46)
    lost = read(damaged)
    with Looped(open_source(damaged, audio=True), lambda: open_source(damaged, audio=True)) as source:
        for frame in source:
            if frame.index == 2 * len(lost.times_s):
                break
        assert source.health.lost_pictures == lost.lost_pictures
        assert source.health.lost_sound_s == lost.lost_sound_s


def test_a_file_that_is_cut_short_is_told_when_it_is_played(tmp_path: Path) -> None:
    whole = clip(tmp_path, ".mkv")
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 4])
    stats, stopped = Stats(), threading.Event()
    capture(SourceSettings(str(cut)), True, FrameRing(2 * FRAMES), stats, stopped, lambda source: None)
    lacks = stats.snapshot(time.monotonic()).lacks
    assert lacks.missing_s > 2
    assert sentences_of(lacks)[-1].startswith("the source is cut short: its pictures end ")
    # Of what nobody wanted, nothing is missing.
    whole_stats = Stats()
    settings = SourceSettings(str(whole), duration_s=0.1)
    capture(settings, True, FrameRing(2 * FRAMES), whole_stats, stopped, lambda source: None)
    assert whole_stats.snapshot(time.monotonic()).lacks == Lacks()


def test_sentences_say_how_many() -> None:
    assert sentences_of(Lacks()) == []
    assert sentences_of(Lacks(damaged=1, lost_pictures=1, flawed=1, jumps=1)) == [
        "left out of the source, for they cannot be decoded: 1 damaged piece",
        "missing in the source: 1 picture",
        "1 picture is damaged and shown as far as decoded",
        "the source's clock jumps once; what follows goes on without a pause",
    ]
    assert sentences_of(Lacks(damaged=2, lost_sound_s=0.5, flawed=3, jumps=2)) == [
        "left out of the source, for they cannot be decoded: 2 damaged pieces",
        "missing in the source: 0.50 s of sound",
        "3 pictures are damaged and shown as far as decoded",
        "the source's clock jumps 2 times; what follows goes on without a pause",
    ]


def steps(losses: Losses, *missing: int, of: int = 60) -> Losses:
    for tick in range(of):
        if tick not in missing:
            losses.picture(Fraction(tick, 30))
    return losses


def test_pictures_at_a_rate_that_skip_are_missing() -> None:
    assert steps(Losses(Pauses.LOST)).pictures == 0
    assert steps(Losses(Pauses.LOST), 20, 21, 40).pictures == 3
    assert steps(Losses(Pauses.TOLD), 20, 21, 40).pictures == 0


def test_films_of_24_pictures_in_30_lack_none() -> None:
    losses = Losses(Pauses.LOST)
    time_s = Fraction(0)
    for number in range(100):
        losses.picture(time_s)
        time_s += Fraction(2 + number % 2, 60)
    assert losses.pictures == 0


def test_pictures_without_a_rate_lack_none() -> None:
    losses = Losses(Pauses.LOST)
    for number in range(60):
        losses.picture(Fraction(number**2, 30))
    assert losses.pictures == 0


def test_sound_that_is_late_once_and_early_once_lacks_nothing() -> None:
    losses = Losses(Pauses.LOST)
    for tick in (0, 1, 3, 3, 4, 5):
        losses.sound(1, Fraction(tick, 40), Fraction(1, 40))
    assert losses.sound_s == 0.0
    losses.sound(1, Fraction(9, 40), Fraction(1, 40))
    assert losses.sound_s == pytest.approx(3 / 40)


def test_sound_that_begins_anew_a_moment_later_lacks_nothing() -> None:
    losses = Losses(Pauses.LOST)
    for time_ms in (0, 10, 30, 40):
        losses.sound(1, Fraction(time_ms, 1000), Fraction(1, 100))
    assert losses.sound_s == 0.0


def test_pictures_that_a_decoder_keeps_are_counted_when_it_is_over() -> None:
    decoder = Undecoded("h264", timed=True)
    for pts in (10, 30, 20, 40):
        decoder.sent(pts, 100)
    for pts in (10, 20, 40):
        decoder.came(pts, interlaced=False)
    assert decoder.pictures == 0
    decoder.over = True
    assert decoder.pictures == 1


def test_what_builds_on_pictures_before_the_beginning_is_not_lost() -> None:
    decoder = Undecoded("hevc", timed=True)
    for pts in (30, 10, 20):
        decoder.sent(pts, 100)
    decoder.came(30, interlaced=False)
    decoder.over = True
    assert decoder.pictures == 0


def test_fields_are_no_pictures() -> None:
    decoder = Undecoded("h264", timed=True)
    for pts in (10, 15, 20, 25):
        decoder.sent(pts, 100)
    for pts in (10, 20):
        decoder.came(pts, interlaced=True)
    decoder.over = True
    assert decoder.pictures == 0
