"""Labels by networks that have to agree, on answers known to the pixel."""

import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")

from pipeline import CIHP, Box, Size
from training.commands import label as command
from training.labelling.agreement import Opinions, presence, presence_by_masks
from training.labelling.bones import ARM, FOOT, LEG, NECK, body_of, distance
from training.labelling.label import Teachers, label_picture
from training.labelling.parts import ARMS, FACE, GARMENT, LEGS, TORSO, UPPER, parts
from training.labelling.persons import persons_apart
from training.labelling.sheet import HEIGHT, WIDTH, Sheet
from training.labelling.tidy import tidy
from training.pack import IGNORED, SOMEBODY, Photo
from training.teachers.blazepose import LEFT_INDEX, LEFT_TOE, Pose
from training.teachers.movenet import Found, is_same, tiles
from training.teachers.selfie import BODY_SKIN, CLOTHES, FACE_SKIN, HAIR

SIZE = Size(120, 80)
COAT, PANTS, SHIRT, GLASSES = (CIHP.id_of(name) for name in ("Coat", "Pants", "UpperClothes", "Sunglasses"))
JOINTS = {0: (40, 15), 1: (43, 13), 2: (37, 13), 5: (50, 30), 6: (30, 30), 7: (58, 45), 8: (22, 45)} | {
    9: (60, 58), 10: (20, 58), 11: (46, 62), 12: (34, 62), 13: (46, 85), 14: (34, 85), 15: (46, 108), 16: (34, 108)
}  # fmt: skip
"""Somebody who stands and looks at the camera: x, y of MoveNet's points."""


def standing(score: float = 0.9, shift: int = 0) -> Found:
    points = np.zeros((17, 3))
    for number, (across, down) in JOINTS.items():
        points[number] = across + shift, down, 0.9
    return Found(score, 18.0 + shift, 5.0, 62.0 + shift, 114.0, points)


def likely(value: float, box: Box | None = None, around: float = 0.0) -> NDArray[np.float32]:
    """A probability in a box, or everywhere."""
    plane = np.full(SIZE, value if box is None else around, np.float32)
    if box is not None:
        plane[box.top : box.bottom, box.left : box.right] = value
    return plane


def opinions(whole: float, tiles_: float, windows: float, ours: float) -> Opinions:
    box = Box(20, 10, 60, 110)
    return Opinions(*(likely(value, box) for value in (whole, tiles_, windows, ours)))


class TestPresence:
    @pytest.mark.parametrize(
        ("says", "wanted"),
        [
            ((0.9, 0.0, 0.9, 0.9), SOMEBODY),
            ((0.0, 0.0, 0.9, 0.6), SOMEBODY),
            ((0.9, 0.9, 0.0, 0.0), SOMEBODY),
            ((0.0, 0.0, 0.7, 0.0), IGNORED),
            ((0.0, 0.9, 0.0, 0.0), IGNORED),
            ((0.0, 0.0, 0.0, 0.9), IGNORED),
            ((0.1, 0.2, 0.1, 0.1), 0),
        ],
    )
    def test_somebody_is_where_two_say_so_and_one_alone_leaves_it_open(self, says, wanted):
        seen = presence(opinions(*says), [])
        assert (seen[20:100, 30:50] == wanted).all()
        assert (seen[:5] == 0).all()

    def test_whoever_is_found_and_not_seen_is_open(self):
        assert (presence(opinions(0, 0, 0, 0), [standing()])[10:110, 20:60] == IGNORED).all()
        assert not presence(opinions(0, 0, 0, 0), [standing(score=0.25)]).any()

    def test_specks_are_open(self):
        speck = Opinions(*(likely(0.9, Box(40, 50, 43, 53)) for _ in range(4)))
        assert set(np.unique(presence(speck, []))) == {0, IGNORED}

    def test_outlines_by_people_count_but_at_edges_that_are_not_seen(self):
        masks = np.zeros(SIZE, np.uint8)
        masks[20:100, 20:60] = 1
        masks[:10, :10] = IGNORED
        seen = presence_by_masks(opinions(0, 0, 0, 0), masks)
        assert (seen[22:98, 22:58] == SOMEBODY).all()
        assert (seen[20, 20:60] == IGNORED).all()
        assert (seen[:10, :10] == IGNORED).all()
        assert seen[110, 70] == 0


