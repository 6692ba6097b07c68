"""A live recording outlives a kill and its disk, changes files without a gap, and keeps sound with its pictures."""

import random
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from pipeline import Size
from streamer import CODECS, Encoding, SinkError, SourceInfo, SourceLost, open_source
from streamer.media.packet_queue import PacketQueue
from streamer.media.tags import VideoTags
from streamer.recording.clip_buffer import Recent
from streamer.recording.containers import PICTURES
from streamer.recording.encoder import Encoder
from streamer.recording.live import LiveRecorder
from streamer.recording.segments import Filing, Segments
from tests.support.media import Clip, pts_of, quarters, raw, serving, sound_of, with_late_sound
from tests.support.paths import ROOT

pytestmark = pytest.mark.process

SIZE = Size(64, 96)
LOST_MOST_S = 1.0
"""What a kill may cost."""
LATE_S = 3.0
"""When the sound begins that comes late."""
START = datetime(2026, 11, 22, 7, 15)
TEN_S = tuple(range(0, 250 * 512, 512))
TICK_S = 1 / 44_100
"""Times of sound are rounded to the ticks of a file: samples in mp4, thousandths of a second in mkv."""


def info(rate: int | None = 25) -> SourceInfo:
    tags = VideoTags(time_base=Fraction(1, 90_000))
    return SourceInfo("made up", SIZE, None if rate is None else Fraction(rate), tags=tags)


def live(path: Path, about: SourceInfo | None = None, audio: PacketQueue | None = None, **filing: Any) -> LiveRecorder:
    encoding = Encoding("vp9" if path.suffix == ".webm" else "h264")
    return LiveRecorder(about or info(), audio or PacketQueue(), encoding, Filing(path, **filing), None)


def recorded(source: Path | str, out: Path, **filing: Any) -> list[float]:
    """The source as a live recording; when its pictures are shown."""
    with open_source(source, audio=True) as opened:
        with live(out, opened.info, opened.audio, **filing) as recorder:
            times = []
            for frame in opened:
                recorder.write(frame.picture, frame.pts_s)
                times.append(frame.pts_s)
    return times


def files_of(folder: Path) -> list[Path]:
    """In the order in which they began: by the second, and those of one second by their number."""
    return sorted(folder.glob("door-*"), key=lambda path: [int(part) for part in path.stem.split("-")[1:]])


def keys_of(path: Path) -> list[bool]:
    with av.open(str(path)) as container:
        return [packet.is_keyframe for packet in container.demux(video=0) if packet.size]


def began_of(path: Path) -> datetime:
    with av.open(str(path)) as container:
        return datetime.fromisoformat(container.metadata["creation_time"])


# Killed


WRITER = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from contextlib import suppress
from pathlib import Path
from streamer import SourceLost, open_source
from streamer.media.disk import Disk
from streamer.media.packet_queue import PacketQueue
from tests.streamer.recording.test_recording import live
# What is told of is in the file: how far the disk's thread is behind pictures that come at once is the machine's.
Disk.begin = Disk.do
source, out, from_s, until_s = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
with open_source(source, audio=True) as opened:
    queue = PacketQueue(opened.audio.streams)
    recorder = live(out, opened.info, queue)
    with suppress(SourceLost):  # the end of it, over TCP
        for frame in opened:
            for packet in opened.audio.take():
                if from_s <= packet.pts * packet.time_base < until_s:
                    queue.put(packet, 0)
            recorder.write(frame.picture, frame.pts_s)
            print(frame.pts_s, flush=True)
sys.stdin.read()
recorder.__exit__(None)
"""


def killed(
    clip: Path | str, out: Path, after: int, from_s: float = -1.0, until_s: float = 1000.0, *, complete: bool = False
) -> float:
    """Records the clip in another process, with sound of a time only, and kills it after so many pictures, unless it
    may complete the file; the last picture's time."""
    command = [sys.executable, "-c", WRITER, str(clip), str(out), str(from_s), str(until_s)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(after)]
        if complete:
            lines += writer.communicate(timeout=120)[0].splitlines(keepends=True)
        else:
            writer.kill()
            lines += writer.stdout.readlines()
    return float([line for line in lines if line.endswith("\n")][-1])


def holds_all_but_the_end(out: Path, last_s: float) -> None:
    shown = pts_of(out)
    # A source whose sound begins before zero is as much later in an .mkv, which knows no time before that.
    assert shown[0] <= Fraction(1, 40)
    assert [time - shown[0] for time in shown] == [Fraction(index, 25) for index in range(len(shown))]
    assert shown[-1] - shown[0] >= last_s - LOST_MOST_S


