"""The settings of a parser: one list for Python, the command line, TOML files, and other processes."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import PipelineError, UnknownName
from pipeline.faces.names import FACE_MODELS
from pipeline.geometry import Size
from pipeline.network.options import MULTIPLE, RunOptions

PARSERS = ("lite", "m2fp", "m2fp-single")
"""The names of the parsers; `lite` is bundled."""
SENSITIVITIES = {"low": 1.0, "normal": 0.0, "high": -1.0}
"""What each adds to the background's logit: the odds of somebody against background are 2.7 times lower or higher."""
MIN_SIDE_PX = 64
"""The minimum height and width of the network's input."""
MAX_INPUT_PIXELS = 2**24
"""The maximum area of the network's input: that of 4096x4096, with which a parsing takes gigabytes."""


@dataclass(frozen=True, slots=True)
class ParserSettings:
    """The parser, and how its network runs. Checked when made; can be pickled.

    Raises:
        UnknownName: no such parser, runtime, precision or sensitivity.
        PipelineError: a size or a number that is not possible, `refine` or a sensitivity with another parser than
            lite, or `age_gender` without `faces`.
    """

    name: str = "lite"
    """The parser: lite, m2fp or m2fp-single."""
    model_dir: str | Path | None = None
    """The folder with the weights of m2fp or m2fp-single, as ModelScope makes it; by default where
    `streamer models pull` puts them."""
    size: tuple[int, int] | None = None
    """(height, width) of the network's input, multiples of 32: larger finds smaller people and takes longer. By
    default it follows the shape of the frames and, with lite, how small the people in them are."""
    runtime: str = "openvino"
    """The library that runs the network: openvino or onnx."""
    precision: str = "auto"
    """The arithmetic of the network: f32, bf16, int8, or auto, the fastest that is accurate on this processor."""
    threads: int | None = None
    """Processor threads of the network; by default one per core, or one per two where files are rendered by lite."""
    in_flight: int = 1
    """Pictures in the network at the same time: more of them raise the throughput and the latency."""
    refine: bool = False
    """Parse small people in large pictures a second time, magnified; lite only, and slower."""
    sensitivity: str = "normal"
    """How readily something is taken for a person: low, normal or high; lite only. High finds more people and takes
    more things for people."""
    faces: bool = False
    """Find faces: the box, the eyes, nose and mouth of each, and whose it is."""
    age_gender: bool = False
    """Estimate the age and the gender of faces by their appearance: guesses, often wrong; needs faces."""
    face_model: str = "hse"
    """The network that estimates: hse, or cydral, faster and worse; `streamer models pull` fetches either."""

    def __post_init__(self) -> None:
        if self.name not in PARSERS:
            raise UnknownName("parser", self.name, PARSERS)
        if self.refine and self.name != "lite":
            raise PipelineError(f"{self.name} cannot refine small people; only lite can: leave refine out")
        if self.sensitivity not in SENSITIVITIES:
            raise UnknownName("sensitivity", self.sensitivity, SENSITIVITIES)
        if self.sensitivity != "normal" and self.name != "lite":
            raise PipelineError(f"{self.name} has no sensitivity {self.sensitivity!r}; only lite has: leave it out")
        if self.face_model not in FACE_MODELS:
            raise UnknownName("face model", self.face_model, FACE_MODELS)
        if self.age_gender and not self.faces:
            raise PipelineError("age_gender estimates of faces that nobody looks for: set faces, too")
        _ = self.run_options  # raises itself
        if self.size is not None:
            object.__setattr__(self, "size", checked_size(self.size))

    @property
    def run_options(self) -> RunOptions:
        return RunOptions(self.runtime, self.precision, self.threads, self.in_flight)

    @property
    def folder(self) -> Path | None:
        """`model_dir` as a path."""
        return None if self.model_dir is None else Path(self.model_dir)

    @property
    def input_size(self) -> Size | None:
        """`size` as a `Size`."""
        return None if self.size is None else Size(*self.size)


def checked_size(size: tuple[int, int]) -> Size:
    """A possible size of the network's input. Raises PipelineError, with the nearest one that is."""
    if len(size) != 2 or not all(isinstance(side, int) for side in size):
        raise PipelineError(f"size must be (height, width), as in (256, 448), not {size!r}")
    nearest = Size(*(max(MIN_SIDE_PX, round(side / MULTIPLE) * MULTIPLE) for side in size))
    given = "x".join(str(side) for side in size)
    if Size(*size).area > MAX_INPUT_PIXELS and min(size) > 0:
        raise PipelineError(f"size {given}: at most {MAX_INPUT_PIXELS} pixels are possible, as 4096x4096 has")
    if tuple(size) != nearest:
        raise PipelineError(
            f"size {given}: sides must be multiples of {MULTIPLE}, at least {MIN_SIDE_PX}; the nearest is {nearest}"
        )
    return nearest
