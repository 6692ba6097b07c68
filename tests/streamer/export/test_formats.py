"""What is exported is read by the tools that it is for, and is what was in the sidecar."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import pytest
from pycocotools.coco import COCO

from pipeline import CIHP, Box, Face, Parsing, Person, Size
from pipeline.geometry import Point
from streamer.errors import ConfigError, SinkError
from streamer.export.formats import FORMATS, export
from streamer.export.label_studio import FROM_NAME, TO_NAME, labelling_of
from streamer.masks.origin import Origin, ParserKey, SourceKey
from streamer.masks.sidecar import Sidecar
from streamer.masks.sidecar_writer import SidecarWriter

FRAME, MAP = Size(96, 160), Size(48, 80)
FACE, COAT = CIHP.id_of("Face"), CIHP.id_of("Coat")
KEY = ParserKey(name="lite", weights="", runtime="", precision="", size="", refine=False, sensitivity="")


def a_parsing(index: int) -> Parsing:
    """Two persons, with a face and a coat each, and a coat of nobody; they walk to the right."""
    labels, instances = np.zeros(MAP, np.uint8), np.zeros(MAP, np.uint8)
    for number, left in ((1, 4 + index), (2, 40 + index)):
        labels[4:12, left : left + 8], labels[12:40, left : left + 12] = FACE, COAT
        instances[4:40, left : left + 12] = number
    labels[42:46, 60:70] = COAT
    instances[labels == 0] = 0
    people = tuple(
        Person(number + 6, 0.5 + number / 10, Box(2 * left, 8, 2 * left + 24, 80))
        for number, left in ((1, 4 + index), (2, 40 + index))
    )
    return Parsing(labels, instances, people, CIHP, index, index / 10, 0.0, FRAME, 0.0, index)


PARSINGS = [a_parsing(index) for index in range(6)]


@pytest.fixture
def sidecar(tmp_path: Path) -> Iterator[Sidecar]:
    path = tmp_path / "clip.hpm"
    with SidecarWriter.create(path, Origin(source=SourceKey("walk.mp4"), parser=KEY)) as writer:
        for each in PARSINGS:
            writer.write(each)
    with Sidecar(path) as opened:
        yield opened


def full(parsing: Parsing, name: str = "labels") -> np.ndarray:
    return cv2.resize(getattr(parsing, name), FRAME[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools of before NumPy 2
def test_coco_is_read_by_pycocotools_to_the_pixel(sidecar: Sidecar, tmp_path: Path) -> None:
    export(sidecar, tmp_path / "out", "coco")
    read = COCO(str(tmp_path / "out"))
    assert [each["file_name"] for each in read.loadImgs(read.getImgIds())][1] == "walk-000001.jpg"
    names = {each["id"]: each["name"] for each in read.loadCats(read.getCatIds())}
    assert set(names.values()) == {"person", *CIHP.names[1:]}
    for parsing in PARSINGS:
        found = read.loadAnns(read.getAnnIds(imgIds=[parsing.frame_index]))
        assert len(found) == 6
        for each in found:
            number = each["track_id"] - 6
            theirs = full(parsing, "instances") == number
            name = names[each["category_id"]]
            wanted = theirs & (full(parsing) == CIHP.id_of(name) if name != "person" else full(parsing) > 0)
            np.testing.assert_array_equal(read.annToMask(each).astype(bool), wanted)
            left, top, width, height = each["bbox"]
            assert wanted[top : top + height, left : left + width].sum() == each["area"] == wanted.sum()


@pytest.fixture
def with_faces(tmp_path: Path) -> Path:
    """A sidecar whose second frame has a face of person 8 and one of nobody; in its first nobody looked for any."""
    points = tuple(Point(84.5 + place, 12.5) for place in range(5))
    faces = (Face(Box(80, 8, 100, 24), points, 0.875, person=8), Face(Box(0, 0, 12, 10), points, 0.625))
    path = tmp_path / "faces.hpm"
    with SidecarWriter.create(path, Origin(source=SourceKey("walk.mp4"), parser=KEY)) as writer:
        writer.write(PARSINGS[0])
        writer.write(replace(PARSINGS[1], faces=faces))
    return path


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools of before NumPy 2
def test_faces_are_read_by_pycocotools(with_faces: Path, tmp_path: Path) -> None:
    with Sidecar(with_faces) as sidecar:
        export(sidecar, tmp_path / "out", "coco")
    read = COCO(str(tmp_path / "out"))
    (category,) = read.loadCats(read.getCatIds(catNms=["detected face"]))
    assert not read.getAnnIds(imgIds=[0], catIds=[category["id"]])
    found = read.loadAnns(read.getAnnIds(imgIds=[1], catIds=[category["id"]]))
    assert [(each["track_id"], each["bbox"], each["score"]) for each in found] == [
        (8, [80, 8, 20, 16], 0.875),
        (0, [0, 0, 12, 10], 0.625),
    ]
    wanted = np.zeros(FRAME, bool)
    wanted[8:24, 80:100] = True
    np.testing.assert_array_equal(read.annToMask(found[0]).astype(bool), wanted)
    assert dict(zip(category["keypoints"], found[0]["keypoints"][::3], strict=True))["nose"] == 86.5


def test_faces_are_rows_of_the_table(with_faces: Path, tmp_path: Path) -> None:
    with Sidecar(with_faces) as sidecar:
        export(sidecar, tmp_path / "out", "csv")
    table = pd.read_csv(tmp_path / "out")
    faces = table[table.part == "detected face"]
    assert faces.frame.tolist() == [1, 1]
    assert (faces.person.iloc[0], faces.score.iloc[0], faces.pixels.iloc[0]) == (8, 0.875, 320)
    assert (faces.left.iloc[0], faces.top.iloc[0], faces.right.iloc[0], faces.bottom.iloc[0]) == (80, 8, 100, 24)
    assert np.isnan(faces.person.iloc[1])
    assert faces.share.iloc[0] == pytest.approx(320 / FRAME.area)
    assert len(table) == len(faces) + 2 * 5, "the parts are there as without faces"


def test_pngs_are_read_by_opencv(sidecar: Sidecar, tmp_path: Path) -> None:
    export(sidecar, tmp_path / "out", "png")
    classes = json.loads((tmp_path / "out/classes.json").read_text())
    assert [each["name"] for each in classes] == list(CIHP.names)
    for parsing in PARSINGS:
        name = f"{parsing.frame_index:06}.png"
        labels, instances = (
            cv2.imread(str(tmp_path / "out" / kind / name), cv2.IMREAD_UNCHANGED) for kind in ("labels", "instances")
        )
        np.testing.assert_array_equal(labels, full(parsing))
        assert (labels.dtype, instances.dtype) == (np.uint8, np.uint16)
        np.testing.assert_array_equal(instances, np.array([0, 7, 8])[full(parsing, "instances")])


def test_the_table_is_read_by_pandas(sidecar: Sidecar, tmp_path: Path) -> None:
    export(sidecar, tmp_path / "out", "csv")
    table = pd.read_csv(tmp_path / "out")
    faces = table[(table.part == "Face") & (table.person == 7)]
    assert faces.frame.tolist() == list(range(6))
    assert faces.pts_s.tolist() == pytest.approx([index / 10 for index in range(6)])
    assert set(faces.pixels) == {8 * 8 * 4}
    assert faces.share.iloc[0] == pytest.approx(64 / MAP.area)
    assert (faces.left.iloc[2], faces.bottom.iloc[2]) == (12, 80)
    nobody = table[table.person.isna()]
    assert set(nobody.part) == {"Coat"}
    assert len(nobody) == 6


def test_arrays_are_read_by_numpy(sidecar: Sidecar, tmp_path: Path) -> None:
    export(sidecar, tmp_path / "out", "npz")
    with np.load(tmp_path / "out") as read:
        np.testing.assert_array_equal(read["labels"], [each.labels for each in PARSINGS])
        np.testing.assert_array_equal(read["instances"], np.array([0, 7, 8])[[each.instances for each in PARSINGS]])
        assert read["frame"].tolist() == list(range(6))
        assert read["names"].tolist() == list(CIHP.names)
        assert read["pts_s"][3] == pytest.approx(0.3)


def test_tasks_have_what_label_studio_asks_for(sidecar: Sidecar, tmp_path: Path) -> None:
    export(sidecar, tmp_path / "out", "label-studio")
    tasks = json.loads((tmp_path / "out").read_text())
    labelling = labelling_of(CIHP)
    assert f'<PolygonLabels name="{FROM_NAME}" toName="{TO_NAME}">' in labelling
    assert len(tasks) == 6
    for task, parsing in zip(tasks, PARSINGS, strict=True):
        assert task["data"][TO_NAME] == f"walk-{parsing.frame_index:06}.jpg"
        drawn = np.zeros(FRAME, np.uint8)
        ids = set()
        for region in task["predictions"][0]["result"]:
            assert (region["type"], region["from_name"], region["to_name"]) == ("polygonlabels", FROM_NAME, TO_NAME)
            (label,) = region["value"]["polygonlabels"]
            assert f'<Label value="{label}"' in labelling
            points = np.array(region["value"]["points"]) * (FRAME.width / 100, FRAME.height / 100)
            assert ((points >= 0) & (points <= (FRAME.width, FRAME.height))).all()
            cv2.fillPoly(drawn, [np.round(points).astype(np.int32)], CIHP.id_of(label))
            ids.add(region["id"])
        assert len(ids) == 4
        wanted = np.where(full(parsing, "instances") > 0, full(parsing), 0)
        assert np.count_nonzero(drawn != wanted) <= 0.01 * FRAME.area


def test_a_transparent_video_is_decoded_with_its_alpha(sidecar: Sidecar, tmp_path: Path) -> None:
    export(sidecar, tmp_path / "out", "webm-alpha")
    with av.open(str(tmp_path / "out")) as container:
        stream = container.streams.video[0]
        assert stream.metadata["alpha_mode"] == "1"
        decoder = av.CodecContext.create("libvpx-vp9", "r")
        frames = [frame for packet in container.demux(stream) for frame in decoder.decode(packet)]
    assert [round(frame.pts * float(stream.time_base), 2) for frame in frames] == [index / 10 for index in range(6)]
    for frame, parsing in zip(frames, PARSINGS, strict=True):
        seen = frame.to_ndarray(format="bgra")
        assert np.mean((seen[..., 3] > 127) != (full(parsing) > 0)) < 0.01, "the alpha is of another frame"
        middle = seen[50, 2 * (8 + parsing.frame_index)]
        assert np.abs(middle[:3].astype(int) - CIHP.palette[COAT]).max() < 30


@pytest.mark.parametrize("to", FORMATS)
def test_what_is_there_is_overwritten_with_force_only(sidecar: Sidecar, tmp_path: Path, to: str) -> None:
    out = tmp_path / "out"
    export(sidecar, out, to)
    with pytest.raises(SinkError, match="--force overwrites"):
        export(sidecar, out, to)
    export(sidecar, out, to, force=True)
    assert {path.name for path in tmp_path.iterdir()} == {"out", "clip.hpm"}
    with pytest.raises(SinkError, match=r"no folder .*none to write out into"):
        export(sidecar, tmp_path / "none" / "out", to)


def test_what_cannot_be_exported_is_told(sidecar: Sidecar, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no format 'voc'; there are: coco, png, csv, npz, label-studio, webm-alpha"):
        export(sidecar, tmp_path / "out", "voc")
    SidecarWriter.create(tmp_path / "none.hpm").close()
    with Sidecar(tmp_path / "none.hpm") as empty, pytest.raises(ConfigError, match=r"none\.hpm has no parsings"):
        export(empty, tmp_path / "out", "coco")
    damaged = bytearray((tmp_path / "clip.hpm").read_bytes())
    damaged[sidecar.masks[3].offset + 20] ^= 1
    (tmp_path / "bad.hpm").write_bytes(damaged)
    from streamer.errors import BadMessage

    with Sidecar(tmp_path / "bad.hpm") as bad, pytest.raises(BadMessage, match=r"bad\.hpm is damaged at byte"):
        export(bad, tmp_path / "out", "csv")
    assert not list(tmp_path.glob("*out*"))
