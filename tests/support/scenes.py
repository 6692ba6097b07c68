"""People before a wall, moving as a test wants, and parsings of them that are known to the pixel."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline import CIHP, Box, Frame, Parser, ParserSettings, Parsing, Person, Size
from pipeline.lite.model import lite_model
from pipeline.network.runtime import Answer, Network, Run
from pipeline.types import Picture

FACE, COAT = CIHP.id_of("Face"), CIHP.id_of("Coat")
FRAME = Size(360, 640)
Bgr = NDArray[np.uint8]


def texture(seed: int, size: Size = FRAME, low: int = 0, high: int = 256) -> Bgr:
    """A picture in which every place looks different, at several scales."""
    random = np.random.default_rng(seed)
    layers = [
        cv2.resize(
            random.uniform(low, high, (*(max(2, side // cell) for side in size), 3)).astype(np.float32),
            size[::-1],
            interpolation=cv2.INTER_CUBIC,
        )
        for cell in (12, 36, 90)
    ]
    return np.clip(np.mean(layers, axis=0), 0, 255).astype(np.uint8)


def frame_of(bgr: Bgr, index: int = 0, hz: float = 30) -> Frame:
    return Frame(np.ascontiguousarray(bgr), index, pts_s=index / hz, captured_s=100 + index / hz)


def shifted(bgr: Bgr, across: float, down: float, border: int = cv2.BORDER_REFLECT) -> Bgr:
    matrix = np.array([[1, 0, across], [0, 1, down]], np.float32)
    moved = cv2.warpAffine(bgr, matrix, bgr.shape[1::-1], flags=cv2.INTER_CUBIC, borderMode=border)
    return np.asarray(moved, np.uint8)


def parsing_of(frame: Frame, masks: Sequence[NDArray[np.bool_]], people: Sequence[Person] = ()) -> Parsing:
    """Somebody for each mask: (h, w)."""
    labels, instances = (np.zeros(masks[0].shape, np.uint8) for _ in range(2))
    for number, mask in enumerate(masks, start=1):
        labels[mask], instances[mask] = (FACE, COAT)[(number - 1) % 2], number
    people = people or [Person(number, 0.9, Box(0, 0, 1, 1)) for number in range(1, len(masks) + 1)]
    return Parsing(
        labels,
        instances,
        tuple(people),
        CIHP,
        frame.index,
        frame.pts_s,
        frame.captured_s,
        frame.size,
        0.01,
        frame.index,
    )


def rectangle(size: Size, box: tuple[float, float, float, float]) -> NDArray[np.bool_]:
    """Left, top, right, bottom in frame pixels, on a map of any size: what has its centre inside."""
    left, top, right, bottom = box
    down = (np.arange(size.height) + 0.5) * FRAME.height / size.height
    across = (np.arange(size.width) + 0.5) * FRAME.width / size.width
    return ((down >= top) & (down < bottom))[:, None] & ((across >= left) & (across < right))[None]


def centre(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.argwhere(mask).mean(axis=0)


def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(one & other) / max(1, np.count_nonzero(one | other)))


def person_scene(left: float, seed: int = 2, post: tuple[int, int] | None = None) -> Bgr:
    """A bright person of 60x160 pixels before a dark wall; a post, from one column to another, before both."""
    picture = texture(1, high=130)
    person = np.zeros_like(picture)
    person[100:260, 0:60] = texture(seed, Size(160, 60), low=140)
    solid = np.zeros(FRAME, np.uint8)
    solid[100:260, 0:60] = 255
    moved, where = (shifted(each, left, 0, cv2.BORDER_CONSTANT) for each in (person, solid))
    where = where > 127
    picture[where] = moved[where]
    if post:
        picture[:, post[0] : post[1]] = texture(3, Size(FRAME.height, post[1] - post[0]), high=130)
    return picture


def person_at(left: float, size: Size = FRAME) -> NDArray[np.bool_]:
    return rectangle(size, (left, 100, left + 60, 260))


def counting_parser(size: Size | None = None, *, refine: bool = False) -> Parser:
    """Lite, each run of whose network is said to take a second: `inferred_s` is how often it ran."""

    class OfASecond:
        def __init__(self, network: Network) -> None:
            self._network, self.precision = network, network.precision

        def start(self, picture: Picture) -> Run:
            return Ended(replace(self._network.start(picture).result(), seconds=1.0))

    @dataclass
    class Ended:
        answer: Answer

        def result(self) -> Answer:
            return self.answer

    lite = lite_model()
    of_any = lite.compile_any
    assert of_any is not None
    return Parser(
        replace(
            lite,
            compile=lambda *how: OfASecond(lite.compile(*how)),
            compile_any=lambda how: OfASecond(of_any(how)),
        ),
        ParserSettings(size=size, precision="f32", refine=refine),
    )
