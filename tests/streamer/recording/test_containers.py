"""What each kind of file takes is known before the first picture, and sound of every kind gets into it."""

import io
import subprocess
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from streamer import Encoding, Recorder, SinkError, open_source
from streamer.live.news import troubles_of
from streamer.live.sinks.recording import Recording
from streamer.live.sinks.sink import Drawn
from streamer.live.stats import Stats
from streamer.media.paths import VIDEO_SUFFIXES
from streamer.recording.containers import CONTAINERS, takes
from streamer.recording.segments import Filing
from streamer.recording.transcode import OPUS, Recoder
from tests.streamer.recording.test_file import recorder
from tests.support.media import Clip, pts_of, quarters, sound_of

CHANNELS = {"mono": 1, "stereo": 2, "5.1": 6}


def singing(path: Path, video: str, sound: str, layout: str) -> Path:
    """A second of pictures and of a tone on all channels."""
    with av.open(str(path), "w") as container:
        pictures: Any = container.add_stream(video, 25)
        pictures.height, pictures.width = (576, 720) if path.suffix == ".mxf" else (64, 96)
        pictures.pix_fmt = "yuvj420p" if video == "mjpeg" else "yuv420p"
        options = {"bit_rate": 128_000} if sound == "wmav2" else {}
        tone: Any = container.add_stream(sound, rate=48_000, layout=layout, **options)
        for index in range(25):
            frame = av.VideoFrame.from_ndarray(quarters(pictures.height, pictures.width), format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(pictures.encode(frame))
            wave = np.sin(np.arange(1920 * index, 1920 * (index + 1)) * 0.03).astype(np.float32) * 0.3
            heard = av.AudioFrame.from_ndarray(np.tile(wave, (CHANNELS[layout], 1)), format="fltp", layout=layout)
            heard.sample_rate, heard.pts, heard.time_base = 48_000, 1920 * index, Fraction(1, 48_000)
            container.mux(tone.encode(heard))
        container.mux(pictures.encode(None))
        container.mux(tone.encode(None))
    return path


def test_sound_of_eight_channels_is_converted() -> None:
    """PyAV fails on the planes of a frame of so many."""
    written = io.BytesIO()
    with av.open(written, "w", format="matroska") as file:
        sound: Any = file.add_stream("aac", rate=48_000, layout="7.1")
        for index in range(10):
            heard = av.AudioFrame.from_ndarray(np.full((1, 8 * 1024), 0.2, np.float32), format="flt", layout="7.1")
            heard.sample_rate, heard.pts, heard.time_base = 48_000, 1024 * index, Fraction(1, 48_000)
            file.mux(sound.encode(heard))
        file.mux(sound.encode(None))
    written.seek(0)
    with av.open(written) as read:
        recoder = Recoder(read.streams.audio[0], OPUS)
        packets = [packet for packet in read.demux(audio=0) if packet.size]
        converted = [each for packet in packets for each in recoder.convert(packet)] + recoder.finish()
    assert recoder.stream.codec_context.channels == 8
    assert len(converted) >= 9


def test_every_kind_of_file_is_in_the_table() -> None:
    assert tuple(CONTAINERS) == VIDEO_SUFFIXES


@pytest.mark.parametrize(("suffix", "codec"), [(".mov", "vp9"), (".mov", "av1"), (".webm", "h264")])
def test_a_codec_that_a_file_refuses_is_refused_before_the_first_picture(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    with pytest.raises(SinkError, match=rf"{suffix} does not take {codec} .*\.mkv"):
        recorder(tmp_path / f"out{suffix}", codec=codec)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_no_kind_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"no kind of video '\.avi'; there are: \.mp4, \.mkv, \.mov, \.webm"):
        recorder(tmp_path / "out.avi")


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
@pytest.mark.parametrize(
    ("kind", "video", "sound", "layout"),
    [
        (".avi", "mjpeg", "pcm_s16le", "stereo"),  # says "2 channels", and not which
        (".mkv", "mpeg4", "pcm_s24le", "5.1"),
        (".mxf", "mpeg2video", "pcm_s16le", "stereo"),
        (".avi", "mpeg4", "adpcm_ima_wav", "stereo"),  # cannot be decoded without the size of its blocks
        (".wmv", "wmv2", "wmav2", "stereo"),  # the same
        (".mkv", "mpeg4", "flac", "mono"),  # .mov takes it as long as no header is written
        (".mkv", "mpeg4", "libopus", "mono"),  # the same
    ],
)
def test_sound_of_every_kind_of_file_is_kept_or_converted(
    tmp_path: Path, kind: str, video: str, sound: str, layout: str, suffix: str
) -> None:
    source = singing(tmp_path / f"in{kind}", video, sound, layout)
    encoding = Encoding("vp9" if suffix == ".webm" else "h264")
    with open_source(source, audio=True) as opened:
        with Recorder(tmp_path / f"out{suffix}", opened.info, opened.audio, encoding, force=False) as sink:
            for frame in opened:
                sink.write(frame.bgr, frame.pts_s)
    with av.open(str(tmp_path / f"out{suffix}")) as out:
        (track,) = out.streams.audio
        assert track.codec_context.channels == CHANNELS[layout]
        frames = list(out.decode(audio=0))
    assert float(sum(Fraction(each.samples, each.sample_rate) for each in frames)) == pytest.approx(1.0, abs=0.1)
    peak = max(float(np.abs(each.to_ndarray().astype(np.float64)).max()) for each in frames)
    assert peak > 0.2 * (np.iinfo(frames[0].to_ndarray().dtype).max if frames[0].to_ndarray().dtype.kind == "i" else 1)


def in_short_pieces(path: Path, samples: int) -> Path:
    """A second of pictures and of a tone, which has so many samples in each packet."""
    with av.open(str(path), "w") as container:
        pictures: Any = container.add_stream("mpeg4", 25)
        pictures.height, pictures.width, pictures.pix_fmt = 64, 96, "yuv420p"
        tone: Any = container.add_stream("pcm_s16le", rate=48_000, layout="mono")
        for index in range(25):
            frame = av.VideoFrame.from_ndarray(quarters(64, 96), format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode(None))
        for begin in range(0, 48_000, samples):
            wave = (np.sin(np.arange(begin, begin + samples) * 0.03) * 9000).astype(np.int16)
            heard = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = 48_000, begin, Fraction(1, 48_000)
            container.mux(tone.encode(heard))
    return path


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
@pytest.mark.parametrize("samples", [40, 16])
def test_sound_in_pieces_shorter_than_a_tick_is_kept(tmp_path: Path, samples: int, suffix: str) -> None:
    """Matroska counts milliseconds, so that pieces of TrueHD, as of films on discs, say some times twice."""
    source, out = in_short_pieces(tmp_path / "in.mkv", samples), tmp_path / f"out{suffix}"
    with av.open(str(source)) as read:
        times = [packet.pts for packet in read.demux(audio=0) if packet.size]
    assert len(set(times)) < len(times) == 48_000 // samples
    encoding = Encoding("vp9" if suffix == ".webm" else "h264")
    with open_source(source, audio=True) as opened:
        with Recorder(out, opened.info, opened.audio, encoding, force=False) as sink:
            for frame in opened:
                sink.write(frame.bgr, frame.pts_s)
        assert sink.damaged == 0
    with av.open(str(out)) as read:
        heard = list(read.decode(audio=0))
    assert sum(each.samples for each in heard) == pytest.approx(48_000, abs=960)
    ends_s = max(float(each.pts * each.time_base) for each in heard if each.pts is not None and each.time_base)
    assert ends_s == pytest.approx(1.0, abs=0.05)


@pytest.mark.media
@pytest.mark.process
@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "aac"), (".mkv", "truehd")])
def test_sound_that_a_file_takes_as_an_experiment_only_is_converted(tmp_path: Path, suffix: str, codec: str) -> None:
    """Dolby TrueHD of Blu-rays, which FFmpeg writes into .mp4 for those who ask for experiments."""
    plain, source = singing(tmp_path / "plain.mkv", "mpeg4", "pcm_s16le", "stereo"), tmp_path / "in.mkv"
    made = ["-c:v", "copy", "-c:a", "truehd", "-strict", "experimental"]
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(plain), *made, str(source)], check=True)
    with open_source(source, audio=True) as opened:
        with Recorder(tmp_path / f"out{suffix}", opened.info, opened.audio, Encoding(), force=False) as sink:
            for frame in opened:
                sink.write(frame.bgr, frame.pts_s)
    with av.open(str(tmp_path / f"out{suffix}")) as out:
        (track,) = out.streams.audio
        assert (track.codec_context.name, track.codec_context.channels) == (codec, 2)


