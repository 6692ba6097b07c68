"""What a recording held is gone with it, and not only when Python next looks for circles."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from streamer import open_source
from streamer.recording.clip_buffer import Recent
from streamer.recording.codecs import Encoding
from streamer.recording.file import Recorder
from streamer.recording.live import LiveRecorder
from streamer.recording.segments import Filing


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Nobody looks for circles."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def live(path: Path) -> None:
    with open_source("test:size=64x64,frames=5") as source:
        filing, recent = Filing(path, None, 0, force=True), Recent(10.0)
        with LiveRecorder(source.info, source.audio, Encoding(), filing, recent) as recorder:
            for frame in source:
                recorder.write(frame.picture, frame.pts_s)
        recent.clip(path.with_stem(f"clip-{path.stem}"))


def offline(path: Path) -> None:
    with open_source("test:size=64x64,frames=5") as source:
        with Recorder(path, source.info, source.audio, Encoding(), force=True) as recorder:
            for frame in source:
                recorder.write(frame.picture, frame.pts_s)


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("record", [live, offline])
def test_after_many_recordings_no_thread_is_left(tmp_path: Path, record: Callable[[Path], None]) -> None:
    record(tmp_path / "first.mp4")  # libraries begin threads of their own
    threads = psutil.Process().num_threads()
    for number in range(5):
        record(tmp_path / f"{number}.mp4")
    assert psutil.Process().num_threads() <= threads
    assert len(list(tmp_path.iterdir())) == (12 if record is live else 6)
