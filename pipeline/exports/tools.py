"""Parsings as other libraries have them: supervision's detections, a pandas frame. The libraries are extras."""

from importlib import import_module
from typing import Any

import numpy as np

from pipeline.errors import PipelineError
from pipeline.exports.coco import rle
from pipeline.exports.parts import parts
from pipeline.geometry import Box
from pipeline.types import Parsing, Picture

COLUMNS = ("person", "score", "part", "left", "top", "right", "bottom", "area_px", "share")


def detections(parsing: Parsing) -> Any:
    """`supervision.Detections`, one of each part of each person; masks at the frame's size.

    `tracker_id` is the person's number, 0 for what belongs to nobody. Raises PipelineError without supervision.
    """
    supervision = _library("supervision")
    found = list(parts(parsing))
    masks = np.zeros((len(found), *parsing.frame_size), bool)
    for mask, part in zip(masks, found):
        left, top, right, bottom = part.box
        mask[top:bottom, left:right] = part.mask
    return supervision.Detections(
        xyxy=np.array([part.box for part in found], np.float32).reshape(-1, 4),
        mask=masks,
        confidence=np.array([part.person.score if part.person else 0.0 for part in found], np.float32),
        class_id=np.array([part.label for part in found], int),
        tracker_id=np.array([part.person.track_id if part.person else 0 for part in found], int),
        data={"class_name": np.array([parsing.label_set.names[part.label] for part in found], dtype=object)},
    )


def table(parsing: Parsing) -> Any:
    """`pandas.DataFrame`, a row of each part of each person: `COLUMNS`, in pixels of the frame, `share` of the frame.

    Raises PipelineError without pandas.
    """
    rows = [
        (
            part.person.track_id if part.person else 0,
            part.person.score if part.person else 0.0,
            parsing.label_set.names[part.label],
            *part.box,
            part.area_px,
            part.area_px / parsing.frame_size.area,
        )
        for part in parts(parsing)
    ]
    return _library("pandas").DataFrame(rows, columns=list(COLUMNS))


def run_lengths(parsing: Parsing) -> list[dict[str, Any]]:
    """The mask of each part of each person as COCO's compressed run lengths, with `person`, `part` and `class_id`."""
    return [
        {
            "person": part.person.track_id if part.person else 0,
            "part": parsing.label_set.names[part.label],
            "class_id": part.label,
            "segmentation": rle(part, parsing),
        }
        for part in parts(parsing)
    ]


def cropped(parsing: Parsing, box: Box, picture: Picture) -> Picture:
    """The part of a picture, of the frame's size or another, that a box of the frame covers. Raises BadPicture."""
    left, top, right, bottom = box.scaled(parsing.frame_size, type(parsing.frame_size)(*picture.shape[:2]))
    return picture[top:bottom, left:right].copy()


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as exc:
        raise PipelineError(f"this needs {name}; install it by: pip install {name}") from exc
