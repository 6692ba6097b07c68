"""Packets of sound whose bytes are wrong are left out and counted, copied or converted; of what is whole, none is."""

from collections.abc import Collection
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from streamer import Encoding
from streamer.recording.sound_check import SoundCheck
from tests.streamer.recording.test_containers import recorded, singing
from tests.support.media import Clip, pts_of, sound_of

CODECS = {"aac": ".mp4", "ac3": ".mkv", "flac": ".mkv", "libmp3lame": ".mkv", "libopus": ".mkv"}
"""And the kind of file that the clip is."""
FOUND = {
    "aac": ("noise", "half", "zeros", "cut"),
    "ac3": ("noise", "half", "zeros", "cut"),
    "flac": ("noise", "half", "zeros", "cut"),
}
"""The damage that a codec's decoder can tell; that of others may be sound as well."""
WRONG = frozenset({7, 8, 12})
"""The packets that are damaged, by their places."""


def damaged(body: bytes, how: str) -> bytes:
    noise, half = np.random.default_rng(len(body)).bytes(len(body)), len(body) // 2
    bodies = {"noise": noise, "half": body[:half] + noise[half:], "zeros": bytes(len(body)), "cut": body[:half]}
    return bodies[how]


def with_wrong_sound(whole: Path, out: Path, how: str, places: Collection[int] = WRONG) -> Path:
    """The same file, but for what some packets of its sound have in them."""
    with av.open(str(whole)) as source, av.open(str(out), "w") as file:
        streams = {each: file.add_stream_from_template(each, opaque=True) for each in source.streams}
        place = 0
        packet: Any
        for packet in source.demux():
            if not packet.size:
                continue
            stream, kept = streams[packet.stream], packet
            if stream.type == "audio":
                if place in places:
                    kept = av.Packet(damaged(bytes(packet), how))
                    kept.pts, kept.dts, kept.duration = packet.pts, packet.dts, packet.duration
                    kept.time_base, kept.is_keyframe = packet.time_base, True
                place += 1
            kept.stream = stream
            file.mux(kept)
    return out


def clip(folder: Path, codec: str) -> Path:
    return Clip(sound=codec, ticks=tuple(range(0, 25 * 512, 512))).make(folder / f"whole{CODECS[codec]}")


@pytest.mark.parametrize("codec", CODECS)
def test_whole_sound_is_copied_whole(tmp_path: Path, codec: str) -> None:
    whole = clip(tmp_path, codec)
    out, left_out = recorded(whole, tmp_path / "out.mkv")
    assert left_out == 0
    assert [body for _, body in sound_of(out)[0]] == [body for _, body in sound_of(whole)[0]]


@pytest.mark.parametrize(("codec", "how"), [(codec, how) for codec, found in FOUND.items() for how in found])
def test_wrong_sound_is_left_out_of_what_is_copied(tmp_path: Path, codec: str, how: str) -> None:
    whole = clip(tmp_path, codec)
    source = with_wrong_sound(whole, tmp_path / f"in{CODECS[codec]}", how)
    out, left_out = recorded(source, tmp_path / "out.mkv")
    said = [(float(time_s), body) for time_s, body in sound_of(whole)[0]]
    heard = [(float(time_s), body) for time_s, body in sound_of(out)[0]]
    kept = [each for place, each in enumerate(said) if place not in WRONG]
    assert left_out == len(WRONG)
    assert [body for _, body in heard] == [body for _, body in kept]
    # Each of the others is heard when it was.
    first_s = kept[0][0] - heard[0][0]
    assert [time_s + first_s for time_s, _ in heard] == pytest.approx([time_s for time_s, _ in kept], abs=0.002)
    assert len(pts_of(out)) == 25


def test_wrong_mp3_is_counted_though_its_packets_are_joined(tmp_path: Path) -> None:
    """FFmpeg finds where packets of MP3 begin by what is in them: noise, and what follows it, come as one."""
    whole = clip(tmp_path, "libmp3lame")
    out, left_out = recorded(with_wrong_sound(whole, tmp_path / "in.mkv", "noise"), tmp_path / "out.mkv")
    assert left_out >= 1
    assert {body for _, body in sound_of(out)[0]} <= {body for _, body in sound_of(whole)[0]}


@pytest.mark.parametrize(("codec", "how"), [("aac", "noise"), ("ac3", "half"), ("flac", "half")])
def test_wrong_sound_is_silence_where_it_is_converted(tmp_path: Path, codec: str, how: str) -> None:
    whole = clip(tmp_path, codec)
    source = with_wrong_sound(whole, tmp_path / f"in{CODECS[codec]}", how)
    made = [recorded(each, tmp_path / f"{each.stem}.webm", Encoding("vp9")) for each in (whole, source)]
    lasts_s = [_heard_s(path) for path, _ in made]
    assert [left_out for _, left_out in made] == [0, len(WRONG)]
    assert lasts_s[1] == pytest.approx(lasts_s[0], abs=0.03)


def test_what_is_before_the_first_sound_is_not_blamed(tmp_path: Path) -> None:
    source = with_wrong_sound(clip(tmp_path, "aac"), tmp_path / "in.mp4", "noise", (0, 1, 9))
    out, left_out = recorded(source, tmp_path / "out.mp4")
    assert left_out == 1
    assert len(sound_of(out)[0]) == len(sound_of(source)[0]) - 1


def test_plain_sound_is_all_that_there_can_be(tmp_path: Path) -> None:
    with av.open(str(singing(tmp_path / "in.mkv", "mpeg4", "pcm_s16le", "stereo"))) as file:
        check = SoundCheck(file.streams.audio[0])
        assert not any(check.is_damaged(packet) for packet in file.demux(audio=0))


# The end of sound, and the times of ASF


def test_the_last_piece_of_wma_is_heard(tmp_path: Path) -> None:
    """Its decoder holds one piece back."""
    source = singing(tmp_path / "in.wmv", "wmv2", "wmav2", "stereo")
    with av.open(str(source)) as file:
        frames = list(file.decode(audio=0))
    heard_s = _heard_s(recorded(source, tmp_path / "out.mp4")[0])
    assert heard_s >= float(sum(Fraction(each.samples, each.sample_rate) for each in frames)) - 0.001


@pytest.mark.parametrize(("codec", "b_frames"), [("libx264", 0), ("libx264", 2), ("mpeg4", 0)])
def test_pictures_of_asf_are_shown_at_the_times_of_their_packets(tmp_path: Path, codec: str, b_frames: int) -> None:
    """FFmpeg takes them for those of decoding, and showed each picture one later: behind its sound."""
    source = Clip(codec=codec, sound="libmp3lame", b_frames=b_frames).make(tmp_path / "in.wmv")
    with av.open(str(source)) as file:
        times_s = sorted(packet.dts * packet.time_base for packet in file.demux(video=0) if packet.size)
    out, _ = recorded(source, tmp_path / "out.mkv")
    with av.open(str(out)) as file:
        shown_s = [frame.pts * frame.time_base for frame in file.decode(video=0)]
    assert [float(each) for each in shown_s] == pytest.approx([float(each) for each in times_s], abs=0.0011)


def _heard_s(path: Path) -> float:
    with av.open(str(path)) as file:
        return float(sum(Fraction(each.samples, each.sample_rate) for each in file.decode(audio=0)))
