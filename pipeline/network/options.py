"""How a network is run: the choices, without the libraries that run it."""

from dataclasses import dataclass

from pipeline.errors import PipelineError, UnknownName

RUNTIMES = ("openvino", "onnx")
"""The libraries that run networks."""
PRECISIONS = ("auto", "f32", "bf16", "int8")
MULTIPLE = 32
"""Sides of a network's input are multiples of this."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a network is run."""

    runtime: str = "openvino"
    """`openvino` or `onnx`."""
    precision: str = "auto"
    """`f32`, `bf16`, `int8`, or `auto`: bf16 where the processor has instructions for it, else f32. `int8`: the heavy
    part on whole numbers, the rest as `auto`; of lite `auto`, too, where the processor has instructions for that."""
    threads: int | None = None
    """Processor threads; None is as many as there are cores."""
    in_flight: int = 1
    """How many pictures may be in the network at a time. More than one shares the threads among them: more
    pictures a second, each a little later."""

    def __post_init__(self) -> None:
        if self.runtime not in RUNTIMES:
            raise UnknownName("runtime", self.runtime, RUNTIMES)
        if self.precision not in PRECISIONS:
            raise UnknownName("precision", self.precision, PRECISIONS)
        for name, value in (("threads", self.threads), ("in_flight", self.in_flight)):
            if value is not None and value < 1:
                raise PipelineError(f"{name} must be at least 1, not {value}")