class TestBones:
    def test_a_standing_body_has_arms_legs_and_a_neck(self):
        body = body_of(standing())
        assert [sum(bone.kind == kind for bone in body.bones) for kind in (ARM, LEG, FOOT, NECK)] == [6, 4, 0, 1]
        assert (body.shoulders, body.hips, body.knees) == (30, 62, 85)
        assert body.torso == pytest.approx(32)

    def test_a_certain_pose_gives_hands_and_feet(self):
        points = np.zeros((33, 2))
        points[LEFT_INDEX], points[LEFT_TOE] = (61, 66), (50, 113)
        bones = body_of(standing(), Pose(points, 0.9)).bones
        assert any(bone.kind == FOOT and tuple(bone.end) == (50, 113) for bone in bones)
        assert any(bone.kind == ARM and tuple(bone.end) == (61, 66) for bone in bones)
        assert not any(bone.kind == FOOT for bone in body_of(standing(), Pose(points, 0.3)).bones)

    def test_distance_is_from_the_nearest_point_of_the_bone(self):
        bone = next(bone for bone in body_of(standing()).bones if bone.kind == LEG)
        along, beyond = np.array([(46, 70), (49, 70), (46, 55)], float), [0, 3, 7]
        np.testing.assert_allclose(distance(along, bone), beyond)


def seen_as(*pieces: tuple[int, Box]) -> NDArray[np.float32]:
    coarse = np.zeros((6, *SIZE), np.float32)
    coarse[0] = 1.0
    for kind, box in pieces:
        at = np.s_[box.top : box.bottom, box.left : box.right]
        coarse[:, *at], coarse[(kind, *at)] = 0.0, 1.0
    return coarse


def ours_says(*pieces: tuple[int, Box]) -> NDArray[np.float32]:
    scores = np.full((len(CIHP), *SIZE), 0.01, np.float32)
    for kind, box in pieces:
        scores[kind, box.top : box.bottom, box.left : box.right] = 0.95
    return scores


ALL = np.ones(SIZE, np.bool_)


class TestParts:
    def test_skin_is_of_the_nearest_bone(self):
        places = Box(50, 40, 60, 50), Box(42, 75, 50, 100), Box(38, 26, 42, 33)
        labels = parts(ALL, seen_as(*((BODY_SKIN, box) for box in places)), ours_says(), [body_of(standing())])
        assert [int(labels[box.top + 3, box.left + 2]) for box in places] == [ARMS, LEGS, TORSO]

    def test_skin_where_bones_and_the_network_differ_is_somebody(self):
        arm = Box(50, 40, 60, 50)
        leg = CIHP.id_of("Left-leg")
        labels = parts(ALL, seen_as((BODY_SKIN, arm)), ours_says((leg, arm)), [body_of(standing())])
        assert (labels[42:48, 54:58] == SOMEBODY).all()

    def test_a_garment_has_a_type_where_the_network_is_sure(self):
        chest = Box(30, 30, 50, 60)
        labels = parts(ALL, seen_as((CLOTHES, chest)), ours_says((COAT, chest)), [body_of(standing())])
        assert (labels[35:55, 33:47] == COAT).all()

    def test_an_unsure_garment_above_the_waist_may_be_any_upper_one(self):
        chest, shin = Box(30, 32, 50, 48), Box(42, 101, 50, 107)
        labels = parts(ALL, seen_as((CLOTHES, chest), (CLOTHES, shin)), ours_says(), [body_of(standing())])
        assert (labels[33:47, 31:49] == UPPER).all()
        assert set(np.unique(parts(ALL, seen_as((CLOTHES, chest)), ours_says(), [])[33:47, 31:49])) == {GARMENT}

    def test_hair_face_and_glasses(self):
        hair, face, glasses = Box(34, 4, 46, 10), Box(34, 10, 46, 24), Box(36, 12, 44, 15)
        coarse = seen_as((HAIR, hair), (FACE_SKIN, face))
        labels = parts(ALL, coarse, ours_says((GLASSES, glasses)), [body_of(standing())])
        assert (labels[5:9, 36:44] == CIHP.id_of("Hair")).all()
        assert (labels[13, 37:43] == GLASSES).all()
        assert (labels[17:23, 35:45] == FACE).all()
        assert labels[100, 10] == SOMEBODY

    def test_nobody_has_no_label(self):
        assert not parts(~ALL, seen_as((FACE_SKIN, Box(0, 0, 80, 120))), ours_says(), []).any()


