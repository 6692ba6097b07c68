"""What is shown beside the overlay, what colours say, and videos as backgrounds."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import (
    CIHP,
    BadPicture,
    Box,
    Frame,
    LabelSet,
    Look,
    Parsing,
    Person,
    PipelineError,
    blend,
)
from pipeline.drawing.colours import MERGED, PEOPLE, PERSON_COLOURS, scheme
from pipeline.drawing.film import Film
from pipeline.drawing.overlay import Memory, draw, drawn_size, undrawn
from pipeline.geometry import Size
from pipeline.labels import CIHP_HUMAN, LIP
from tests.support.media import Clip, pictures_of

SIZE = Size(120, 160)
PLAIN = Look(outline=False, tags=False)


def noise() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (*SIZE, 3), np.uint8)


def two_people(numbers: tuple[int, int] = (1, 2), label_set: LabelSet = CIHP) -> Parsing:
    labels, instances = np.zeros((30, 40), np.uint8), np.zeros((30, 40), np.uint8)
    for index, left in ((1, 4), (2, 24)):
        labels[4:10, left : left + 10] = label_set.id_of("Hair")
        labels[10:28, left : left + 10] = label_set.id_of("Coat" if index == 1 else "UpperClothes")
        instances[4:28, left : left + 10] = index
    people = tuple(Person(number, 0.9, Box(0, 0, 1, 1)) for number in numbers)
    return Parsing(labels, instances, people, label_set, 0, 0.0, 0.0, SIZE, 0.0, 0)


def colours_of(picture: NDArray[np.uint8]) -> list[tuple[int, ...]]:
    """In the middle of the first one's hair and coat, of the second one's, and beside them."""
    places = ((28, 36), (80, 36), (28, 116), (80, 116), (60, 76))
    return [tuple(map(int, picture[place])) for place in places]


def test_masks_alone_are_on_black() -> None:
    drawn = blend(noise(), two_people(), Look(view="masks"))
    palette = [tuple(map(int, colour)) for colour in CIHP.palette]
    hair, coat, clothes = (palette[CIHP.id_of(name)] for name in ("Hair", "Coat", "UpperClothes"))
    assert colours_of(drawn) == [hair, coat, hair, clothes, (0, 0, 0)]


def test_side_by_side_has_the_frame_and_the_overlay() -> None:
    frame = noise()
    drawn = blend(frame, two_people(), replace(PLAIN, view="side-by-side"))
    assert drawn_size(SIZE, Look(view="side-by-side"), CIHP) == drawn.shape[:2] == (120, 320)
    np.testing.assert_array_equal(drawn[:, :160], frame)
    np.testing.assert_array_equal(drawn[:, 160:], blend(frame, two_people(), PLAIN))


def test_the_original_is_the_frame() -> None:
    frame = noise()
    drawn = blend(frame, two_people(), Look(view="original", legend="below"))
    np.testing.assert_array_equal(drawn, frame)
    assert drawn is not frame


@pytest.mark.parametrize("view", ["overlay", "masks", "side-by-side", "original"])
@pytest.mark.parametrize("place", ["off", "auto", "below"])
def test_without_a_parsing_the_size_is_the_same(view: str, place: str) -> None:
    look, frame = Look(view=view, legend=place), Frame.still(noise())  # type: ignore[arg-type]
    shapes = {undrawn(frame, look, CIHP).shape[:2], blend(frame, two_people(), look).shape[:2]}
    assert shapes == {tuple(drawn_size(SIZE, look, CIHP))}


def test_persons_keep_their_colours() -> None:
    look = replace(PLAIN, view="masks", colours="person")
    first = colours_of(blend(noise(), two_people((3, 8)), look))
    assert first[0] == first[1] != first[2] == first[3]
    later = colours_of(blend(noise(), two_people((8, 3)), look))
    assert later[0] == first[2]
    assert colours_of(blend(noise(), two_people((3 + PERSON_COLOURS, 8)), look))[0] == first[0]
    nobody = replace(two_people(), instances=np.zeros((30, 40), np.uint8), people=())
    assert set(colours_of(blend(noise(), nobody, look))[:4]) == {tuple(map(int, PEOPLE.palette[-1]))}


def test_numbers_that_follow_each_other_differ_clearly() -> None:
    lab = cv2.cvtColor(PEOPLE.palette[None, 1:-1].astype(np.float32) / 255, cv2.COLOR_BGR2LAB)[0]
    assert min(np.linalg.norm(lab[n] - lab[(n + 1) % len(lab)]) for n in range(len(lab))) > 20


@pytest.mark.parametrize("label_set", [CIHP, CIHP_HUMAN, LIP], ids=lambda each: each.name)
def test_merged_colours_are_the_same_whatever_the_garment(label_set: LabelSet) -> None:
    look = replace(PLAIN, view="masks", colours="merged")
    hair, coat, _, clothes, ground = colours_of(blend(noise(), two_people(label_set=label_set), look))
    assert coat == clothes != hair
    assert ground == (0, 0, 0)
    kinds = scheme(look, label_set)
    named = {MERGED.names[kinds.table[index]] for index in range(1, len(label_set))}
    assert named >= {"Hair", "Face", "Skin", "Upper", "Lower", "Shoes"}
    assert 0 not in kinds.table[1 : len(label_set)]


def test_a_legend_of_merged_colours_and_what_is_hidden() -> None:
    look = Look(colours="merged", legend="below", only=frozenset({"Coat"}), outline=False, tags=False)
    assert scheme(look, CIHP).shown.nonzero()[0].tolist() == [MERGED.id_of("Upper")]
    drawn = blend(noise(), two_people(), look)
    assert drawn.shape[0] > SIZE.height
    np.testing.assert_array_equal(drawn[28, 36], noise()[28, 36])  # hair


def test_what_contradicts_itself_is_refused() -> None:
    for wrong in ({"view": "nothing"}, {"colours": "mood"}, {"colours": "person", "legend": "auto"}):
        with pytest.raises(PipelineError, match=r"view is one of|colours is one of|legend names classes"):
            Look(**wrong)  # type: ignore[arg-type]
    for view in ("masks", "side-by-side", "original"):
        with pytest.raises(PipelineError, match="would show what effects are to hide"):
            Look(view=view, effect=("blur",))  # type: ignore[arg-type]
    with pytest.raises(PipelineError, match="cut leaves no background"):
        Look(effect=("cut", "background=red"))


def test_an_effect_has_a_selection_of_its_own() -> None:
    look = Look(effect=("background=#00ff00", "fill=red@Hair"))
    drawn = colours_of(blend(noise(), two_people(), look))
    assert (drawn[0], drawn[2], drawn[4]) == ((0, 0, 255), (0, 0, 255), (0, 255, 0))
    assert drawn[1] == tuple(map(int, noise()[80, 36]))
    assert Look(effect=("blur@person:3+Face",)).people == {3}


def test_what_is_cut_out_is_transparent_elsewhere_and_hidden_first() -> None:
    drawn = blend(noise(), two_people(), Look(effect=("cut", "fill=red@Hair")))
    assert drawn.shape == (*SIZE, 4)
    assert [each[3] for each in colours_of(drawn)] == [255, 255, 255, 255, 0]
    assert colours_of(drawn)[0][:3] == (0, 0, 255)
    assert not undrawn(Frame.still(noise()), Look(effect=("cut",)), CIHP).any()  # type: ignore[union-attr]


# Videos behind people


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Ten frames in 0.4 s, each a little darker."""
    return Clip(size=(64, 96), ticks=range(0, 5120, 512)).make(tmp_path / "film.mp4")


