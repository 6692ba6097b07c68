"""One contract over both kinds of picture: what is drawn on YUV planes looks like what is drawn on BGR."""

import subprocess
import sys

import av
import cv2
import numpy as np
import pytest

from pipeline import CIHP, BadPicture, Box, Frame, Look, Parsing, Person, Size, blend
from pipeline.drawing.canvas import Canvas, islands
from pipeline.drawing.legend import OPACITY
from pipeline.drawing.overlay import draw
from pipeline.yuv import Yuv420
from tests.support.media import quarters, turn_of

SIZE = Size(240, 320)

NOTHING_FAINT = np.zeros(256, np.uint8)

# Colour at half size blurs every edge by a pixel: the mean over the picture stays near, single pixels do not.
MEAN_NEAR = 2.0
FLAT_NEAR = 4


def yuv(bgr: np.ndarray, matrix: int = 5, colour_range: int = 1) -> Yuv420:
    frame = av.VideoFrame.from_ndarray(bgr, format="bgr24")
    made = frame.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range=colour_range)
    made.colorspace, made.color_range = matrix, colour_range
    return Yuv420(made)


def parsing() -> Parsing:
    """A person of three parts, well inside the picture."""
    labels, instances = np.zeros((60, 80), np.uint8), np.zeros((60, 80), np.uint8)
    labels[10:20, 30:50], labels[20:40, 30:50], labels[40:55, 30:50] = 2, 5, 17
    instances[10:55, 30:50] = 1
    person = Person(7, 0.9, Box(30 * 4, 10 * 4, 50 * 4, 55 * 4))
    return Parsing(labels, instances, (person,), CIHP, 0, 0.0, 0.0, SIZE, 0.0, 0)


@pytest.mark.parametrize("matrix", [1, 5, 9])
@pytest.mark.parametrize("colour_range", [1, 2])
def test_colours_come_back_as_they_were(matrix: int, colour_range: int) -> None:
    """`Yuv420.colours` is the inverse of the conversion to BGR."""
    colours = CIHP.palette
    target = yuv(np.zeros((40, 16 * len(colours), 3), np.uint8), matrix, colour_range).copy()
    for plane, values, step in zip(target.planes, target.colours(colours).T, (16, 8, 8)):
        plane[:] = np.repeat(values, step)
    seen = target.bgr[20, 8::16]
    assert np.abs(seen.astype(int) - colours).max() <= FLAT_NEAR


@pytest.mark.parametrize(
    "look",
    [
        Look(outline=False, tags=False),
        Look(opacity=1.0, outline=False, tags=False),
        Look(),
        Look(opacity=0.0, outline=True, tags=False),
        Look(legend="auto"),
        Look(hidden=frozenset({"Hair"}), tags=False),
    ],
    ids=["tint", "opaque", "default", "outline", "legend", "hidden"],
)
def test_both_kinds_are_drawn_alike(look: Look) -> None:
    source = yuv(quarters(*SIZE))
    frame = Frame(source, 0, 0.0, 0.0)
    wanted = blend(frame, parsing(), look)
    drawn = draw(frame, parsing(), look)
    assert isinstance(drawn, Yuv420)
    assert np.abs(drawn.bgr.astype(int) - wanted).mean() < MEAN_NEAR
    undrawn = source.bgr
    assert np.abs(wanted.astype(int) - undrawn).mean() > 2 * MEAN_NEAR or look.opacity == 0


def test_drawing_on_bgr_frames_gives_bgr() -> None:
    frame = Frame.still(quarters(*SIZE))
    drawn = draw(frame, parsing(), Look())
    assert isinstance(drawn, np.ndarray)
    assert (drawn == blend(frame, parsing(), Look())).all()


def test_what_is_not_drawn_on_stays_to_the_last_bit() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)
    source = yuv(noise)
    drawn = draw(Frame(source, 0, 0.0, 0.0), parsing(), Look(tags=False))
    assert isinstance(drawn, Yuv420)
    for before, after, step in zip(source.planes, drawn.planes, (1, 2, 2)):
        left, right = 110 // step, 210 // step
        assert (before[:, :left] == after[:, :left]).all()
        assert (before[:, right:] == after[:, right:]).all()
        assert (before[:, left:right] != after[:, left:right]).any()


def test_the_source_is_not_written_to() -> None:
    source = yuv(quarters(*SIZE))
    before = [plane.copy() for plane in source.planes]
    draw(Frame(source, 0, 0.0, 0.0), parsing(), Look(legend="auto"))
    assert all((plane == old).all() for plane, old in zip(source.planes, before))


