"""A recording is true to its source, whole or absent, and playable after a kill."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pipeline import Size
from streamer import CODECS, ConfigError, Encoding, Recorder, SinkError, SourceInfo, open_source
from streamer.media.packet_queue import PacketQueue
from streamer.media.tags import VideoTags
from tests.support.media import Clip, pictures_of, planes_of, pts_of, quarters, sound_of, turn_of
from tests.support.paths import ROOT
from tests.support.waiting import eventually

SIZE = Size(64, 96)


def copied(source: Path, out: Path, encoding: Encoding | None = None, *, hdr: bool = False) -> Path:
    """The source, decoded and recorded again as it is."""
    with open_source(source, audio=True, hdr=hdr) as opened:
        with Recorder(out, opened.info, opened.audio, encoding or Encoding(), force=False) as recorder:
            for frame in opened:
                recorder.write(frame.picture, frame.pts_s)
    return out


def info(size: Size = SIZE, rate: int = 25, **tags: object) -> SourceInfo:
    return SourceInfo("made up", size, Fraction(rate), tags=VideoTags(time_base=Fraction(1, 12_800), **tags))  # type: ignore[arg-type]


def recorder(path: Path, about: SourceInfo | None = None, *, force: bool = False, codec: str = "h264") -> Recorder:
    return Recorder(path, about or info(), PacketQueue(), Encoding(codec), force=force)


UNEVEN = (0, 100, 700, 720, 5000, 9000, 9020, 20000, 20512, 21024)  # at least a millisecond apart, for .mkv
CLIPS = {
    "even": Clip(),
    "uneven": Clip(ticks=UNEVEN),
    "late": Clip(ticks=range(5120, 11000, 512)),
    "fine": Clip(time_base=Fraction(1, 200_000), ticks=range(0, 200_000, 20_000)),
    "singing": Clip(sound="aac"),
    "turned": Clip(rotation=90),
    "turned back": Clip(rotation=-90),
    "upside down": Clip(rotation=180),
    "bt709": Clip(matrix=1, colour_range=1),
    "full range": Clip(matrix=5, colour_range=2),
    "anamorphic": Clip(aspect=Fraction(4, 3)),
}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("name", CLIPS)
def test_a_copy_keeps_times_sound_tags_and_pictures(tmp_path: Path, name: str, suffix: str) -> None:
    source = CLIPS[name].make(tmp_path / f"source{suffix}")
    out = copied(source, tmp_path / f"out{suffix}")
    assert pts_of(out) == pts_of(source)
    assert sound_of(out) == sound_of(source)
    with open_source(source) as before, open_source(out) as after:
        assert after.info.tags == before.info.tags
    assert [turn_of(picture) for picture in pictures_of(out)] == [turn_of(picture) for picture in pictures_of(source)]
    for before_, after_ in zip(planes_of(source), planes_of(out), strict=True):
        assert np.abs(before_ - after_).max() < 0.8  # no darker, no other hue: x264's own loss on these stays below


def test_the_same_pictures_are_the_same_bytes(tmp_path: Path) -> None:
    """Whatever memory held before: 96 pixels are no multiple of what AVX-512 reads at once."""
    noise = np.random.default_rng(1).integers(0, 255, (12, *SIZE, 3), np.uint8)
    pictures = [np.asarray(cv2.GaussianBlur(each, (0, 0), 3), np.uint8) for each in noise]
    made = set()
    for number in range(30):
        filled = [np.full(1 << (10 + size), number * 8, np.uint8) for size in range(12)]
        del filled
        with recorder(tmp_path / f"{number}.mp4") as file:
            for index, picture in enumerate(pictures):
                file.write(picture, index / 25)
        made.add((tmp_path / f"{number}.mp4").read_bytes())
    assert len(made) == 1


@pytest.mark.parametrize("colour_range", [1, 2])
@pytest.mark.parametrize("matrix", [1, 5])
def test_pictures_that_come_as_bgr_keep_their_colours(tmp_path: Path, matrix: int, colour_range: int) -> None:
    about = info(matrix=matrix, colour_range=colour_range)
    with Recorder(tmp_path / "out.mp4", about, PacketQueue(), Encoding(crf=1), force=False) as sink:
        sink.write(quarters(*SIZE), 0.0)
    with open_source(tmp_path / "out.mp4") as written:
        seen = next(iter(written)).bgr
        assert (written.info.tags.matrix, written.info.tags.colour_range) == (matrix, colour_range)
    difference = np.abs(seen.astype(int) - quarters(*SIZE))[4:28, 4:44]
    assert difference.max() <= 4  # swscale loses up to a level of chroma in full range; another matrix is off by 20


@pytest.mark.parametrize(("sound", "suffix"), [("libopus", ".mkv"), ("flac", ".mkv"), ("libopus", ".mp4")])
def test_other_sound_is_copied_too(tmp_path: Path, sound: str, suffix: str) -> None:
    source = Clip(sound=sound).make(tmp_path / f"source{suffix}")
    assert sound_of(copied(source, tmp_path / f"out{suffix}")) == sound_of(source)


def test_pictures_that_a_container_does_not_take_are_a_clear_error(tmp_path: Path) -> None:
    source = Clip(sound="flac").make(tmp_path / "source.mkv")
    said = r"\.webm does not take h264 with sound as flac at 64x96, but vp9 and av1; \.mp4 and \.mkv and \.mov do "
    with pytest.raises(SinkError, match=said):
        copied(source, tmp_path / "out.webm")
    assert {path.name for path in tmp_path.iterdir()} == {"source.mkv"}


def test_no_codec_is_named_that_does_not_take_such_small_pictures(tmp_path: Path) -> None:
    source = Clip(size=(1, 1), codec="ffv1", pixels="bgr0").make(tmp_path / "source.mkv")
    with pytest.raises(SinkError, match=r"does not take h264 at 1x1, but vp9; \.mp4 and \.mkv and \.mov do "):
        copied(source, tmp_path / "out.webm")


def test_a_clock_that_starts_anywhere_starts_at_zero(tmp_path: Path) -> None:
    source = Clip(sound="aac").make(tmp_path / "source.ts")
    out = copied(source, tmp_path / "out.mp4")
    before, after = pts_of(source), pts_of(out)
    assert [time - before[0] for time in before] == [time - after[0] for time in after]
    assert min(after[0], sound_of(out)[0][0][0]) == 0
    shift = before[0] - after[0]
    heard = [time - shift for time, _ in sound_of(source)[0]]
    assert heard == pytest.approx([time for time, _ in sound_of(out)[0]], abs=1 / 40_000)


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_writes_every_frame(tmp_path: Path, codec: str) -> None:
    out = tmp_path / "out.mkv"
    with recorder(out, codec=codec) as sink:
        for index in range(12):
            sink.write(quarters(*SIZE), index / 25)
    assert pts_of(out) == [Fraction(index, 25) for index in range(12)]
    assert turn_of(pictures_of(out)[5]) == [0, 1, 2, 3]


def test_a_lower_crf_is_better(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)
    sizes = []
    for crf in (10, 40):
        with Recorder(tmp_path / f"{crf}.mp4", info(), PacketQueue(), Encoding("h264", crf), force=False) as sink:
            sink.write(noise, 0.0)
        sizes.append((tmp_path / f"{crf}.mp4").stat().st_size)
    assert sizes[0] > 2 * sizes[1]


@pytest.mark.parametrize("size", [Size(65, 97), Size(1, 1), Size(2, 3)])
def test_odd_sizes_gain_a_row_or_column(tmp_path: Path, size: Size) -> None:
    with recorder(tmp_path / "odd.mp4", info(size)) as sink:
        sink.write(quarters(*size), 0.0)
    height, width = size
    assert pictures_of(tmp_path / "odd.mp4")[0].shape == (height + height % 2, width + width % 2, 3)


def test_a_picture_of_another_size_is_fitted_without_distortion(tmp_path: Path) -> None:
    with recorder(tmp_path / "out.mkv", info(Size(100, 200))) as sink:
        sink.write(quarters(100, 200), 0.0)
        sink.write(quarters(200, 200), 0.04)
    second = pictures_of(tmp_path / "out.mkv")[1]
    assert second.shape == (100, 200, 3)
    assert second[:, :46].max() < 20  # black beside it
    assert second[:, 154:].max() < 20
    assert turn_of(second[:, 50:150]) == [0, 1, 2, 3]


def test_times_that_repeat_or_go_back_still_keep_every_frame(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    with recorder(out) as sink:
        for pts_s in (0.0, 0.04, 0.04, 0.02, 0.08):
            sink.write(quarters(*SIZE), pts_s)
    times = pts_of(out)
    assert len(times) == 5
    assert times == sorted(set(times))
    assert [times[0], times[1], times[4]] == [0, Fraction(1, 25), Fraction(2, 25)]


@pytest.mark.parametrize("frames", [66, 67, 68, 79])
def test_the_last_picture_is_played_whatever_the_order_of_packets(tmp_path: Path, frames: int) -> None:
    with recorder(tmp_path / "out.mp4") as sink:
        for index in range(frames):
            sink.write(quarters(*SIZE), index / 25)
    assert len(pts_of(tmp_path / "out.mp4")) == frames


def test_an_existing_file_stays_unless_forced(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    out.write_text("precious")
    with pytest.raises(SinkError, match="--force overwrites it"):
        recorder(out)
    assert out.read_text() == "precious"
    with recorder(out, force=True) as sink:
        sink.write(quarters(*SIZE), 0.0)
    assert len(pts_of(out)) == 1


def test_an_existing_file_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    out.write_text("precious")
    with pytest.raises(ZeroDivisionError):
        with recorder(out, force=True) as sink:
            sink.write(quarters(*SIZE), 0.0)
            raise ZeroDivisionError
    assert out.read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_an_error_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        with recorder(tmp_path / "out.mp4") as sink:
            sink.write(quarters(*SIZE), 0.0)
            raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_in_the_middle_completes_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        with recorder(tmp_path / "out.mp4") as sink:
            for index in range(5):
                sink.write(quarters(*SIZE), index / 25)
            raise KeyboardInterrupt
    assert len(pts_of(tmp_path / "out.mp4")) == 5


def test_no_picture_at_all_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="no picture came"):
        with recorder(tmp_path / "out.mp4"):
            pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("out", "says"),
    [("nowhere/out.mp4", "no folder"), (".", "is a folder"), ("out.xyz", "out.xyz")],
)
def test_places_that_cannot_be_written(tmp_path: Path, out: str, says: str) -> None:
    with pytest.raises(SinkError, match=says):
        recorder(tmp_path / out)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("codec", "crf", "says"), [("h263", None, "there are: h264"), ("h264", 52, "between 0 and 51")]
)
def test_encodings_that_cannot_be(codec: str, crf: int | None, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Encoding(codec, crf)


@pytest.mark.process
def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A limit on the size of files fails a write as a full disk does, without needing to mount one.
    code = f"""
