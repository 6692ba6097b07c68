"""What other programs see of a stream by a virtual camera. The device is a file here: no machine of tests has one."""

from pathlib import Path

import numpy as np
import pytest

from streamer import SinkError, Stream, StreamConfig
from streamer.cli.status import plan_of
from streamer.live.sinks import virtual_camera
from streamer.live.sinks.sink import Drawn
from streamer.live.sinks.virtual_camera import VirtualCamera


@pytest.mark.parametrize("channels", [3, 4])
def test_each_picture_is_given_as_raw_yuv(channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an odd column, which a camera cannot have, and with transparency."""
    monkeypatch.setattr(virtual_camera, "FORMAT", "rawvideo")
    device = tmp_path / "video9"
    device.touch()
    camera = VirtualCamera(str(device))
    for index, shade in enumerate((16, 128, 240)):
        camera.write(Drawn(np.full((48, 65, channels), shade, np.uint8), index, index / 30, None))
        assert camera.tick()
    camera.close("ended")
    frames = np.frombuffer(device.read_bytes(), np.uint8).reshape(3, 48 * 64 * 3 // 2)
    luma = frames[:, : 48 * 64].astype(float)
    np.testing.assert_allclose(luma.mean(axis=1), [16 + 219 * shade / 255 for shade in (16, 128, 240)], atol=2)
    assert (np.ptp(luma, axis=1) <= 2).all()


def test_no_device_is_told_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(
        SinkError, match=r"there is no virtual camera .*video9; make one by: sudo modprobe v4l2loopback"
    ):
        VirtualCamera(str(tmp_path / "video9"))


def test_what_is_no_device_is_told(tmp_path: Path) -> None:
    (tmp_path / "video9").touch()
    with pytest.raises(SinkError, match="takes no pictures as a virtual camera"):
        camera = VirtualCamera(str(tmp_path / "video9"))
        try:
            camera.write(Drawn(np.zeros((48, 64, 3), np.uint8), 0, 0.0, None))
        finally:
            camera.close("failed")


@pytest.mark.process
def test_a_stream_gives_what_it_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_camera, "FORMAT", "rawvideo")
    device = tmp_path / "video9"
    device.touch()
    config = StreamConfig("test:size=64x64,rate=30,frames=20", size=(64, 96), virtual_camera=str(device))
    assert f"goes to the camera {device}, without a window" in plan_of(config)
    with Stream(config) as stream:
        assert stream.join(120)
    stats = stream.stats
    assert stats.captured == 20 == stats.shown + stats.drops.behind  # only a recording waits for each picture
    assert device.stat().st_size == stats.shown * 64 * 64 * 3 // 2 > 0
