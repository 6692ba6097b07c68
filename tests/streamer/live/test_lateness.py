"""How late a stream shows what its camera sees, on machines that are too slow for it.

What people complain of in tools of this kind: a picture one to two seconds late (fangfufu/Linux-Fake-Background-Webcam
#120), and two cores at work whatever is asked of them (#140). Time is counted here, and nothing waits: so the bounds
hold on any machine. What a core has to do for it, `python -m benchmarks.effects` tells.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from pipeline import Frame
from streamer.live import latest
from streamer.live.latest import LatestParsings
from streamer.live.ring import FrameRing, RingReader
from streamer.live.sinks import virtual_camera
from streamer.live.sinks.sink import Drawn
from streamer.live.sinks.virtual_camera import VirtualCamera
from streamer.live.stream import RING_FRAMES
from tests.support.waiting import Clock

HZ = 30
PICTURE = np.zeros((2, 2, 3), np.uint8)


@dataclass
class Camera:
    """Gives a frame each 1/`HZ` s to a ring, as time is told."""

    ring: FrameRing = field(default_factory=lambda: FrameRing(RING_FRAMES))
    given: int = 0

    def until(self, now_s: float) -> None:
        while self.given / HZ <= now_s:
            self.ring.put(Frame(PICTURE, self.given, self.given / HZ, self.given / HZ))
            self.given += 1


def ages_s(each_takes_s: float, reader: RingReader, camera: Camera, *, newest: bool) -> list[float]:
    """How old frames are when a reader is done with them that takes so long for each."""
    now_s, ages = 0.0, []
    while now_s < 60:
        camera.until(now_s)
        frame = reader.newest(0) if newest else reader.next(0)
        if frame is None:
            now_s = camera.given / HZ
            continue
        now_s += each_takes_s
        ages.append(now_s - frame.captured_s)
    return ages


@pytest.mark.parametrize("each_takes_s", [0.01, 0.04, 0.1, 0.25])
def test_who_draws_too_slowly_is_late_by_a_few_frames_and_never_by_more(each_takes_s: float) -> None:
    """A minute long: what is in the ring is the only queue there is, and it does not grow."""
    camera = Camera()
    reader = camera.ring.reader()
    ages = ages_s(each_takes_s, reader, camera, newest=False)
    assert max(ages) <= RING_FRAMES / HZ + each_takes_s + 1e-9
    assert max(ages) < 1
    assert reader.delivered + reader.missed + reader.unread == camera.given
    assert (reader.missed > 0) == (each_takes_s > 1 / HZ)


@pytest.mark.parametrize("each_takes_s", [0.01, 0.1, 2.0])
def test_who_parses_too_slowly_begins_with_the_newest_frame(each_takes_s: float) -> None:
    camera = Camera()
    reader = camera.ring.reader()
    ages = ages_s(each_takes_s, reader, camera, newest=True)
    assert max(ages) <= each_takes_s + 1 / HZ + 1e-9
    assert reader.delivered + reader.skipped + reader.unread == camera.given


def test_a_frame_does_not_wait_for_a_parser_that_is_too_slow_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(latest, "time", clock)
    parsings = LatestParsings()
    waited_s: list[float] = []
    monkeypatch.setattr(parsings._changed, "wait_for", lambda met, timeout_s: waited_s.append(timeout_s))
    for took_s, waits in ((0.05, True), (2.0, False)):
        parsings._took_s.extend([took_s] * latest.MEASURED)
        parsings.begin(7)
        waited_s.clear()
        parsings.wait_for(7, 0.06)
        assert bool(waited_s) == waits
        parsings.end(None)


def test_a_virtual_camera_keeps_no_pictures_for_who_reads_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is at the device, but for a part of it that writing to a file keeps back, before the next one is drawn."""
    monkeypatch.setattr(virtual_camera, "FORMAT", "rawvideo")
    device = tmp_path / "video9"
    device.touch()
    camera = VirtualCamera(str(device))
    size = 480 * 640 * 3 // 2
    for index in range(60):
        camera.write(Drawn(np.full((480, 640, 3), index, np.uint8), index, index / HZ, None))
        assert device.stat().st_size > index * size
    camera.close("ended")
    assert device.stat().st_size == 60 * size
