"""What a camera really gives, what things cost on this machine, and which settings will hold."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline import PARSERS, Frame, Look, RuntimeUnavailable, Size, load_parser
from pipeline.drawing.overlay import draw
from pipeline.m2fp.weights import WEIGHTS
from pipeline.network.letterbox import network_size
from pipeline.parsing.input_size import SMALLER
from streamer.diagnose.capacity import Costs, Forecast, Way, best, cameras_at_once, forecast
from streamer.errors import SourceLost
from streamer.media.packet_queue import PacketQueue
from streamer.media.tags import SourceInfo
from streamer.recording.codecs import Encoding
from streamer.recording.file import Recorder
from streamer.sources.source import Source

KEPT = 60
"""Frames of the source that everything is timed with."""
SETTLED_S = 1.0
"""What had come until a source was open is given at once; so much later that is over."""
TIMED_S = 1.0
"""How long each way to parse is timed, at least."""
MIN_TIMED = 3


@dataclass(frozen=True, slots=True)
class Camera:
    """How a source behaves."""

    info: SourceInfo
    opened_s: float
    """From asking for it to its first picture."""
    frames: int
    seconds: float
    """They took to come."""
    hz: float
    """Frames a second that came; of a recording, those that it says."""
    jitter_s: float
    """How much later than usual one in twenty comes."""
    gap_s: float
    """The longest pause."""
    delay_s: float
    """Time that its pictures are kept back to be shown steadily; 0 where they come so."""
    uneven_s: float
    """How much later than the most punctual one the least punctual one came; 0 of a recording."""
    damaged: int
    """Pieces that could not be decoded."""
    key_every_s: float | None
    """Between key frames: after a loss the picture is whole again so much later at most. None before the second."""
    bits_per_s: float | None
    lost: str | None
    """Why it ended before the time was over."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All there is to say."""

    camera: Camera
    costs: Costs
    cores: int
    forecasts: tuple[Forecast, ...]
    """Of every way to parse that is ready here."""
    limit_s: float
    """The age that masks may have."""

    @property
    def at_once(self) -> int | None:
        """Number of cameras like this that the machine has time for; None where nothing parses here."""
        cheapest = min((each.way for each in self.forecasts), key=lambda way: way.cpu_s, default=None)
        return None if cheapest is None else cameras_at_once(cheapest, self.camera.hz, self.costs, self.cores)

    @property
    def best(self) -> Forecast | None:
        return best(self.forecasts, self.limit_s)


def watch(open_: Callable[[], Source], seconds: float) -> tuple[Camera, list[Frame], float]:
    """Looks at a source for a while: what it gives, its last frames, and the seconds of a core that decoding one took.

    Args:
        open_: opens it, in real time.

    Raises:
        CannotOpen: it cannot be opened.
    """
    began_s = time.monotonic()
    with open_() as source:
        opened_s = time.monotonic() - began_s
        kept: list[Frame] = []
        came_s: list[float] = []
        lost = None
        used_s = time.process_time()
        try:
            for frame in source:
                came_s.append(frame.captured_s)
                kept = [*kept[1 - KEPT :], frame]
                if frame.captured_s - came_s[0] >= seconds:
                    break
        except SourceLost as exc:
            lost = str(exc)
        decode_s = (time.process_time() - used_s) / max(1, len(came_s))
        return _seen(source, opened_s, came_s, lost), kept, decode_s


def _seen(source: Source, opened_s: float, came_s: Sequence[float], lost: str | None) -> Camera:
    lasted_s = came_s[-1] - came_s[0]
    pauses_s = np.diff(came_s) if len(came_s) > 1 else np.zeros(1)
    return Camera(
        info=source.info,
        opened_s=opened_s,
        frames=len(came_s),
        seconds=lasted_s,
        hz=_hz(came_s, float(source.info.rate or 1)),
        jitter_s=float(np.percentile(pauses_s, 95) - np.median(pauses_s)),
        gap_s=float(pauses_s.max()),
        delay_s=source.delivery.delay_s,
        uneven_s=source.delivery.uneven_s,
        damaged=source.health.damaged,
        key_every_s=source.health.key_every_s,
        bits_per_s=source.health.bytes * 8 / lasted_s if source.health.bytes and lasted_s > 0 else None,
        lost=lost,
    )


def _hz(came_s: Sequence[float], said: float) -> float:
    settled_s = [each for each in came_s if each - came_s[0] >= SETTLED_S]
    counted_s = settled_s if len(settled_s) > 1 else came_s
    lasted_s = counted_s[-1] - counted_s[0]
    return (len(counted_s) - 1) / lasted_s if lasted_s > 0 else said


def costs_of(frames: Sequence[Frame], info: SourceInfo, decode_s: float, *, records: bool) -> Costs:
    """What showing, and recording, some frames takes."""
    frames = [frame for frame in frames if frame.size == frames[-1].size]
    lite = load_parser()
    parsings = [lite(frame) for frame in frames]
    began_s = time.process_time()
    drawn = [draw(frame, parsing, Look()) for frame, parsing in zip(frames, parsings)]
    draw_s = (time.process_time() - began_s) / len(frames)
    encode_s = 0.0
    if records:
        with tempfile.TemporaryDirectory() as folder:
            began_s = time.process_time()
            with Recorder(Path(folder) / "out.mp4", info, PacketQueue(), Encoding(), force=True) as recorder:
                for frame, picture in zip(frames, drawn):
                    recorder.write(picture, frame.pts_s - frames[0].pts_s)
            encode_s = (time.process_time() - began_s) / len(frames)
    return Costs(decode_s, draw_s, encode_s)


def ways(frame_size: Size, model_dir: Path | None) -> list[tuple[str, Size]]:
    """Parsers that are ready here, at the sizes that may be chosen for frames of a size."""
    names = [name for name in PARSERS if name not in WEIGHTS or WEIGHTS[name].ready or model_dir]
    found: list[tuple[str, Size]] = []
    for name in names:
        parser = load_parser(name, model_dir=model_dir if name in WEIGHTS else None)
        usual = parser.fit_for(frame_size).input_size
        shares = (1.0, *SMALLER) if parser.model.compiles_at_once else (1.0,)
        sizes = [network_size(frame_size, round(share * usual.area)) for share in shares]
        found += [(name, size) for size in dict.fromkeys(sizes)]
    return found


def timed(wanted: Sequence[tuple[str, Size]], frames: Sequence[Frame], model_dir: Path | None) -> Iterator[Way]:
    """What each way to parse takes; those that cannot be run here are left out."""
    for name, size in wanted:
        try:
            parser = load_parser(name, model_dir=model_dir if name in WEIGHTS else None, size=size)
            parser(frames[0])
        except RuntimeUnavailable:
            continue
        took_s: list[float] = []
        used_s, began_s = time.process_time(), time.perf_counter()
        while time.perf_counter() - began_s < TIMED_S or len(took_s) < MIN_TIMED:
            started_s = time.perf_counter()
            parser(frames[len(took_s) % len(frames)])
            took_s.append(time.perf_counter() - started_s)
        yield Way(name, size, float(np.median(took_s)), (time.process_time() - used_s) / len(took_s))


def diagnosed(camera: Camera, costs: Costs, cores: int, every: Sequence[Way], limit_s: float) -> Diagnosis:
    """What to expect of each way."""
    forecasts = tuple(forecast(way, camera.hz, costs, cores) for way in every)
    return Diagnosis(camera, costs, cores, forecasts, limit_s)
