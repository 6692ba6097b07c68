"""Files on a disk that hangs, played as a camera: reading a pipe that nobody writes into does as such a file does."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import cv2
import pytest

from streamer import CannotOpen, SourceLost, Stream, StreamConfig, open_source
from streamer.errors import Cause
from tests.support.media import Clip, quarters

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")

SAYS = "its disk does not answer within 3 s"


@contextmanager
def pictures(folder: Path, *, hangs_at: int) -> Iterator[Path]:
    """Three pictures, of which the reading of one waits until the context is left."""
    for number in range(3):
        cv2.imwrite(str(folder / f"shot{number}.png"), quarters(64, 96))
    hung = folder / f"shot{hangs_at}.png"
    hung.unlink()
    os.mkfifo(hung)
    try:
        yield folder
    finally:
        writer = os.open(hung, os.O_RDWR | os.O_NONBLOCK)
        hung.unlink()  # nobody opens it again
        os.close(writer)  # whoever waits reads nothing, to its end


def test_a_file_that_cannot_be_opened_for_its_disk_is_told(tmp_path: Path) -> None:
    with pictures(tmp_path, hangs_at=0) as folder, pytest.raises(CannotOpen, match=SAYS) as caught:
        open_source(folder, realtime=True)
    assert caught.value.cause is Cause.TIMEOUT


def test_a_file_whose_reading_does_not_return_is_lost(tmp_path: Path) -> None:
    seen = count()
    with pictures(tmp_path, hangs_at=1) as folder, open_source(folder, realtime=True) as source:
        with pytest.raises(SourceLost, match=SAYS):
            for _ in source:
                next(seen)
    assert next(seen) == 1


@pytest.mark.process
def test_a_stream_of_such_a_file_ends_with_that(tmp_path: Path) -> None:
    with pictures(tmp_path, hangs_at=1) as folder:
        config = StreamConfig(str(folder), record=str(tmp_path / "out.mp4"), size=(64, 96), parse_hz=1)
        with Stream(config) as stream, pytest.raises(SourceLost, match=SAYS):
            stream.join()


def test_a_file_on_a_disk_that_answers_is_read_to_its_end(tmp_path: Path) -> None:
    clip = Clip(ticks=range(0, 512 * 5, 512)).make(tmp_path / "clip.mp4")
    with open_source(clip, realtime=True) as source:
        assert len(list(source)) == 5
