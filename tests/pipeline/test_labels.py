"""Label sets: the names are the data sets' own, mirrors exchange twins, and the colours can be told apart.

Distances are of CIE 1976 L*a*b* (D65), where about 2.3 is what a viewer just notices (Mahy et al., "Evaluation of
uniform color differences", 1994). Colours are drawn half transparent, which halves the distances.
Colour blindness is simulated in linear RGB with the matrices of Machado, Oliveira and Fernandes, "A
Physiologically-based Model for Simulation of Color Vision Deficiency", 2009, at severity 1.0.
"""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import CIHP, LIP, LabelSet, UnknownName, label_set
from pipeline.labels import BOTTOMS, CIHP_HUMAN, LABEL_SETS, PART_GROUPS, TOPS, LabelClass

CIHP_NAMES = [
    "Background",
    "Hat",
    "Hair",
    "Gloves",
    "Sunglasses",
    "UpperClothes",
    "Dress",
    "Coat",
    "Socks",
    "Pants",
    "Torso-skin",
    "Scarf",
    "Skirt",
    "Face",
    "Left-arm",
    "Right-arm",
    "Left-leg",
    "Right-leg",
    "Left-shoe",
    "Right-shoe",
]

TOUCHING = {
    "Hat": "Hair Face Sunglasses",
    "Hair": "Face Sunglasses UpperClothes Coat Dress Torso-skin Scarf Left-arm Right-arm",
    "Sunglasses": "Face",
    "Face": "Torso-skin Scarf UpperClothes Coat Dress Left-arm Right-arm",
    "Torso-skin": "UpperClothes Dress Coat Scarf Left-arm Right-arm Pants Skirt",
    "Scarf": "UpperClothes Coat Dress",
    "UpperClothes": "Coat Pants Skirt Dress Left-arm Right-arm Gloves",
    "Coat": "Pants Skirt Dress Left-arm Right-arm Gloves Left-leg Right-leg",
    "Dress": "Left-arm Right-arm Left-leg Right-leg",
    "Gloves": "Left-arm Right-arm Pants Skirt Dress",
    "Pants": "Left-arm Right-arm Left-leg Right-leg Left-shoe Right-shoe Socks",
    "Skirt": "Left-arm Right-arm Left-leg Right-leg",
    "Left-leg": "Left-shoe Right-shoe Socks",
    "Right-leg": "Left-shoe Right-shoe Socks",
    "Socks": "Left-shoe Right-shoe",
}
"""Classes whose pixels lie side by side on a body."""

MIN_TWINS = 40.0
"""Left from right at a glance, in small pieces and over any picture: some eight just noticeable steps once halved."""
MIN_TOUCHING = 20.0
"""Where two parts meet, the line between them is to be seen: four such steps once halved."""
MIN_ANY = 12.0
"""Two parts that never meet have to be told apart only with the legend: more than two steps once halved."""

MIN_GARMENTS = 30.0
"""Garments that the network takes for each other are compared from one person to the next: 13 such steps over any
cloth. Orange and brown are 17 apart over black."""
CLOTHS = {"black": np.array([28.0, 28.0, 30.0]), "grey": np.full(3, 110.0), "white": np.full(3, 225.0)}

