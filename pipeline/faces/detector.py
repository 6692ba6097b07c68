"""The face detector: a picture in, the faces in it out. YuNet (Wu et al., 2023), bundled; see docs/faces.md."""

import hashlib
import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from pipeline.errors import PipelineError, WeightsError
from pipeline.faces.decode import Rows, decode
from pipeline.geometry import Box, Point, Size
from pipeline.network.letterbox import Letterbox
from pipeline.network.options import MULTIPLE, RunOptions
from pipeline.network.runtime import Network, compile_network
from pipeline.pictures import AnyPicture, as_frame
from pipeline.types import Face, Picture
from pipeline.yuv import Yuv420

FILE = Path(__file__).parent / "yunet.onnx"
SHA256 = "104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12"

PIXELS = 384 * 640
"""Height times width of the network's input: of a frame of 16:9, faces of 1/15 of its height are found."""
MIN_SCORE = 0.6
MAX_SIZES = 8
"""Networks compiled for so many input sizes stay in memory."""


@dataclass(frozen=True, slots=True)
class _Fit:
    """The transform of frames of one size into the network's input."""

    box: Letterbox
    margin: int
    """Pixels of mirrored picture on all four sides of the input, and more at the right and below."""

    @property
    def input_size(self) -> Size:
        return Size(*(_multiple(side + 2 * self.margin) for side in self.box.content_size))

    def shrink(self, picture: Picture | Yuv420) -> Picture:
        content = self.box.shrink(picture)
        below, right = (whole - part - self.margin for whole, part in zip(self.input_size, content.shape))
        edges = (self.margin, below, self.margin, right)
        # Mirrored, a face that the picture's edge cuts is whole, and is found.
        kind = cv2.BORDER_REFLECT if self.margin else cv2.BORDER_CONSTANT
        return np.asarray(cv2.copyMakeBorder(content, *edges, kind), np.uint8)


class FaceDetector:
    """Finds faces in pictures of any size, each by itself. For one thread at a time."""

    def __init__(
        self,
        *,
        pixels: int = PIXELS,
        min_score: float = MIN_SCORE,
        margin: int = 0,
        enlarges: bool = False,
        options: RunOptions | None = None,
    ) -> None:
        """
        Args:
            pixels: height times width of the network's input, about; more finds smaller faces, and takes longer.
            min_score: faces of a lower score are left out, in (0, 1].
            margin: pixels of the input around the picture, in which it is mirrored: for faces that its edges cut.
            enlarges: whether a picture with fewer pixels is enlarged.
            options: how the network runs; on one thread by default. It has no int8 form.

        Raises:
            PipelineError: a value that is not possible.
        """
        if pixels < MULTIPLE**2 or margin < 0 or not 0 < min_score <= 1:
            raise PipelineError(
                f"pixels must be at least {MULTIPLE**2}, margin at least 0 and min_score in (0, 1], not"
                f" {pixels}, {margin}, {min_score}"
            )
        self._pixels, self._min_score, self._margin, self._enlarges = pixels, min_score, margin, enlarges
        options = options or RunOptions(threads=1)
        self._options = replace(options, precision="auto") if options.precision == "int8" else options
        self._networks: dict[Size, Network] = {}

    def __call__(self, picture: AnyPicture, *, pixels: int | None = None) -> tuple[Face, ...]:
        """The faces in a picture, the surest first; they belong to nobody yet.

        Args:
            pixels: in place of the detector's own.

        Raises:
            BadPicture: see `pipeline.pictures.as_frame`.
            WeightsError, RuntimeUnavailable: see `compile_network`.
        """
        frame = as_frame(picture)
        fit = self._fit(frame.size, pixels or self._pixels)
        answer = self._network(fit.input_size).start(fit.shrink(frame.picture)).result()
        rows = decode(answer.outputs, fit.input_size, self._min_score)
        return tuple(each for row in _in_frame(rows, fit) if (each := _face(row, frame.size)) is not None)

    def _fit(self, size: Size, pixels: int) -> _Fit:
        scale = math.sqrt(pixels / size.area)
        scale = scale if self._enlarges else min(1.0, scale)
        content = Size(*(max(1, round(side * scale)) for side in size))
        return _Fit(Letterbox(size, content, content), self._margin)

    def _network(self, size: Size) -> Network:
        if size not in self._networks:
            while len(self._networks) >= MAX_SIZES:
                del self._networks[next(iter(self._networks))]
            self._networks[size] = compile_network(checked_file(), size, self._options, planes="bgr")
        return self._networks[size]


@cache
def checked_file() -> Path:
    """The bundled network. Raises WeightsError where it is missing, or another one."""
    try:
        found = hashlib.sha256(FILE.read_bytes()).hexdigest()
    except OSError as exc:
        raise WeightsError(f"cannot read {FILE}: {exc.strerror}; reinstall the package") from exc
    if found != SHA256:
        raise WeightsError(f"{FILE} is damaged: its SHA-256 begins with {found[:12]}; reinstall the package")
    return FILE


def _in_frame(rows: Rows, fit: _Fit) -> Rows:
    """From pixels of the input to pixels of the frame."""
    down, across = (whole / part for whole, part in zip(fit.box.frame_size, fit.box.content_size))
    moved = rows.copy()
    moved[:, [0, 1, *range(4, 14)]] -= fit.margin
    moved[:, 0:14] *= np.tile(np.array([across, down], np.float32), 7)
    return moved


def _face(row: Rows, size: Size) -> Face | None:
    """None where nothing of the face is in the picture."""
    left, top, width, height = row[:4].tolist()
    across = [min(max(round(each), 0), size.width) for each in (left, left + width)]
    down = [min(max(round(each), 0), size.height) for each in (top, top + height)]
    if across[0] == across[1] or down[0] == down[1]:
        return None
    points = tuple(Point(x, y) for x, y in row[4:14].reshape(5, 2).tolist())
    return Face(Box(across[0], down[0], across[1], down[1]), points, min(1.0, float(row[14])))


def _multiple(side: int) -> int:
    return -(-side // MULTIPLE) * MULTIPLE
