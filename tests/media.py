"""Media that the tests make for themselves: small, and known to the pixel."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

QUADRANTS = ((40, 40, 200), (40, 200, 40), (200, 40, 40), (220, 220, 220))
"""BGR of the quarters of a picture: top left, top right, bottom left, bottom right. No two turns look alike."""


def quarters(height: int, width: int, shade: int = 0) -> NDArray[np.uint8]:
    """A picture of four quarters; `shade` (0-30) darkens it, which tells frames apart."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = QUADRANTS[0]
    picture[: height // 2, width // 2 :] = QUADRANTS[1]
    picture[height // 2 :, : width // 2] = QUADRANTS[2]
    picture[height // 2 :, width // 2 :] = QUADRANTS[3]
    return picture - np.uint8(shade)


def which_quarter(colour: Sequence[float]) -> int:
    """The index in `QUADRANTS` of the colour nearest to this."""
    return int(np.argmin([np.abs(np.subtract(colour, each)).sum() for each in QUADRANTS]))


def turn_of(picture: NDArray[np.uint8]) -> list[int]:
    """Which quarter is seen at the top left, top right, bottom left and bottom right."""
    height, width = picture.shape[:2]
    spots = [(height // 4, width // 4), (height // 4, 3 * width // 4)]
    spots += [(3 * height // 4, width // 4), (3 * height // 4, 3 * width // 4)]
    return [which_quarter(picture[spot]) for spot in spots]


@dataclass(frozen=True)
class Clip:
    """A video to be made."""

    size: tuple[int, int] = (64, 96)
    ticks: Sequence[int] = tuple(range(0, 12 * 512, 512))
    """Timestamp of each frame."""
    time_base: Fraction = Fraction(1, 12_800)
    codec: str = "libx264"
    pixels: str = "yuv420p"
    rotation: int = 0
    sound: str = ""
    """Encoder of a track of sound, a little longer than the pictures."""
    matrix: int = 2
    colour_range: int = 0
    aspect: Fraction = Fraction(1)

    def make(self, path: Path, pictures: Iterable[NDArray[np.uint8]] | None = None) -> Path:
        """Writes the clip; its frames are `quarters`, each a little darker, unless pictures are given."""
        with av.open(str(path), "w") as container:
            rate = Fraction(1) / (self.time_base * max(1, self.ticks[-1] // max(1, len(self.ticks) - 1)))
            video: Any = container.add_stream(self.codec, rate=rate.limit_denominator(1000))
            context = video.codec_context
            context.height, context.width = self.size
            context.pix_fmt = self.pixels
            context.time_base = video.time_base = self.time_base
            context.colorspace, context.color_range = self.matrix, self.colour_range
            context.sample_aspect_ratio = self.aspect
            if self.rotation:
                video.set_display_rotation(self.rotation)
            audio: Any = container.add_stream(self.sound, rate=48_000) if self.sound else None
            made = (quarters(*self.size, shade=2 * index % 30) for index in range(len(self.ticks)))
            shots = made if pictures is None else pictures
            for tick, picture in zip(self.ticks, shots):
                frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
                frame = frame.reformat(
                    format=self.pixels, dst_colorspace=self.matrix, dst_color_range=self.colour_range or None
                )
                frame.pts, frame.time_base = tick, self.time_base
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
            if audio is not None:
                _sing(container, audio, float(self.ticks[-1] * self.time_base) + 0.5)
        return path


def _sing(container: Any, audio: Any, seconds: float) -> None:
    for start in range(0, int(seconds * 48_000), 1024):
        wave = np.sin(np.arange(start, start + 1024) * 0.03).astype(np.float32) * 0.3
        frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
        container.mux(audio.encode(frame))
    container.mux(audio.encode(None))


def pts_of(path: Path) -> list[Fraction]:
    """When each picture of a file is shown, in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [frame.pts * stream.time_base for frame in container.decode(stream)]


def sound_of(path: Path) -> list[list[tuple[Fraction, bytes]]]:
    """Each track of sound as packets: time in seconds, bytes."""
    with av.open(str(path)) as container:
        tracks: list[list[tuple[Fraction, bytes]]] = [[] for _ in container.streams.audio]
        places = {stream.index: place for place, stream in enumerate(container.streams.audio)}
        for packet in container.demux():
            if packet.size and packet.stream.index in places:
                tracks[places[packet.stream.index]].append((packet.pts * packet.time_base, bytes(packet)))
        return tracks


def pictures_of(path: Path) -> list[NDArray[np.uint8]]:
    """What a player shows: each picture, upright, BGR."""
    with av.open(str(path)) as container:
        return [
            np.rot90(frame.to_ndarray(format="bgr24"), round(frame.rotation / 90))
            for frame in container.decode(video=0)
        ]


def planes_of(path: Path) -> list[NDArray[np.float64]]:
    """The mean of Y, U and V of each picture, as stored."""
    with av.open(str(path)) as container:
        return [
            np.array(
                [
                    np.mean(np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, : plane.width])
                    for plane in frame.planes
                ]
            )
            for frame in container.decode(video=0)
        ]
