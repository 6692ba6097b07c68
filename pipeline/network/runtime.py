"""Compiled networks and how they run: OpenVINO (the default) or ONNX Runtime.

The contract is `Network`: pictures go in as they are in memory, uint8 BGR, and what turns them into the
float32 planes, RGB or BGR, that the file asks for is done here, inside the compiled graph where the runtime can.
Several runs may be in flight; what `start` returns is asked for its `result` later.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadPicture, RuntimeUnavailable, WeightsError, installs
from pipeline.geometry import Size
from pipeline.network.options import RunOptions
from pipeline.types import Picture

Planes = Literal["rgb", "bgr"]
"""The order of the planes of a network's input."""


_MADE_READY = 400
"""Operations that a network for pictures of any size keeps ready for the sizes that it was shown last; OpenVINO's own
5,000 take 8 MB for each of a hundred sizes."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """From values of pixels, 0-255, to those that a network was trained with: less `mean`, divided by `divisor`."""

    mean: tuple[float, float, float]
    """Of each plane, in the order of the file's input."""
    divisor: float = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The outputs of a network for one picture."""

    outputs: tuple[NDArray[np.float32], ...]
    """In the order of the network's file, without the batch axis; float32."""
    seconds: float
    """From the start of the run to its end, inside the runtime."""


class Run(Protocol):
    """A picture on its way through a network."""

    def result(self) -> Answer:
        """Waits for the end of the run."""


class Network(Protocol):
    """A network compiled for one input size."""

    precision: str
    """The precision in use: `f32`, `bf16` or `int8`."""

    def start(self, picture: Picture) -> Run:
        """Begins a run on uint8 (H, W, 3) BGR of the compiled size; waits while `in_flight` others are running."""


def compile_network(
    path: Path,
    input_size: Size | None,
    options: RunOptions,
    extensions: Sequence[Any] = (),
    prepare: Callable[[Any], Any] | None = None,
    planes: Planes = "rgb",
    scaling: Scaling | None = None,
) -> Network:
    """Makes the network in a file ready to run.

    Args:
        path: an ONNX file, or OpenVINO's own, whose input is float32 (1, 3, H, W), 0-255 unless `scaling` says else.
        input_size: of the pictures that will come; None is any. The first picture of each size then takes some time
            more, a tenth of what compiling for one size takes, and int8 is a quarter slower.
        options: which runtime, and how.
        extensions: operations that OpenVINO has to know for it.
        prepare: what is done to OpenVINO's graph of it first.
        planes: the order of the file's input.
        scaling: what is done to the pixels' values first.

    Raises:
        WeightsError: the file is missing or is no network.
        RuntimeUnavailable: the runtime is not installed, or cannot run at this precision here.
    """
    if not path.is_file():
        raise WeightsError(f"no network file at {path}; reinstall the package")
    if options.runtime == "openvino":
        return _OpenVinoNetwork(path, input_size, options, extensions, prepare, planes, scaling)
    return _OnnxNetwork(path, input_size, options, planes, scaling)


