"""The options of running a network, without the libraries that run it."""

from dataclasses import dataclass

from pipeline.errors import PipelineError, UnknownName

RUNTIMES = ("openvino", "onnx")
"""The libraries that run networks."""
PRECISIONS = ("auto", "f32", "bf16", "int8")
MULTIPLE = 32
"""Sides of a network's input are multiples of this."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of running a network."""

    runtime: str = "openvino"
    """`openvino` or `onnx`."""
    precision: str = "auto"
    """`f32`, `bf16`, `int8`, or `auto`: bf16 where the processor has instructions for it, else f32; lite also prefers
    int8 where the processor has instructions for it. `int8` quantises the heavy layers; the rest runs as `auto`."""
    threads: int | None = None
    """Processor threads; None means one per core."""
    in_flight: int = 1
    """Maximum number of pictures in the network at a time. They share the threads: more raise the throughput and the
    latency."""

    def __post_init__(self) -> None:
        if self.runtime not in RUNTIMES:
            raise UnknownName("runtime", self.runtime, RUNTIMES)
        if self.precision not in PRECISIONS:
            raise UnknownName("precision", self.precision, PRECISIONS)
        for name, value in (("threads", self.threads), ("in_flight", self.in_flight)):
            if value is not None and value < 1:
                raise PipelineError(f"{name} must be at least 1, not {value}")
