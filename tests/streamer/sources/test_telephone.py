"""Sound that a file does not take is in it all the same, as AAC or Opus, and every click is heard with its flash."""

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from streamer import Encoding, Recorder, SourceLost, Stream, StreamConfig, open_source
from streamer.media.packet_queue import PacketQueue
from streamer.recording.clip_buffer import Recent
from streamer.recording.live import LiveRecorder
from streamer.recording.segments import Filing
from streamer.sources import video
from streamer.sources.timing.live_clock import LiveClock
from tests.streamer.recording.test_recording import LOST_MOST_S, killed
from tests.support.clicks import ALWAYS, flashing, seen_and_heard
from tests.support.media import Clip, by_turns, hang_up, hold, pts_of, raw, serving, sound_of, spread
from tests.support.waiting import eventually, within

pytestmark = pytest.mark.process

APART_MOST_S = 0.04
SMALL = {"size": (96, 128)}
TELEPHONE = ("pcm_alaw", "pcm_mulaw")
ENCODINGS = {".webm": Encoding("vp9")}
CODECS = {".webm": "opus"}


def together(path: Path, marks: int) -> list[float]:
    """When flashes are seen, each with its click."""
    flashes, clicks = seen_and_heard(path)
    assert len(flashes) == marks
    assert clicks == pytest.approx(flashes, abs=APART_MOST_S)
    return flashes


def codec_of(path: Path) -> str:
    with av.open(str(path)) as container:
        return container.streams.audio[0].codec_context.name


def recorded(source: Path | str, out: Path, recent: Recent | None = None, heard_s: float = -1.0, **filing: Any) -> None:
    """As a live recording; what is said before a time is not heard."""
    with open_source(source, audio=True) as opened, suppress(SourceLost):  # the end of it, over TCP
        queue = PacketQueue(opened.audio.streams)
        encoding = ENCODINGS.get(out.suffix, Encoding())
        with LiveRecorder(opened.info, queue, encoding, Filing(out, **filing), recent) as recorder:
            for frame in opened:
                for packet in opened.audio.take():
                    if packet.pts * packet.time_base >= heard_s:
                        queue.put(packet, Fraction(0))
                recorder.write(frame.picture, frame.pts_s)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize("sound", TELEPHONE)
def test_a_video_file_keeps_its_sound(tmp_path: Path, sound: str, suffix: str) -> None:
    source = flashing(tmp_path / "source.mov", 6.0, (1.0, 3.0, 5.0), sound)
    out = tmp_path / f"out{suffix}"
    with open_source(source, audio=True) as opened:
        encoding = ENCODINGS.get(suffix, Encoding())
        with Recorder(out, opened.info, opened.audio, encoding, force=False) as recorder:
            for frame in opened:
                recorder.write(frame.picture, frame.pts_s)
    assert codec_of(out) == CODECS.get(suffix, "aac")
    assert together(out, 3) == pytest.approx([1.0, 3.0, 5.0], abs=0.001 if suffix == ".mp4" else 0.025)
    (before,), (after,) = sound_of(source), sound_of(out)
    assert float(after[-1][0]) == pytest.approx(float(before[-1][0]), abs=0.05)


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_left_stays_left(tmp_path: Path, suffix: str) -> None:
    with av.open(str(tmp_path / "source.mov"), "w") as container:
        video: Any = container.add_stream("libx264", rate=25)
        video.height, video.width, video.pix_fmt = 64, 96, "yuv420p"
        audio: Any = container.add_stream("pcm_alaw", rate=8_000, layout="stereo")
        wave = np.zeros((8_000, 2), np.int16)
        wave[:, 0] = 10_000 * np.sin(np.arange(8_000) * 0.3)
        said = av.AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="stereo")
        said.sample_rate = 8_000
        for index in range(25):
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), index, np.uint8), format="bgr24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None) + audio.encode(said) + audio.encode(None))
    recorded(tmp_path / "source.mov", tmp_path / f"out{suffix}")
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        heard = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    left, right = np.abs(heard).mean(axis=1)
    assert left > 20 * right


