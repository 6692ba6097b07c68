"""A file has one clock: its times grow, start where something is shown, and end when its last frame has been shown."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline import Size
from streamer import CannotOpen, Encoding, Recorder, SourceInfo, open_source
from streamer.media.packet_queue import PacketQueue
from streamer.media.tags import VideoTags
from streamer.sources.timing.clocks import MAX_AHEAD_S, Splicer
from tests.support.media import Clip, pts_of, quarters, sound_of
from tests.support.probe import needs_ffprobe, probe, rate_of, video_of

STEP = Fraction(1, 25)
"""Seconds a packet of pictures."""
SOUND = Fraction(1024, 48_000)


def recorded(source: Path, out: Path, encoding: Encoding | None = None) -> Path:
    with open_source(source, audio=True) as opened:
        with Recorder(out, opened.info, opened.audio, encoding or Encoding(), force=False) as sink:
            for frame in opened:
                sink.write(frame.picture, frame.pts_s, frame.duration_s)
    return out


# The splicer


def part(begins_s: Fraction | int, pictures: int, sounds: int) -> list[tuple[int, Fraction]]:
    """Packets of a recording as they come: track (0 pictures, 1 sound) and time."""
    times = [(0, begins_s + index * STEP) for index in range(pictures)]
    times += [(1, begins_s + index * SOUND) for index in range(sounds)]
    return sorted(times, key=lambda each: each[1])


def spliced(packets: Sequence[tuple[int, Fraction]], *, starts_anywhere: bool = True) -> list[tuple[int, Fraction]]:
    splicer = Splicer(starts_anywhere=starts_anywhere)
    lasts = {0: STEP, 1: SOUND}
    return [(track, time_s + splicer.shift_s(track, time_s, lasts[track])) for track, time_s in packets]


def grows(packets: Sequence[tuple[int, Fraction]]) -> bool:
    return all(
        later > earlier
        for track in (0, 1)
        for earlier, later in pairwise([time_s for each, time_s in packets if each == track])
    )


@settings(deadline=None)
@given(st.lists(st.integers(-40_000, 40_000), min_size=1, max_size=5))
def test_parts_joined_go_on_as_one(begins_s: list[int]) -> None:
    out = spliced([each for begin_s in begins_s for each in part(begin_s, 50, 94)])
    assert grows(out)
    times = [time_s for _, time_s in out]
    assert max([later - earlier for earlier, later in pairwise(times)]) <= MAX_AHEAD_S + STEP


def test_sound_that_comes_after_the_seam_stays_before_it() -> None:
    first, second = part(100, 25, 47), part(5, 25, 47)
    late = [each for each in first[-3:] if each[0] == 1]
    packets = [*(each for each in first if each not in late), second[0], *late, *second[1:]]
    out = spliced(packets)
    assert grows(out)
    assert out[-1][1] - out[0][1] == pytest.approx(2.0, abs=0.1)
    begins = [time_s for (track, _), (_, time_s) in zip(packets, out) if track == 1][47]
    assert begins - out[packets.index(second[0])][1] == pytest.approx(0, abs=0.1)  # with its pictures


def test_a_pause_is_a_pause() -> None:
    """Of a file whose clock starts at 0; and of one whose sound goes on, whatever it is."""
    paused = [*part(0, 5, 0), *part(3600, 5, 0)]
    assert spliced(paused, starts_anywhere=False) == paused
    spoken = sorted([(0, Fraction(0)), (0, Fraction(60)), *part(0, 0, 3000)], key=lambda each: each[1])
    assert spliced(spoken) == spoken
    short = [*part(0, 5, 9), *part(MAX_AHEAD_S, 5, 9)]
    assert spliced(short) == short


# Files


def joined(out: Path, *parts: Path) -> Path:
    out.write_bytes(b"".join(each.read_bytes() for each in parts))
    return out


def part_of(tmp_path: Path, name: str, begins_s: int) -> Path:
    """A second, of pictures and sound, that begins at some time."""
    ticks = range(0, 25 * 512, 512)
    clip = Clip(ticks=ticks, sound="aac").make(tmp_path / f"{name}.mp4")
    with av.open(str(clip)) as source, av.open(str(tmp_path / f"{name}.ts"), "w") as out:
        streams = {each: out.add_stream_from_template(each, opaque=True) for each in source.streams}
        for packet in source.demux():
            if packet.size:
                shift = round(begins_s / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, streams[packet.stream]
                out.mux(packet)
    return tmp_path / f"{name}.ts"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("begins_s", [(0, 0), (0, 500), (500, 0), (9, 500, 9)])
def test_recordings_joined_into_one_file_go_on_as_one(tmp_path: Path, begins_s: tuple[int, ...], suffix: str) -> None:
    parts = [part_of(tmp_path, f"part{index}", begin_s) for index, begin_s in enumerate(begins_s)]
    source = joined(tmp_path / "in.ts", *parts)
    with open_source(source) as opened:
        frames = list(opened)
    assert opened.health.jumps == len(parts) - 1
    assert len(frames) == 25 * len(parts)
    gaps_s = [later.pts_s - earlier.pts_s for earlier, later in pairwise(frames)]
    assert min(gaps_s) == pytest.approx(0.04, abs=0.002)
    assert max(gaps_s) < 0.7  # its sound is half a second longer
    out = recorded(source, tmp_path / f"out{suffix}")
    assert len(pts_of(out)) == len(frames)
    (heard,) = sound_of(out)
    times = [time_s for time_s, _ in heard]
    assert times == sorted(set(times))
    assert len(heard) >= sum(len(sound_of(each)[0]) for each in parts) - len(parts)


def test_a_recording_that_was_cut_begins_with_its_first_picture(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its first pictures build on one that is missing; without sound nothing is to be had before."""
    whole = tmp_path / "whole.ts"
    with av.open(str(whole), "w") as file:
        stream: Any = file.add_stream("libx264", 25, {"g": "50", "sc_threshold": "0", "bf": "0"})
        stream.height, stream.width = 64, 96
        for index in range(100):
            picture = av.VideoFrame.from_ndarray(quarters(64, 96), format="bgr24")
            picture.pts, picture.time_base = index, Fraction(1, 25)
            file.mux(stream.encode(picture))
        file.mux(stream.encode(None))
    with av.open(str(whole)) as source:
        places = [packet.pos for packet in source.demux(video=0) if packet.size]
    (tmp_path / "cut.ts").write_bytes(whole.read_bytes()[places[20] :])
    with open_source(tmp_path / "cut.ts", audio=True, tracks="all") as opened:
        frames = list(opened)
        assert opened.info.tags.start_ticks == 0
        assert opened.info.duration_s == pytest.approx(2.0, abs=0.05)  # and nothing is missing at its end
    assert len(frames) == 50
    assert "cut.ts was cut out of something longer: its first 1.2 s are left out" in caplog.text
    assert float(pts_of(recorded(tmp_path / "cut.ts", tmp_path / "out.mp4"))[0]) == 0


