"""Nothing that a file has beside its pictures is lost without a word."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from av.stream import Disposition

from streamer import CannotOpen, Encoding, Recorder, open_source
from streamer.media import packet_queue
from streamer.sources.file_tracks import Kept
from tests.support.films import JPEG, LINES, OWN_TAG, TAGS, film
from tests.support.media import Clip, pts_of, sound_of
from tests.support.probe import probe


def copied(source: Path, out: Path, tracks: Kept = "all", codec: str = "h264") -> Recorder:
    """The recorder of a copy, complete."""
    with open_source(source, audio=True, tracks=tracks) as opened:
        with Recorder(out, opened.info, opened.audio, Encoding(codec), force=False, extras=opened.extras) as sink:
            for frame in opened:
                sink.write(frame.picture, frame.pts_s)
    return sink


def lines_of(path: Path) -> list[tuple[int, bytes]]:
    """When each subtitle begins, in milliseconds after the first picture, and what it says."""
    # Matroska moves everything by what AAC begins too early.
    first_s = pts_of(path)[0]
    with av.open(str(path)) as file:
        stream: Any = file.streams.subtitles[0]
        found = []
        for packet in file.demux(stream):
            said = b"".join(each.dialogue for each in packet.decode()) if packet.size else b""
            if said:
                found.append((round(1000 * (packet.pts * packet.time_base - first_s)), said))
        return found


@pytest.mark.parametrize("source", [".mkv", ".mp4"])
@pytest.mark.parametrize(("suffix", "codec"), [(".mkv", "h264"), (".mp4", "h264"), (".mov", "h264"), (".webm", "vp9")])
def test_every_track_is_kept_with_its_names_or_named(tmp_path: Path, source: str, suffix: str, codec: str) -> None:
    original = film(tmp_path / f"in{source}", "mov_text" if source == ".mp4" else "srt")
    out = tmp_path / f"out{suffix}"
    sink = copied(original, out, codec=codec)
    assert lines_of(out) == list(LINES)
    with av.open(str(out)) as file:
        assert {name.lower(): text for name, text in file.metadata.items()}.items() >= TAGS.items()
        assert [(each["start"] * each["time_base"], each["metadata"]["title"]) for each in file.chapters()] == [
            (0, "One"),
            (1, "Two"),
        ]
        sounds, videos = file.streams.audio, file.streams.video
        german = "ger" if suffix == ".mov" else "deu"
        assert [each.metadata["language"] for each in sounds] == ["eng", german]
        assert [each.metadata.get("title") or each.metadata["name"] for each in sounds] == ["Original", "Kommentar"]
        assert [bool(each.disposition & Disposition.default) for each in sounds] == [False, True]
        assert videos[0].height == 64
        assert videos[0].disposition & Disposition.default
        covers = [each for each in videos if each.disposition & Disposition.attached_pic]
        others = [each.height for each in videos[1:] if each not in covers]
        pictures = [bytes(packet) for each in covers for packet in file.demux(each) if packet.size]
    assert others == ([] if suffix == ".webm" else [32])
    assert pictures == ([JPEG] if suffix in (".mkv", ".mp4") else [])
    assert [name for name in sink.left_out if "video" in name] == (["#0 video (h264)"] if suffix == ".webm" else [])
    assert ("a cover (mjpeg)" in sink.left_out) == (suffix in (".mov", ".webm"))
    if suffix != ".webm":
        assert [body for track in sound_of(out) for _, body in track] == [
            body for track in sound_of(original) for _, body in track
        ]


LANGUAGES = {
    "French": ("fra", "fre"),
    "Czech": ("ces", "cze"),
    "Romanian": ("ron", "rum"),
    "Slovak": ("slk", "slo"),
    "German": ("deu", "ger"),
    "Chinese": ("zho", "chi"),
    "Dutch": ("nld", "dut"),
    "Spanish": ("spa",),
}
"""ISO 639-2's codes of each: Matroska has either."""


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_is_kept_by_either_of_its_codes(tmp_path: Path, language: str, suffix: str) -> None:
    plain = Clip(sound="aac").make(tmp_path / "plain.mp4")
    for code in LANGUAGES[language]:
        source, out = tmp_path / f"{code}.mkv", tmp_path / f"{code}-out{suffix}"
        with av.open(str(plain)) as read, av.open(str(source), "w") as file:
            streams = {each: file.add_stream_from_template(each, opaque=True) for each in read.streams}
            streams[read.streams.audio[0]].metadata["language"] = code
            packet: Any
            for packet in read.demux():
                if packet.size:
                    packet.stream = streams[packet.stream]
                    file.mux(packet)
        copied(source, out)
        with av.open(str(out)) as file:
            assert file.streams.audio[0].metadata.get("language") in LANGUAGES[language]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