class TestPersons:
    def test_one_head_is_one_person_and_two_heads_are_open(self):
        alone = np.zeros(SIZE, np.bool_)
        alone[5:114, 18:62] = True
        assert set(np.unique(persons_apart(alone, [standing()]))) == {0, 1}
        two = [standing(), standing(shift=4)]
        assert set(np.unique(persons_apart(alone, two))) == {0, IGNORED}
        assert set(np.unique(persons_apart(alone, []))) == {0, IGNORED}

    def test_two_finds_of_one_person_are_one(self):
        assert is_same(standing(), standing(shift=3))
        assert not is_same(standing(), standing(shift=60))

    def test_tiles_cover_the_picture(self):
        covered = np.zeros(SIZE, np.bool_)
        for each in tiles(SIZE):
            covered[each.top : each.bottom, each.left : each.right] = True
        assert covered.all()


class TestTidy:
    def test_a_garment_takes_the_one_type_that_most_of_it_has(self):
        labels = np.zeros(SIZE, np.uint8)
        labels[30:60, 30:50], labels[30:40, 30:50] = COAT, UPPER
        assert set(np.unique(tidy(blank(), labels))) == {0, COAT}
        labels[50:60, 30:50] = SHIRT
        assert set(np.unique(tidy(blank(), labels))) == {0, UPPER}

    def test_light_glasses_are_none(self):
        labels = np.zeros(SIZE, np.uint8)
        labels[10:24, 34:46], labels[12:15, 36:44] = FACE, GLASSES
        bgr = np.full((*SIZE, 3), 150, np.uint8)
        assert GLASSES not in tidy(bgr, labels)
        bgr[12:15, 36:44] = 20
        assert GLASSES in tidy(bgr, labels)

    def test_what_is_given_stays(self):
        labels = np.full(SIZE, COAT, np.uint8)
        labels[:, :40] = UPPER
        before = labels.copy()
        tidy(blank(), labels)
        np.testing.assert_array_equal(labels, before)


def blank() -> NDArray[np.uint8]:
    return np.full((*SIZE, 3), 128, np.uint8)


class Selfie:
    """Sees a face, a chest and nothing else, in any window."""

    def view(self, bgr: NDArray[np.uint8], windows: object) -> NDArray[np.float32]:
        list(windows)  # type: ignore[call-overload]
        return seen_as((FACE_SKIN, Box(34, 6, 46, 28)), (CLOTHES, Box(28, 28, 52, 62)))


