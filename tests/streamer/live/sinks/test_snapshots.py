"""Pictures and clips of a running stream, by call; and how a stream goes on when its recording cannot."""

import math
import shutil
from pathlib import Path

import av
import pytest

from streamer import SinkError, Stream, StreamConfig, open_source
from streamer.cli import main
from streamer.live.sinks.sink import Drawn
from streamer.live.sinks.snapshots import NotSaved, Saved, Saver
from streamer.live.stats import Stats
from tests.support.media import Camera, Clip, pts_of, quarters, sound_of
from tests.support.waiting import eventually, within

pytestmark = pytest.mark.process

PATTERN = "test:size=240x320,rate=30"
SMALL = {"size": (96, 128)}


def keys_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(packet.is_keyframe for packet in container.demux(video=0) if packet.size)


def test_a_picture_and_a_clip_of_a_recording_by_call(tmp_path: Path) -> None:
    with Stream(StreamConfig(PATTERN, record=str(tmp_path / "out.mp4"), **SMALL)) as stream:
        assert eventually(lambda: stream.stats.shown > 30)
        stream.snapshot(tmp_path / "now.png")
        stream.clip(tmp_path / "clip.mp4")
        with pytest.raises(SinkError, match=r"clip\.mp4 exists"):
            stream.clip(tmp_path / "clip.mp4")
        with pytest.raises(SinkError, match="no folder"):
            stream.snapshot(tmp_path / "no" / "now.png")
        stream.stop()
        with within(5):
            assert stream.join(120)
        stream.clip(tmp_path / "end.mp4")
    assert next(iter(open_source(tmp_path / "now.png"))).size == (240, 320)
    assert len(pts_of(tmp_path / "clip.mp4")) > 25
    assert len(pts_of(tmp_path / "end.mp4")) == len(pts_of(tmp_path / "out.mp4")) == stream.stats.shown


def test_clips_of_what_is_neither_recorded_nor_seen(tmp_path: Path) -> None:
    """Nothing else asks for pictures, so that they are encoded for this alone; a clip of a camera has its sound."""
    clip = Clip(size=(240, 320), ticks=range(0, 500 * 512, 512), sound="libmp3lame").make(tmp_path / "source.mp4")
    config = StreamConfig(str(clip), publish=f"ipc://{tmp_path}/sock", clip_seconds=2, **SMALL)
    with Stream(config) as stream:
        assert eventually(lambda: stream.stats.shown > 100)
        stream.clip(tmp_path / "clip.mp4")
    assert 2 <= pts_of(tmp_path / "clip.mp4")[-1] < 4.1
    assert len(sound_of(tmp_path / "clip.mp4")[0]) > 40  # a second of it: the file has its sound behind its pictures


def test_nothing_is_kept_unasked(tmp_path: Path) -> None:
    config = StreamConfig(PATTERN, record=str(tmp_path / "out.mp4"), clip_seconds=0, **SMALL)
    with Stream(config) as stream:
        assert eventually(lambda: stream.stats.shown > 5)
        with pytest.raises(SinkError, match="--clip-seconds"):
            stream.clip(tmp_path / "clip.mp4")
    with Stream(StreamConfig(PATTERN, publish=f"ipc://{tmp_path}/sock", **SMALL)) as stream:
        with pytest.raises(SinkError, match="draws nothing"):
            stream.clip(tmp_path / "clip.mp4")
        with pytest.raises(SinkError, match="draws nothing"):
            stream.snapshot(tmp_path / "now.png")


def test_a_key_pressed_in_vain_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is no reason to end the stream."""
    monkeypatch.chdir(tmp_path)
    stats = Stats()
    saver = Saver(0, stats.saved)
    saver.clip_here()
    saver.snapshot_here()
    saver.show(Drawn(quarters(20, 30), 7, 0.0, None))
    saver.snapshot_here()
    assert saver.snapshot_here() == Saved(Path("snapshot-000007-1.png"))
    assert stats.snapshot(0.0).saves_total == 4
    assert stats.snapshot(0.0).saves == (
        NotSaved("nothing is kept for clips; --clip-seconds says how much to keep"),
        NotSaved("no picture was drawn yet, so snapshot-000000.png was not written"),
        Saved(Path("snapshot-000007.png")),
        Saved(Path("snapshot-000007-1.png")),
    )
    assert len(list(tmp_path.iterdir())) == 2


def test_clips_go_on_when_the_files_cannot(tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    config = StreamConfig(
        PATTERN,
        record=str(folder / "door.mp4"),
        segment_s=0.5,
        publish=f"ipc://{tmp_path}/sock",
        clip_seconds=5,
        **SMALL,
    )
    with Stream(config) as stream:
        assert eventually(lambda: len(list(folder.iterdir())) > 1)
        shutil.rmtree(folder)
        assert eventually(lambda: stream.stats.sinks_ended)
        shown = stream.stats.shown
        assert eventually(lambda: stream.stats.shown > shown + 30)
        stream.clip(tmp_path / "clip.mp4")
        stream.stop()
        with pytest.raises(SinkError, match=r"cannot write .*door"):
            with within(5):
                stream.join(120)
    assert stream.stats.drops.no_sink == 0
    assert len(pts_of(tmp_path / "clip.mp4")) > 30


def test_a_recording_that_ends_for_lack_of_space_leaves_the_rest(tmp_path: Path) -> None:
    """Nothing is recorded at all when the disk is too full from the first, and somebody is there to be told."""
    config = StreamConfig(
        PATTERN, record=str(tmp_path / "out.mp4"), keep_free_bytes=10**18, publish=f"ipc://{tmp_path}/sock", **SMALL
    )
    with Stream(config) as stream, pytest.raises(SinkError, match=r"out\.mp4: its disk has .* of --keep-free"):
        stream.join(120)
    assert not (tmp_path / "out.mp4").exists()


def test_files_of_a_camera_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    clip = Clip(size=(240, 320), ticks=range(0, 200 * 512, 512), sound="aac").make(tmp_path / "clip.ts")
    with Camera(clip, "tcp") as camera:
        options = "--record door.mp4 --segment 2s --keep-free 1MB --duration 5 --size 96x128"
        monkeypatch.setattr("sys.argv", ["streamer", "run", camera.url, *options.split()])
        with pytest.raises(SystemExit) as done:
            main()
    assert not done.value.code
    files = sorted(tmp_path.glob("door-*.mp4"))
    lasted_s = sum(float(pts_of(path)[-1]) + 0.04 for path in files)
    assert len(files) == math.ceil(lasted_s / 2 - 0.02) >= 2
    assert all(pts_of(path)[0] < 0.05 and keys_of(path) for path in files)
    assert "door-*.mp4: " in capsys.readouterr().out