def test_timecode_is_kept(tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    assert not [
        name for name in copied(film(tmp_path / "in.mov", "mov_text", cover=False), out).left_out if "#" in name
    ]
    with av.open(str(out)) as file:
        tags = {name.lower(): text for name, text in file.streams.video[0].metadata.items()}
        assert tags["timecode"].startswith("01:02:03:")


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
def test_tags_without_a_place_of_their_own_are_kept_where_there_is_no_cover_and_else_named(
    tmp_path: Path, suffix: str
) -> None:
    sink = copied(film(tmp_path / "in.mkv", cover=False, more=OWN_TAG), tmp_path / f"bare{suffix}")
    with av.open(str(tmp_path / f"bare{suffix}")) as file:
        kept = {name.lower(): text for name, text in file.metadata.items()}
    assert kept.items() >= (TAGS | OWN_TAG).items()
    assert sink.left_out == ()
    sink = copied(film(tmp_path / "in2.mkv", more=OWN_TAG), tmp_path / f"covered{suffix}")
    assert ("the tag WEATHER" in sink.left_out) == (suffix == ".mp4")


def test_the_first_track_of_sound_alone(tmp_path: Path) -> None:
    sink = copied(film(tmp_path / "in.mkv"), tmp_path / "out.mkv", "first")
    with av.open(str(tmp_path / "out.mkv")) as file:
        assert [(each.type, each.metadata.get("title")) for each in file.streams] == [
            ("video", None),
            ("audio", "Kommentar"),  # the default one
        ]
    assert sink.left_out == ()


@pytest.mark.parametrize(("number", "height"), [(None, 64), (1, 32), (2, 64)])
def test_the_default_video_is_read_or_the_one_that_is_named(tmp_path: Path, number: int | None, height: int) -> None:
    with open_source(film(tmp_path / "in.mkv"), video_track=number) as opened:
        assert opened.info.frame_size.height == height


def test_a_video_track_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(CannotOpen, match="has 2 video tracks, and no number 3"):
        open_source(film(tmp_path / "in.mp4", "mov_text"), video_track=3)


def test_a_cover_that_is_an_ordinary_track_does_not_take_over(tmp_path: Path) -> None:
    film(tmp_path / "in.mkv", cover=False)
    with av.open(str(tmp_path / "in.mkv")) as source, av.open(str(tmp_path / "covered.mkv"), "w") as out:
        cover: Any = out.add_mux_stream("mjpeg", width=400, height=400)
        cover.time_base, cover.disposition = Fraction(1, 1000), Disposition.default
        streams = {each: out.add_stream_from_template(each, opaque=True) for each in source.streams}
        packet: Any = av.Packet(JPEG)
        packet.stream, packet.time_base, packet.pts, packet.dts, packet.duration = cover, cover.time_base, 0, 0, 40
        packet.is_keyframe = True
        out.mux(packet)
        for packet in source.demux():
            if packet.size:
                packet.stream = streams[packet.stream]
                out.mux(packet)
    with open_source(tmp_path / "covered.mkv") as opened:
        assert opened.info.codec == "h264"


def test_what_a_recording_leaves_out_is_known(tmp_path: Path) -> None:
    with open_source(film(tmp_path / "in.mkv"), audio=True) as opened:
        assert opened.extras.streams == ()
        assert opened.info.about.left_out == ("#0 video (h264)", "#4 subtitles (srt, eng)", "#5 video (mjpeg)")


def test_sound_of_any_length_between_two_pictures_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packet_queue, "MAX_PACKETS", 50)
    monkeypatch.setattr(packet_queue, "MANY", 20)
    clip = Clip(ticks=(0, 1000, 20_000), time_base=Fraction(1, 1000), sound="aac", b_frames=0)
    source = clip.make(tmp_path / "in.mp4")
    copied(source, tmp_path / "out.mp4")
    assert len(sound_of(source)[0]) > 800
    assert sound_of(tmp_path / "out.mp4") == sound_of(source)
    assert pts_of(tmp_path / "out.mp4") == [0, 1, 20]


@pytest.mark.parametrize(("recorded", "kept"), [(True, 120), (False, 100)])
def test_only_what_is_live_is_bounded(recorded: bool, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packet_queue, "MAX_PACKETS", 100)
    monkeypatch.setattr(packet_queue, "MANY", 110)
    waiting: list[int] = []
    with av.open("", "w", format="null") as container:
        queue = packet_queue.PacketQueue([container.add_stream("aac", rate=48_000)], recorded=recorded)
        queue.on_many = lambda: waiting.append(1)
        for ticks in range(120):
            packet: Any = av.Packet(1)
            packet.stream, packet.pts, packet.dts, packet.time_base = queue.streams[0], ticks, ticks, Fraction(1, 1000)
            queue.put(packet, Fraction(0))
    assert len(queue.take()) == kept
    assert len(waiting) == (11 if recorded else 0)


@pytest.mark.media
@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
def test_other_readers_see_the_tracks(tmp_path: Path, suffix: str) -> None:
    copied(film(tmp_path / "in.mkv"), tmp_path / f"out{suffix}")
    found = probe(tmp_path / f"out{suffix}", "-show_chapters")
    kinds = [(each["codec_type"], each["codec_name"]) for each in found["streams"] if "codec_name" in each]
    text = "subrip" if suffix == ".mkv" else "mov_text"
    assert {("video", "h264"), ("audio", "aac"), ("subtitle", text)} <= set(kinds)
    assert [each["tags"]["title"] for each in found["chapters"]] == ["One", "Two"]
    assert {name.lower(): text for name, text in found["format"]["tags"].items()}.items() >= TAGS.items()
