"""Parsings as COCO's JSON: an annotation for each person, each part of each person, and each face.

The format is that of https://cocodataset.org/#format-data; masks are run lengths, not compressed, of the frame's size.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import LabelSet, Parsing
from pipeline.exports.coco import face_annotation, face_category
from streamer.export.maps import enlarged
from streamer.masks.sidecar import Sidecar

PERSON = 1
"""The id of the category of whole persons; a part's is its class id, and this more."""


def write_coco(sidecar: Sidecar, out: Path) -> None:
    """Writes the file. Images are named after the video and the frame: `clip-000012.jpg`.

    Raises OSError, BadMessage.
    """
    stem = Path(sidecar.origin.source.name).stem if sidecar.origin else sidecar.path.stem
    label_set = sidecar.label_set_of(sidecar.masks[0])
    images: list[dict[str, Any]] = []
    count = 0
    has_faces = False
    with out.open("w", encoding="utf-8") as file:
        file.write('{"annotations": [')
        for parsing in sidecar:
            images.append(
                {
                    "id": parsing.frame_index,
                    "file_name": f"{stem}-{parsing.frame_index:06}.jpg",
                    "height": parsing.frame_size.height,
                    "width": parsing.frame_size.width,
                    "pts_s": parsing.pts_s,
                }
            )
            has_faces |= parsing.faces is not None
            for annotation in annotations_of(parsing):
                count += 1
                file.write(",\n" if count > 1 else "\n")
                json.dump({"id": count, **annotation}, file)
        categories = json.dumps(categories_of(label_set, has_faces=has_faces))
        file.write(f'],\n"images": {json.dumps(images)},\n"categories": {categories}}}\n')


def categories_of(label_set: LabelSet, *, has_faces: bool) -> list[dict[str, Any]]:
    """Of whole persons, of the parts, and of faces if somebody looked for them; not of the background."""
    parts = [
        {"id": index + PERSON, "name": each.name, "supercategory": "part"}
        for index, each in enumerate(label_set.classes)
        if index
    ]
    faces = [face_category(_face_id(label_set), "part")] if has_faces else []
    return [{"id": PERSON, "name": "person", "supercategory": ""}, *parts, *faces]


def _face_id(label_set: LabelSet) -> int:
    return len(label_set) + PERSON


def annotations_of(parsing: Parsing) -> Iterator[dict[str, Any]]:
    """Each annotation of a frame, without its id; `track_id` is a person's number, 0 for a face of nobody."""
    labels, instances = (enlarged(ids, parsing.frame_size) for ids in (parsing.labels, parsing.instances))
    for number, person in enumerate(parsing.people, start=1):
        theirs = instances == number
        shared = {"image_id": parsing.frame_index, "track_id": person.track_id, "score": person.score}
        for category, mask in (
            (PERSON, theirs & (labels > 0)),
            *((index + PERSON, theirs & (labels == index)) for index in np.unique(labels[theirs]) if index),
        ):
            if mask.any():
                yield {**shared, "category_id": int(category), "iscrowd": 0, **_segmentation(mask)}
    for face in parsing.faces or ():
        annotation = face_annotation(face, _face_id(parsing.label_set))
        yield {"image_id": parsing.frame_index, "track_id": face.person or 0, **annotation}


def _segmentation(mask: NDArray[np.bool_]) -> dict[str, Any]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    return {
        "bbox": [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top],
        "area": int(np.count_nonzero(mask)),
        "segmentation": {"size": list(mask.shape), "counts": run_lengths(mask)},
    }


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """The lengths of the runs of equal pixels, column by column; the first is of pixels that are not in the mask."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(np.concatenate(([0], changes, [flat.size])))
    return [0, *runs.tolist()] if flat[0] else list(runs.tolist())
