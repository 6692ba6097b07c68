"""A second face detector, to check the first one by: MediaPipe's BlazeFace of short range, over windows of a picture.

The network is `face_detection_short_range.tflite` of npm's package `@mediapipe/face_detection` (Apache-2.0); whoever
measures fetches it. It sees faces that fill a fifth of its square input and more, so each picture is gone through in
overlapping squares of several sizes.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import openvino as ov
from numpy.typing import NDArray

from pipeline.types import Picture

INPUT_PX = 128
GRIDS = ((16, 2), (8, 6))
"""Cells of each side, and anchors of each cell, in the order of the network's answers."""
ANCHORS = 896
WINDOWS_PX = (64, 128, 256, 512)
"""Sides of the squares, which overlap by half."""
MIN_SCORE = 0.75
MAX_OVERLAP = 0.3

Found = tuple[float, float, float, float]
"""Left, top, right and bottom of a face, in pixels."""


class BlazeFace:
    """Finds faces in pictures. For one thread at a time."""

    def __init__(self, file: Path) -> None:
        """Raises SystemExit for another file than the network's."""
        core = ov.Core()
        model = core.read_model(file)
        shapes = [tuple(each.shape) for each in (*model.inputs, *model.outputs)]
        if shapes != [(1, INPUT_PX, INPUT_PX, 3), (1, ANCHORS, 16), (1, ANCHORS, 1)]:
            raise SystemExit(f"{file}: not face_detection_short_range.tflite; its shapes are {shapes}")
        self._network = core.compile_model(
            model, "CPU", {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        )
        self._middles = _middles()

    def __call__(self, bgr: Picture) -> list[Found]:
        """The faces in a picture, the surest first."""
        boxes: list[Found] = []
        scores: list[float] = []
        for left, top, side in _windows(bgr.shape[0], bgr.shape[1]):
            window = bgr[top : top + side, left : left + side]
            for box, score in self._in_window(window, side):
                boxes.append((left + box[0], top + box[1], left + box[2], top + box[3]))
                scores.append(score)
        sizes = [(x, y, right - x, bottom - y) for x, y, right, bottom in boxes]
        return [boxes[index] for index in cv2.dnn.NMSBoxes(sizes, scores, MIN_SCORE, MAX_OVERLAP)]

    def _in_window(self, window: Picture, side: int) -> Iterator[tuple[Found, float]]:
        high, wide = window.shape[:2]
        whole = cv2.copyMakeBorder(window, 0, side - high, 0, side - wide, cv2.BORDER_CONSTANT)
        rgb = cv2.cvtColor(cv2.resize(whole, (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
        answers = self._network((rgb.astype(np.float32) / 127.5 - 1)[None])
        rows, logits = (np.asarray(answers[index])[0] for index in (0, 1))
        scores = 1 / (1 + np.exp(-np.clip(logits[:, 0], -80, 80)))
        for index in np.flatnonzero(scores >= MIN_SCORE):
            x, y = rows[index, :2] / INPUT_PX + self._middles[index]
            half_wide, half_high = rows[index, 2:4] / INPUT_PX / 2
            sides = (x - half_wide, y - half_high, x + half_wide, y + half_high)
            left, top, right, bottom = (float(each) * side for each in sides)
            yield (left, top, right, bottom), float(scores[index])


def _middles() -> NDArray[np.float32]:
    """The middle of each anchor's cell, of the input's side: (896, 2), x first."""
    rows = []
    for cells, anchors in GRIDS:
        down, across = np.mgrid[0:cells, 0:cells].reshape(2, -1)
        rows.append(np.repeat(np.stack([across, down], axis=1) + 0.5, anchors, axis=0) / cells)
    return np.concatenate(rows).astype(np.float32)


def _windows(height: int, width: int) -> Iterator[tuple[int, int, int]]:
    """Left, top and side of each square."""
    for side in WINDOWS_PX:
        step = side // 2
        for top in range(0, max(1, height - step), step):
            for left in range(0, max(1, width - step), step):
                yield left, top, side