SEEN_BY = {
    "everybody": np.eye(3),
    "protanopes": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopes": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
XYZ_OF_RGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
"""Of linear sRGB (IEC 61966-2-1); its rows add up to the white point."""


def lab(bgr: NDArray[np.uint8], seen_by: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE L*a*b* of colours, as an eye sees them: (n, 3)."""
    coded = bgr[:, ::-1] / 255.0
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    xyz = np.clip(linear @ seen_by.T, 0.0, 1.0) @ XYZ_OF_RGB.T / XYZ_OF_RGB.sum(axis=1)
    bend = 6 / 29
    x, y, z = np.where(xyz > bend**3, np.cbrt(xyz), xyz / (3 * bend**2) + 4 / 29).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def test_colour_arithmetic_gives_the_published_values_of_primaries() -> None:
    primaries = np.array([[255, 255, 255], [0, 0, 255], [0, 255, 0], [255, 0, 0]], np.uint8)
    published = [[100, 0, 0], [53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86]]
    # Published to two digits.
    np.testing.assert_allclose(lab(primaries, SEEN_BY["everybody"]), published, atol=0.02)


@pytest.mark.parametrize("eyes", SEEN_BY)
def test_colours_can_be_told_apart(eyes: str) -> None:
    colours = lab(CIHP_HUMAN.palette, SEEN_BY[eyes])
    least = {frozenset(pair): MIN_ANY for pair in combinations(CIHP_HUMAN.names[1:], 2)}
    least |= {frozenset((one, other)): MIN_TOUCHING for one, others in TOUCHING.items() for other in others.split()}
    least |= {frozenset((each.name, each.twin)): MIN_TWINS for each in CIHP_HUMAN.classes if each.twin}
    assert all(name in CIHP_HUMAN.names for pair in least for name in pair)
    distances = {
        pair: float(np.linalg.norm(np.subtract(*[colours[CIHP_HUMAN.id_of(name)] for name in pair]))) for pair in least
    }
    alike = {" and ".join(sorted(pair)): round(far, 1) for pair, far in distances.items() if far < least[pair]}
    assert not alike


@pytest.mark.parametrize("cloth", CLOTHS)
@pytest.mark.parametrize("eyes", SEEN_BY)
def test_garments_of_the_upper_body_can_be_told_apart_over_cloth(eyes: str, cloth: str) -> None:
    """As they are drawn: half of the colour, half of what people wear."""
    drawn = (CIHP.palette.astype(float) + CLOTHS[cloth]) / 2
    colours = lab(drawn.round().astype(np.uint8), SEEN_BY[eyes])
    for one, other in combinations(("UpperClothes", "Coat", "Dress"), 2):
        distance = np.linalg.norm(colours[CIHP.id_of(one)] - colours[CIHP.id_of(other)])
        assert distance > MIN_GARMENTS, (one, other)


@pytest.mark.parametrize("eyes", SEEN_BY)
def test_left_is_lighter_than_right(eyes: str) -> None:
    lightness = lab(CIHP.palette, SEEN_BY[eyes])[:, 0]
    for part in ("arm", "leg", "shoe"):
        assert lightness[CIHP.id_of(f"Left-{part}")] > lightness[CIHP.id_of(f"Right-{part}")] + MIN_TOUCHING


def test_names_are_those_of_the_data_sets() -> None:
    assert list(CIHP.names) == CIHP_NAMES
    assert list(CIHP_HUMAN.names) == [*CIHP_NAMES, "Human"]
    renamed = {"Gloves": "Glove", "Torso-skin": "Jumpsuits"}
    assert list(LIP.names) == [renamed.get(name, name) for name in CIHP_NAMES]
    assert [len(each) for each in (CIHP, CIHP_HUMAN, LIP)] == [20, 21, 20]


@pytest.mark.parametrize("labels", LABEL_SETS.values(), ids=LABEL_SETS)
def test_a_mirror_exchanges_twins_and_a_second_mirror_puts_them_back(labels: LabelSet) -> None:
    exchanged = {(int(a), int(b)) for a, b in enumerate(labels.mirrored) if a < b}
    assert exchanged == {(14, 15), (16, 17), (18, 19)}
    np.testing.assert_array_equal(labels.mirrored[labels.mirrored], np.arange(len(labels)))
    assert labels.mirrored.dtype == np.uint8


def test_palette_is_blue_first() -> None:
    labels = LabelSet("one", (LabelClass("Background", "000000"), LabelClass("Orange", "e69f00")))
    assert labels.palette.tolist() == [[0, 0, 0], [0x00, 0x9F, 0xE6]]
    assert labels.palette.dtype == np.uint8
    assert labels.palette.flags.c_contiguous


@pytest.mark.parametrize("labels", LABEL_SETS.values(), ids=LABEL_SETS)
def test_no_two_classes_share_a_colour_or_a_name(labels: LabelSet) -> None:
    assert len({tuple(colour) for colour in labels.palette.tolist()}) == len(labels)
    assert len({name.casefold() for name in labels.names}) == len(labels)


def with_class(index: int, **changes: str) -> LabelSet:
    classes = list(CIHP.classes)
    classes[index] = replace(classes[index], **changes)
    return replace(CIHP, classes=tuple(classes))


@pytest.mark.parametrize(
    "other",
    [
        with_class(2, name="Wig"),
        with_class(2, rgb="7b3295"),
        with_class(14, twin=""),
        replace(CIHP, classes=CIHP.classes[:1] + CIHP.classes[2:3] + CIHP.classes[1:2] + CIHP.classes[3:]),
        replace(CIHP, classes=CIHP.classes[:-1]),
        CIHP_HUMAN,
        LIP,
    ],
    ids=["name", "colour", "twin", "order", "one less", "cihp-human", "lip"],
)
def test_fingerprint_changes_with_what_a_class_is(other: LabelSet) -> None:
    assert other.fingerprint != CIHP.fingerprint


def test_fingerprint_is_sixteen_hex_digits_and_the_same_for_the_same_classes() -> None:
    assert replace(CIHP, name="another").fingerprint == CIHP.fingerprint
    assert len(CIHP.fingerprint) == 16
    assert set(CIHP.fingerprint) <= set("0123456789abcdef")


def test_names_are_found_whatever_the_case() -> None:
    assert CIHP.id_of("UPPERCLOTHES") == 5
    assert CIHP.name_of("upperclothes") == "UpperClothes"


def test_what_there_is_not_is_refused_with_what_there_is() -> None:
    with pytest.raises(UnknownName, match=r"no class in label set lip 'Gloves'; there are: Background, .*Glove, "):
        LIP.id_of("Gloves")
    with pytest.raises(UnknownName, match="no label set 'lpi'; there are: cihp, cihp-human, lip"):
        label_set("lpi")


def test_label_sets_are_found_by_their_own_names() -> None:
    assert [label_set(each.name) for each in (CIHP, CIHP_HUMAN, LIP)] == [CIHP, CIHP_HUMAN, LIP]


def test_part_groups_are_of_classes_that_exist() -> None:
    known = {*CIHP.names, *LIP.names}
    assert all(set(names) <= known for names in (*PART_GROUPS.values(), TOPS, BOTTOMS))
    # All of a body, and nothing else, in both sets.
    for each in (CIHP, LIP):
        grouped = set().union(*(each.ids_of(group) for group in PART_GROUPS))
        assert grouped == set(range(1, len(each)))


def test_a_group_stands_for_its_classes() -> None:
    assert CIHP.ids_of("head") == (1, 2, 4, 13)
    assert CIHP.ids_of("Upper") == (3, 5, 6, 7, 11)
    assert LIP.ids_of("upper") == (3, 5, 6, 7, 10, 11)
    assert CIHP.ids_of("left-arm") == (14,)
    assert CIHP.ids_of("hair") == CIHP.ids_of("Hair") == (2,)


def test_no_group_hides_a_class_of_its_name() -> None:
    for each in LABEL_SETS.values():
        for name in each.names:
            assert each.ids_of(name) == (each.id_of(name),)


def test_a_part_that_there_is_not_is_refused_with_classes_and_groups() -> None:
    with pytest.raises(UnknownName, match=r"no class or group in label set lip 'Gloves'; .* Glove, .* head, hair, "):
        LIP.ids_of("Gloves")


def test_equal_label_sets_are_found_as_one() -> None:
    again = LabelSet(CIHP.name, CIHP.classes)
    assert again == CIHP
    assert {CIHP: "found"}[again] == "found"
    assert hash(LabelSet(CIHP.name, CIHP.classes[:-1])) != hash(CIHP)
