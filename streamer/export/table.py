"""Parsings as a table: CSV with a row for each part of each person, and for each face, in each frame."""

import csv
from collections.abc import Iterator
from pathlib import Path

from pipeline import Parsing
from pipeline.exports.coco import FACE
from streamer.export.areas import parts_of
from streamer.masks.sidecar import Sidecar

COLUMNS = ("frame", "pts_s", "person", "score", "left", "top", "right", "bottom", "part", "share", "pixels")


def write_csv(sidecar: Sidecar, out: Path) -> None:
    """Writes the table. Raises OSError, BadMessage."""
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for parsing in sidecar:
            writer.writerows(rows_of(parsing))


def rows_of(parsing: Parsing) -> Iterator[tuple[object, ...]]:
    """The rows of a parsing, as `COLUMNS` says; `person` and what follows it are empty for parts of nobody.

    Last come the faces, `part` being `FACE`, with their own score, box, share and pixels; `person` says whose it is.
    """
    for person, part, share in parts_of(parsing):
        who = ("",) * 6 if person is None else (person.track_id, f"{person.score:.4f}", *person.box)
        pixels = round(share * parsing.frame_size.area)
        yield parsing.frame_index, f"{parsing.pts_s:.6f}", *who, part, f"{share:.8f}", pixels
    for face in parsing.faces or ():
        whose = "" if face.person is None else face.person
        share = face.box.area / parsing.frame_size.area
        row = (whose, f"{face.score:.4f}", *face.box, FACE, f"{share:.8f}", face.box.area)
        yield parsing.frame_index, f"{parsing.pts_s:.6f}", *row
