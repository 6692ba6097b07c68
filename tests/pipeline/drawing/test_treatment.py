"""Effects as a look names them: what can be written, what is refused, and that nothing is shown of who is not known."""

from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import CIHP, BadPicture, Box, Frame, Look, Parsing, Person, PipelineError, Size, UnknownName, blend
from pipeline.drawing.effects import blur
from pipeline.drawing.look import LegendPlace
from pipeline.drawing.overlay import draw, drawn_size, undrawn
from pipeline.drawing.selection import On, selected
from pipeline.drawing.treatment import Backdrops, Effect, Knowledge, colour_of, treated
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


def smooth() -> NDArray[np.uint8]:
    return np.asarray(cv2.GaussianBlur(noise(), (0, 0), 6), np.uint8)


def as_video(bgr: NDArray[np.uint8]) -> Frame:
    video = av.VideoFrame.from_ndarray(bgr, format="bgr24").reformat(format="yuv420p")
    return replace(Frame.still(bgr), picture=Yuv420(video))


@pytest.mark.parametrize("text", ["blur", "pixelate", "fill=#405060", "background=green", "blur-background", "cut"])
@pytest.mark.parametrize("on", ["all", "Face", "not:all"])
def test_a_frame_of_a_video_is_treated_as_a_picture_is(text: str, on: str) -> None:
    """In the form that it has, to within what that form can hold of colours at edges."""
    frame = as_video(smooth())
    look = Look(effect=(text,), on=on)
    wanted = draw(replace(frame, picture=frame.bgr), somebody(), look)
    done = draw(frame, somebody(), look)
    assert isinstance(done, Yuv420)
    assert (done.alpha is not None) == (text == "cut")
    assert isinstance(wanted, np.ndarray)
    assert done.pixels.shape == wanted.shape
    apart = np.abs(done.pixels.astype(int) - wanted)
    assert apart.mean() < 2.5
    assert np.median(apart) <= 2


@pytest.mark.parametrize("kind", ["yuv420p", "yuvj420p"])
def test_nothing_is_left_in_a_video_where_it_is_cut_off(kind: str) -> None:
    """In no plane: who throws the transparency away sees black."""
    video = av.VideoFrame.from_ndarray(smooth(), format="bgr24").reformat(format=kind)
    done = draw(replace(Frame.still(noise()), picture=Yuv420(video)), somebody(), Look(effect=("cut",)))
    assert isinstance(done, Yuv420)
    assert done.alpha is not None
    clear = done.alpha == 0
    assert 0.3 < clear.mean() < 0.9
    assert not done.pixels[clear].any()
    wholly = clear.reshape(SIZE.height // 2, 2, SIZE.width // 2, 2).all(axis=(1, 3))
    y, u, v = done.planes
    assert (y[clear] == (16 if kind == "yuv420p" else 0)).all()
    assert (u[wholly] == 128).all()
    assert (v[wholly] == 128).all()
    assert done.alpha[70:90, 50:70].mean() > 200
    assert not undrawn(replace(Frame.still(noise()), picture=Yuv420(video)), Look(effect=("cut",)), CIHP).alpha.any()  # type: ignore[union-attr]


@pytest.mark.parametrize("text", ["blur", "pixelate", "fill=#405060"])
@pytest.mark.parametrize("on", ["all", "Face"])
def test_nothing_of_what_is_hidden_is_left_in_a_video_and_elsewhere_nothing_is_changed(text: str, on: str) -> None:
    """In neither brightness nor colour: other noise there gives nearly the same."""
    mask = cv2.resize(selected(somebody(), On.read(on)), SIZE[::-1], interpolation=cv2.INTER_NEAREST) > 0
    noisy = as_video(noise())
    done = draw(noisy, somebody(), Look(effect=(text,), on=on))
    assert isinstance(done, Yuv420)
    assert isinstance(noisy.picture, Yuv420)
    half = mask.reshape(SIZE.height // 2, 2, SIZE.width // 2, 2).any(axis=(1, 3))
    for plane, before, there in zip(done.planes, noisy.picture.planes, (mask, half, half)):
        steps = np.abs(np.diff(plane.astype(int), axis=1))
        assert np.median(steps[there[:, 1:]]) <= 4
        assert (plane[there] == before[there]).mean() < 0.1
        far = cv2.dilate(there.astype(np.uint8), np.ones((41, 41), np.uint8)) == 0
        np.testing.assert_array_equal(plane[far], before[far])


def test_ten_bits_do_not_bring_back_what_is_hidden() -> None:
    """What is as bright as before by chance would have its two bits more again, and they are lines of a face."""
    deep = av.VideoFrame.from_ndarray(smooth(), format="bgr24").reformat(format="yuv420p10le")
    frame = as_video(smooth())
    assert isinstance(frame.picture, Yuv420)
    frame = replace(frame, picture=replace(frame.picture, deep=deep))
    done = draw(frame, somebody(), Look(effect=("blur",)))
    assert isinstance(done, Yuv420)
    bits = np.frombuffer(memoryview(done.deepened().planes[0]), np.uint16)
    assert not (bits & 3).any()


def test_a_picture_behind_a_stream_is_made_fit_once(tmp_path: Path) -> None:
    path = tmp_path / "wall.png"
    cv2.imwrite(str(path), np.full((50, 70, 3), (90, 80, 70), np.uint8))
    picture, backdrops = as_video(smooth()).picture, Backdrops()
    first = backdrops.still(str(path), picture)
    assert backdrops.still(str(path), as_video(noise()).picture) is first
    assert isinstance(backdrops.still(str(path), noise()), np.ndarray)
    assert isinstance(first, Yuv420)
    assert np.abs(first.bgr.astype(int) - (90, 80, 70)).max() <= 2


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