def test_what_a_file_takes_is_copied(tmp_path: Path) -> None:
    source = flashing(tmp_path / "source.mov", 2.0, (1.0,))
    recorded(source, tmp_path / "out.mov")
    assert codec_of(tmp_path / "out.mov") == "pcm_alaw"
    bodies = [b"".join(body for _, body in sound_of(path)[0]) for path in (source, tmp_path / "out.mov")]
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize(
    ("suffix", "sound"), [*product((".mp4", ".mkv", ".webm"), TELEPHONE), (".webm", "aac"), (".webm", "ac3")]
)
@pytest.mark.parametrize(
    "heard",
    [ALWAYS, ((0.0, 2.0), (2.5, 8.0)), ((0.0, 2.0), (5.0, 8.0)), ((4.0, 8.0),), ((0.0, 4.0),), ()],
    ids=["all of it", "half a second lost", "three seconds lost", "late", "ends early", "never"],
)
def test_a_live_recording_has_it_whenever_it_comes(
    tmp_path: Path, sound: str, suffix: str, heard: Sequence[tuple[float, float]]
) -> None:
    marks = [each for each in (1.0, 3.0, 5.6, 7.0) if any(since <= each < until for since, until in heard)]
    source = tmp_path / ("source.nut" if sound in TELEPHONE else "source.mkv")
    body = flashing(source, 8.0, marks, sound, heard).read_bytes()
    out = tmp_path / f"out{suffix}"
    with serving(raw(body)) as port:
        recorded(f"tcp://127.0.0.1:{port}", out)
    if not heard:
        assert len(pts_of(out)) == 200
        return
    assert codec_of(out) == CODECS.get(suffix, "aac")
    first = together(out, len(marks))[0] - marks[0]
    assert abs(first) < 0.025
    spans = [float(at) - first for at, _ in sound_of(out)[0]]
    if len(heard) == 2 and heard[1][0] == 5.0:
        assert not [at for at in spans if 2.1 < at < 4.9]
    elif heard[0][0]:
        assert spans[0] > 3.9
    assert spans[-1] == pytest.approx(min(heard[-1][1], 8.0), abs=0.15)


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
@pytest.mark.parametrize("pace", [0.99, 1.01])
def test_a_clock_that_is_wrong_does_not_add_up(tmp_path: Path, pace: float, suffix: str) -> None:
    """In 16 seconds one per cent comes to 160 ms."""
    source = flashing(tmp_path / "source.nut", 17.0, (1.0, 8.6, 15.4), pace=pace)
    recorded(source, tmp_path / f"out{suffix}")
    together(tmp_path / f"out{suffix}", 3)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_a_kill_costs_it_no_more_than_the_pictures(tmp_path: Path, suffix: str) -> None:
    source = flashing(tmp_path / "source.mov", 10.0, (1.0, 5.0))
    out = tmp_path / f"out{suffix}"
    last_s = killed(source, out, 200)
    together(out, 2)
    assert sound_of(out)[0][-1][0] >= last_s - LOST_MOST_S


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_every_file_of_many_has_it(tmp_path: Path, suffix: str) -> None:
    """Also where a click is at the very seam."""
    marks = (0.4, 2.0, 3.0, 4.0, 5.96)
    source = flashing(tmp_path / "source.flv", 8.0, marks)
    with serving(raw(source.read_bytes())) as port:
        recorded(f"tcp://127.0.0.1:{port}", tmp_path / f"door{suffix}", segment_s=2.0)
    files = sorted(tmp_path.glob("door-*"), key=lambda path: [int(part) for part in path.stem.split("-")[1:]])
    assert len(files) == 4
    found = [2 * number + at for number, path in enumerate(files) if number < 3 for at in together_or_none(path)]
    assert found == pytest.approx(marks, abs=0.025)
    assert all(codec_of(path) == CODECS.get(suffix, "aac") for path in files)
    lengths = [len(sound_of(path)[0]) for path in files]
    usual = 100 if suffix == ".webm" else 93.75  # of packets in two seconds
    assert all(usual - 2 <= length <= usual + 3.5 for length in lengths[:3])


def together_or_none(path: Path) -> list[float]:
    return together(path, len(seen_and_heard(path)[0]))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_a_clip_has_it_whatever_is_recorded(tmp_path: Path, suffix: str) -> None:
    source = flashing(tmp_path / "source.flv", 8.0, (1.0, 5.0, 7.0))
    recent = Recent(3.0)
    with serving(raw(source.read_bytes())) as port:
        recorded(f"tcp://127.0.0.1:{port}", tmp_path / "out.mov", recent)
    assert recent.suffix == ".mp4"
    recent.clip(tmp_path / f"clip{suffix}")
    assert codec_of(tmp_path / f"clip{suffix}") == ("pcm_alaw" if suffix == ".mov" else "aac")
    together(tmp_path / f"clip{suffix}", 2)


@pytest.mark.usefixtures("whole")
def test_a_camera_that_is_lost_comes_back_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its clock is believed: this machine may send in bursts, which is not what is tested."""

    def believing(**settings: Any) -> LiveClock:
        return LiveClock(**settings | {"by_arrival": False})

    monkeypatch.setattr(video, "LiveClock", believing)
    body = flashing(tmp_path / "source.flv", 3.0, (0.6, 2.0)).read_bytes()
    out = tmp_path / "out.mp4"
    with serving(by_turns(spread(body, 3.0, then=hang_up), spread(body, 3.0, then=hold))) as port:
        with Stream(StreamConfig(f"tcp://127.0.0.1:{port}", record=str(out), **SMALL)) as stream:
            assert eventually(lambda: stream.stats.reconnects == 1 and stream.stats.shown > 140)
            stream.stop()
            with within(5):
                assert stream.join(120)
    together(out, 4)


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_sound_that_comes_late_and_cannot_be_announced_becomes_aac(tmp_path: Path, suffix: str) -> None:
    """An mp4 that is begun without a packet of AC-3 cannot say what it is."""
    body = flashing(tmp_path / "source.ts", 8.0, (1.0, 5.0, 7.0), "ac3").read_bytes()
    out = tmp_path / f"out{suffix}"
    with serving(raw(body)) as port:
        recorded(f"tcp://127.0.0.1:{port}", out, heard_s=3.0)
    flashes, clicks = seen_and_heard(out)
    assert codec_of(out) == "aac"
    assert clicks == pytest.approx(flashes[1:], abs=APART_MOST_S)


def test_sound_that_is_there_in_time_is_copied_even_so(tmp_path: Path) -> None:
    body = flashing(tmp_path / "source.ts", 4.0, (1.0,), "ac3").read_bytes()
    with serving(raw(body)) as port:
        recorded(f"tcp://127.0.0.1:{port}", tmp_path / "out.mp4")
    assert codec_of(tmp_path / "out.mp4") == "ac3"


def test_what_webm_takes_is_copied(tmp_path: Path) -> None:
    source = Clip(sound="libopus").make(tmp_path / "source.mkv")
    recorded(source, tmp_path / "out.webm")
    assert [body for _, body in sound_of(source)[0]] == [body for _, body in sound_of(tmp_path / "out.webm")[0]]
