"""Parsings as maps of ids: PNGs of the frames' size, or NumPy arrays of the network's."""

import json
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline import Parsing, Size
from streamer.errors import SinkError
from streamer.masks.sidecar import Sidecar

Ids = NDArray[np.integer[Any]]


def write_pngs(sidecar: Sidecar, out: Path) -> None:
    """Writes a folder: `labels/000000.png` with class ids, `instances/000000.png` with persons' numbers, 16 bits.

    Both are of the frame's size, named by its index. `classes.json` has the names and colours of the ids.

    Raises OSError, SinkError, BadMessage.
    """
    for name in ("labels", "instances"):
        (out / name).mkdir(parents=True, exist_ok=True)
    label_set = sidecar.label_set_of(sidecar.masks[0])
    classes = [{"id": index, "name": each.name, "rgb": each.rgb} for index, each in enumerate(label_set.classes)]
    (out / "classes.json").write_text(json.dumps(classes, indent=1), encoding="utf-8")
    for parsing in sidecar:
        for name, ids in (("labels", parsing.labels), ("instances", tracks_of(parsing))):
            path = out / name / f"{parsing.frame_index:06}.png"
            done, png = cv2.imencode(".png", enlarged(ids, parsing.frame_size))
            if not done:
                raise SinkError(f"{path} cannot be made a PNG")
            path.write_bytes(png.tobytes())


def write_npz(sidecar: Sidecar, out: Path) -> None:
    """Writes arrays: `labels` and `instances` (n, h, w), `frame` and `pts_s` (n,), `names` (classes,).

    The maps are of the largest size that any has; `instances` are persons' numbers. Raises OSError, BadMessage.
    """
    sizes = {parsing.map_size for parsing in sidecar}
    size = max(sizes, key=lambda each: each.area)
    names = sidecar.label_set_of(sidecar.masks[0]).names
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, dtype in (("labels", np.uint8), ("instances", np.uint16)):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                shape = (len(sidecar), *size)
                header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                for parsing in sidecar:
                    ids = parsing.labels if name == "labels" else tracks_of(parsing)
                    file.write(enlarged(ids, size).astype(dtype).tobytes())
        for name, values in (
            ("frame", np.array([each.frame for each in sidecar.masks], np.int64)),
            ("pts_s", np.array([each.pts_s for each in sidecar.masks])),
            ("names", np.array(names)),
        ):
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, values)


def tracks_of(parsing: Parsing) -> NDArray[np.uint16]:
    """The number of the person at each pixel, 0 for nobody: uint16 of the maps' size. Numbers start again at 65,536."""
    numbers = np.array([0, *(each.track_id for each in parsing.people)]) % 2**16
    return numbers.astype(np.uint16)[parsing.instances]


def enlarged(ids: Ids, size: Size) -> Ids:
    """Ids at another size, each pixel as the nearest one."""
    return np.asarray(cv2.resize(ids, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT))
