"""The memory of a parser: all that the parsing of a frame depends on beside the frame and the network.

Whoever saves it after a frame and loads it elsewhere goes on there with the same results, to the bit.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from pipeline.errors import PipelineError
from pipeline.faces.averages import Averages
from pipeline.motion.smoothing import Smoothed, TemporalSmoother
from pipeline.parsing.input_size import Zoom
from pipeline.people.garments import GarmentVote
from pipeline.people.tracking import PersonTracker

MAX_BYTES = 1 << 27
"""Maximum size when it is not compressed: four times the planes of the largest input."""


class _State(msgspec.Struct, frozen=True, kw_only=True):
    v: Literal[1] = 1
    smoothed: Smoothed | None
    zoom: Zoom
    tracker: PersonTracker
    garment_vote: GarmentVote
    estimates: Averages = msgspec.field(default_factory=Averages)


class _Array(msgspec.Struct, frozen=True):
    dtype: Literal["float32", "float64", "uint8"]
    shape: tuple[int, ...]
    data: bytes


@dataclass(slots=True)
class Memory:
    """What a parser remembers of the frames of one stream."""

    smoother: TemporalSmoother = field(default_factory=TemporalSmoother)
    zoom: Zoom = field(default_factory=Zoom)
    tracker: PersonTracker = field(default_factory=PersonTracker)
    garment_vote: GarmentVote = field(default_factory=GarmentVote)
    estimates: Averages = field(default_factory=Averages)

    def averages(self) -> "Memory":
        """What the averages of answers need of it, and nothing else."""
        return Memory(smoother=self.smoother)

    def people(self) -> "Memory":
        """All but that."""
        return replace(self, smoother=TemporalSmoother())

    def save(self) -> bytes:
        """It as bytes, of at most `MAX_BYTES` before they are compressed; about a megabyte at the usual input size."""
        state = _State(
            smoothed=self.smoother.state(),
            zoom=self.zoom,
            tracker=self.tracker,
            garment_vote=self.garment_vote,
            estimates=self.estimates,
        )
        return zstandard.ZstdCompressor(level=1).compress(_ENCODER.encode(state))

    @classmethod
    def load(cls, saved: bytes) -> Self:
        """Raises PipelineError for what `save` of this version did not make."""
        try:
            if not 0 < zstandard.frame_content_size(saved) <= MAX_BYTES:
                raise PipelineError(f"a parser's memory of more than {MAX_BYTES} bytes, or of none")
            plain = zstandard.ZstdDecompressor().decompress(saved, max_output_size=MAX_BYTES, allow_extra_data=False)
            state = _DECODER.decode(plain)
        except (zstandard.ZstdError, msgspec.MsgspecError, RecursionError) as exc:
            raise PipelineError(f"this is no memory of a parser of this version: {exc}") from exc
        return cls(TemporalSmoother.of(state.smoothed), state.zoom, state.tracker, state.garment_vote, state.estimates)


def _from_array(value: object) -> _Array:
    assert isinstance(value, np.ndarray)
    return _Array(value.dtype.name, value.shape, np.ascontiguousarray(value).tobytes())


def _to_array(kind: Any, value: object) -> NDArray[Any]:
    array = msgspec.convert(value, _Array)
    try:
        return np.frombuffer(array.data, array.dtype).reshape(array.shape).copy()
    except ValueError as exc:
        raise msgspec.ValidationError(str(exc)) from exc


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_from_array)
_DECODER = msgspec.msgpack.Decoder(_State, dec_hook=_to_array)
