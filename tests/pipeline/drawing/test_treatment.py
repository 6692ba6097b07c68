"""Effects as a look names them: what can be written, what is refused, and that nothing is shown of who is not known."""

from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import CIHP, BadPicture, Box, Frame, Look, Parsing, Person, PipelineError, Size, UnknownName, blend
from pipeline.drawing.effects import blur, fill
from pipeline.drawing.look import LegendPlace
from pipeline.drawing.overlay import draw, drawn_size, undrawn
from pipeline.drawing.selection import On
from pipeline.drawing.treatment import Effect, Knowledge, colour_of, treated
from pipeline.yuv import Yuv420

SIZE = Size(120, 160)
FACE = CIHP.id_of("Face")


def somebody() -> Parsing:
    labels = np.zeros((30, 40), np.uint8)
    labels[5:15, 10:20] = FACE
    labels[15:28, 8:22] = CIHP.id_of("Coat")
    people = (Person(1, 0.9, Box(32, 20, 88, 112)),)
    return Parsing(labels, (labels > 0).astype(np.uint8), people, CIHP, 0, 0.0, 0.0, SIZE, 0.0, 0)


def noise() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (*SIZE, 3), np.uint8)


@pytest.mark.parametrize(
    "text", ["blur", "pixelate", "fill=#102030", "fill=Grey", "background=white", "blur-background", "cut"]
)
def test_what_can_be_written(text: str) -> None:
    effect = Effect.read(text)
    assert f"{effect.kind}={effect.value}".rstrip("=") == text
    effect.check()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "smear",
        "blur=3",
        "blur=",
        "fill",
        "fill=",
        "fill=#12",
        "fill=#gggggg",
        "fill=mauve",
        "background",
        "cut=red",
        "blur@",
        "blur@Face,",
    ],
)
def test_what_is_no_effect_is_refused_and_the_forms_are_told(text: str) -> None:
    with pytest.raises(PipelineError, match=r"blur|#rrggbb|selects nothing"):
        Look(effect=(text,))


def test_colours() -> None:
    assert colour_of("#0a141e") == (30, 20, 10)
    assert colour_of("RED") == (0, 0, 255)
    assert colour_of("0a141e") is None


def test_a_selection_without_an_effect_is_refused() -> None:
    with pytest.raises(PipelineError, match="name one"):
        Look(on="Face")


def test_a_selection_of_nothing_that_there_is_is_refused_before_anything_is_drawn() -> None:
    look = Look(effect=("blur",), on="Nose")
    with pytest.raises(UnknownName, match="Nose"):
        look.check(CIHP)


def test_a_background_that_cannot_be_read_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    look = Look(effect=(f"background={tmp_path / 'beach.jpg'}",))
    with pytest.raises(BadPicture, match=r"beach\.jpg"):
        look.check(CIHP)


def test_an_effect_takes_the_place_of_all_that_is_drawn() -> None:
    look = Look(effect=("blur",), on="Face", legend="below")
    wanted = blur(noise(), somebody(), On.read("Face"))
    assert np.array_equal(blend(noise(), somebody(), look), wanted)
    frame = Frame.still(noise())
    assert np.array_equal(draw(frame, somebody(), look), wanted)
    assert drawn_size(SIZE, look, CIHP) == SIZE


def test_a_frame_of_a_video_is_treated_as_a_picture_is() -> None:
    video = av.VideoFrame.from_ndarray(noise(), format="bgr24").reformat(format="yuv420p")
    yuv = replace(Frame.still(noise()), picture=Yuv420(video))
    done = draw(yuv, somebody(), Look(effect=("fill=black",), on="all"))
    assert np.array_equal(done, fill(yuv.bgr, somebody(), On.read("all"), (0, 0, 0)))


@pytest.mark.parametrize("text", ["blur", "pixelate", "fill=black"])
@pytest.mark.parametrize("on", ["Face", "person:7", "not:all"])
def test_of_a_frame_whose_people_are_not_known_nothing_is_left(text: str, on: str) -> None:
    """A stripe of one pixel is a detail that no cover of the whole picture keeps."""
    bgr = np.zeros((*SIZE, 3), np.uint8)
    bgr[:, ::2] = 255
    done = undrawn(Frame.still(bgr), Look(effect=(text,), on=on), CIHP)
    assert isinstance(done, np.ndarray)
    assert int(done.max()) - int(done.min()) < 40


def test_a_background_alone_is_left_where_nobody_is_known() -> None:
    done = undrawn(Frame.still(noise()), Look(effect=("background=#102030",)), CIHP)
    assert isinstance(done, np.ndarray)
    assert np.unique(done.reshape(-1, 3), axis=0).tolist() == [[0x30, 0x20, 0x10]]


@pytest.mark.parametrize("order", [("fill=black", "background=green"), ("background=green", "fill=black")])
def test_several_effects_in_any_order(order: tuple[str, str]) -> None:
    done = treated(noise(), Knowledge(somebody()), [Effect.read(each) for each in order], On.read("all"))
    assert done[80, 60].tolist() == [0, 0, 0]
    assert done[5, 5].tolist() == [0, 255, 0]


def test_a_picture_behind_is_read(tmp_path: Path) -> None:
    path = tmp_path / "wall.png"
    cv2.imwrite(str(path), np.full((50, 70, 3), (9, 8, 7), np.uint8))
    done = blend(noise(), somebody(), Look(effect=(f"background={path}",)))
    assert done[2, 2].tolist() == [9, 8, 7]


@pytest.mark.parametrize("legend", ["off", "below"])
def test_a_name_that_there_is_not_is_refused_for_a_frame_without_a_parsing_too(legend: LegendPlace) -> None:
    with pytest.raises(UnknownName, match="Nose"):
        undrawn(Frame.still(noise()), Look(hidden=frozenset({"Nose"}), legend=legend), CIHP)
