"""Sound that a file does not take as it is becomes AAC, each sample at its time."""

import io
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from streamer.encoder import Packet

RATE = 48_000
"""Samples a second, which every player takes; a frame is then 21 ms, where at the telephone's rate it is 128."""
BITS_PER_S = 64_000
"""Of each channel; as many as the telephone's sound has."""
FRAME = 1024
"""Samples that are encoded together."""
SLACK_S = Fraction(1, 50)
"""Sound that is so much off the end of what came before follows on it: times are rounded, and clocks jitter."""
FILLED_MOST_S = 2
"""A gap up to this is filled with silence; a longer one costs nothing, and is a gap in the file, too."""


@dataclass(slots=True)
class _Run:
    """Sound without a gap, all of one kind."""

    kind: tuple[str, str, int]
    begins_s: Fraction
    resampler: AudioResampler
    samples: int = 0

    @property
    def ends_s(self) -> Fraction:
        return self.begins_s + Fraction(self.samples, self.kind[2])


class ToAac:
    """Packets of one track in, in the order of time; packets of AAC out, about 40 ms later."""

    def __init__(self, sound: AudioStream) -> None:
        """Raises OSError or ValueError where nothing here decodes such sound."""
        self._decoder = _decoder(sound)
        self._layout = "mono" if sound.codec_context.channels == 1 else "stereo"
        self._container = av.open(io.BytesIO(), "w", format="nut")
        channels = 1 if self._layout == "mono" else 2
        self.stream = self._container.add_stream("aac", RATE, layout=self._layout, bit_rate=BITS_PER_S * channels)
        """What a file has to know of it."""
        self._container.start_encoding()
        self._run: _Run | None = None
        self._held: NDArray[np.float32] = np.zeros((channels, 0), np.float32)
        self._begins: int | None = None
        """The time of the first sample that is held, in samples."""
        self._skip = 0
        self._count = 0
        self._times: dict[int, int] = {}
        """Of the frames in the encoder, by their number: when they are heard, in samples."""
        self._ready: list[Packet] = []

    def convert(self, packet: Packet) -> list[Packet]:
        """What is ready. Raises OSError or ValueError."""
        try:
            frames = self._decoder.decode(packet)
        except av.error.InvalidDataError:
            return []  # a gap as any other
        for frame in frames:
            self._hear(frame)
        self._encode()
        return self._taken()

    def finish(self) -> list[Packet]:
        """What was held back; after that there is no more. Raises OSError or ValueError."""
        self._end_run()
        self._pad()
        self._keep(self.stream.encode(None))
        return self._taken()

    def _hear(self, frame: av.AudioFrame) -> None:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        time_s = None if frame.pts is None or frame.time_base is None else Fraction(frame.pts * frame.time_base)
        run = self._run
        if run is None or run.kind != kind or (time_s is not None and abs(time_s - run.ends_s) > SLACK_S):
            run = self._begin(kind, time_s)
        frame.pts = None
        run.samples += frame.samples
        self._hold(run.resampler.resample(frame))

    def _begin(self, kind: tuple[str, str, int], time_s: Fraction | None) -> _Run:
        ends_s = self._run.ends_s if self._run else Fraction(0)
        begins_s = ends_s if time_s is None else time_s
        self._end_run()
        begins = round(begins_s * RATE)
        if self._begins is None:
            self._begins = begins
        gap = begins - (self._begins + self._held.shape[1])
        if gap > FILLED_MOST_S * RATE:
            self._pad()
            self._begins, gap = begins, 0
        self._skip = max(0, -gap)  # said twice
        self._append(np.zeros((len(self._held), max(0, gap)), np.float32))
        self._run = _Run(kind, begins_s, AudioResampler("fltp", self._layout, RATE))
        return self._run

    def _end_run(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            self._hold(run.resampler.resample(None))

    def _hold(self, frames: list[Any]) -> None:
        for frame in frames:
            if frame is not None:  # what was not resampled has nothing to flush
                samples = np.asarray(frame.to_ndarray(), np.float32)
                skipped = min(self._skip, samples.shape[1])
                self._skip -= skipped
                self._append(samples[:, skipped:])

    def _append(self, samples: NDArray[np.float32]) -> None:
        self._held = np.concatenate((self._held, samples), axis=1)

    def _pad(self) -> None:
        """Silence up to the end of a frame."""
        self._append(np.zeros((len(self._held), -self._held.shape[1] % FRAME), np.float32))
        self._encode()

    def _encode(self) -> None:
        while self._begins is not None and self._held.shape[1] >= FRAME:
            block, self._held = np.ascontiguousarray(self._held[:, :FRAME]), self._held[:, FRAME:]
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=self._layout)
            frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), self._count * FRAME
            self._times[self._count] = self._begins
            self._count += 1
            self._begins += FRAME
            self._keep(self.stream.encode(frame))

    def _keep(self, packets: list[Packet]) -> None:
        for packet in packets:
            number = packet.pts // FRAME
            # Before the first frame comes one that only sets the decoder going.
            packet.pts = packet.dts = self._times.pop(number) if number >= 0 else self._times[0] - FRAME
            packet.time_base, packet.duration = Fraction(1, RATE), FRAME
            self._ready.append(packet)

    def _taken(self) -> list[Packet]:
        ready, self._ready = self._ready, []
        return ready


def _decoder(sound: AudioStream) -> Any:
    """One of its own, for the source's may be closed or at work in another thread."""
    context = sound.codec_context
    decoder = cast(Any, av.CodecContext.create(context.codec.canonical_name, "r"))
    decoder.sample_rate, decoder.layout = context.sample_rate, context.layout
    if context.extradata:
        decoder.extradata = context.extradata
    decoder.open()
    return decoder