def brightness(picture: NDArray[np.uint8]) -> float:
    return float(picture.mean())


def test_a_film_shows_what_it_would_show_then_and_begins_again(film: Path) -> None:
    expected = [brightness(each) for each in pictures_of(film)]
    assert min(np.diff(sorted(expected))) > 0.5
    shown = Film(film)
    for step in range(25):
        assert brightness(shown.at(step * 0.04 + 0.01)) == pytest.approx(expected[step % 10], abs=0.2), step
    assert brightness(shown.at(8.05)) == pytest.approx(expected[1], abs=0.2)  # many rounds later
    shown.close()
    shown.close()


def test_a_film_behind_somebody(film: Path) -> None:
    look = Look(effect=(f"background={film}",))
    look.check(CIHP)
    with Memory() as memory:
        drawn = [draw(Frame(noise(), n, n * 0.04, 0.0), two_people(), look, memory) for n in range(5)]
    grounds = [brightness(each[40:80, 70:84]) for each in drawn]  # type: ignore[index]
    assert grounds == sorted(grounds, reverse=True)
    assert grounds[0] - grounds[4] > 4
    for each in drawn:
        np.testing.assert_array_equal(each[80, 36], noise()[80, 36])  # type: ignore[index]


@pytest.mark.parametrize("name", ["none.mp4", "text.mp4", "none.png", "text.png"])
def test_a_background_that_is_none_is_told_beforehand(tmp_path: Path, name: str) -> None:
    if name.startswith("text"):
        (tmp_path / name).write_text("no picture")
    with pytest.raises(BadPicture, match=rf"background .*{name}.* is no"):
        Look(effect=(f"background={tmp_path / name}",)).check(CIHP)
