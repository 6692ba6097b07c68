"""Clips in which each flash has its click, and what a player makes of them."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

TELEPHONE_RATE = 8_000
PIECE = 160
"""Samples in a packet of a camera's."""
ALWAYS = ((0.0, float("inf")),)


def flashing(
    path: Path,
    seconds: float,
    marks: Sequence[float],
    sound: str = "pcm_alaw",
    heard: Sequence[tuple[float, float]] = ALWAYS,
    pace: float = 1.0,
) -> Path:
    """Black pictures, and a white one at each mark; silence, and a click at each mark. Of the sound only what is heard
    is in the file; its samples come so many times as slowly as they should."""
    # With a length it would be a recording, and not be connected to again.
    options = {"flvflags": "no_duration_filesize"} if path.suffix == ".flv" else {}
    with av.open(str(path), "w", options=options) as container:
        video: Any = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "tune": "zerolatency"})
        video.height, video.width, video.pix_fmt, video.gop_size = 64, 96, "yuv420p", 25
        rate = 48_000 if sound == "ac3" else TELEPHONE_RATE
        audio: Any = container.add_stream(sound, rate=rate, layout="mono")
        wave = np.zeros(round(seconds * rate) // 1536 * 1536, np.int16)
        for mark in marks:
            begin = round(mark / pace * rate)
            wave[begin : begin + rate // 100] = 20_000 * np.sign(np.sin(np.arange(rate // 100) * 8_000 / rate))
        piece = 1536 if sound == "ac3" else PIECE
        packets: list[Any] = []
        for index in range(round(seconds * 25)):
            white = any(abs(index / 25 - mark) < 0.01 for mark in marks)
            picture = np.full((64, 96, 3), 235 * white, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            packets += video.encode(frame)
        packets += video.encode(None)
        for begin in range(0, len(wave), piece):
            form = "fltp" if sound == "ac3" else "s16"
            samples = wave[None, begin : begin + piece]
            samples = (samples / 32768).astype(np.float32) if sound == "ac3" else samples
            said = av.AudioFrame.from_ndarray(samples, format=form, layout="mono")
            said.sample_rate, said.pts, said.time_base = rate, begin, Fraction(1, rate)
            packets += audio.encode(said)
        packets += audio.encode(None)
        for packet in sorted(packets, key=lambda each: each.dts * each.time_base):
            if packet.stream is audio:
                packet.pts = packet.dts = round(packet.pts * pace)
            at_s = float(packet.pts * packet.time_base)
            if packet.stream is video or any(since <= at_s < until for since, until in heard):
                container.mux(packet)
    return path


def seen_and_heard(path: Path) -> tuple[list[float], list[float]]:
    """When a player shows flashes and when it plays clicks."""
    with av.open(str(path)) as container:
        light = [(frame.time, frame.to_ndarray(format="gray").mean()) for frame in container.decode(video=0)]
    flashes = [time_s for time_s, mean in light if mean > 120]
    clicks: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            samples = frame.to_ndarray().astype(np.float64)
            samples = samples[0] / (32768 if frame.format.name.startswith("s16") else 1)
            for loud in np.flatnonzero(np.abs(samples) > 0.25):
                at_s = frame.time + loud / frame.sample_rate
                if not clicks or at_s > clicks[-1] + 0.1:
                    clicks.append(at_s)
    return flashes, clicks
