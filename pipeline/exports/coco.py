"""COCO's object format: an annotation for each part of each person."""

from collections.abc import Mapping
from typing import Any

from pipeline.exports.parts import Part, parts
from pipeline.exports.rle import counts_of, encoded
from pipeline.labels import LabelSet
from pipeline.types import Parsing


def coco(parsing: Parsing, *, image_id: int = 1, file_name: str = "") -> dict[str, Any]:
    """One picture in COCO's object format, its masks as compressed run lengths.

    `person_id` says which annotations are of one person: its place among `parsing.people`, from 1, 0 for nobody's.
    """
    height, width = parsing.frame_size
    numbers = {each.track_id: number for number, each in enumerate(parsing.people, start=1)}
    annotations = [
        {"id": index, "image_id": image_id, **_annotation(part, parsing, numbers)}
        for index, part in enumerate(parts(parsing), start=1)
    ]
    return {
        "images": [{"id": image_id, "width": width, "height": height, "file_name": file_name}],
        "annotations": annotations,
        "categories": categories(parsing.label_set),
    }


def categories(label_set: LabelSet) -> list[dict[str, Any]]:
    """The classes but the background, with their ids."""
    return [
        {"id": index, "name": name, "supercategory": "person"} for index, name in enumerate(label_set.names) if index
    ]


def rle(part: Part, parsing: Parsing) -> dict[str, Any]:
    """A part's mask as COCO's compressed run lengths."""
    counts = counts_of(part.mask, part.box, parsing.frame_size)
    return {"size": list(parsing.frame_size), "counts": encoded(counts)}


def _annotation(part: Part, parsing: Parsing, numbers: Mapping[int, int]) -> dict[str, Any]:
    left, top, right, bottom = part.box
    return {
        "category_id": part.label,
        "bbox": [left, top, right - left, bottom - top],
        "area": part.area_px,
        "segmentation": rle(part, parsing),
        "iscrowd": 0,
        "person_id": numbers[part.person.track_id] if part.person else 0,
        "score": part.person.score if part.person else None,
    }
