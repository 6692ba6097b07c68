"""M2FP as a graph of OpenVINO's, with the look-up of deformable attention as an operation of our own."""

import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import RuntimeUnavailable, installs
from pipeline.geometry import Size
from pipeline.network.runtime import openvino_core, openvino_package


def operation(threads: int) -> Any:
    """The operation that does what `DeformableSampling` says, as a class for OpenVINO.

    Args:
        threads: that it may use.
    """
    openvino = openvino_package()
    sample = _sampler(threads)

    class DeformableSampling(openvino.Op):  # type: ignore[misc,name-defined]  # the graph's file names it like this
        made: list[Any] = []  # noqa: RUF012  # read by `release`

        def __init__(self, inputs: Any = None) -> None:
            super().__init__(self)
            self.made.append(self)
            if inputs is not None:
                self.set_arguments(inputs)
                self.constructor_validate_and_infer_types()

        def validate_and_infer_types(self) -> None:
            self.set_output_type(0, self.get_input_element_type(0), self.get_input_partial_shape(0))

        def clone_with_new_inputs(self, inputs: Any) -> Any:
            return DeformableSampling(inputs)

        def visit_attributes(self, _visitor: Any) -> bool:
            return True

        def has_evaluate(self) -> bool:
            return True

        def evaluate(self, outputs: Any, inputs: Any) -> bool:
            values, offsets, logits, shapes = (each.data for each in inputs)
            for index, out in enumerate(outputs[0].data):
                sample(values[index], offsets[index], logits[index], np.asarray(shapes, np.int64), out)
            return True

    return DeformableSampling


@cache
def _sampler(threads: int) -> Any:
    """One for the whole process: OpenVINO keeps an operation that is written in Python, and what it holds, for ever."""
    try:
        from pipeline.m2fp.sampling import Sampler
    except ImportError as exc:
        raise RuntimeUnavailable(f"numba is not installed; {installs('m2fp')} adds it") from exc
    return Sampler(threads)


def release(sampling: Any) -> None:
    """Cuts each look-up off from what comes before it, in all graphs of it: for when they are compiled.

    OpenVINO keeps the operations for ever, and they would keep the graphs' weights.
    """
    openvino = openvino_package()
    for node in sampling.made:
        for each in node.inputs():
            stand_in = openvino.op.Parameter(each.get_element_type(), each.get_partial_shape())
            each.replace_source_output(stand_in.output(0))
    sampling.made.clear()


def trace(network: Any, size: Size, sampling: Any) -> Any:
    """The graph of a `M2fp`, for pictures of one size: in `image`, float32 (1, 3, H, W), RGB, 0-255.

    Args:
        network: the torch module.
        size: of the pictures.
        sampling: what `operation` gave.
    """
    import torch

    openvino = openvino_package()
    from openvino.frontend.pytorch import ConversionExtension, ModuleExtension

    from pipeline.m2fp.deformable import DeformableSampling

    # Inside the trace the module is a name with four inputs and an output of the first one's shape.
    name = DeformableSampling.__name__
    opaque = ModuleExtension(
        DeformableSampling,
        name,
        evaluate=lambda _module, values, *_: values,
        convert=lambda _module, target, *inputs: target(*inputs),
    )
    ours = ConversionExtension(name, lambda node: sampling([node.get_input(index) for index in range(4)]).outputs())
    shape = [1, 3, *size]
    with warnings.catch_warnings():
        # Sizes become constants of the trace, which is what a graph of one size wants.
        warnings.simplefilter("ignore")
        graph = openvino.convert_model(network, example_input=torch.zeros(shape), input=shape, extension=[opaque, ours])
    graph.inputs[0].get_tensor().set_names({"image"})
    for output, output_name in zip(graph.outputs, ("pred_logits", "pred_masks")):
        output.get_tensor().set_names({output_name})
    return graph


def save(graph: Any, path: Path) -> None:
    """Writes a graph to `path`, an .xml, and the .bin beside it."""
    openvino_package().save_model(graph, path, compress_to_fp16=False)


def read(path: Path, sampling: Any) -> Any:
    """A graph that `save` wrote."""
    core = openvino_package().Core()
    core.add_extension(sampling)
    return core.read_model(path)


def run(graph: Any, picture: Any, precision: str) -> tuple[Any, ...]:
    """The outputs of a graph at `f32` or `bf16`, on all cores.

    Args:
        picture: float32 (1, 3, H, W).
    """
    compiled = openvino_core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    answer = compiled([picture])
    return tuple(np.array(answer[output]) for output in compiled.outputs)
