"""What was written down while training: one JSON object a line, and a picture of the curves."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_SIZE = (480, 960)
_MARGIN = 50
_COLOURS = ((180, 100, 30), (40, 40, 200), (40, 140, 40), (160, 60, 160), (0, 140, 220))


class Log:
    """Lines added to a file, each whole before the next begins."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, **entry: Any) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def entries(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text().splitlines() if line]


def plot(entries: list[dict[str, Any]], path: Path) -> None:
    """Draws `total` of the losses, mIoU of photos and crowds, and persons' IoU over minutes, each in its own scale."""
    canvas = np.full((*_SIZE, 3), 255, np.uint8)
    for place, name in enumerate(("total", "miou", "crowd_miou", "person_iou")):
        points = [(each["seconds"] / 60, each[name]) for each in entries if name in each]
        if len(points) > 1:
            _curve(canvas, np.array(points), name, place)
    cv2.imwrite(str(path), canvas)


def _curve(canvas: NDArray[np.uint8], points: NDArray[np.float64], name: str, place: int) -> None:
    least, most = points.min(axis=0), points.max(axis=0)
    span = np.maximum(most - least, 1e-9)
    inside = np.array([_SIZE[1] - 2 * _MARGIN, _SIZE[0] - 2 * _MARGIN])
    across, down = ((points - least) / span * inside).T
    line = np.stack([_MARGIN + across, _SIZE[0] - _MARGIN - down], axis=1)
    colour = _COLOURS[place]
    cv2.polylines(canvas, [np.rint(line).astype(np.int32)], False, colour, 2, cv2.LINE_AA)
    text = f"{name}: {points[0, 1]:.3f} to {points[-1, 1]:.3f}, {least[0]:.0f}-{most[0]:.0f} min"
    cv2.putText(canvas, text, (_MARGIN + 10, 24 + 20 * place), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)