def _checked(picture: Picture, size: Size | None) -> Picture:
    right = picture.shape == (*size, 3) if size is not None else picture.ndim == 3 and picture.shape[2] == 3
    if picture.dtype != np.uint8 or not right:
        wanted = "(height, width, 3)" if size is None else f"({size.height}, {size.width}, 3)"
        raise BadPicture(f"the network's input must be uint8 {wanted}, not {picture.dtype} {picture.shape}")
    return picture


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Importing OpenVINO reports the use to its maker through a web service, from a thread that outlives the import.

    A program that watches people through a camera tells nobody. OpenVINO does without the package that reports
    where that is not installed; so it seems for the time of the import.
    """
    name = "openvino_telemetry"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


def openvino_package() -> Any:
    """The package `openvino`, without what it reports. Raises RuntimeUnavailable where it is not installed."""
    try:
        with _without_telemetry():
            import openvino
    except ImportError as exc:
        raise RuntimeUnavailable("OpenVINO is not installed; `pip install openvino` adds it") from exc
    return openvino


@cache
def openvino_core() -> Any:
    """OpenVINO's core that compiles, one for as long as the process runs.

    Each that has compiled gave its thread an alternate stack for signals. Of two that are released in the order in
    which they were made, the second leaves that of the first behind, whose memory is free by then: Python handles
    Ctrl-C there, and the process ends with a segmentation fault (OpenVINO 2026.4).

    Raises:
        RuntimeUnavailable: OpenVINO is not installed.
    """
    return openvino_package().Core()


class _OpenVinoRun:
    def __init__(
        self, request: Any, tensor: Callable[..., Any], shapes: Sequence[tuple[int, ...]] | None, picture: Picture
    ) -> None:
        """
        Args:
            shapes: of the outputs; None where they are not known before the run.
        """
        self._request, self._knows = request, shapes is not None
        # The runtime reads the picture's memory and writes into the outputs' until the run has ended: memory of this
        # run's own, for in that of the request the next run writes.
        self._outputs = tuple(np.empty(shape, np.float32) for shape in shapes or ())
        self._kept = [tensor(each, shared_memory=True) for each in (picture[None], *self._outputs)]
        self._answer: Answer | None = None
        request.set_input_tensor(self._kept[0])
        for index, each in enumerate(self._kept[1:]):
            request.set_output_tensor(index, each)
        request.start_async()

    def result(self) -> Answer:
        if self._answer is None:
            self._request.wait()
            if not self._knows:
                self._outputs = tuple(np.array(each.data, np.float32) for each in self._request.output_tensors)
            self._answer = Answer(tuple(each[0] for each in self._outputs), self._request.latency / 1e3)
        return self._answer


class _OpenVinoNetwork:
    def __init__(
        self,
        path: Path,
        input_size: Size | None,
        options: RunOptions,
        extensions: Sequence[Any] = (),
        prepare: Callable[[Any], Any] | None = None,
        planes: Planes = "rgb",
        scaling: Scaling | None = None,
    ) -> None:
        openvino = openvino_package()
        core = openvino_core()
        reader = openvino.Core() if extensions else core
        for extension in extensions:
            reader.add_extension(extension)
        has_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self.precision = _settled(options.precision, has_bf16)
        settings: dict[str, Any] = {
            # What a graph has in int8 runs so in any case; the hint is for the rest of it.
            "INFERENCE_PRECISION_HINT": _settled("auto", has_bf16) if self.precision == "int8" else self.precision,
            "NUM_STREAMS": options.in_flight,
        }
        if options.threads is not None:
            settings["INFERENCE_NUM_THREADS"] = options.threads
        if input_size is None:
            settings["CPU_RUNTIME_CACHE_CAPACITY"] = _MADE_READY
        try:
            model = reader.read_model(path)
            model.reshape({0: [1, 3, *(input_size or (-1, -1))]})
            model = prepare(model) if prepare is not None else model
            steps = openvino.preprocess.PrePostProcessor(model)
            taken = steps.input().tensor()
            taken.set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC")).set_color_format(
                openvino.preprocess.ColorFormat.BGR
            )
            steps.input().model().set_layout(openvino.Layout("NCHW"))
            done = steps.input().preprocess()
            if planes == "rgb":
                done = done.convert_color(openvino.preprocess.ColorFormat.RGB)
            done.convert_element_type(openvino.Type.f32)
            if scaling is not None:
                done.mean(list(scaling.mean)).scale(scaling.divisor)
            compiled = core.compile_model(steps.build(), "CPU", settings)
        except RuntimeError as exc:
            at = "any size" if input_size is None else input_size
            raise WeightsError(f"OpenVINO cannot run {path.name} at {at}: {exc}") from exc
        self._size = input_size
        self._tensor = openvino.Tensor
        # Asked for at each run they would cost a tenth of a millisecond.
        self._shapes = None if input_size is None else [tuple(each.shape) for each in compiled.outputs]
        self._requests = [compiled.create_infer_request() for _ in range(options.in_flight)]
        self._runs: list[_OpenVinoRun | None] = [None] * options.in_flight
        self._next = 0

    def start(self, picture: Picture) -> Run:
        slot = self._next
        self._next = (slot + 1) % len(self._requests)
        earlier = self._runs[slot]
        if earlier is not None:
            earlier.result()
        picture = np.array(_checked(picture, self._size), order="C")  # the caller may write to its own
        run = _OpenVinoRun(self._requests[slot], self._tensor, self._shapes, picture)
        self._runs[slot] = run
        return run


@dataclass(frozen=True, slots=True)
class _Ended:
    answer: Answer

    def result(self) -> Answer:
        return self.answer


class _OnnxNetwork:
    """ONNX Runtime. `start` runs the network to its end: nothing overlaps."""

    def __init__(
        self,
        path: Path,
        input_size: Size | None,
        options: RunOptions,
        planes: Planes = "rgb",
        scaling: Scaling | None = None,
    ) -> None:
        try:
            import onnxruntime
            from onnxruntime.capi import onnxruntime_pybind11_state as states
        except ImportError as exc:
            raise RuntimeUnavailable(f"ONNX Runtime is not installed; {installs('onnx')} adds it") from exc
        self.precision = _settled(options.precision, has_bf16=False)
        if self.precision != "f32":
            raise RuntimeUnavailable(
                f"ONNX Runtime runs this network in f32 only; precision {self.precision} needs runtime openvino"
            )
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 3
        if options.threads is not None:
            settings.intra_op_num_threads = options.threads
        # The package's exceptions have no common base but Exception.
        refusals = (
            states.Fail,
            states.InvalidArgument,
            states.InvalidGraph,
            states.InvalidProtobuf,
            states.NoSuchFile,
            states.NotImplemented,
            states.RuntimeException,
        )
        try:
            self._session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
        except refusals as exc:
            raise WeightsError(f"ONNX Runtime cannot run {path.name}: {exc}") from exc
        self._input = self._session.get_inputs()[0].name
        self._size = input_size
        self._channels = slice(None, None, -1 if planes == "rgb" else 1)
        self._scaling = scaling

    def start(self, picture: Picture) -> Run:
        planes = _checked(picture, self._size)[..., self._channels].transpose(2, 0, 1)[None].astype(np.float32)
        if self._scaling is not None:
            planes -= np.array(self._scaling.mean, np.float32)[:, None, None]
            planes /= np.float32(self._scaling.divisor)
        began = perf_counter()
        outputs = self._session.run(None, {self._input: planes})
        return _Ended(Answer(tuple(each[0] for each in outputs), perf_counter() - began))


def _settled(precision: str, has_bf16: bool) -> str:
    if precision == "auto":
        return "bf16" if has_bf16 else "f32"
    if precision == "bf16" and not has_bf16:
        raise RuntimeUnavailable("this processor or runtime does not support bf16; use f32 or auto")
    return precision