def test_nothing_lies_a_pixel_off() -> None:
    """The tint's edges are where the labels' are, in brightness and in colour."""
    source = yuv(np.full((*SIZE, 3), 128, np.uint8))
    drawn = draw(Frame(source, 0, 0.0, 0.0), parsing(), Look(opacity=1.0, outline=False, tags=False))
    assert isinstance(drawn, Yuv420)
    for before, after, step in zip(source.planes, drawn.planes, (1, 2, 2)):
        changed = before != after
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        assert (rows[0], rows[-1] + 1) == (40 // step, 220 // step)
        assert (columns[0], columns[-1] + 1) == (120 // step, 200 // step)


def test_islands_hold_everything_and_stay_apart() -> None:
    random = np.random.default_rng(1)
    for share in (0.0, 0.0005, 0.005, 0.1, 1.0):
        solid = np.where(random.random((61, 83)) < share, 255, 0).astype(np.uint8)
        boxes = islands(solid)
        covered = np.zeros(solid.shape, int)
        for box in boxes:
            covered[box.top : box.bottom, box.left : box.right] += 1
        assert covered.max(initial=0) <= 1
        assert (covered[solid > 0] == 1).all()
    two = np.zeros((60, 80), np.uint8)
    two[5:10, 5:10] = two[40:50, 60:70] = 255
    assert islands(two) == [Box(0, 0, 16, 16), Box(56, 36, 76, 56)]


def test_tinting_piece_by_piece_is_tinting_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.zeros((60, 80), np.uint8)
    for index, (row, column) in enumerate(np.random.default_rng(2).integers(0, 50, (9, 2)), start=1):
        labels[row : row + 4, column : column + 3] = index
    pictures = []
    for _ in range(2):
        picture = quarters(*SIZE)
        Canvas.on_bgr(picture).tint(labels, CIHP.palette, 0.5, NOTHING_FAINT, 0.0)
        pictures.append(picture)
        monkeypatch.setattr("pipeline.drawing.canvas.islands", lambda solid: [Box(0, 0, 80, 60)])
    assert np.abs(pictures[0].astype(int) - pictures[1]).max() <= 1  # warpAffine rounds coordinates to 1/32 pixel
    assert (pictures[0] != quarters(*SIZE)).any()


def test_who_fills_much_of_the_picture_is_tinted_with_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is the quicker way, and may differ from the other in last bits."""
    labels = np.zeros((56, 80), np.uint8)
    labels[4:48, 2:70] = np.random.default_rng(2).integers(1, 20, (44, 68))
    pictures = []
    for _ in range(2):
        picture = quarters(*SIZE)
        Canvas.on_bgr(picture).tint(labels, CIHP.palette, 0.5, NOTHING_FAINT, 0.0)
        pictures.append(picture)
        monkeypatch.setattr("pipeline.drawing.canvas.islands", lambda solid: [Box(0, 0, 80, 56)])
    np.testing.assert_array_equal(*pictures)


@pytest.mark.parametrize("size", [Size(2, 2), Size(4, 6), Size(32, 2)])
def test_tiny_pictures(size: Size) -> None:
    source = yuv(np.zeros((*size, 3), np.uint8))
    draw(Frame(source, 0, 0.0, 0.0), parsing(), Look(legend="auto"))


def test_boxes_at_the_edges_of_half_size_planes() -> None:
    canvas = Canvas.on_yuv(target := yuv(np.zeros((*SIZE, 3), np.uint8)).copy())
    canvas.fill(Box(317, 237, 320, 240), (255, 255, 255))
    canvas.lay(np.full((10, 11, 3), 255, np.uint8), 316, 236, OPACITY)
    assert target.planes[0][-1, -1] > 200
    assert target.planes[1].shape == (120, 160)


def test_the_network_sees_the_same_whichever_form_a_frame_has() -> None:
    noise = np.random.default_rng(3).integers(100, 150, (60, 80, 3), np.uint8)
    source = yuv(np.asarray(cv2.resize(noise, SIZE[::-1], interpolation=cv2.INTER_CUBIC), np.uint8))
    difference = source.scaled(60, 80).astype(int) - cv2.resize(source.bgr, (80, 60), interpolation=cv2.INTER_AREA)
    assert np.abs(difference.mean(axis=(0, 1))).max() < 0.5  # swscale's quick way takes 1.5 levels of green
    assert np.abs(difference).mean() < 2


def test_scaling_averages_and_keeps_the_right_way_up() -> None:
    source = yuv(quarters(*SIZE))
    assert turn_of(source.scaled(60, 80)) == [0, 1, 2, 3]
    assert turn_of(source.scaled(480, 640)) == [0, 1, 2, 3]
    stripes = np.zeros((*SIZE, 3), np.uint8)
    stripes[::2] = 200
    assert np.abs(yuv(stripes).scaled(60, 80).astype(int) - 100).max() < 6


@pytest.mark.parametrize(("height", "width", "pixels"), [(4, 4, "yuv444p"), (4, 5, "yuv420p"), (5, 4, "yuv420p")])
def test_other_pictures_are_refused(height: int, width: int, pixels: str) -> None:
    with pytest.raises(BadPicture, match=pixels if pixels == "yuv444p" else f"{height}x{width}"):
        Yuv420(av.VideoFrame(width, height, pixels))


AT_ONCE = """
import av, threading
from pipeline.yuv import Yuv420

def convert(picture, together, size):
    together.wait(120)
    for _ in range(3):
        picture.scaled(*size)

for _ in range(300):
    picture, together = Yuv420(av.VideoFrame(320, 240, "yuv420p")), threading.Barrier(2)
    sizes = (96, 128), (240, 320)
    threads = [threading.Thread(target=convert, args=(picture, together, size)) for size in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


@pytest.mark.process
def test_two_threads_convert_one_picture() -> None:
    """As those that parse and show it do. In a process of its own: one that did not take turns was gone within 30."""
    done = subprocess.run([sys.executable, "-c", AT_ONCE], check=False, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
