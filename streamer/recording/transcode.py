"""Sound that a file does not take as it is becomes AAC or Opus, each sample at its time."""

import io
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.stream import Stream
from numpy.typing import NDArray

from streamer.recording.encoder import Packet

RATE = 48_000
"""Samples a second, which every player takes; a frame is then 21 ms, where at the telephone's rate it is 128."""
BITS_PER_S = 64_000
"""Of each channel; as many as the telephone's sound has."""
LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 5: "5.0", 6: "5.1", 8: "7.1"}
"""By the number of channels: those that both AAC and Opus have. What has another number of them becomes stereo."""
SLACK_S = Fraction(1, 50)
"""Sound that is so much off the end of what came before follows on it: times are rounded, and clocks jitter."""
_CHECKSUMS_HOLD = frozenset({"flac"})
"""Decoders that look at the checksums when they are told to, of codecs whose encoders all write them rightly."""
MAX_FILLED_S = 2
"""A gap up to this is filled with silence; a longer one costs nothing, and is a gap in the file, too."""


@dataclass(frozen=True, slots=True)
class Coding:
    """What sound is to become."""

    encoder: str
    """FFmpeg's name of it."""
    samples: int
    """That are encoded together."""
    format: str
    """FFmpeg's name of how the encoder has them."""


AAC = Coding("aac", 1024, "fltp")
OPUS = Coding("libopus", 960, "flt")


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


class Recoder:
    """Packets of one track in, in the order of time; packets of the other coding out, about 40 ms later."""

    def __init__(self, sound: AudioStream, coding: Coding) -> None:
        """Raises OSError or ValueError where nothing here decodes such sound."""
        self._decoder, self._coding = decoder_of(sound), coding
        heard = sound.codec_context.channels
        channels = heard if heard in LAYOUTS else 2
        self._layout = LAYOUTS[channels]
        self._container = av.open(io.BytesIO(), "w", format="nut")
        bits = BITS_PER_S * channels
        self.stream = cast(Any, self._container.add_stream(coding.encoder, RATE, layout=self._layout, bit_rate=bits))
        """What a file has to know of it."""
        self.stream.codec_context.format = coding.format
        self._container.start_encoding()
        self._run: _Run | None = None
        self._held: NDArray[np.float32] = np.zeros((channels, 0), np.float32)
        self._begins: int | None = None
        """The time of the first sample that is held, in samples."""
        self._skip = 0
        self._count = 0
        self._early = 0
        """So many samples before a frame of ours the packet begins that it begins in: Opus looks ahead."""
        self._times: dict[int, int] = {}
        """Of the frames in the encoder and the one after them, by their number: when they are heard, in samples."""
        self._ready: list[Packet] = []
        self.damaged = 0
        """Packets that could not be decoded."""

    def convert(self, packet: Packet) -> list[Packet]:
        """What is ready. Raises OSError or ValueError."""
        self._decode(packet)
        self._encode()
        return self._taken()

    def finish(self) -> list[Packet]:
        """What was held back; after that there is no more. Raises OSError or ValueError."""
        self._decode(None)  # some decoders, as of WMA, hold one piece back
        self._end_run()
        self._pad(0)
        self._keep(self.stream.encode(None))
        return self._taken()

    def _decode(self, packet: Packet | None) -> None:
        """What is damaged is a gap as any other."""
        try:
            frames = self._decoder.decode(packet)
        except av.error.FFmpegError:
            self.damaged += 1
            return
        if packet is not None and is_corrupt(packet, frames):
            self.damaged += 1
            return
        for frame in frames:
            self._hear(frame)

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
        if gap > MAX_FILLED_S * RATE:
            self._pad(self._early)
            self._begins, gap = begins, 0
        self._skip = max(0, -gap)  # said twice
        self._append(np.zeros((len(self._held), max(0, gap)), np.float32))
        self._run = _Run(kind, begins_s, AudioResampler("flt", self._layout, RATE))
        return self._run

    def _end_run(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            self._hold(run.resampler.resample(None))

    def _hold(self, frames: list[Any]) -> None:
        for frame in frames:
            if frame is not None:  # what was not resampled has nothing to flush
                # Side by side: PyAV crashes on the planes of eight channels.
                samples = np.asarray(frame.to_ndarray(), np.float32).reshape(frame.samples, -1).T
                skipped = min(self._skip, samples.shape[1])
                self._skip -= skipped
                self._append(samples[:, skipped:])

    def _append(self, samples: NDArray[np.float32]) -> None:
        self._held = np.concatenate((self._held, samples), axis=1)

    def _pad(self, least: int) -> None:
        """So many samples of silence, and more up to the end of a frame."""
        more = least + -(self._held.shape[1] + least) % self._coding.samples
        self._append(np.zeros((len(self._held), more), np.float32))
        self._encode()

    def _encode(self) -> None:
        size = self._coding.samples
        while self._begins is not None and self._held.shape[1] >= size:
            block, self._held = self._held[:, :size], self._held[:, size:]
            self._times[self._count] = self._begins
            self._begins += size
            self._times[self._count + 1] = self._begins
            self._keep(self.stream.encode(self._frame(block)))
            self._count += 1

    def _frame(self, block: NDArray[np.float32]) -> av.AudioFrame:
        name = self._coding.format
        samples = np.ascontiguousarray(block if name.endswith("p") else block.T.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(samples, format=name, layout=self._layout)
        frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), self._count * block.shape[1]
        return frame

    def _keep(self, packets: list[Packet]) -> None:
        size = self._coding.samples
        for packet in packets:
            self._early = -packet.pts % size
            number = (packet.pts + self._early) // size
            # AAC begins with a packet that only sets the decoder going, and Opus ends with the rest of the last frame.
            begins = self._times[0] - size if number < 0 else self._times.pop(number)
            packet.pts = packet.dts = begins - self._early
            packet.time_base = Fraction(1, RATE)
            self._ready.append(packet)

    def _taken(self) -> list[Packet]:
        ready, self._ready = self._ready, []
        return ready


def decoder_of(track: Stream) -> Any:
    """One of its own, for the source's may be closed or at work in another thread; all that it says of itself, too."""
    container = av.open(io.BytesIO(), "w", format="null")  # it takes every kind, and is never written
    decoder = cast(Any, container.add_stream_from_template(track, opaque=True).codec_context)
    if decoder.name in _CHECKSUMS_HOLD:
        decoder.options = {"err_detect": "crccheck+explode"}
    decoder.open()
    return decoder


def is_corrupt(packet: Packet, frames: list[av.AudioFrame]) -> bool:
    """Whether the decoder says of what it made of a packet that it is wrong. That something may be missing around a
    packet, as MPEG-TS says, is no reason to doubt what it has."""
    return not packet.is_corrupt and any(frame.is_corrupt for frame in frames)
