"""Pictures in the forms that people have them, and what is said of what is none."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline import BadPicture, Frame, Size
from pipeline.pictures import as_frame
from pipeline.yuv import Yuv420
from tests.support.media import quarters, turn_of

BGR = quarters(40, 60)
ORIENTATION = 0x0112


def test_a_frame_stays_the_frame_that_it_is() -> None:
    frame = Frame(BGR, 3, 0.5, 9.0)
    assert as_frame(frame) is frame


def test_an_array_is_not_copied_and_belongs_to_no_stream() -> None:
    frame = as_frame(BGR)
    assert frame.bgr is BGR
    assert (frame.index, frame.pts_s, frame.captured_s) == (0, 0.0, 0.0)


def test_a_picture_as_video_keeps_it_is_one() -> None:
    video = Yuv420(av.VideoFrame.from_ndarray(BGR, format="bgr24").reformat(format="yuv420p"))
    assert as_frame(video).picture is video


def written(path: Path) -> Path:
    cv2.imwrite(str(path), BGR)
    return path


def pil(bgr: NDArray[np.uint8] = BGR, mode: str = "RGB") -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(bgr[..., ::-1])).convert(mode)


def with_alpha(alpha: int) -> NDArray[np.uint8]:
    return np.dstack([BGR, np.full(BGR.shape[:2], alpha, np.uint8)])


FORMS: dict[str, Callable[[Path], Any]] = {
    "array": lambda folder: BGR,
    "mirrored twice": lambda folder: np.flip(np.ascontiguousarray(np.flip(BGR, 1)), 1),
    "array with alpha": lambda folder: with_alpha(255),
    "string": lambda folder: str(written(folder / "a.png")),
    "path": lambda folder: written(folder / "a.bmp"),
    "PIL": lambda folder: pil(),
    "PIL with alpha": lambda folder: pil(mode="RGBA"),
    "PIL from a file": lambda folder: Image.open(written(folder / "a.png")),
}


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_are_the_same_picture(form: str, tmp_path: Path) -> None:
    frame = as_frame(FORMS[form](tmp_path))
    assert frame.size == Size(40, 60)
    np.testing.assert_array_equal(frame.bgr, BGR)


GREY = np.full((4, 6), 77, np.uint8)


@pytest.mark.parametrize(
    "grey",
    [GREY, GREY[..., None], Image.fromarray(GREY), Image.fromarray(GREY).convert("P")],
    ids=["array", "one channel", "PIL", "PIL with a palette"],
)
def test_grey_becomes_colours(grey: Any) -> None:
    np.testing.assert_array_equal(as_frame(grey).bgr, np.full((4, 6, 3), 77, np.uint8))


@pytest.mark.parametrize("form", ["array", "PIL", "file"])
def test_what_is_transparent_is_laid_on_white(form: str, tmp_path: Path) -> None:
    half = np.dstack([np.zeros((4, 6, 3), np.uint8), np.full((4, 6), 128, np.uint8)])
    cv2.imwrite(str(tmp_path / "half.png"), half)
    made: dict[str, Any] = {"array": half, "PIL": Image.fromarray(half), "file": tmp_path / "half.png"}
    assert (as_frame(made[form]).bgr == 127).all()


def test_a_colour_that_a_palette_calls_transparent_is_laid_on_white(tmp_path: Path) -> None:
    image = Image.fromarray(GREY).convert("P")
    image.info["transparency"] = image.getpixel((0, 0))
    assert (as_frame(image).bgr == 255).all()


@pytest.mark.parametrize("form", ["PIL", "file"])
def test_the_cameras_orientation_is_honoured(form: str, tmp_path: Path) -> None:
    image = pil()
    exif = image.getexif()
    exif[ORIENTATION] = 6  # to be turned clockwise by a quarter
    image.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    frame = as_frame(Image.open(tmp_path / "turned.jpg") if form == "PIL" else tmp_path / "turned.jpg")
    assert frame.size == Size(60, 40)
    assert turn_of(frame.bgr) == [2, 0, 3, 1]


@pytest.mark.parametrize(
    ("picture", "complaint"),
    [
        (np.zeros((4, 6, 3)), r"not float64 \(4, 6, 3\); .* \(255 \* array\)\.astype\(numpy\.uint8\) makes one"),
        (np.zeros((4, 6, 3), np.uint16), r"not uint16 \(4, 6, 3\); \(array // 256\)\.astype\(numpy\.uint8\) makes one"),
        (np.zeros((3, 48, 64), np.uint8), r"BGR \(H, W, 3\), BGRA .* not uint8 \(3, 48, 64\)"),
        (np.zeros((1, 48, 64, 3), np.uint8), r"not uint8 \(1, 48, 64, 3\)"),
        (np.zeros((0, 64, 3), np.uint8), r"not uint8 \(0, 64, 3\)"),
        (np.zeros(12, np.uint8), r"not uint8 \(12,\)"),
        (b"bytes", "the path of a file; a PIL image; or a Frame; not builtins.bytes"),
        ([BGR], "not builtins.list"),
        (None, "not builtins.NoneType"),
        (Image.new("F", (6, 4)), "a PIL image of mode F has no 8-bit colours; convert it to RGB first"),
        (Image.new("I;16", (6, 4)), "a PIL image of mode I;16 has no 8-bit colours"),
    ],
    ids=["float", "16 bits", "planes", "a batch", "empty", "a line", "bytes", "list", "nothing", "PIL F", "PIL I;16"],
)
def test_what_is_no_picture_is_refused_with_what_is(picture: Any, complaint: str) -> None:
    with pytest.raises(BadPicture, match=complaint):
        as_frame(picture)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadPicture, match=r"cannot open .*nothing\.jpg: No such file"):
        as_frame(str(tmp_path / "nothing.jpg"))
    (tmp_path / "words.jpg").write_text("words")
    with pytest.raises(BadPicture, match=r"words\.jpg is not a picture that can be read"):
        as_frame(tmp_path / "words.jpg")


def test_pillow_need_not_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.split(".")[0] == "PIL"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "PIL", None)
    np.testing.assert_array_equal(as_frame(BGR).bgr, BGR)
    with pytest.raises(BadPicture, match=r"not builtins\.object"):
        as_frame(object())  # type: ignore[arg-type]
