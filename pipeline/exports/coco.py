"""COCO's object format: an annotation for each part of each person, and for each face."""

from collections.abc import Mapping
from typing import Any

from pipeline.exports.faces import facts
from pipeline.exports.parts import Part, parts
from pipeline.exports.rle import counts_of, encoded
from pipeline.labels import LabelSet
from pipeline.types import Face, Parsing

FACE = "detected face"
"""The category of faces that the detector found; the class Face is a part, seen by the parser."""
POINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
"""The names of a face's points: left is left in the picture."""
_SEEN = 2  # COCO's flag of a point that is labelled and not hidden


def coco(parsing: Parsing, *, image_id: int = 1, file_name: str = "") -> dict[str, Any]:
    """One picture in COCO's object format, its masks as compressed run lengths.

    `person_id` says which annotations are of one person: its place among `parsing.people`, from 1, 0 for nobody's.
    Faces have a category of their own, `FACE`, if somebody looked for faces.
    """
    height, width = parsing.frame_size
    numbers = {each.track_id: number for number, each in enumerate(parsing.people, start=1)}
    found = [_annotation(part, parsing, numbers) for part in parts(parsing)]
    face_id = len(parsing.label_set)
    found += [
        {**face_annotation(face, face_id), "person_id": numbers.get(face.person or 0, 0)}
        for face in parsing.faces or ()
    ]
    annotations = [{"id": index, "image_id": image_id, **each} for index, each in enumerate(found, start=1)]
    return {
        "images": [{"id": image_id, "width": width, "height": height, "file_name": file_name}],
        "annotations": annotations,
        "categories": categories(parsing.label_set)
        + ([] if parsing.faces is None else [face_category(face_id, "person")]),
    }


def categories(label_set: LabelSet) -> list[dict[str, Any]]:
    """The classes but the background, with their ids."""
    return [
        {"id": index, "name": name, "supercategory": "person"} for index, name in enumerate(label_set.names) if index
    ]


def face_category(category_id: int, supercategory: str) -> dict[str, Any]:
    """The category of faces, with the names of their points."""
    return {
        "id": category_id,
        "name": FACE,
        "supercategory": supercategory,
        "keypoints": list(POINTS),
        "skeleton": [],
    }


def face_annotation(face: Face, category_id: int) -> dict[str, Any]:
    """A face without whose it is: its box, which is its segmentation, too, and its points, in pixels of the frame."""
    left, top, right, bottom = face.box
    return {
        "category_id": category_id,
        "bbox": [left, top, right - left, bottom - top],
        "area": face.box.area,
        "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
        "keypoints": [each for point in face.points for each in (*point, _SEEN)],
        "num_keypoints": len(face.points),
        "iscrowd": 0,
        "score": face.score,
        **({} if face.estimate is None else {"attributes": facts(face.estimate)}),
    }


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
