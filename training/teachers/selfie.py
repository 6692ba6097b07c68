"""MediaPipe's selfie network: six classes of a window (`selfie_multiclass_256x256.tflite`, Apache-2.0)."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import WeightsError
from pipeline.geometry import Box, Size
from pipeline.network.runtime import openvino_core
from pipeline.types import Picture

NOBODY, HAIR, BODY_SKIN, FACE_SKIN, CLOTHES, OTHERS = range(6)
"""Its classes, in the order of its outputs."""
_CLASSES, _SIDE = 6, 256
_MIN_WINDOW = 12
"""Pixels of a window's side; less is nobody to it."""

View = NDArray[np.float32]
"""Probabilities (6, H, W) over a picture; all 0 where no window is."""


class SelfieNetwork:
    """The network.

    Raises:
        WeightsError: the file cannot be read.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        core = openvino_core()
        try:
            graph = core.read_model(path)
        except RuntimeError as exc:
            raise WeightsError(f"cannot read {path}: {exc}") from exc
        hints = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        self._network = core.compile_model(graph, "CPU", hints)

    def view(self, bgr: Picture, windows: Iterable[Box]) -> View:
        """What is seen in windows of a picture; where several are, in the one that sees somebody most surely."""
        size = Size(*bgr.shape[:2])
        best = np.zeros((_CLASSES, *size), np.float32)
        surest = np.full(size, -1.0, np.float32)
        for window in windows:
            at = np.s_[max(0, window.top) : window.bottom, max(0, window.left) : window.right]
            if min(bgr[at].shape[:2]) < _MIN_WINDOW:
                continue
            seen = self._look(bgr[at])
            somebody = 1 - seen[NOBODY]
            surer = somebody > surest[at]
            surest[at][surer] = somebody[surer]
            best[:, *at][:, surer] = seen[:, surer]
        return best

    def _look(self, window: Picture) -> View:
        shrinks = min(window.shape[:2]) > _SIDE
        small = cv2.resize(window, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        logits = np.asarray(self._network((small[None, ..., ::-1].astype(np.float32) / 255,))[0][0], np.float32)
        likely = np.exp(logits - logits.max(axis=2, keepdims=True))
        likely /= likely.sum(axis=2, keepdims=True)
        size = window.shape[1::-1]
        return np.stack([cv2.resize(each, size, interpolation=cv2.INTER_LINEAR) for each in likely.transpose(2, 0, 1)])


def somebody(view: View) -> NDArray[np.float32]:
    """The probability that somebody is at each pixel: float32 (H, W), 0 where no window is."""
    return np.asarray(view[1:].sum(axis=0), np.float32)
