"""Parsings as tasks of Label Studio: a task for each frame, with a polygon for each part as a prediction to correct."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline import LabelSet, Parsing
from streamer.export.maps import enlarged
from streamer.masks.sidecar import Sidecar

FROM_NAME, TO_NAME = "part", "image"
MIN_AREA_PX = 9.0
"""Smaller polygons are left out."""
PRECISION_PX = 1.0
"""Distance by which a polygon may be off the outline."""


def write_label_studio(sidecar: Sidecar, out: Path) -> None:
    """Writes the tasks. `labelling_of` is the interface that they are for. Raises OSError, BadMessage."""
    stem = Path(sidecar.origin.source.name).stem if sidecar.origin else sidecar.path.stem
    with out.open("w", encoding="utf-8") as file:
        file.write("[")
        for count, parsing in enumerate(sidecar):
            file.write(",\n" if count else "\n")
            name = f"{stem}-{parsing.frame_index:06}.jpg"
            prediction = {"model_version": "m2fp-streamer", "result": list(regions_of(parsing))}
            json.dump({"data": {TO_NAME: name, "pts_s": parsing.pts_s}, "predictions": [prediction]}, file)
        file.write("]\n")


def labelling_of(label_set: LabelSet) -> str:
    """The labelling interface of these tasks, to be pasted into a project's settings."""
    labels = "".join(f'    <Label value="{each.name}" background="#{each.rgb}"/>\n' for each in label_set.classes[1:])
    return (
        f'<View>\n  <Image name="{TO_NAME}" value="${TO_NAME}"/>\n'
        f'  <PolygonLabels name="{FROM_NAME}" toName="{TO_NAME}">\n{labels}  </PolygonLabels>\n</View>\n'
    )


def regions_of(parsing: Parsing) -> Iterator[dict[str, Any]]:
    """The polygons of a frame, in percent of its sides; `meta` has the person's number."""
    height, width = parsing.frame_size
    labels, instances = (enlarged(ids, parsing.frame_size) for ids in (parsing.labels, parsing.instances))
    for number, person in enumerate(parsing.people, start=1):
        theirs = instances == number
        for index in np.unique(labels[theirs]):
            if not index:
                continue
            part = (theirs & (labels == index)).astype(np.uint8)
            outlines, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            for place, outline in enumerate(outlines):
                points = cv2.approxPolyDP(outline, PRECISION_PX, closed=True).reshape(-1, 2)
                if len(points) < 3 or cv2.contourArea(points) < MIN_AREA_PX:
                    continue
                yield {
                    "id": f"{parsing.frame_index}-{number}-{index}-{place}",
                    "type": "polygonlabels",
                    "from_name": FROM_NAME,
                    "to_name": TO_NAME,
                    "original_width": width,
                    "original_height": height,
                    "image_rotation": 0,
                    "score": person.score,
                    "meta": {"text": [f"person {person.track_id}"]},
                    "value": {
                        "points": (points * (100 / width, 100 / height)).round(4).tolist(),
                        "polygonlabels": [parsing.label_set.names[index]],
                        "closed": True,
                    },
                }
