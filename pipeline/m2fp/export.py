"""The export of weights to a graph on disk, once for each input size, refused unless it agrees with torch."""

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ExportMismatch, RuntimeUnavailable, WeightsError, installs
from pipeline.geometry import Size
from pipeline.m2fp import graph
from pipeline.m2fp.checkpoint import check_tensors, read_safetensors
from pipeline.m2fp.config import M2fpConfig
from pipeline.m2fp.weights import SAFETENSORS
from pipeline.network.cache import cache_folder
from pipeline.network.quantize import convolutions, has_weights, in_int8, ranges_of
from pipeline.network.runtime import openvino_package

_LOG = logging.getLogger(__name__)

FORMAT = 1
"""Counted up when the same weights make another graph."""
PEOPLE = Path(__file__).parent / "people.jpg"
"""Four pictures of people, side by side: what an export is tried on, and where the scales of int8 come from."""
_PICTURES = 4
_FEED_FORWARD = ("encoder.layers.", ".linear")
"""Parts of the names of the operations, beside convolutions, that bear int8."""
NEEDS_TORCH = f"torch, which checks and exports M2FP's weights, is not installed; {installs('m2fp')} adds it"
MAX_TYPICAL = {"f32": 2e-3, "bf16": 1.0, "int8": 2.0}
"""float32 differs by the order of its sums alone; bf16 keeps 8 bits of a number, int8 a 256th of a tensor's range."""
MIN_CORRELATION = {"f32": 0.9999, "bf16": 0.98, "int8": 0.95}

Outputs = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Class logits (Q, C + 1) and mask logits (Q, h, w)."""


def exported(folder: Path, config: M2fpConfig, size: Size, form: str, sampling: Any) -> Path:
    """The graph of a network, from the cache or made now.

    Args:
        folder: with `model.safetensors`.
        config: of the network.
        size: of its input.
        form: `float`, or `int8` for the parts that bear it.
        sampling: what `graph.operation` gave.

    Raises:
        WeightsError: the weights are not this network's, or cannot be read; the graph cannot be written.
        RuntimeUnavailable: torch, which makes the graph, is not installed.
        ExportMismatch: the graph does not answer as torch does. Nothing is kept of it.
    """
    kept = cache_folder() / "exported" / _key(folder / SAFETENSORS, config, size, form)
    path = kept / "m2fp.xml"
    if not path.is_file():
        with _place_beside(
            kept
        ) as place:  # before the work of minutes: a folder that cannot be written is told at once
            made = _made(folder, config, size, form, sampling)
            _keep(made, place, path)
    return path


def probe(size: Size) -> list[NDArray[np.float32]]:
    """Pictures of people: float32 (1, 3, H, W) each, RGB, 0-255."""
    sheet = np.asarray(cv2.imdecode(np.frombuffer(PEOPLE.read_bytes(), np.uint8), cv2.IMREAD_COLOR_RGB))
    tiles = np.split(sheet, _PICTURES, axis=1)
    scaled = (cv2.resize(tile, size[::-1], interpolation=cv2.INTER_AREA) for tile in tiles)
    return [np.ascontiguousarray(tile.transpose(2, 0, 1)[None], np.float32) for tile in scaled]


def _made(folder: Path, config: M2fpConfig, size: Size, form: str, sampling: Any) -> Any:
    try:
        import torch
    except ImportError as exc:
        raise RuntimeUnavailable(NEEDS_TORCH) from exc
    from pipeline.m2fp.network import build_m2fp, tensor_shapes

    _LOG.info("M2FP's graph for %s is made, once, which takes about a minute: reading the weights", size)
    tensors = read_safetensors(folder / SAFETENSORS)
    check_tensors(tensors, tensor_shapes(config), str(folder / SAFETENSORS))
    network = build_m2fp(config)
    network.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()})
    pictures = probe(size)
    _LOG.info("M2FP's graph for %s: running the original network", size)
    with torch.inference_mode():
        logits, masks = (each[0].numpy() for each in network(torch.from_numpy(pictures[0])))
    _LOG.info("M2FP's graph for %s: tracing the network, and comparing its answers", size)
    made = graph.trace(network, size, sampling)
    _check(made, pictures[0], (logits, masks), "f32")
    if form == "int8":
        _LOG.info("M2FP's graph for %s: finding the scales of int8, and comparing again", size)
        made = quantised(made, pictures)
        _check(made, pictures[0], (logits, masks), "int8")
    return made


def _check(made: Any, picture: NDArray[np.float32], wanted: Outputs, precision: str) -> None:
    logits, masks = (each[0] for each in graph.run(made, picture, "f32"))
    check_agreement(Agreement.between((logits, masks), wanted), precision, "M2FP")


def _key(weights: Path, config: M2fpConfig, size: Size, form: str) -> str:
    """Everything that makes a graph what it is, in 24 hex digits, after what a person wants to see of it."""
    parts = (FORMAT, _digest(weights), astuple(config), tuple(size), form, openvino_package().__version__, _sources())
    return f"{size}-{form}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:24]}"


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise WeightsError(f"cannot read {path}: {exc.strerror}") from exc


@cache
def _sources() -> str:
    """The digest of the code that makes graphs: a change of it makes new ones."""
    folder = Path(__file__).parent
    names = ("resnet", "deformable", "pixel_decoder", "query_decoder", "network", "graph", "export")
    code = b"".join((folder / f"{name}.py").read_bytes() for name in names)
    return hashlib.sha256(code + PEOPLE.read_bytes()).hexdigest()


@contextmanager
def _place_beside(folder: Path) -> Iterator[Path]:
    """A new folder to write into, beside where `folder` will be; gone at the end, if it is still there."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
    except OSError as exc:
        raise WeightsError(
            f"cannot write to {folder.parent}: {exc.strerror}; set $M2FP_STREAMER_CACHE to another folder"
        ) from exc
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _keep(made: Any, place: Path, path: Path) -> None:
    """Writes a graph into `place`, which becomes the folder of `path`: all at once, or not at all."""
    try:
        graph.save(made, place / path.name)
        try:
            place.replace(path.parent)
        except OSError:
            # Another process made the same at the same time.
            if not path.parent.is_dir():
                raise
    except (OSError, RuntimeError) as exc:
        raise WeightsError(f"cannot write {path.parent}: {exc}; set $M2FP_STREAMER_CACHE to another folder") from exc