@pytest.mark.parametrize(
    ("sound", "rate", "copied"),
    [
        ("pcm_s16le", 44_100, True),
        ("pcm_s16be", 48_000, True),
        ("pcm_s16le", 96_000, False),  # written with a rate of 48,000 for readers that do not know better
        ("pcm_s24le", 48_000, False),
        ("pcm_f32le", 48_000, False),
    ],
)
def test_plain_sound_goes_into_mp4_where_older_readers_understand_it(
    tmp_path: Path, sound: str, rate: int, copied: bool
) -> None:
    with av.open(str(tmp_path / "in.mkv"), "w") as file:
        for suffix, kept in ((".mp4", copied), (".mkv", True), (".mov", True)):
            assert takes(CONTAINERS[suffix], file.add_stream(sound, rate=rate, layout="stereo")) == kept


# Damage


def recorded(source: Path, out: Path, encoding: Encoding = Encoding()) -> tuple[Path, int]:  # noqa: B008
    """A copy, and how many packets of its sound were left out."""
    with open_source(source, audio=True) as opened:
        with Recorder(out, opened.info, opened.audio, encoding, force=False) as sink:
            for frame in opened:
                sink.write(frame.picture, frame.pts_s)
    return out, sink.damaged


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize(
    ("place", "instead"),
    [
        (0, b"\0\0"),  # no mark where it begins
        (0, b"\xff\xf1\xff\xff"),  # a rate that there is not
        (7, b"\xff\xf1\xff\xff"),
        (0, b"\xff\xf1\x4c\xff\xff\xff\xff"),  # a length that is not its own
        (7, b"\xff\xf1\x4c\xff\xff\xff\xff"),
    ],
)
def test_a_damaged_packet_of_sound_is_left_out_and_counted(
    tmp_path: Path, suffix: str, place: int, instead: bytes
) -> None:
    whole = Clip(sound="aac").make(tmp_path / "in.ts")
    said = [body for _, body in sound_of(whole)[0]]
    data = bytearray(whole.read_bytes())
    at = data.index(said[place][:7])  # the head of its frame
    data[at : at + len(instead)] = instead
    (tmp_path / "damaged.ts").write_bytes(data)
    # FFmpeg takes what follows for a part of the damaged one, up to 8 kB of it.
    whole_still = [body[7:] for _, body in sound_of(tmp_path / "damaged.ts")[0] if body in said]
    out, damaged = recorded(tmp_path / "damaged.ts", tmp_path / f"out{suffix}")
    heard = [body for _, body in sound_of(out)[0]]
    assert len(pts_of(out)) == 12
    assert len(whole_still) > 10
    assert [body for body in heard if body in whole_still] == whole_still
    assert damaged >= 1


def test_damaged_sound_of_a_live_recording_is_counted_in_its_stats(tmp_path: Path) -> None:
    whole = Clip(sound="aac").make(tmp_path / "in.ts")
    first = sound_of(whole)[0][7][1]
    data = bytearray(whole.read_bytes())
    at = data.index(first[:7])
    data[at : at + 4] = b"\xff\xf1\xff\xff"
    (tmp_path / "damaged.ts").write_bytes(data)
    stats = Stats()
    with open_source(tmp_path / "damaged.ts", audio=True) as opened:
        filing = Filing(tmp_path / "out.mp4")
        recording = Recording(opened, opened.info.frame_size, Encoding(), filing, None, on_damaged=stats.sound_damaged)
        for frame in opened:
            recording.write(Drawn(frame.picture, frame.index, frame.pts_s, None))
        recording.close("ended")
    snapshot = stats.snapshot(time.monotonic())
    assert snapshot.damaged_sound >= 1
    assert f"{snapshot.damaged_sound} damaged packets of sound were left out of the recording" in troubles_of(snapshot)
    assert len(pts_of(tmp_path / "out.mp4")) == 12