import resource, signal, sys
sys.path.insert(0, {str(ROOT)!r})
import numpy as np
from tests.streamer.recording.test_file import SIZE, recorder
from pathlib import Path
from streamer import SinkError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
noise = np.random.default_rng(0)
try:
    with recorder(Path("out.mp4")) as sink:
        for index in range(400):
            sink.write(noise.integers(0, 255, (*SIZE, 3), np.uint8), index / 25)
except SinkError as exc:
    print(exc)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "cannot write out.mp4: File too large"
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_killed_recording_plays_up_to_about_the_last_second(tmp_path: Path, suffix: str) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import numpy as np
from tests.streamer.recording.test_file import SIZE, recorder
from pathlib import Path
sink = recorder(Path("out{suffix}"))
noise = np.random.default_rng(0)
for index in range(200):
    sink.write(noise.integers(0, 255, (*SIZE, 3), np.uint8), index / 25)
print("written", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        writer.kill()
    (partial,) = tmp_path.iterdir()
    assert partial.name == f".out.partial{suffix}"
    played = pts_of(partial)
    # Half a second waits for its fragment; the encoder looks ahead by some twenty frames.
    assert played[-1] > 8 - 2


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    import psutil

    me = psutil.Process()
    picture = quarters(480, 640)
    with recorder(tmp_path / "long.mp4", info(Size(480, 640))) as sink:
        for index in range(100):
            sink.write(picture, index / 25)
        early = me.memory_info().rss
        for index in range(100, 700):
            sink.write(picture, index / 25)
        grown = me.memory_info().rss - early
    assert grown < 40e6  # 600 pictures held would be 550 MB


def test_pictures_go_into_a_folder_whole(tmp_path: Path) -> None:
    from streamer.recording.file import PictureFolder

    with PictureFolder(tmp_path, ["a.png", "b.png"], force=False) as sink:
        sink.write(quarters(20, 30), 0.0)
        sink.write(quarters(40, 30, shade=10), 0.04)
    with open_source(tmp_path) as written:
        assert [frame.size for frame in written] == [Size(20, 30), Size(40, 30)]
    with pytest.raises(SinkError, match="--force"):
        PictureFolder(tmp_path, ["c.png", "b.png"], force=False)


def test_the_file_says_when_it_is_no_video(tmp_path: Path) -> None:
    with recorder(tmp_path / "out.mp4") as sink:
        sink.write(quarters(*SIZE), 0.0)
        assert eventually((tmp_path / ".out.partial.mp4").exists)
        assert not (tmp_path / "out.mp4").exists()
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "h264"


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_name_may_be_as_long_as_a_name_may_be(tmp_path: Path, suffix: str) -> None:
    longest = tmp_path / ("\u00e4" * 125 + "x" + suffix)
    with recorder(longest) as sink:
        assert all(len(each.name.encode()) <= 255 for each in tmp_path.iterdir())
        sink.write(quarters(*SIZE), 0.0)
    assert list(tmp_path.iterdir()) == [longest]
    with pytest.raises(SinkError, match="too long: 255 bytes"):
        recorder(tmp_path / ("\u00e4" * 126 + suffix))


@pytest.mark.parametrize("codec", CODECS)
def test_encoders_say_nothing(tmp_path: Path, codec: str, capfd: pytest.CaptureFixture[str]) -> None:
    with recorder(tmp_path / "out.mkv", codec=codec) as sink:
        sink.write(quarters(*SIZE), 0.0)
    assert capfd.readouterr() == ("", "")