def test_a_clock_that_starts_at_ten_hours_starts_at_once(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "in.mkv"), "w") as out, av.open(str(Clip().make(tmp_path / "clip.mp4"))) as source:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.pts += round(36_000 / packet.time_base)
                packet.dts += round(36_000 / packet.time_base)
                packet.stream = stream
                out.mux(packet)
    assert float(pts_of(recorded(tmp_path / "in.mkv", tmp_path / "out.mp4"))[0]) == pytest.approx(0, abs=0.1)
    with open_source(tmp_path / "in.mkv") as opened:
        assert opened.info.duration_s == pytest.approx(0.48, abs=0.05)  # and not ten hours more


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_times_in_the_order_of_decoding_are_put_in_order(tmp_path: Path, codec: str) -> None:
    source = Clip(ticks=range(0, 30 * 512, 512), codec=codec, b_frames=2).make(tmp_path / "in.avi")
    with open_source(source) as opened:
        frames = list(opened)
    assert [frame.pts_s for frame in frames] == pytest.approx([index / 25 for index in range(30)], abs=0.001)


BARE = {"in.h264": "libx264", "in.h265": "libx265", "in.m2v": "mpeg2video", "in.ivf": "libvpx-vp9"}


@pytest.mark.parametrize("name", BARE)
def test_a_bare_stream_has_the_rate_that_it_says(tmp_path: Path, name: str) -> None:
    source = Clip(ticks=range(20), time_base=Fraction(1, 30), codec=BARE[name], b_frames=2).make(tmp_path / name)
    with open_source(source) as opened:
        frames = list(opened)
    assert opened.info.rate == 30
    assert [frame.pts_s for frame in frames] == pytest.approx([index / 30 for index in range(20)], abs=0.001)


def test_a_bare_song_is_no_video(tmp_path: Path) -> None:
    with (
        av.open(str(Clip(sound="aac").make(tmp_path / "in.ts"))) as source,
        av.open(str(tmp_path / "a.aac"), "w") as out,
    ):
        stream = out.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    with pytest.raises(CannotOpen, match=r"a\.aac has no video in it"):
        open_source(tmp_path / "a.aac")


