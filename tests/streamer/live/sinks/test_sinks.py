"""A sink that fails while a stream runs ends alone, and is named; the stream ends when none is left."""

import ctypes
import gc
import shutil
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
import zmq

from streamer import SinkError, Stream, StreamConfig, subscribe
from streamer.live.stats import SinkEnd
from tests.support.waiting import eventually, within

pytestmark = pytest.mark.process

PATTERN = "test:size=64x64,rate=30"
SMALL = {"size": (96, 128)}


def pull_away() -> None:
    """ZeroMQ ends beneath the one publisher that there is: from now on its socket refuses everything."""
    (context,) = [each for each in gc.get_objects() if type(each) is zmq.Context and not each.closed]
    library = next(each.path for each in psutil.Process().memory_maps() if "libzmq" in each.path)
    # The one call that any thread may make at any time; pyzmq has no name for it.
    assert ctypes.CDLL(library).zmq_ctx_shutdown(ctypes.c_void_p(context.underlying)) == 0


def test_a_publisher_that_fails_does_not_end_a_recording(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/sock"
    config = StreamConfig(PATTERN, record=str(tmp_path / "out.mp4"), publish=address, **SMALL)
    with Stream(config) as stream:
        assert eventually(lambda: stream.stats.parsed > 3)
        pull_away()
        assert eventually(lambda: stream.stats.sinks_ended)
        before = stream.stats
        assert before.sinks_ended == (SinkEnd("publisher", f"cannot publish at {address}: Context was terminated"),)
        assert eventually(lambda: stream.stats.shown > before.shown + 20)
        assert eventually(lambda: stream.stats.parsed > before.parsed + 5)
        stream.stop()
        with pytest.raises(SinkError, match=f"cannot publish at {address}"):
            with within(10):
                stream.join(120)
    assert [each.name for each in stream.stats.sinks_ended] == ["publisher"]


def test_a_publisher_that_fails_ends_a_stream_that_has_nothing_else(tmp_path: Path) -> None:
    with Stream(StreamConfig(PATTERN, publish=f"ipc://{tmp_path}/sock", **SMALL)) as stream:
        assert eventually(lambda: stream.stats.parsed > 3)
        pull_away()
        with pytest.raises(SinkError, match="Context was terminated"):
            stream.join(120)


def test_a_message_that_nobody_would_take_ends_the_publisher(tmp_path: Path) -> None:
    """In the middle of a folder comes a picture that is wider than a message may say."""
    for number, size in enumerate([(64, 64)] * 25 + [(2, 66_000)] + [(64, 64)] * 25):
        cv2.imwrite(str(tmp_path / f"{number:03d}.png"), np.full((*size, 3), 90, np.uint8))
    address, out = f"ipc://{tmp_path}/sock", tmp_path / "out.mp4"
    with subscribe(address, timeout_s=120) as heard:
        config = StreamConfig(str(tmp_path), record=str(out), publish=address, loop=True, still_for_s=0, **SMALL)
        with Stream(config) as stream:
            seen = list(heard)
            assert eventually(lambda: stream.stats.sinks_ended)
            shown = stream.stats.shown
            assert eventually(lambda: stream.stats.shown > shown + 30)
            stream.stop()
            with pytest.raises(SinkError, match="no subscriber would take this mask"):
                with within(10):
                    stream.join(120)
    assert seen
    assert heard.end_reason == "failed"
    assert heard.end_totals is not None
    assert heard.end_totals.sinks_ended == ("publisher",)


def test_the_last_message_names_a_recording_that_failed(tmp_path: Path) -> None:
    folder, address = tmp_path / "disk", f"ipc://{tmp_path}/sock"
    folder.mkdir()
    config = StreamConfig(
        PATTERN, record=str(folder / "door.mp4"), segment_s=0.5, clip_seconds=0, publish=address, **SMALL
    )
    with subscribe(address, timeout_s=120) as heard:
        with Stream(config) as stream:
            assert eventually(lambda: len(list(folder.iterdir())) > 1)
            shutil.rmtree(folder)
            assert eventually(lambda: stream.stats.sinks_ended)
            stream.stop()
        for _ in heard:
            pass
    assert heard.end_reason == "stopped"
    assert heard.end_totals is not None
    assert heard.end_totals.sinks_ended == ("recording",)