@pytest.fixture(scope="module")
def singing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds of pictures and sound."""
    return Clip(ticks=TEN_S, sound="aac").make(tmp_path_factory.mktemp("source") / "singing.mp4")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_killed_at_any_moment_it_plays_up_to_the_last_second(tmp_path: Path, singing: Path, suffix: str) -> None:
    moments = random.Random(suffix)
    for number in range(3):
        out = tmp_path / f"{number}{suffix}"
        last_s = killed(singing, out, moments.randint(30, 240))
        holds_all_but_the_end(out, last_s)
        (track,) = sound_of(out)
        assert track[-1][0] >= last_s - LOST_MOST_S
        assert float(track[0][0] - pts_of(out)[0]) == pytest.approx(float(sound_of(singing)[0][0][0]), abs=0.001)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("heard_s", [-1.0, 4.0])
def test_sound_that_never_comes_or_ends_holds_no_picture_back(
    tmp_path: Path, singing: Path, suffix: str, heard_s: float
) -> None:
    out = tmp_path / f"out{suffix}"
    holds_all_but_the_end(out, killed(singing, out, 200, until_s=heard_s))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("is_killed", [False, True], ids=["completed", "killed"])
@pytest.mark.parametrize("over", ["disk", "tcp"])
def test_sound_that_begins_late_is_there_at_its_time(
    tmp_path: Path, singing: Path, suffix: str, is_killed: bool, over: str
) -> None:
    """Three seconds after the pictures: an mp4 has to be begun without a packet of it."""
    source, out = singing, tmp_path / f"out{suffix}"
    if over == "tcp":  # as MPEG-TS: sound comes framed, and has no description but in its packets
        source = with_late_sound(singing, tmp_path / "singing.ts", -1.0)
    with serving(raw(source.read_bytes())) as port:
        address = f"tcp://127.0.0.1:{port}" if over == "tcp" else source
        killed(address, out, 245, LATE_S, complete=not is_killed)
    (pictures, sound), (as_was, track) = together(out), together(source)
    whole = [time_s for time_s in track if time_s >= LATE_S]
    assert sound == pytest.approx(whole[: len(sound)], abs=0.001)
    assert sound[-1] >= (9.9 - LOST_MOST_S if is_killed else 9.9)
    assert pictures == pytest.approx(as_was[: len(pictures)], abs=0.001)
    with av.open(str(out)) as file:
        assert len(list(file.decode(audio=0))) >= len(sound) - 1


def together(path: Path) -> tuple[list[float], list[float]]:
    """When pictures are shown and sound is heard, in seconds from the first picture."""
    pictures = pts_of(path)
    return [float(each - pictures[0]) for each in pictures], [float(at - pictures[0]) for at, _ in sound_of(path)[0]]


@pytest.mark.parametrize("codec", CODECS)
def test_no_codec_holds_a_picture_back(codec: str) -> None:
    encoder = Encoder(info(), (), Encoding(codec), live=True)
    for index in range(60):
        (packet,) = encoder.encode(quarters(*SIZE, shade=index % 30), index / 25)
        assert packet.pts * packet.time_base == Fraction(index, 25)
        assert packet.dts == packet.pts
    assert encoder.finish() == []


def test_a_rate_that_is_not_kept_makes_no_difference(tmp_path: Path) -> None:
    """A camera that says 30 and gives 1, as at night: a key frame is still never far."""
    with live(tmp_path / "out.mkv", info(30)) as recorder:
        for second in range(10):
            recorder.write(quarters(*SIZE), float(second))
    assert keys_of(tmp_path / "out.mkv") == [True, False] * 5


@pytest.mark.parametrize(("times_s", "lasts_s"), [([0, 0.04, 0.08], 1.08), ([0, 30, 60], 90)])
def test_the_mean_rate_of_a_file_with_a_long_pause_is_no_length_of_its_last_picture(
    tmp_path: Path, times_s: list[float], lasts_s: float
) -> None:
    out = tmp_path / "out.mp4"
    with live(out, replace(info(), rate=Fraction(1, 720))) as recorder:
        for time_s in times_s:
            recorder.write(quarters(*SIZE), time_s)
    with av.open(str(out)) as container:
        assert container.duration / av.time_base == pytest.approx(lasts_s, abs=0.01)


def test_a_recording_that_begins_when_its_file_is_over(tmp_path: Path) -> None:
    """As that of a short file does on a busy machine: what is closed by then had the streams of sound in it."""
    clip = Clip(sound="aac").make(tmp_path / "clip.mp4")
    opened = open_source(clip, audio=True)
    frames = list(opened)
    (stream,) = opened.audio.streams
    assert stream in list(stream.container.streams), "PyAV empties a container that it closes, and frees its streams"
    with live(tmp_path / "out.mp4", opened.info, opened.audio) as recorder:
        for frame in frames:
            recorder.write(frame.picture, frame.pts_s)
    assert [body for _, body in sound_of(tmp_path / "out.mp4")[0]] == [body for _, body in sound_of(clip)[0]]


# Files


def test_files_follow_each_other_without_a_gap(tmp_path: Path, singing: Path) -> None:
    times = recorded(singing, tmp_path / "door.mp4", segment_s=2.0)
    files = files_of(tmp_path)
    assert len(files) == 5
    begins = [Fraction(2 * number) for number in range(5)]
    together = [begin + time for begin, path in zip(begins, files) for time in pts_of(path)]
    assert [float(time) for time in together] == times
    assert all(pts_of(path)[0] == 0 and keys_of(path)[0] for path in files)
    whole = [(float(time), body) for time, body in sound_of(singing)[0]]
    parts = [(float(begin + time), body) for begin, path in zip(begins, files) for time, body in sound_of(path)[0]]
    assert [body for _, body in parts] == [body for _, body in whole]
    assert [time for time, _ in parts] == pytest.approx([time for time, _ in whole], abs=TICK_S)


@contextmanager
def filed(folder: Path, suffix: str = ".mp4", **more: Any) -> Iterator[tuple[Encoder, Segments]]:
    """Files of one second at a time when the clock on the wall stands still."""
    encoder = Encoder(info(), (), Encoding(), live=True)
    filing = Filing(folder / f"door{suffix}", segment_s=1.0, keep_free_bytes=1000)
    yield encoder, Segments(filing, encoder.tracks, **({"now": lambda: START} | more))


def put(encoder: Encoder, segments: Segments, times: Iterable[float]) -> None:
    for time_s in times:
        for packet in encoder.encode(quarters(*SIZE), time_s, key=segments.due(time_s)):
            segments.put(PICTURES, packet)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_each_file_is_named_and_marked_with_its_beginning(tmp_path: Path, suffix: str) -> None:
    now = iter([START, START.replace(hour=8)])
    with filed(tmp_path, suffix, now=lambda: next(now)) as (encoder, segments):
        put(encoder, segments, (0.0, 0.5, 1.0))
        segments.close()
    files = files_of(tmp_path)
    assert [path.name for path in files] == [f"door-20261122-071500{suffix}", f"door-20261122-081500{suffix}"]
    assert [began_of(path) for path in files] == [START.astimezone(UTC), START.replace(hour=8).astimezone(UTC)]


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "door-20261122-071500.mp4").write_text("of another day")
    with filed(tmp_path) as (encoder, segments):
        put(encoder, segments, (0.0, 0.5, 1.0))
        segments.close()
    assert [path.stem for path in files_of(tmp_path)] == [f"door-20261122-071500{end}" for end in ("", "-1", "-2")]
    assert (tmp_path / "door-20261122-071500.mp4").read_text() == "of another day"


def test_a_time_without_pictures_leaves_no_empty_files(tmp_path: Path) -> None:
    with filed(tmp_path) as (encoder, segments):
        put(encoder, segments, (0.0, 0.5, 7.3, 7.9, 8.0, 8.5))
        segments.close()
    assert [len(pts_of(path)) for path in files_of(tmp_path)] == [2, 2, 2]


@pytest.mark.parametrize("late", [-40, 40])
def test_sound_finds_the_file_of_its_time(tmp_path: Path, singing: Path, late: int) -> None:
    """As much as a second before or after the pictures of its time."""
    packets = [packet for packet in av.open(str(singing)).demux(audio=0) if packet.size]
    with open_source(singing, audio=True) as opened:
        queue = PacketQueue(opened.audio.streams)
        with live(tmp_path / "door.mp4", opened.info, queue, segment_s=2.0) as recorder:
            for frame in opened:
                while packets and packets[0].pts * packets[0].time_base <= frame.pts_s - late / 50:
                    packet = packets.pop(0)
                    packet.stream = queue.streams[0]
                    queue.put(packet, Fraction(0))
                recorder.write(frame.picture, frame.pts_s)
            for packet in packets:
                packet.stream = queue.streams[0]
                queue.put(packet, Fraction(0))
    tracks = [sound_of(path)[0] for path in files_of(tmp_path)]
    bodies = [body for track in tracks for _, body in track]
    assert bodies == [body for _, body in sound_of(singing)[0]]
    assert all(0 <= time < 2 for track in tracks[1:-1] for time, _ in track)


def test_sound_of_hours_before_the_next_picture_is_put_in_one_by_one(tmp_path: Path, singing: Path) -> None:
    """Each packet is looked at once, however many wait: two pictures and an hour of sound took minutes."""
    looked = 0

    class Counted(Segments):
        def _time_s(self, packet: Any) -> Fraction:
            nonlocal looked
            looked += 1
            return super()._time_s(packet)

    with open_source(singing, audio=True) as opened:
        encoder = Encoder(opened.info, opened.audio.streams, Encoding(), live=True)
        segments = Counted(Filing(tmp_path / "out.mp4"), encoder.tracks)
        list(opened)
        sounds = opened.audio.take()
        first, length = sounds[0], sounds[1].pts - sounds[0].pts
        put(encoder, segments, (0.0,))
        for number in range(6000):
            packet = av.Packet(bytes(first))
            packet.time_base, packet.pts = first.time_base, number * length
            packet.dts, packet.duration, packet.stream = packet.pts, length, first.stream
            segments.put(1, packet)
        put(encoder, segments, (130.0,))
        segments.close()
    assert looked < 3 * 6000
    assert len(sound_of(tmp_path / "out.mp4")[0]) == 6000


def test_sound_is_taken_while_no_picture_comes(tmp_path: Path, singing: Path) -> None:
    with open_source(singing, audio=True) as opened:
        list(opened)
        sounds = opened.audio.take()
        queue = PacketQueue(opened.audio.streams)
        frame = quarters(*opened.info.frame_size)
        with live(tmp_path / "out.mp4", opened.info, queue) as recorder:
            recorder.write(frame, 0.0)
            for packet in sounds:
                queue.put(packet, Fraction(0))
            recorder.tick()
            assert queue.take() == []
    assert len(sound_of(tmp_path / "out.mp4")[0]) == len(sounds)


def test_what_was_recorded_is_never_removed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        with live(tmp_path / "out.mp4") as recorder:
            recorder.write(quarters(*SIZE), 0.0)
            raise ZeroDivisionError
    assert len(pts_of(tmp_path / "out.mp4")) == 1
    with pytest.raises(SinkError, match="exists; --force overwrites it"):
        live(tmp_path / "out.mp4")
    with pytest.raises(SinkError, match="no picture came"):
        with live(tmp_path / "none.mp4"):
            pass
    assert not (tmp_path / "none.mp4").exists()


# The disk


def test_a_disk_that_gets_full_ends_the_recording_in_time(tmp_path: Path) -> None:
    left = iter(range(1030, 0, -1))
    with filed(tmp_path, free=lambda folder: next(left)) as (encoder, segments):
        with pytest.raises(SinkError, match=r"door\.mp4: its disk has 0 MB free, less than .* is kept$"):
            put(encoder, segments, (index / 25 for index in range(100)))
    assert sum(len(pts_of(path)) for path in files_of(tmp_path)) == 30


def test_a_disk_that_is_full_begins_none(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"MB of --keep-free$"):
        live(tmp_path / "out.mp4", keep_free_bytes=10**18)
    assert list(tmp_path.iterdir()) == []


# Sound


@pytest.fixture(scope="module")
def broadcast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten minutes at a rate that is not quite what it says it is, sound beside the pictures of its time."""
    folder = tmp_path_factory.mktemp("broadcast")
    ticks = [round(index * 12_800 / 5.1) for index in range(3080)]
    clip = Clip(size=(32, 32), ticks=ticks, sound="libmp3lame").make(folder / "clip.mp4")
    with av.open(str(clip)) as source, av.open(str(folder / "broadcast.ts"), "w") as out:
        streams = {stream: out.add_stream_from_template(stream, opaque=True) for stream in source.streams}
        packets = [packet for packet in source.demux() if packet.size]
        for packet in sorted(packets, key=lambda each: each.dts * each.time_base):
            packet.stream = streams[packet.stream]
            out.mux(packet)
    return folder / "broadcast.ts"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_and_pictures_stay_together_for_ten_minutes(tmp_path: Path, broadcast: Path, suffix: str) -> None:
    """Live, but that its clock runs as fast as it is read."""
    out = tmp_path / f"out{suffix}"
    with serving(raw(broadcast.read_bytes())) as port:
        with open_source(f"tcp://127.0.0.1:{port}", audio=True) as opened:
            assert opened.info.live
            with live(out, opened.info, opened.audio) as recorder, suppress(SourceLost):  # the end of it, over TCP
                for frame in opened:
                    recorder.write(frame.picture, frame.pts_s)
    pictures, sound = pts_of(out), [time for time, _ in sound_of(out)[0]]
    assert pictures[-1] > 600
    assert sound[-1] > 600
    behind = [float(one - other) for one, other in zip(pts_of(broadcast), pictures, strict=True)]
    heard = [time for time, _ in sound_of(broadcast)[0]][-len(sound) :]
    apart = [float(one - other) - behind[0] for one, other in zip(heard, sound, strict=True)]
    assert max(behind) - min(behind) < 0.04
    assert max(map(abs, apart)) < 0.04


