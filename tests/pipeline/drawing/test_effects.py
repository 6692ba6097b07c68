"""Effects: what is selected is treated whole and nothing else is; without a mask all of the picture is."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import CIHP, Box, Parsing, Person, PipelineError, Size, UnknownName
from pipeline.drawing.effects import blur, blur_background, cut, fill, pixelate, replace_background
from pipeline.drawing.selection import On, regions, selected
from pipeline.drawing.shares import covering
from pipeline.drawing.treatment import Effect, Knowledge, treated

SIZE = Size(240, 320)
GREEN = (0, 200, 0)
FACE, COAT = CIHP.id_of("Face"), CIHP.id_of("Coat")
Treat = Callable[[NDArray[np.uint8], Parsing | None, On], NDArray[np.uint8]]


def green(bgr: NDArray[np.uint8], parsing: Parsing | None, on: On) -> NDArray[np.uint8]:
    return fill(bgr, parsing, on, GREEN)


def on_green(bgr: NDArray[np.uint8], parsing: Parsing | None, on: On) -> NDArray[np.uint8]:
    return replace_background(bgr, parsing, on, GREEN)


COVERING: list[Treat] = [blur, pixelate, green]
CUTTING: list[Treat] = [cut, on_green, blur_background]


def noise() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)


def two_people() -> Parsing:
    """Person 3 on the left, person 5 on the right: a face above a coat, 16 cells wide, of 4 pixels."""
    labels, instances = np.zeros((60, 80), np.uint8), np.zeros((60, 80), np.uint8)
    for index, left in ((1, 8), (2, 48)):
        labels[8:24, left : left + 16], labels[24:54, left : left + 16] = FACE, COAT
        instances[8:54, left : left + 16] = index
    people = tuple(Person(track_id, 0.9, Box(0, 0, 1, 1)) for track_id in (3, 5))
    return Parsing(labels, instances, people, CIHP, 0, 0.0, 0.0, SIZE, 0.0, 0)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Face", {(3, FACE), (5, FACE)}),
        ("face, coat", {(3, FACE), (5, FACE), (3, COAT), (5, COAT)}),
        ("head", {(3, FACE), (5, FACE)}),
        ("person:3", {(3, FACE), (3, COAT)}),
        ("person:3,Face", {(3, FACE), (3, COAT), (5, FACE)}),
        ("person:9", set()),
        ("all", {(3, FACE), (5, FACE), (3, COAT), (5, COAT)}),
        ("not:person:3", {(5, FACE), (5, COAT)}),
        ("not:Face", {(3, COAT), (5, COAT)}),
        ("not:all", set()),
    ],
)
def test_selections(text: str, parts: set[tuple[int, int]]) -> None:
    parsing = two_people()
    mask = selected(parsing, On.read(text))
    wanted = np.zeros_like(mask)
    for track_id, label in parts:
        index = next(place for place, person in enumerate(parsing.people, start=1) if person.track_id == track_id)
        wanted[(parsing.instances == index) & (parsing.labels == label)] = 255
    np.testing.assert_array_equal(mask, wanted)
    together = np.zeros_like(mask)
    for region in regions(parsing, On.read(text)):
        left, top, right, bottom = region.box
        together[top:bottom, left:right] |= region.mask
    np.testing.assert_array_equal(together, wanted)


@pytest.mark.parametrize(
    "text", ["", "Face,", "person:", "person:x", "not:", "not:not:Face", "everyone:3", "person:-1"]
)
def test_what_selects_nothing_is_refused(text: str) -> None:
    with pytest.raises(PipelineError, match="selects nothing: name classes or groups"):
        On.read(text)


@pytest.mark.parametrize("effect", [*COVERING, *CUTTING])
def test_a_part_that_there_is_not_is_refused(effect: Treat) -> None:
    with pytest.raises(UnknownName, match="no class or group in label set cihp 'Tail'; there are: Background, Hat"):
        effect(noise(), two_people(), On.read("Tail"))


def test_what_belongs_to_nobody_is_selected_too() -> None:
    parsing = replace(two_people(), instances=np.zeros((60, 80), np.uint8), people=())
    for text in ("Face", "all"):
        assert np.count_nonzero(selected(parsing, On.read(text))) > 0
        assert len(list(regions(parsing, On.read(text)))) == 1


@pytest.mark.parametrize("effect", COVERING)
@pytest.mark.parametrize("text", ["Face", "person:3", "all", "not:person:3"])
def test_what_is_selected_is_covered_whole_and_nothing_far_from_it(effect: Treat, text: str) -> None:
    """Nothing is left of the picture where it is selected: another picture there gives the same colours, nearly."""
    parsing, picture = two_people(), noise()
    mask = cv2.resize(selected(parsing, On.read(text)), SIZE[::-1], interpolation=cv2.INTER_NEAREST) > 0
    done = effect(picture, parsing, On.read(text))
    assert done.shape == picture.shape
    if effect is green:
        assert (done[mask] == GREEN).all()
    # In noise no pixel is its neighbourhood's mean but by chance.
    assert (done[mask] == picture[mask]).all(axis=-1).mean() < 0.001
    # What is hidden has few colours left: its neighbours are alike.
    steps = np.abs(np.diff(done.astype(int), axis=1)).sum(axis=-1)
    assert np.median(steps[mask[:, 1:]]) <= 12
    far = cv2.dilate(mask.astype(np.uint8), np.ones((41, 41), np.uint8)) == 0
    np.testing.assert_array_equal(done[far], picture[far])


def test_edges_are_mixed_to_within_a_level() -> None:
    """As shares of 255, which is what the mixing was when it was done in floating point."""
    parsing, picture = two_people(), noise()
    done = fill(picture, parsing, On.read("person:3"), GREEN)
    (region,) = regions(parsing, On.read("person:3"))
    share = covering(region, parsing.map_size, SIZE)
    left, top, right, bottom = share.area
    part = share.full[..., None] / 255
    wanted = part * np.array(GREEN) + (1 - part) * picture[top:bottom, left:right]
    assert ((share.full > 0) & (share.full < 255)).any()
    assert np.abs(done[top:bottom, left:right] - wanted).max() <= 1.01
    outside = np.ones(SIZE, bool)
    outside[top:bottom, left:right] = False
    np.testing.assert_array_equal(done[outside], picture[outside])


def test_a_larger_face_is_coarser() -> None:
    def squares(cells: int) -> int:
        labels = np.zeros((60, 80), np.uint8)
        labels[4 : 4 + cells, 4 : 4 + cells] = FACE
        people = (Person(1, 0.9, Box(0, 0, 1, 1)),)
        parsing = Parsing(labels, np.minimum(labels, 1), people, CIHP, 0, 0.0, 0.0, SIZE, 0.0, 0)
        row = pixelate(noise(), parsing, On.read("Face"))[4 * 4 + 2 * cells, 16 : 16 + 4 * cells].astype(int)
        return int(np.count_nonzero(np.abs(np.diff(row, axis=0)).sum(axis=-1)))

    assert 4 <= squares(12) <= 8
    assert 4 <= squares(48) <= 8


@pytest.mark.parametrize("effect", COVERING)
def test_without_a_mask_the_whole_picture_is_covered(effect: Treat) -> None:
    picture = noise()
    done = effect(picture, None, On.read("Face"))
    assert (done == picture).all(axis=-1).mean() < 0.001
    steps = np.abs(np.diff(done.astype(int), axis=1)).sum(axis=-1)
    assert np.median(steps) <= 12


@pytest.mark.parametrize("effect", CUTTING)
def test_without_a_mask_nothing_is_cut_out(effect: Treat) -> None:
    one, other = noise(), noise()[::-1].copy()
    if effect is blur_background:
        done = effect(one, None, On.read("all"))
        assert (done == one).all(axis=-1).mean() < 0.001
    else:
        np.testing.assert_array_equal(effect(one, None, On.read("all")), effect(other, None, On.read("all")))


@pytest.mark.parametrize("effect", [*COVERING, *CUTTING])
def test_the_picture_is_not_written_to(effect: Treat) -> None:
    picture = noise()
    for parsing in (two_people(), None):
        done = effect(picture, parsing, On.read("all"))
        assert not np.shares_memory(done, picture)
    np.testing.assert_array_equal(picture, noise())


def test_the_edge_of_what_is_cut_out_follows_the_picture() -> None:
    """The mask ends 6 pixels beside the edge that is seen: its half lies nearer to that than the mask's own does."""
    picture = np.full((*SIZE, 3), 40, np.uint8)
    picture[32:216, 38:90] = 200
    alpha = cut(picture, two_people(), On.read("person:3"))[..., 3].astype(float)
    row = alpha[120]
    edge = int(np.flatnonzero(row[:200] >= 128)[-1])
    assert 89 <= edge < 94  # the picture's last is 89, the mask's own at 95
    assert row[70] > 250
    assert row[130] == 0