def teachers(found: list[Found]) -> Teachers:
    def ours(bgr: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        scores = np.full((len(CIHP), bgr.shape[0] // 4, bgr.shape[1] // 4), -5.0, np.float32)
        scores[0] = 0.0
        return scores, scores[:3]

    nobody = Pose(np.zeros((33, 2)), 0.0)
    return Teachers(Selfie(), lambda bgr: found, lambda bgr, box: nobody, ours)  # type: ignore[arg-type]


class TestLabelPicture:
    def test_somebody_is_labelled_and_numbered(self):
        photo = label_picture("one", blank(), teachers([standing()]))
        assert (photo.labels[10:25, 36:44] == FACE).all()
        assert (photo.labels[32:48, 30:50] == UPPER).all()
        assert photo.ordinary
        assert set(np.unique(photo.persons)) == {0, 1}
        np.testing.assert_array_equal(photo.person > 0, photo.persons > 0)

    def test_outlines_by_people_give_the_persons(self):
        masks = np.zeros(SIZE, np.uint8)
        masks[6:62, 28:40], masks[6:62, 40:52] = 1, 2
        photo = label_picture("two", blank(), teachers([standing()]), masks)
        assert set(np.unique(photo.persons)) == {0, 1, 2}
        assert (photo.labels[70:] == 0).all()


class TestCommand:
    @pytest.fixture
    def arguments(self, tmp_path, monkeypatch):
        pictures = tmp_path / "pictures"
        pictures.mkdir()
        for name in ("a", "b", "c"):
            cv2.imwrite(str(pictures / f"{name}.png"), blank())
        made = teachers([standing()])
        monkeypatch.setattr(command, "SelfieNetwork", lambda *_: made.selfie)
        monkeypatch.setattr(command, "MoveNet", lambda *_: made.movenet)
        monkeypatch.setattr(command, "BlazePose", lambda *_: made.pose)
        monkeypatch.setattr(command, "answers_of", lambda *_: made.ours)
        out = tmp_path / "part"
        files = ["--selfie", "s", "--movenet", "m", "--pose", "p", "network"]
        return ["--pictures", str(pictures), "--out", str(out), *files], out

    def test_a_part_is_written_and_not_again(self, arguments, capsys):
        given, out = arguments
        assert command.main(given) == 0
        for folder, suffix in (("img", "jpg"), ("lab", "png"), ("inst", "png")):
            assert sorted(each.name for each in (out / folder).iterdir()) == [f"{name}.{suffix}" for name in "abc"]
        assert cv2.imread(str(out / "sheet.jpg")).shape[:2] == (2 * HEIGHT, 2 * WIDTH)
        first = (out / "lab" / "a.png").stat().st_mtime_ns
        assert command.main(given) == 0
        assert (out / "lab" / "a.png").stat().st_mtime_ns == first

    def test_ctrl_c_ends_after_the_picture_at_hand_and_the_next_run_goes_on(self, arguments, monkeypatch, capsys):
        given, out = arguments
        real = command.label_picture

        def interrupted(*args):
            handler = signal.getsignal(signal.SIGINT)
            assert callable(handler)
            handler(signal.SIGINT, None)  # as Ctrl-C calls it
            return real(*args)

        usual = signal.getsignal(signal.SIGINT)
        try:
            monkeypatch.setattr(command, "label_picture", interrupted)
            assert command.main(given) == 130
            assert [each.name for each in (out / "img").iterdir()] == ["a.jpg"]
            monkeypatch.setattr(command, "label_picture", real)
            assert command.main(given) == 0
        finally:
            signal.signal(signal.SIGINT, usual)
        assert len(list((out / "img").iterdir())) == 3

    def test_outlines_that_are_missing_are_named(self, arguments, tmp_path, capsys):
        given, _ = arguments
        assert command.main([*given, "--masks", str(tmp_path / "none")]) == 1
        assert "no outlines of a.png" in capsys.readouterr().err

    def test_a_folder_without_pictures_is_named(self, arguments, tmp_path, capsys):
        given, _ = arguments
        empty = tmp_path / "empty"
        empty.mkdir()
        assert command.main([*given, "--pictures", str(empty)]) == 1
        assert f"in {empty}" in capsys.readouterr().err


def test_a_sheet_without_pictures_is_not_written(tmp_path: Path):
    sheet = Sheet(tmp_path / "sheet.jpg")
    sheet.write()
    assert not (tmp_path / "sheet.jpg").exists()
    labels = np.full(SIZE, COAT, np.uint8)
    sheet.add(Photo("one", blank(), labels, labels, np.ones(SIZE, np.uint8), annotated=False))
    sheet.write()
    assert (tmp_path / "sheet.jpg").exists()