# Clips


def feed(recent: Recent, seconds: float, begins_s: float = 0.0, sound_bytes: int = 0) -> None:
    encoder = Encoder(info(), (), Encoding(), live=True)
    recent.begin(encoder.tracks)
    for index in range(round(seconds * 25)):
        for packet in encoder.encode(quarters(*SIZE, shade=index % 30), begins_s + index / 25):
            recent.put(PICTURES, packet)
        if sound_bytes:
            sound = av.Packet(bytes(sound_bytes))
            sound.pts, sound.dts, sound.time_base = index, index, Fraction(1, 25)
            recent.put(1, sound)


def test_a_clip_is_of_the_last_seconds_and_begins_with_a_key_frame(tmp_path: Path) -> None:
    recent = Recent(5.0)
    feed(recent, 20.0)
    recent.clip(tmp_path / "clip.mp4")
    times = pts_of(tmp_path / "clip.mp4")
    assert times[0] == 0
    assert 5 <= times[-1] + Fraction(1, 25) < 5 + 2
    assert keys_of(tmp_path / "clip.mp4")[0]
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_clip_of_what_has_just_begun_is_all_of_it(tmp_path: Path) -> None:
    recent = Recent(5.0)
    with pytest.raises(SinkError, match="nothing to cut a clip from"):
        recent.clip(tmp_path / "clip.mp4")
    feed(recent, 1.0)
    recent.clip(tmp_path / "clip.mp4")
    assert len(pts_of(tmp_path / "clip.mp4")) == 25
    with pytest.raises(SinkError, match="exists"):
        recent.clip(tmp_path / "clip.mp4")
    recent.clip(tmp_path / "clip.mp4", force=True)


