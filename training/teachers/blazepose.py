"""BlazePose's points of one person (arXiv 2006.10204), from MediaPipe's `pose_landmark_heavy.tflite` (Apache-2.0)."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import WeightsError
from pipeline.network.runtime import openvino_core
from pipeline.types import Picture

LEFT_SHOULDER, LEFT_ELBOW, LEFT_WRIST, LEFT_INDEX = 11, 13, 15, 19
LEFT_HIP, LEFT_KNEE, LEFT_ANKLE, LEFT_HEEL, LEFT_TOE = 23, 25, 27, 29, 31
"""Numbers of points, of which the person's right one is the next."""
_MIDDLE_OF_HIPS, _ABOVE_HEAD = 33, 34
"""Points that say where somebody is and how far they reach."""
_POINTS, _NAMED = 39, 33
_SIDE = 256
"""Of the network's input."""
_GROWN = 1.25
"""How much larger the window is than the person."""
_ROUNDS = 3
"""Looks, each at a window that the one before found."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Where somebody's joints are."""

    points: NDArray[np.float64]
    """(33, 2): x, y in pixels of the picture."""
    certainty: float
    """0 to 1: whether somebody is there at all."""

    @property
    def torso(self) -> float:
        """Pixels from the shoulders' middle to the hips'."""
        shoulders = self.points[LEFT_SHOULDER : LEFT_SHOULDER + 2].mean(axis=0)
        hips = self.points[LEFT_HIP : LEFT_HIP + 2].mean(axis=0)
        return float(np.hypot(*(shoulders - hips)))


class BlazePose:
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

    def __call__(self, bgr: Picture, box: tuple[int, int, int, int]) -> Pose:
        """The pose of who is in a box: left, top, width and height in pixels."""
        rgb = np.ascontiguousarray(bgr[..., ::-1])
        left, top, width, height = box
        middle = np.array([left + width / 2, top + height / 2])
        side, turned = _GROWN * max(width, height), 0.0
        for look in range(_ROUNDS):
            found, certainty = self._look(rgb, middle, side, turned)
            up = found[_ABOVE_HEAD, :2] - found[_MIDDLE_OF_HIPS, :2]
            reach = float(np.hypot(*up))
            if look == _ROUNDS - 1 or not np.isfinite(reach) or reach < 4:
                break
            middle, side, turned = found[_MIDDLE_OF_HIPS, :2], 2 * _GROWN * reach, float(np.arctan2(up[0], -up[1]))
        return Pose(found[:_NAMED, :2], certainty)

    def _look(
        self, rgb: Picture, middle: NDArray[np.float64], side: float, turned: float
    ) -> tuple[NDArray[np.float64], float]:
        scale, (cosine, sine) = side / _SIDE, (np.cos(turned), np.sin(turned))
        to_picture = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0]]) * scale
        to_picture[:, 2] = middle - to_picture[:, :2] @ (_SIDE / 2, _SIDE / 2)
        shrunk, back = rgb, to_picture
        if scale > 1:
            shrunk = np.asarray(cv2.resize(rgb, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA))
            back = to_picture / scale
        window = cv2.warpAffine(shrunk, back, (_SIDE, _SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        answer = self._network((window[None].astype(np.float32) / 255,))
        found = np.asarray(answer[0], np.float64).reshape(_POINTS, 5)
        found[:, :2] = found[:, :2] @ to_picture[:, :2].T + to_picture[:, 2]
        return found, float(np.asarray(answer[1]).ravel()[0])
