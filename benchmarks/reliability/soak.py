"""A long run: what grows."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import psutil

from benchmarks.reliability.measure import Place, Row, running, until
from tests.support import media

RATE = 60
EVERY_S = 1.0
WARM_UP = 0.2
"""Of the frames."""


@dataclass(frozen=True)
class Sample:
    frames: int
    megabytes: float
    threads: int
    files: int
    processes: int


def _sample(frames: int) -> Sample:
    """Of this process and its own."""
    me = psutil.Process()
    family = [me, *me.children(recursive=True)]
    return Sample(
        frames,
        sum(each.memory_info().rss for each in family) / 1e6,
        sum(each.num_threads() for each in family),
        sum(each.num_fds() for each in family),
        len(family),
    )


def soak(place: Place, frames: int, plot: Path | None) -> Iterator[Row]:
    clip = place.clip("soak.ts", frames / RATE, rate=RATE, size=(240, 320))
    address = f"tcp://127.0.0.1:{media.free_port()}"
    samples: list[Sample] = []
    with media.Camera(clip) as camera:
        with running(camera.url, record=str(place.folder / "soak.mp4"), publish=address) as stream:
            pause = threading.Event()
            until(lambda: stream.stats.parsed > 0)
            while stream.stats.captured < frames - RATE and stream.stats.reconnects == 0:
                samples.append(_sample(stream.stats.captured))
                pause.wait(EVERY_S)
            stream.stop()
            stats = stream.stats
    kept = [each for each in samples if each.frames > WARM_UP * frames]
    slope = float(np.polyfit([each.frames / 1000 for each in kept], [each.megabytes for each in kept], 1)[0])
    if plot:
        cv2.imwrite(str(plot), _drawn(samples))
    first, last = kept[0], kept[-1]
    grown = (last.threads - first.threads, last.files - first.files, last.processes - first.processes)
    yield Row(
        f"{stats.captured} frames of 240x320 from RTSP, recorded and published",
        "memory grows by less than 1 MB per 1,000 frames; no thread, file or process more",
        f"{slope:+.3f} MB per 1,000 frames; threads {grown[0]:+}, files {grown[1]:+}, processes {grown[2]:+}",
        slope < 1 and max(grown) <= 0,
    )
    yield Row(
        "its frames",
        "captured = shown + dropped",
        f"{stats.captured} = {stats.shown} + {stats.drops.total}",
        stats.captured == stats.shown + stats.drops.total,
    )


def _drawn(samples: list[Sample]) -> "np.ndarray":
    """Memory over frames, as a picture."""
    height, width, edge = 360, 800, 60
    picture = np.full((height, width, 3), 255, np.uint8)
    most_mb = 100 * np.ceil(max(each.megabytes for each in samples) / 100)
    most_frames = samples[-1].frames
    black, blue, grey = (0, 0, 0), (180, 90, 0), (210, 210, 210)

    def spot(frames: float, megabytes: float) -> tuple[int, int]:
        across = edge + frames / most_frames * (width - 2 * edge)
        return round(across), round(height - edge - megabytes / most_mb * (height - 2 * edge))

    for megabytes in np.arange(0, most_mb + 1, 100):
        cv2.line(picture, spot(0, megabytes), spot(most_frames, megabytes), grey, 1)
        left, low = spot(0, megabytes)
        cv2.putText(picture, f"{megabytes:.0f}", (left - 40, low + 4), cv2.FONT_HERSHEY_SIMPLEX, 0.4, black, 1)
    points = np.array([spot(each.frames, each.megabytes) for each in samples], np.int32)
    cv2.polylines(picture, [points], False, blue, 2, cv2.LINE_AA)
    title = "resident MB of all processes together, over frames"
    cv2.putText(picture, title, (edge, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.5, black, 1, cv2.LINE_AA)
    for frames in range(0, most_frames + 1, max(1000, most_frames // 5 // 1000 * 1000)):
        left, low = spot(frames, 0)
        cv2.putText(picture, str(frames), (left - 12, low + 20), cv2.FONT_HERSHEY_SIMPLEX, 0.4, black, 1)
    return picture
