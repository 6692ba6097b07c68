"""Faces are found where they are, by each runtime, as OpenCV's own detector finds them, and cut ones too."""

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from pipeline import BadPicture, Box, FaceDetector, PipelineError, Size, WeightsError, load_parser
from pipeline.faces import detector as module
from pipeline.faces.decode import MAX_BEFORE_OVERLAPS, MAX_OVERLAP, ROW, STRIDES, decode
from pipeline.network.options import RunOptions
from pipeline.network.runtime import compile_network
from pipeline.types import Picture
from pipeline.yuv import Yuv420
from tests.support.paths import ROOT

PORTRAIT = ROOT / "sample_videos" / "portrait.mp4"
F32 = RunOptions(precision="f32", threads=1)
SAME_PX = 0.05
"""Decoding is a few additions of float32: nothing else may differ."""


@pytest.fixture(scope="module")
def portrait() -> Picture:
    with av.open(str(PORTRAIT)) as container:
        return next(container.decode(video=0)).to_ndarray(format="bgr24")


@pytest.fixture(scope="module")
def face(portrait: Picture) -> Box:
    (found,) = FaceDetector(options=F32)(portrait)
    return found.box


def several(portrait: Picture, face: Box) -> Picture:
    """The same face at six sizes, and a tilted one: (384, 640, 3)."""
    left, top, right, bottom = face
    head = portrait[max(0, top - 40) : bottom + 40, max(0, left - 40) : right + 40]
    picture = np.full((384, 640, 3), 90, np.uint8)
    across = 4
    for tall in (60, 80, 100, 130, 160):
        small = cv2.resize(head, (tall * head.shape[1] // head.shape[0], tall), interpolation=cv2.INTER_AREA)
        picture[20 : 20 + tall, across : across + small.shape[1]] = small
        across += small.shape[1] + 4
    turned = cv2.warpAffine(
        head, cv2.getRotationMatrix2D((head.shape[1] / 2, head.shape[0] / 2), 25, 1), head.shape[1::-1]
    )
    picture[200:360, 200:360] = cv2.resize(turned, (160, 160), interpolation=cv2.INTER_AREA)
    return picture


def opencv_faces(bgr: Picture, min_score: float) -> Iterator[list[float]]:
    theirs = cv2.FaceDetectorYN.create(
        str(module.FILE), "", bgr.shape[1::-1], min_score, MAX_OVERLAP, MAX_BEFORE_OVERLAPS
    )
    yield from np.asarray(theirs.detect(bgr)[1]).tolist()


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_faces_are_those_of_opencvs_detector(runtime: str, portrait: Picture, face: Box) -> None:
    picture = several(portrait, face)
    size = Size(*picture.shape[:2])
    network = compile_network(module.FILE, size, RunOptions(runtime, "f32", threads=1), planes="bgr")
    ours = decode(network.start(picture).result().outputs, size, 0.6)
    theirs = np.array([*opencv_faces(picture, 0.6)])
    assert len(theirs) == 6
    np.testing.assert_allclose(ours, theirs, atol=SAME_PX)


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_a_face_has_its_box_and_its_points(runtime: str, portrait: Picture) -> None:
    (found,) = FaceDetector(options=RunOptions(runtime, threads=1))(portrait)
    left, top, right, bottom = found.box
    eye, other_eye, nose, mouth, other_mouth = found.points
    assert left < eye.x < nose.x < other_eye.x < right
    assert top < eye.y < nose.y < mouth.y < bottom
    assert mouth.x < nose.x < other_mouth.x
    assert found.score > 0.8
    assert found.person is None
    assert repr(found) == f"<Face of nobody: score {found.score:.2f}, box {tuple(found.box)}>"


def test_a_picture_of_any_size_and_form_has_the_face_where_it_is(portrait: Picture, face: Box) -> None:
    detector = FaceDetector(options=F32)
    for size in ((500, 1000), (200, 200), (720, 405)):
        picture = np.full((*size, 3), 127, np.uint8)
        scale = min(size[0] / portrait.shape[0], size[1] / portrait.shape[1])
        small = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        picture[: small.shape[0], : small.shape[1]] = small
        (found,) = detector(picture)
        assert found.box.iou(Box(*(round(scale * each) for each in face))) > 0.8
    with av.open(str(PORTRAIT)) as container:
        as_coded = Yuv420(next(container.decode(video=0)))
    assert detector(as_coded)[0].box.iou(face) > 0.9


def test_more_pixels_find_smaller_faces(portrait: Picture, face: Box) -> None:
    scale = 20 / (face.bottom - face.top)
    small = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    picture = np.full((720, 1280, 3), 110, np.uint8)
    picture[300 : 300 + small.shape[0], 600 : 600 + small.shape[1]] = small
    detector = FaceDetector(options=F32)
    assert not detector(picture)
    (found,) = detector(picture, pixels=1080 * 1920)
    assert not FaceDetector(options=F32, pixels=1080 * 1920)(cv2.resize(picture, (320, 180)))
    (enlarged,) = FaceDetector(options=F32, pixels=1080 * 1920, enlarges=True)(picture)
    assert found.box.bottom - found.box.top == pytest.approx(20, abs=6)
    assert enlarged.box.iou(found.box) > 0.6


@pytest.mark.parametrize("side", ["left", "top", "right", "bottom"])
def test_a_face_that_the_edge_cuts_is_found_in_a_mirrored_margin(side: str, portrait: Picture, face: Box) -> None:
    left, top, right, bottom = face
    tall, wide = bottom - top, right - left
    rows, columns = {
        "left": (np.s_[:], np.s_[left + 2 * wide // 3 :]),
        "right": (np.s_[:], np.s_[: right - 2 * wide // 3]),
        "top": (np.s_[top + 2 * tall // 3 :], np.s_[:]),
        "bottom": (np.s_[: bottom - 2 * tall // 3], np.s_[:]),
    }[side]
    scale = 48 / tall
    picture = cv2.resize(portrait[rows, columns], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    detector = FaceDetector(options=F32, margin=32, min_score=0.3)
    (found, *_) = detector(picture)
    kept = picture.shape[0 if side in ("top", "bottom") else 1]
    at = {"left": found.box.left, "top": found.box.top, "right": found.box.right, "bottom": found.box.bottom}[side]
    assert at == (0 if side in ("left", "top") else kept)


def test_there_are_no_faces_where_there_are_none() -> None:
    assert FaceDetector(options=F32)(np.zeros((64, 64, 3), np.uint8)) == ()
    assert FaceDetector(options=F32)(np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)) == ()


def test_of_two_answers_for_one_face_the_surer_is_taken() -> None:
    size = Size(64, 64)
    cells = [size.area // stride**2 for stride in STRIDES]
    outputs = [np.zeros((count, wide), np.float32) for wide in (1, 1, 4, 10) for count in cells]
    for cell, score in ((9, 0.9), (10, 0.8), (40, 0.5)):
        outputs[0][cell], outputs[3][cell] = score, score
        outputs[6][cell] = (0.5, 0.5, np.log(3), np.log(3))
    outputs[6][10, 0] -= 1  # the same box, from the cell beside it
    rows = decode(outputs, size, 0.4)
    assert rows.shape == (2, ROW)
    np.testing.assert_allclose(rows[:, 14], [0.9, 0.5])
    np.testing.assert_allclose(rows[0, :4], [0, 0, 24, 24], atol=1e-4)
    np.testing.assert_allclose(rows[0, 4:14], [8, 8] * 5)
    assert len(decode(outputs, size, 0.6)) == 1


def test_faces_belong_to_persons(portrait: Picture) -> None:
    parsing = load_parser("lite", faces=True).still(portrait)
    assert parsing.faces is not None
    (found,) = parsing.faces
    assert found.person == parsing.people[0].track_id
    assert load_parser("lite").still(portrait).faces is None


def test_what_cannot_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PipelineError, match="min_score"):
        FaceDetector(min_score=0)
    with pytest.raises(BadPicture):
        FaceDetector()(np.zeros((4, 4), np.float32))
    module.checked_file.cache_clear()
    monkeypatch.setattr(module, "FILE", tmp_path / "yunet.onnx")
    with pytest.raises(WeightsError, match="reinstall"):
        module.checked_file()
    (tmp_path / "yunet.onnx").write_bytes(b"something else")
    with pytest.raises(WeightsError, match="damaged"):
        module.checked_file()
    module.checked_file.cache_clear()