def avi_of(path: Path) -> bytes:
    """50 pictures, with an index behind them."""
    data = Clip(ticks=range(50), time_base=Fraction(1, 25), codec="mpeg4").make(path).read_bytes()
    assert data.count(b"idx1") == 1
    return data


def test_an_avi_without_its_index_is_read_to_its_end(tmp_path: Path) -> None:
    data = avi_of(tmp_path / "whole.avi")
    (tmp_path / "in.avi").write_bytes(data[: data.index(b"idx1")])
    with open_source(tmp_path / "in.avi") as opened:
        assert [frame.pts_s for frame in opened] == pytest.approx([index / 25 for index in range(50)], abs=0.001)


def test_an_avi_that_breaks_off_still_says_how_long_it_was(tmp_path: Path) -> None:
    data = avi_of(tmp_path / "whole.avi")
    (tmp_path / "in.avi").write_bytes(data[: 2 * len(data) // 3])
    with open_source(tmp_path / "in.avi") as opened:
        assert opened.info.duration_s == pytest.approx(2, abs=0.1)
        assert 10 < len(list(opened)) < 45


def test_milliseconds_leave_the_rate_of_a_film_as_it_is(tmp_path: Path) -> None:
    """A picture of Matroska's is said to be shown for 41 ms, and takes 41.7."""
    clip = Clip(ticks=range(0, 48 * 1001, 1001), time_base=Fraction(1, 24_000)).make(tmp_path / "in.mkv")
    with av.open(str(recorded(clip, tmp_path / "out.mp4"))) as out:
        video = out.streams.video[0]
        assert video.duration * video.time_base == Fraction(2002, 1000)
        assert video.average_rate == Fraction(24_000, 1001)


@pytest.mark.parametrize("last_ms", [30, 40, 41, 90])
def test_the_last_picture_of_a_rate_that_varies_is_shown_as_long_as_it_says(tmp_path: Path, last_ms: int) -> None:
    about = SourceInfo("in", Size(64, 96), Fraction(25), tags=VideoTags(time_base=Fraction(1, 1000)))
    with Recorder(tmp_path / "out.mp4", about, PacketQueue(), Encoding(), force=False) as sink:
        for pts_s in (0.0, 0.04, 0.31, 0.53):
            sink.write(quarters(64, 96), pts_s, last_ms / 1000)
    with av.open(str(tmp_path / "out.mp4")) as out:
        assert out.streams.video[0].duration * out.streams.video[0].time_base == Fraction(530 + last_ms, 1000)


@pytest.mark.media
@pytest.mark.process
@needs_ffprobe
@pytest.mark.parametrize("codec", ["h264", "h265", "vp9", "av1"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_others_see_the_rate_and_the_length_of_the_source(tmp_path: Path, codec: str, suffix: str) -> None:
    clip = Clip(ticks=range(0, 90 * 1001, 1001), time_base=Fraction(1, 30_000), sound="aac")
    out = recorded(clip.make(tmp_path / f"in{suffix}"), tmp_path / f"out{suffix}", Encoding(codec))
    if suffix == ".mp4":
        assert rate_of(out) == Fraction(30_000, 1001)
        assert float(video_of(out)["duration"]) == pytest.approx(3.003, abs=0.0005)
    assert float(rate_of(out)) == pytest.approx(29.97, abs=0.01)


@pytest.mark.media
@pytest.mark.process
@needs_ffprobe
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("shown_ms", [(40, 200, 40, 40, 500, 40), (20, 20, 1000, 20, 2000), (100,), (2000,)])
def test_each_picture_of_a_gif_is_shown_as_long_as_it_says(
    tmp_path: Path, shown_ms: tuple[int, ...], suffix: str
) -> None:
    pictures = [Image.fromarray(quarters(64, 96, shade=4 * index)[..., ::-1].copy()) for index in range(len(shown_ms))]
    source = tmp_path / "in.gif"
    pictures[0].save(source, save_all=True, append_images=pictures[1:], duration=list(shown_ms))
    out = recorded(source, tmp_path / f"out{suffix}")
    begins_ms = [sum(shown_ms[:index]) for index in range(len(shown_ms))]
    assert [float(each) for each in pts_of(out)] == pytest.approx([each / 1000 for each in begins_ms], abs=0.001)
    assert float(probe(out)["format"]["duration"]) == pytest.approx(sum(shown_ms) / 1000, abs=0.001)