def test_nothing_is_left_under_what_is_transparent() -> None:
    done = cut(noise(), two_people(), On.read("all"))
    assert done.shape == (*SIZE, 4)
    clear = done[..., 3] == 0
    assert clear.mean() > 0.3
    assert not done[clear].any()
    assert (done[60:180, 48:80, 3] > 250).mean() > 0.9


def test_a_background_of_another_shape_fills_the_picture() -> None:
    backdrop = np.zeros((100, 400, 3), np.uint8)
    backdrop[:, 150:250] = GREEN
    done = replace_background(noise(), two_people(), On.read("not:all"), backdrop)
    assert (done[:, 100:220] == GREEN).all(axis=-1).mean() > 0.9
    assert not (done == noise()).all(axis=-1).mean() > 0.001


def kept_in(picture: NDArray[np.uint8], original: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return picture[..., 3] == 255 if picture.shape[2] == 4 else (picture == original).all(axis=2)


@pytest.mark.parametrize("text", ["cut", "background=#00c800", "blur-background"])
def test_what_is_kept_stays_where_a_frame_misses_it(text: str) -> None:
    """What lingers of the second person is shown; and is not where another effect hides, for then it is that one's."""
    picture, parsing = noise(), two_people()
    first = (parsing.instances == 1).astype(np.uint8)
    missed = replace(parsing, labels=parsing.labels * first, instances=parsing.instances * first)
    lingering = np.where(parsing.instances == 2, 255, 0).astype(np.uint8)
    there = np.s_[60:180, 210:240]
    on = On.read("all")
    for more, kept in (((), True), (("fill=#102030@Coat",), False)):
        wanted = [Effect.read(each) for each in (text, *more)]
        alone = treated(picture, Knowledge(missed), wanted, on)
        done = treated(picture, Knowledge(missed, lingering=lingering), wanted, on)
        assert not kept_in(alone, picture)[there].mean() > 0.1
        assert (kept_in(done, picture)[there].mean() > 0.9) == kept


def test_no_veil_of_the_old_background_is_left_around_people() -> None:
    """danielgatis/rembg#716: half-transparent borders on a solid background. The mask is two pixels too large."""
    parsing = two_people()
    person = cv2.resize((parsing.instances > 0).astype(np.uint8), SIZE[::-1], interpolation=cv2.INTER_NEAREST)
    person = cv2.erode(person, np.ones((5, 5), np.uint8))
    picture = np.where(person[..., None] > 0, (150, 150, 150), (0, 0, 220)).astype(np.uint8)
    done = replace_background(picture, parsing, On.read("all"), (200, 200, 200)).astype(int)
    red = done[..., 2] - done[..., :2].max(axis=-1) > 40
    edge = cv2.dilate(person, np.ones((3, 3), np.uint8)) - person
    assert np.count_nonzero(red) < 0.1 * np.count_nonzero(edge)
    assert (done[person > 0] == 150).all(axis=-1).mean() > 0.95