def quantised(graph: Any, pictures: Sequence[NDArray[np.float32]]) -> Any:
    """A graph whose heavy operations run on int8.

    Args:
        graph: what `trace` gave; it stays as it is.
        pictures: float32 (1, 3, H, W) each, of what the network is for; the scales are taken from them.
    """
    return in_int8(graph, ranges_of(graph, pictures, _heavy), _heavy)


def _heavy(graph: Any) -> list[Any]:
    return [*convolutions(graph), *(node for node in graph.get_ordered_ops() if _is_feed_forward(node))]


def _is_feed_forward(node: Any) -> bool:
    named = all(part in node.get_friendly_name() for part in _FEED_FORWARD)
    return bool(node.get_type_name() == "MatMul" and named and has_weights(node))


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement of two networks on one picture."""

    typical: float
    """The largest difference of a mask's logits, of the middle query, in standard deviations of all masks' logits.

    Not of the worst query: where a mask's logit is zero but for rounding, either network may let a query look at
    that cell or not.
    """
    correlation: float
    """The correlation of all mask logits."""
    same_class: float
    """Share of the queries for which both think of the same class first."""
    mask_iou: float
    """Intersection over union of the masks, averaged over the queries that have any."""

    @classmethod
    def between(cls, ours: Outputs, theirs: Outputs) -> "Agreement":
        """The agreement of outputs of the same shapes."""
        (our_logits, our_masks), (logits, masks) = ours, theirs
        apart = np.abs(our_masks - masks).max(axis=(1, 2)) / max(float(masks.std()), 1e-12)
        one, other = our_masks > 0, masks > 0
        union = (one | other).sum(axis=(1, 2))
        iou = (one & other).sum(axis=(1, 2))[union > 0] / union[union > 0]
        return cls(
            typical=float(np.median(apart)),
            correlation=_correlation(our_masks, masks),
            same_class=float((our_logits.argmax(1) == logits.argmax(1)).mean()),
            mask_iou=float(iou.mean()) if iou.size else 1.0,
        )

    def __str__(self) -> str:
        return (
            f"mask logits differ by {self.typical:.2g} of their deviation and correlate {self.correlation:.4f};"
            f" masks overlap {self.mask_iou:.3f}; same class {self.same_class:.0%}"
        )


def check_agreement(agreement: Agreement, precision: str, name: str) -> None:
    """Raises ExportMismatch if a network at this precision is further from the original than it should be."""
    # Asked in this direction NaN, from weights that are none, fails too.
    fine = agreement.typical <= MAX_TYPICAL[precision] and agreement.correlation >= MIN_CORRELATION[precision]
    if not fine:
        cure = "the weights may be damaged" if precision == "f32" else "--precision f32 does without rounding"
        raise ExportMismatch(
            f"{name} exported at {precision} does not agree with the original in torch: {agreement}; {cure}"
        )


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    # numpy's corrcoef warns of, and answers NaN for, what does not vary.
    one, other = (each.astype(np.float64).ravel() - each.mean(dtype=np.float64) for each in (one, other))
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / lengths if lengths else float(np.array_equal(one, other))