def test_what_is_kept_for_clips_has_an_end() -> None:
    recent = Recent(1000.0, max_bytes=20_000)
    feed(recent, 40.0)
    assert 0 < recent.bytes <= 20_000
    recent.clear()
    assert recent.bytes == 0


def test_sound_is_kept_as_long_as_its_pictures() -> None:
    recent = Recent(2.0)
    feed(recent, 40.0, sound_bytes=200)
    assert 2 * 25 * 200 < recent.bytes < 60_000  # of all forty seconds, 200,000 of sound alone


@pytest.mark.parametrize("source_suffix", [".mp4", ".ts"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_clip_has_its_sound_even_when_the_source_is_gone(tmp_path: Path, source_suffix: str, suffix: str) -> None:
    source = Clip(ticks=TEN_S, sound="aac").make(tmp_path / f"source{source_suffix}")
    recent = Recent(4.0)
    with open_source(source, audio=True) as opened:
        with LiveRecorder(opened.info, opened.audio, Encoding(), None, recent) as recorder:
            for frame in opened:
                recorder.write(frame.picture, frame.pts_s)
    recent.clip(tmp_path / f"clip{suffix}")
    times = pts_of(tmp_path / f"clip{suffix}")
    with av.open(str(tmp_path / f"clip{suffix}")) as clip:
        sound = [frame.time for frame in clip.decode(audio=0)]
    assert all(0.015 < later - earlier < 0.03 for earlier, later in pairwise(sound))
    assert abs(sound[0]) < 0.05
    assert sound[-1] == pytest.approx(float(times[-1]), abs=0.1)
