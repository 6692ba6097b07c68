"""The making of the bundled network, on a pack of drawn people: small, quick, and known to the pixel."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import CIHP, BadPicture, ExportMismatch, Frame, Parsing, Size, WeightsError, load_parser
from pipeline.network.options import RunOptions
from tests.support.parsings import a_parsing
from tests.support.paths import ROOT

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import training.measure as measuring  # noqa: E402
from pipeline.lite.decode import OFFSET_CELLS, decode  # noqa: E402
from pipeline.lite.model import compile_file  # noqa: E402
from pipeline.network.letterbox import Letterbox  # noqa: E402
from pipeline.network.quantize import RANGES_KEY  # noqa: E402
from streamer.sources.open import open_source, sample  # noqa: E402
from training.batches import make_batch  # noqa: E402
from training.commands.train import faults_of  # noqa: E402
from training.log import Log, plot  # noqa: E402
from training.losses import Losses, Truth, Weights, offset, outlines, overlap, somebody  # noqa: E402
from training.measure import measure, validation_crowds  # noqa: E402
from training.network import export as exporting  # noqa: E402
from training.network.calibrate import BACKGROUND, add_shifts, scenes_for, shifts  # noqa: E402
from training.network.export import add_int8_ranges, export  # noqa: E402
from training.network.lite_net import LiteNet, Shape  # noqa: E402
from training.network.weights import load_onnx  # noqa: E402
from training.pack import IGNORED, PERSON, SOMEBODY, Photo, is_held_out, is_kept, make_photo, read_pack  # noqa: E402
from training.parsing import parser_of, parser_with  # noqa: E402
from training.scenes.augment import View, develop, warp_labels, warp_picture  # noqa: E402
from training.scenes.compose import Scene, empty, paste_person, paste_thing, place_photo, side_by_side  # noqa: E402
from training.scenes.painter import Mix, Painter  # noqa: E402
from training.scenes.stock import Faults, Stock, harder, stock_of  # noqa: E402
from training.targets import targets_of  # noqa: E402
from training.threads import Pace  # noqa: E402
from training.train import Settings, Trainer  # noqa: E402

BUNDLED = ROOT / "pipeline" / "lite" / "lite.onnx"
FACE, COAT, DRESS, PANTS = (CIHP.id_of(name) for name in ("Face", "Coat", "Dress", "Pants"))
LEFT_ARM, RIGHT_ARM = CIHP.id_of("Left-arm"), CIHP.id_of("Right-arm")
UPPER_UNKNOWN, BAG = 250, 253
SMALL = Shape(width=0.125, deepest=8, deep=8, middle=8, fine=8, context_blocks=1)


def drawn(top: int = COAT, size: tuple[int, int] = (120, 80)) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Somebody in the middle of a grey picture: face, garment, trousers, two arms, a bag in the left hand."""
    labels = np.zeros(size, np.uint8)
    labels[10:26, 32:48] = FACE
    labels[26:64, 28:52] = top
    labels[64:110, 30:50] = PANTS
    labels[28:60, 20:28] = RIGHT_ARM
    labels[28:60, 52:60] = LEFT_ARM
    labels[60:76, 50:62] = BAG
    bgr = np.full((*size, 3), 90, np.uint8)
    bgr[labels > 0] = np.stack([labels[labels > 0] * np.uint8(7)] * 3, axis=-1)
    return bgr, labels


def photo(top: int = COAT, name: str = "drawn/one") -> Photo:
    return make_photo(name, *drawn(top), annotated=True)


def write(folder: Path, stem: str, bgr: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    for kind, suffix, picture in (("img", "jpg", bgr), ("lab", "png", labels)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / kind / f"{stem}.{suffix}"), picture)


def stem(held_out: bool) -> str:
    return next(f"{n:04d}" for n in range(1000) if is_held_out(f"{n:04d}") == held_out)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """A step of a few milliseconds on all cores waits for whatever else runs on one of them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def stock() -> Stock:
    bgr = np.full((100, 100, 3), 60, np.uint8)
    nobody = make_photo("drawn/none", bgr, np.zeros((100, 100), np.uint8), annotated=False)
    return stock_of([photo(), photo(DRESS, "drawn/two"), nobody], 2.0, lambda strip: True)


def standing(x: float, y: float = 60.0, scale: float = 1.0, mirror: bool = False) -> View:
    return View(scale, -scale if mirror else scale, 0.0, (40.0, 60.0), (x, y))


class TestPack:
    def test_parts_are_read_and_some_photos_of_annotated_ones_are_kept(self, tmp_path: Path) -> None:
        write(tmp_path / "people", stem(held_out=True), *drawn())
        write(tmp_path / "people", stem(held_out=False), *drawn())
        write(tmp_path / "teachers", stem(held_out=True), *drawn(top=UPPER_UNKNOWN))
        pack = read_pack(tmp_path)
        assert [each.name for each in pack.validation] == [f"people/{stem(held_out=True)}"]
        assert {each.name for each in pack.training} == {
            f"people/{stem(held_out=False)}",
            f"teachers/{stem(held_out=True)}",
        }

    def test_every_tenth_name_is_held_out(self) -> None:
        held = [is_held_out(f"{n:04d}") for n in range(5000)]
        assert 0.08 < np.mean(held) < 0.12

    def test_the_bag_goes_with_its_owner(self) -> None:
        whole = photo()
        assert whole.person[70, 60] == 255
        assert not PERSON[whole.labels[70, 60]]
        assert whole.person[5, 5] == 0

    def test_large_photos_are_made_smaller(self) -> None:
        bgr, labels = (np.repeat(np.repeat(each, 8, axis=0), 8, axis=1) for each in drawn())
        small = make_photo("drawn/large", bgr, labels, annotated=True)
        assert small.labels.shape == (576, 384)
        assert set(np.unique(small.labels)) == set(np.unique(labels))

    @pytest.mark.parametrize("code", [20, 120, 246])
    def test_labels_that_mean_nothing_are_refused(self, code: int) -> None:
        bgr, labels = drawn()
        labels[0, 0] = code
        with pytest.raises(BadPicture, match=str(code)):
            make_photo("drawn/strange", bgr, labels, annotated=True)

    def test_a_part_that_tells_people_apart_is_of_ordinary_life(self, tmp_path: Path) -> None:
        bgr, labels = drawn()
        labels[80:] = np.where(labels[80:] == PANTS, SOMEBODY, labels[80:])
        persons = np.where(labels > 0, np.uint8(0), np.uint8(0))
        persons[:, :40], persons[:, 40:] = 3, 255
        name = next(f"{n:04d}" for n in range(1000) if not is_kept(f"{n:04d}"))
        write(tmp_path / "people", name, bgr, labels)
        (tmp_path / "people" / "inst").mkdir()
        cv2.imwrite(str(tmp_path / "people" / "inst" / f"{name}.png"), persons)
        (read,) = read_pack(tmp_path).training
        assert read.ordinary
        assert set(np.unique(read.persons)) == {0, 3, IGNORED}
        assert not read.persons[read.labels == 0].any()
        assert PERSON[SOMEBODY]

    def test_somebody_of_no_number_is_of_unknown_number(self) -> None:
        bgr, labels = drawn()
        owners = make_photo("drawn/one", bgr, labels, False, np.zeros_like(labels)).persons
        assert set(owners[PERSON[labels]]) == {IGNORED}

    def test_a_part_without_labels_shows_nobody_and_some_of_it_is_kept(self, tmp_path: Path) -> None:
        names = [f"{n:04d}" for n in range(60)]
        (tmp_path / "things" / "img").mkdir(parents=True)
        for each in names:
            cv2.imwrite(str(tmp_path / "things" / "img" / f"{each}.jpg"), drawn()[0])
        pack = read_pack(tmp_path)
        assert pack.validation == ()
        assert {photo.name for photo in pack.kept} == {f"things/{each}" for each in names if is_kept(each)}
        assert len(pack.training) + len(pack.kept) == len(names)
        assert pack.kept
        assert not any(photo.anybody for photo in pack.training)

    def test_sizes_that_differ_are_refused(self) -> None:
        bgr, labels = drawn()
        with pytest.raises(BadPicture, match="drawn/cut"):
            make_photo("drawn/cut", bgr[:50], labels, annotated=True)

    def test_an_empty_folder_and_a_missing_map(self, tmp_path: Path) -> None:
        with pytest.raises(BadPicture, match="no pictures"):
            read_pack(tmp_path)
        write(tmp_path / "part", "a", *drawn())
        (tmp_path / "part" / "lab" / "a.png").unlink()
        with pytest.raises(BadPicture, match=r"a\.png"):
            read_pack(tmp_path)


class TestViews:
    def test_a_flip_exchanges_left_and_right(self) -> None:
        labels = drawn()[1]
        mirrored = warp_labels(labels, standing(40, mirror=True).affine, Size(*labels.shape), 0)
        np.testing.assert_array_equal(mirrored, cv2.LUT(labels[:, ::-1], _twins()))

    def test_a_shift_moves_picture_and_labels_by_the_same(self) -> None:
        bgr, labels = drawn()
        affine = standing(45, 63).affine
        moved = warp_labels(labels, affine, Size(*labels.shape), 0)
        np.testing.assert_array_equal(moved[3:, 5:], labels[:-3, :-5])
        picture = warp_picture(bgr, affine, Size(*labels.shape), cv2.BORDER_REPLICATE)
        np.testing.assert_array_equal(picture[3:, 5:], bgr[:-3, :-5])

    @pytest.mark.parametrize("scale", [0.25, 0.5, 2.0, 3.0])
    def test_scaling_moves_nothing_by_part_of_a_pixel(self, scale: float) -> None:
        """Picture and labels of a square stay over each other, and its middle where it was sent."""
        bgr, labels = np.zeros((96, 96, 3), np.uint8), np.zeros((96, 96), np.uint8)
        bgr[16:80, 16:80], labels[16:80, 16:80] = 255, COAT
        affine = View(scale, scale, 0.0, (48, 48), (150, 150)).affine
        picture = warp_picture(bgr, affine, Size(300, 300), cv2.BORDER_CONSTANT)[..., 0] > 127
        mapped = warp_labels(labels, affine, Size(300, 300), 0) == COAT
        for found in (picture, mapped):
            rows, columns = np.nonzero(found)
            assert rows.mean() + 0.5 == pytest.approx(150, abs=0.51)
            assert columns.mean() + 0.5 == pytest.approx(150, abs=0.51)
            assert np.sqrt(rows.size) == pytest.approx(64 * scale, abs=1.01)

    def test_light_changes_and_shapes_do_not(self) -> None:
        bgr = drawn()[0]
        seen = [develop(bgr, np.random.default_rng(n)) for n in range(60)]
        assert all(each.shape == bgr.shape and each.dtype == np.uint8 for each in seen)
        assert sum(not np.array_equal(each, bgr) for each in seen) == 60


class TestScenes:
    def test_persons_stay_apart_and_who_comes_later_is_in_front(self) -> None:
        scene = empty(np.zeros((120, 200, 3), np.uint8))
        scene = paste_person(paste_person(scene, photo(), standing(60)), photo(DRESS), standing(80))
        assert scene.count == 2
        behind, before = (set(np.unique(scene.labels[scene.persons == number])) for number in (1, 2))
        assert DRESS in before
        assert DRESS not in behind
        np.testing.assert_array_equal(scene.persons > 0, PERSON[scene.labels])
        whole = np.count_nonzero(PERSON[photo().labels])
        assert np.count_nonzero(scene.persons == 2) == whole
        assert np.count_nonzero(scene.persons == 1) < whole

    def test_a_bag_covers_who_is_behind_and_is_nobody(self) -> None:
        scene = paste_person(empty(np.zeros((120, 200, 3), np.uint8)), photo(), standing(60))
        scene = paste_person(scene, photo(), standing(45))
        bag = (slice(66, 74), slice(57, 65))
        assert not scene.labels[bag].any()
        assert not scene.persons[bag].any()

    def test_in_the_shade_a_person_is_darker_and_nothing_else_is(self) -> None:
        lit, shaded = (
            paste_person(empty(np.full((120, 200, 3), 90, np.uint8)), photo(), standing(60), light)
            for light in (1.0, 0.5)
        )
        inside = cv2.erode((lit.persons > 0).view(np.uint8), np.ones((5, 5), np.uint8)) > 0
        assert shaded.bgr[inside] == pytest.approx(lit.bgr[inside] * 0.5, abs=1)
        untouched = (lit.bgr == 90).all(axis=2)
        assert untouched.any()
        assert (shaded.bgr[untouched] == 90).all()

    def test_a_thing_makes_background(self) -> None:
        scene = paste_person(empty(np.zeros((120, 200, 3), np.uint8)), photo(), standing(60))
        ball = np.full((20, 20), 255, np.uint8)
        scene = paste_thing(scene, np.full((20, 20, 3), 200, np.uint8), ball, View(1, 1, 0, (10, 10), (60, 40)))
        assert not scene.labels[30:50, 50:70].any()
        assert not scene.persons[30:50, 50:70].any()
        assert (scene.bgr[32:48, 52:68] == 200).all()

    def test_a_photo_covers_what_was_there(self) -> None:
        scene = paste_person(empty(np.zeros((120, 200, 3), np.uint8)), photo(), standing(60))
        scene = place_photo(scene, photo(DRESS), standing(70))
        assert COAT not in scene.labels[:, 30:110]
        assert DRESS in scene.labels
        assert set(np.unique(scene.persons)) == {0, 2}

    def test_of_two_in_each_others_arms_nobody_knows_who_is_who(self) -> None:
        bgr, labels = drawn()
        labels[10:26, 64:72] = FACE
        labels[26:64, 60:80] = COAT
        two = make_photo("drawn/pair", bgr, labels, annotated=True)
        assert not two.alone
        scene = place_photo(empty(np.zeros((120, 80, 3), np.uint8)), two, standing(40))
        assert set(np.unique(scene.persons)) == {0, IGNORED}
        targets = targets_of(scene, np.random.default_rng(0))
        assert not targets.persons.any()
        assert not targets.centre_known[targets.labels == FACE].any()

    @pytest.mark.parametrize("mirror", [False, True])
    def test_two_who_stand_apart_are_two_if_only_one_shows_a_face(self, mirror: bool) -> None:
        """Their centres are in them, and none is halfway between."""
        bgr, labels = (np.concatenate([each, each[:, ::-1]], axis=1) for each in drawn())
        labels[:26, 80:] = 0
        two = make_photo("drawn/pair", bgr, labels, annotated=True)
        assert not two.alone
        view = View(1.0, -1.0 if mirror else 1.0, 0.0, (80.0, 60.0), (80.0, 60.0))
        scene = place_photo(empty(np.zeros((120, 160, 3), np.uint8)), two, view)
        assert scene.count == 2
        assert {len(np.unique(scene.persons[:, side])) for side in (np.s_[:80], np.s_[80:])} == {2}
        assert set(np.unique(scene.persons)) == {0, 1, 2}
        centre = targets_of(scene, np.random.default_rng(0)).centre
        assert centre[:, :15].max() > 0.9
        assert centre[:, 25:].max() > 0.9
        assert centre[:, 19:21].max() < 0.1

    def test_a_passer_by_is_somebody_unknown_and_legs_under_a_bag_are_the_persons(self) -> None:
        bgr, labels = drawn()
        labels[60:66] = 0
        assert make_photo("drawn/bag", bgr, labels, annotated=True).alone
        labels[40:56, 2:10] = COAT
        passed = make_photo("drawn/passed", bgr, labels, annotated=True)
        assert not passed.alone
        assert set(np.unique(passed.persons[:, :16])) == {0, IGNORED}
        assert set(np.unique(passed.persons[:, 16:])) == {0, 1}

    def test_the_same_number_is_the_same_batch(self, stock: Stock) -> None:
        one, again, other = (make_batch(stock, 3, index, 4 * 128 * 128 * 4) for index in (5, 5, 6))
        assert torch.equal(one.image, again.image)
        assert torch.equal(one.truth.labels, again.truth.labels)
        assert one.image.shape != other.image.shape or not torch.equal(one.image, other.image)

    def test_the_rare_are_drawn_more_often(self) -> None:
        photos = [photo(COAT, f"drawn/{n}") for n in range(30)] + [photo(DRESS, "drawn/rare")]
        chances = stock_of(photos, 1.0, lambda strip: True).chances
        assert chances[-1] == pytest.approx(chances[0] * np.sqrt(30), rel=1e-6)
        assert chances.sum() == pytest.approx(1)

    def test_what_is_taken_for_somebody_is_drawn_more_often(self) -> None:
        shades = 10, 20, 30
        photos = [
            make_photo(f"drawn/{shade}", np.full((100, 100, 3), shade, np.uint8), np.zeros((100, 100), np.uint8), True)
            for shade in shades
        ]
        wrong = {10: 0.0, 20: 0.05, 30: 0.9}
        stock = stock_of([photo(), *photos], 1.0, lambda strip: True)
        assert [int(bgr[0, 0, 0]) for bgr in stock.nobody] == list(shades)
        mistaken = np.array([wrong[int(bgr[0, 0, 0])] for bgr in stock.nobody])
        stock = harder(stock, Faults(mistaken, np.zeros(len(stock.photos))))
        assert stock.nobody_chances == pytest.approx([1 / 16, 5 / 16, 10 / 16])

    def test_whoever_is_missed_is_drawn_more_often(self) -> None:
        bgr, labels = drawn()
        persons = np.where(labels == FACE, np.uint8(1), np.uint8(2))
        life = [make_photo(f"life/{name}", bgr, labels, False, persons) for name in ("seen", "half", "missed")]
        none = make_photo("life/none", bgr, np.zeros_like(labels), True, np.zeros_like(labels))
        unseen = {"life/seen": 0.0, "life/half": 0.5, "life/missed": 1.0}
        stock = stock_of([photo(), *life, none], 1.0, lambda strip: True)
        missed = np.array([unseen.get(each.name, 0.0) for each in stock.photos])
        stock = harder(stock, Faults(np.zeros(len(stock.nobody)), missed))
        assert stock.ordinary == pytest.approx([0, 1 / 7.5, 2.5 / 7.5, 4 / 7.5, 0])

    def test_a_parser_that_sees_nobody_misses_all_and_one_that_sees_half_a_half(self) -> None:
        bgr, labels = drawn()
        where = PERSON[labels]
        life = make_photo("life/one", bgr, labels, False, where.astype(np.uint8))
        none = make_photo("life/none", bgr, np.zeros_like(labels), True, np.zeros_like(labels))
        stock = stock_of([photo(), life, none], 1.0, lambda strip: True)

        def found(seen: NDArray[np.bool_]) -> Faults:
            def parse(frame: Frame) -> Parsing:
                small = seen.astype(np.uint8)[::2, ::2]
                return replace(a_parsing(0), labels=small, instances=small)

            faults = faults_of(stock, parse)
            assert faults is not None
            return faults

        rows = np.flatnonzero(where.any(axis=1))
        above = np.arange(len(where))[:, None] < np.median(np.repeat(rows, where.sum(axis=1)[rows]))
        faults = [found(each) for each in (where, np.zeros_like(where), where & above)]
        assert [each.missed[1] for each in faults] == pytest.approx([0, 1, 0.5], abs=0.05)
        assert [list(each.missed[[0, 2]]) for each in faults] == [[0, 0]] * 3, "neither fashion nor who is not there"
        shares = [where.mean(), 0, (where & above).mean()]
        assert [each.mistaken[0] for each in faults] == pytest.approx(shares, abs=0.02)

    def test_a_look_for_faults_ends_where_it_is_stopped(self, stock: Stock) -> None:
        grounds = [np.full((100, 100, 3), shade, np.uint8) for shade in (30, 60, 90)]
        walls = [make_photo("drawn/wall", bgr, np.zeros((100, 100), np.uint8), annotated=True) for bgr in grounds]
        looked: list[Frame] = []

        def parse(frame: Frame) -> Parsing:
            looked.append(frame)
            return a_parsing(0)

        stock = stock_of([*stock.photos, *walls], 2.0, lambda strip: True)
        assert faults_of(stock, parse, lambda: len(looked) == 2) is None
        assert len(looked) == 2

    def test_hands_fill_a_frame_now_and_then(self) -> None:
        bgr, labels = (np.tile(each, (1, 4) + (1,) * (each.ndim - 2)) for each in drawn())
        labels[:, :240] = 0
        labels[40:80, 10:50] = LEFT_ARM  # far from the rest: it fills no view of all of somebody
        persons = np.where(labels > 0, np.uint8(1), np.uint8(0))
        stock = stock_of([photo(), make_photo("life/one", bgr, labels, False, persons)], 1.0, lambda strip: True)
        mix = Mix(portraits=0.0, ordinary=1.0, crowds=0.0)
        scenes = [Painter(stock, Size(96, 128), np.random.default_rng(n), mix=mix).scene() for n in range(60)]
        filled = [np.mean(scene.labels == arm) for scene in scenes for arm in (LEFT_ARM, RIGHT_ARM)]
        assert max(filled) > 0.2

    def test_strips_with_somebody_are_no_background(self) -> None:
        assert not stock_of([photo()], 1.0, lambda strip: False).backgrounds
        strips = stock_of([photo()], 1.0, lambda strip: True).backgrounds
        assert [strip.shape for strip in strips] == [(120, 20, 3), (120, 18, 3)]

    def test_every_kind_of_scene(self, stock: Stock) -> None:
        for number in range(40):
            scene = Painter(stock, Size(96, 128), np.random.default_rng(number)).scene()
            assert scene.bgr.shape == (96, 128, 3)
            assert scene.labels.shape == scene.persons.shape == (96, 128)
            np.testing.assert_array_equal(scene.persons > 0, PERSON[scene.labels])

    def test_ordinary_life_is_drawn_by_itself_and_who_is_easy_less_often(self) -> None:
        bgr, labels = drawn()
        alone = make_photo("life/alone", bgr, labels, False, np.where(labels > 0, np.uint8(1), np.uint8(0)))
        two = make_photo("life/two", bgr, labels, False, np.where(labels == FACE, np.uint8(1), np.uint8(2)))
        nobody = make_photo("life/none", bgr, np.zeros_like(labels), True, np.zeros_like(labels))
        stock = stock_of([photo(), alone, two, nobody], 1.0, lambda strip: True)
        assert stock.chances.tolist() == [1, 0, 0, 0]
        assert stock.ordinary == pytest.approx([0, 0.2, 0.8, 0])
        assert len(stock.nobody) == 1
        mix = Mix(portraits=0.0, ordinary=1.0, crowds=0.0)
        kinds = set()
        for number in range(30):
            scene = Painter(stock, Size(96, 128), np.random.default_rng(number), mix=mix).scene()
            assert scene.bgr.shape == (96, 128, 3)
            np.testing.assert_array_equal(scene.persons > 0, PERSON[scene.labels])
            kinds.add(scene.count)
        assert max(kinds) > 2  # four pictures in one

    def test_rendered_pictures_are_drawn_by_their_share_and_nothing_else_is_made_of_them(self) -> None:
        bgr, labels = drawn()
        rendered = make_photo("synthetic/000001", bgr, labels, True, np.where(labels > 0, np.uint8(1), np.uint8(0)))
        stock = stock_of([photo(), rendered], 3.0, lambda strip: True)
        without = stock_of([photo()], 3.0, lambda strip: True)
        assert stock.synthetic.tolist() == [0, 1]
        assert stock.chances.tolist() == [1, 0]
        assert stock.lone.tolist() == [1, 0]
        assert stock.ordinary.tolist() == [0, 0]
        assert (len(stock.backgrounds), len(stock.bags)) == (len(without.backgrounds), len(without.bags))
        scenes = scenes_for(stock)
        assert len(scenes) == len(scenes_for(without))
        never, always = Mix(0.0, 0.0, 0.0, synthetic=0.0), Mix(0.0, 0.0, 0.0, synthetic=1.0)
        for mix, made in ((always, stock), (never, stock), (always, without)):
            painter = Painter(made, Size(96, 128), np.random.default_rng(0), mix=mix)
            drawn_ = [painter.scene().count for _ in range(6)]
            assert any(drawn_) == (mix is always and made is stock)

    def test_without_ordinary_life_there_are_portraits_instead(self) -> None:
        stock = stock_of([photo()], 1.0, lambda strip: True)
        painter = Painter(stock, Size(96, 128), np.random.default_rng(0), mix=Mix(0.0, 1.0, 0.0))
        assert any(painter.scene().persons.any() for _ in range(5))

    def test_persons_of_scenes_side_by_side_stay_apart(self) -> None:
        one = paste_person(empty(np.zeros((120, 80, 3), np.uint8)), photo(), standing(40))
        unknown = Scene(one.bgr, one.labels, np.where(one.persons > 0, np.uint8(IGNORED), np.uint8(0)), 0)
        four = side_by_side([[one, unknown], [one, one]])
        assert four.bgr.shape == (240, 160, 3)
        assert four.count == 3
        assert [set(np.unique(each)) for each in (four.persons[:120, :80], four.persons[:120, 80:])] == [
            {0, 1},
            {0, IGNORED},
        ]
        assert set(np.unique(four.persons[120:])) == {0, 2, 3}


class TestTargets:
    def test_what_is_asked_for_is_what_the_product_reads(self) -> None:
        """Targets taken for an answer decode to the persons that were pasted."""
        scene = empty(np.zeros((128, 192, 3), np.uint8))
        scene = paste_person(paste_person(scene, photo(), standing(50)), photo(DRESS), standing(130))
        targets = targets_of(scene, np.random.default_rng(0))
        scores = 12 * (np.arange(len(CIHP))[:, None, None] == targets.labels).astype(np.float32)
        likely = np.clip(targets.centre, 1e-4, 1 - 1e-4)
        people = np.concatenate([np.log(likely / (1 - likely))[None], targets.offset]).astype(np.float32)
        decoded = decode(scores, people, Letterbox.into(Size(128, 192), Size(128, 192)))
        assert len(decoded.people) == 2
        for number, columns in ((1, np.s_[:, :96]), (2, np.s_[:, 96:])):
            ids = decoded.instances[columns][scene.persons[columns] == number]
            assert np.mean(ids == np.bincount(ids).argmax()) > 0.9

    def test_offsets_point_to_the_middle_of_what_shows(self) -> None:
        scene = paste_person(empty(np.zeros((128, 192, 3), np.uint8)), photo(), standing(50))
        targets = targets_of(scene, np.random.default_rng(0))
        rows, columns = np.nonzero(targets.persons == 1)
        aimed = rows + OFFSET_CELLS * targets.offset[0][rows, columns]
        np.testing.assert_allclose(aimed, rows.mean(), atol=1e-3)

    def test_specks_are_not_asked_for(self) -> None:
        scene = paste_person(empty(np.zeros((128, 192, 3), np.uint8)), photo(), standing(50, scale=0.1))
        targets = targets_of(scene, np.random.default_rng(0))
        assert not targets.persons.any()
        assert not targets.centre.any()

    def test_the_pixel_of_a_cell_changes(self) -> None:
        scene = paste_person(empty(np.zeros((128, 192, 3), np.uint8)), photo(), standing(50))
        maps = {targets_of(scene, np.random.default_rng(n)).labels.tobytes() for n in range(40)}
        assert len(maps) >= 4


def truth_of(labels: list[list[int]], persons: list[list[int]] | None = None) -> Truth:
    grid = torch.tensor([labels])
    numbers = torch.zeros_like(grid) if persons is None else torch.tensor([persons])
    flat = torch.zeros(grid.shape)
    return Truth(grid, numbers, flat, torch.ones_like(flat, dtype=torch.bool), torch.zeros(1, 2, *grid.shape[1:]))


class TestLosses:
    @pytest.fixture
    def losses(self) -> Losses:
        return Losses(np.ones(len(CIHP), np.float32), Weights(), torch.device("cpu"))

    def test_of_an_unknown_garment_any_is_right(self, losses: Losses) -> None:
        # Coat .5, Dress .2 and sixteen others share .3: upper garments are 5, 6, 7 and 11.
        shares = np.full(20, 0.3 / 18)
        shares[[COAT, DRESS]] = 0.5, 0.2
        likely = torch.tensor(np.log(shares), dtype=torch.float32).expand(1, 1, 1, 20)
        allowed = 0.5 + 0.2 + 2 * 0.3 / 18
        assert losses.cells(likely, torch.tensor([[[250]]])).item() == pytest.approx(-np.log(allowed), abs=1e-6)
        assert losses.cells(likely, torch.tensor([[[COAT]]])).item() == pytest.approx(-np.log(0.5), abs=1e-6)
        assert losses.cells(likely, torch.tensor([[[253]]])).item() == pytest.approx(-np.log(0.3 / 18), abs=1e-6)
        assert losses.cells(likely, torch.tensor([[[IGNORED]]])).item() == 0

    def test_outlines_count_more(self, losses: Losses) -> None:
        likely = torch.log_softmax(torch.zeros(1, 1, 4, 20), -1)
        likely[0, 0, 1, 0] -= 1.0
        # Cells 1 and 2 are at an outline and weigh 1.5 each of 5; cell 1 is wrong by 1 more.
        expected = np.log(20) + 1.5 / 5
        assert losses.cells(likely, torch.tensor([[[0, 0, 5, 5]]])).item() == pytest.approx(expected, abs=1e-5)
        assert outlines(torch.tensor([[[0, 0, 5, 5]]])).tolist() == [[[False, True, True, False]]]

    def test_overlap_is_intersection_over_union(self) -> None:
        shares = torch.zeros(1, 1, 4, 20)
        shares[0, 0, :3, 0] = 1.0
        shares[0, 0, 3, COAT] = 1.0
        # Background: 2 of 3. Coat: 1 of 2. The ignored would make no difference.
        assert overlap(shares, torch.tensor([[[0, 0, COAT, COAT]]])).item() == pytest.approx(1 - (2 / 3 + 1 / 2) / 2)
        assert overlap(shares, torch.tensor([[[0, 0, IGNORED, COAT]]])).item() == pytest.approx(0.0)

    def test_somebody_of_no_known_class_counts_as_somebody(self) -> None:
        shares = torch.tensor([[[1.0, 1.0, 0.0, 1.0]]])
        # Of five: two seen, one missed, one false alarm; what is unknown is left out.
        labels = torch.tensor([[[SOMEBODY, COAT, SOMEBODY, 0]]])
        assert somebody(shares, labels).item() == pytest.approx(1 - (2 + 1) / (4 + 1))
        assert somebody(shares, torch.tensor([[[SOMEBODY, COAT, IGNORED, IGNORED]]])).item() == pytest.approx(0.0)

    def test_a_garment_that_is_half_something_else_is_wrong_as_a_whole(self, losses: Losses) -> None:
        truth = truth_of([[COAT] * 4], [[1] * 4])
        mottled, whole = torch.zeros(1, 1, 4, 20), torch.zeros(1, 1, 4, 20)
        mottled[0, 0, :2, COAT], mottled[0, 0, 2:, DRESS] = 8.0, 8.0
        whole[..., COAT] = 8.0
        # Pooled, both have 4: a half of the evidence each.
        assert losses.regions(mottled, truth).item() == pytest.approx(np.log(2 + 17 * np.exp(-4)), abs=1e-4)
        assert losses.regions(whole, truth).item() < 0.01

    def test_regions_of_two_persons_are_two(self, losses: Losses) -> None:
        planes = torch.zeros(1, 1, 8, 20)
        planes[0, 0, :4, COAT], planes[0, 0, 4:, DRESS] = 8.0, 8.0
        apart = losses.regions(planes, truth_of([[COAT] * 4 + [DRESS] * 4], [[1] * 4 + [2] * 4]))
        assert apart.item() < 0.01
        unknown = losses.regions(planes, truth_of([[UPPER_UNKNOWN] * 8], [[1] * 4 + [2] * 4]))
        assert unknown.item() < 0.01
        assert losses.regions(planes, truth_of([[COAT] * 8])).item() == 0

    def test_offsets_count_where_somebody_is(self) -> None:
        truth = truth_of([[COAT, 0]], [[1, 0]])
        ways = torch.tensor([[[[0.5, 9.0]], [[-0.25, 9.0]]]])
        assert offset(ways, truth).item() == pytest.approx(0.75)


class TestTraining:
    settings = Settings(budget_s=100, shape=SMALL, batch_pixels=288 * 288, warm_steps=2, frozen_stages=1)

    def trainer(self, stock: Stock) -> Trainer:
        return Trainer(stock, self.settings, torch.device("cpu"))

    def steps(self, trainer: Trainer, count: int) -> list[float]:
        reports = trainer.run(_a_second_a_step(trainer))
        losses = [next(reports).losses["total"] for _ in range(count)]
        reports.close()
        return losses

    def test_it_goes_on_with_the_same_numbers(self, stock: Stock, tmp_path: Path) -> None:
        at_once = self.trainer(stock)
        losses = self.steps(at_once, 5)
        first = self.trainer(stock)
        before = self.steps(first, 2)
        first.save(tmp_path / "checkpoint.pt")
        second = self.trainer(stock)
        second.load(tmp_path / "checkpoint.pt")
        assert (second.step, second.seconds) == (2, first.seconds)
        assert before + self.steps(second, 3) == losses
        for one, other in zip(at_once.average.parameters(), second.average.parameters()):
            assert torch.equal(one, other)
        assert [each.name for each in tmp_path.iterdir()] == ["checkpoint.pt"]

    def test_what_it_does_wrong_is_drawn_from_the_next_step_on_and_after_a_resumption(
        self, stock: Stock, tmp_path: Path
    ) -> None:
        grounds = (np.full((100, 100, 3), shade, np.uint8) for shade in (30, 220))
        walls = [make_photo("drawn/wall", bgr, np.zeros((100, 100), np.uint8), annotated=True) for bgr in grounds]

        def trainer(more: Sequence[Photo] = ()) -> Trainer:
            drawn_from = stock_of([*stock.photos, *walls, *more], 2.0, lambda strip: True)
            settings = replace(self.settings, batch_pixels=4 * 288 * 288, seed=3)
            return Trainer(drawn_from, settings, torch.device("cpu"))

        faults = Faults(np.array([0.0, 1.0]), np.zeros(len(stock.photos) + 2))
        as_before = self.steps(trainer(), 5)
        at_once = trainer()
        reports = at_once.run(_a_second_a_step(at_once))
        losses = [next(reports).losses["total"] for _ in range(2)]
        at_once.mend(faults)
        at_once.save(tmp_path / "checkpoint.pt")
        losses += [next(reports).losses["total"] for _ in range(3)]
        reports.close()
        assert losses[:2] == as_before[:2]
        assert losses[2:] != as_before[2:]
        later = trainer()
        later.load(tmp_path / "checkpoint.pt")
        assert self.steps(later, 3) == losses[2:]
        with pytest.raises(WeightsError, match=r"is of a pack of 5 pictures, 2 of them without people, not 6 and 3"):
            trainer([walls[0]]).load(tmp_path / "checkpoint.pt")

    def test_what_is_frozen_stays(self, stock: Stock) -> None:
        trainer = self.trainer(stock)
        before = [each.clone() for each in trainer.network.parameters()]
        self.steps(trainer, 1)
        moved = {
            name for (name, now), old in zip(trainer.network.named_parameters(), before) if not torch.equal(now, old)
        }
        assert not any(name.startswith(("encoder.stem", "encoder.stages.0.")) for name in moved)
        assert not any(name.endswith("depthwise.weight") for name in moved)
        assert "encoder.stages.1.0.expand.weight" in moved
        assert "people.1.bias" in moved

    def test_it_ends_with_its_time_and_the_rate_at_nothing(self, stock: Stock) -> None:
        trainer = Trainer(stock, replace(self.settings, budget_s=3), torch.device("cpu"))
        rates = [trainer.rate() for _ in trainer.run(_a_second_a_step(trainer))]
        assert rates[-1] == 0
        assert trainer.seconds >= 3

    def test_a_checkpoint_of_another_shape_or_other_frozen_stages_is_refused(
        self, stock: Stock, tmp_path: Path
    ) -> None:
        self.trainer(stock).save(tmp_path / "checkpoint.pt")
        other = Trainer(stock, replace(self.settings, shape=replace(SMALL, context_blocks=2)), torch.device("cpu"))
        with pytest.raises(WeightsError, match="context_blocks"):
            other.load(tmp_path / "checkpoint.pt")
        thawed = Trainer(stock, replace(self.settings, frozen_stages=0), torch.device("cpu"))
        with pytest.raises(WeightsError, match="frozen_stages 1, not 0"):
            thawed.load(tmp_path / "checkpoint.pt")
        (tmp_path / "broken.pt").write_bytes(b"PK\x03\x04 no checkpoint")
        with pytest.raises(WeightsError, match=r"broken\.pt"):
            other.load(tmp_path / "broken.pt")
        (tmp_path / "broken.pt").write_bytes(b"neither an archive nor a pickle")
        with pytest.raises(WeightsError, match=r"cannot read .*broken\.pt"):
            other.load(tmp_path / "broken.pt")
        torch.save({"step": 3}, tmp_path / "other.pt")
        with pytest.raises(WeightsError, match=r"other\.pt is no checkpoint"):
            other.load(tmp_path / "other.pt")

    def test_the_log_and_its_plot(self, tmp_path: Path) -> None:
        log = Log(tmp_path / "log.jsonl")
        for step in range(3):
            log.add(step=step, seconds=60.0 * step, total=2.0 - step / 2)
        assert json.loads(log.path.read_text().splitlines()[1]) == {"step": 1, "seconds": 60.0, "total": 1.5}
        plot(log.entries(), tmp_path / "log.png")
        drawn_plot = cv2.imread(str(tmp_path / "log.png"))
        assert (drawn_plot != 255).any()

    def test_a_taken_core_is_left_alone_until_it_is_free(self) -> None:
        idle = 0.0
        pace = Pace(2, lambda: idle)
        assert [pace.after(1.0, 10) for _ in range(3)] == [2, 2, 2]
        assert pace.after(5.0, 10) == 1
        assert pace.after(2.0, 10) == 1
        idle += 1.9
        assert pace.after(2.0, 10) == 2


class TestNetworkFile:
    def test_the_bundled_network_is_this_network(self) -> None:
        """Its weights loaded into torch answer as its file does."""
        onnxruntime = pytest.importorskip("onnxruntime")
        network = _bundled()
        image = np.random.default_rng(0).uniform(0, 255, (1, 3, 96, 160)).astype(np.float32)
        theirs = onnxruntime.InferenceSession(BUNDLED, providers=["CPUExecutionProvider"]).run(None, {"image": image})
        with torch.no_grad():
            ours = network(torch.from_numpy(image))
        for one, other in zip(ours, theirs):
            np.testing.assert_allclose(one.numpy(), other, atol=1e-4)

    def test_it_is_small_enough(self) -> None:
        assert BUNDLED.stat().st_size <= 10e6

    def test_what_is_written_is_read_again(self, tmp_path: Path) -> None:
        torch.manual_seed(3)
        network = LiteNet(SMALL)
        export(network, tmp_path / "small.onnx")
        again = load_onnx(tmp_path / "small.onnx")
        assert again.shape == SMALL
        for one, other in zip(network.parameters(), again.parameters()):
            torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)
        assert [each.name for each in tmp_path.iterdir()] == ["small.onnx"]

    def test_depthwise_filters_are_stored_as_they_are(self, tmp_path: Path) -> None:
        network = LiteNet(replace(SMALL, width=0.5, deepest=64))
        export(network, tmp_path / "small.onnx")
        again = load_onnx(tmp_path / "small.onnx")
        theirs = dict(again.named_parameters())
        changed = {name for name, each in network.named_parameters() if not torch.equal(each, theirs[name])}
        assert "encoder.stages.5.0.project.weight" in changed, "large ones are rounded"
        assert not any("depthwise" in name or "stem" in name or "bias" in name for name in changed)

    def test_ranges_of_tensors_are_added_and_nothing_else(self, tmp_path: Path) -> None:
        path = tmp_path / "small.onnx"
        export(LiteNet(SMALL), path)
        before = onnx.load(str(path))
        pictures = [drawn()[0], np.full((90, 160, 3), 200, np.uint8)]
        add_int8_ranges(path, pictures)
        after = onnx.load(str(path))
        assert after.graph == before.graph
        ranges = json.loads(next(each.value for each in after.metadata_props if each.key == RANGES_KEY))
        assert all(low <= 0 < high for low, high in ranges.values())
        exact, rounded = (
            compile_file(path, Size(64, 96), RunOptions(precision=precision))
            .start(cv2.resize(pictures[0], (96, 64)))
            .result()
            .outputs[0]
            for precision in ("f32", "int8")
        )
        assert 0 < np.abs(exact - rounded).max() < 0.2 * np.abs(exact).max()

    def test_a_file_that_answers_otherwise_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        traced: Callable[[LiteNet, Path], None] = exporting._trace

        def another(network: LiteNet, path: Path) -> None:
            with torch.no_grad():
                network.parts[1].bias[4] += 0.5
                traced(network, path)
                network.parts[1].bias[4] -= 0.5

        monkeypatch.setattr(exporting, "_trace", another)
        (tmp_path / "small.onnx").write_bytes(b"what was there before")
        with pytest.raises(ExportMismatch, match="scores"):
            export(LiteNet(SMALL), tmp_path / "small.onnx")
        assert (tmp_path / "small.onnx").read_bytes() == b"what was there before"
        assert len(list(tmp_path.iterdir())) == 1

    def test_a_file_tells_its_shape(self, tmp_path: Path) -> None:
        shape = Shape(width=0.25, expansion=3, deepest=24, deep=16, middle=40, fine=32, context_blocks=0)
        export(LiteNet(shape), tmp_path / "small.onnx")
        assert load_onnx(tmp_path / "small.onnx").shape == shape

    def test_another_network_is_refused(self, tmp_path: Path) -> None:
        export(LiteNet(SMALL), tmp_path / "small.onnx")
        model = onnx.load(str(tmp_path / "small.onnx"))
        convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
        model.graph.node.remove(convolutions[-1])
        onnx.save(model, str(tmp_path / "shorter.onnx"))
        with pytest.raises(WeightsError, match="shorter"):
            load_onnx(tmp_path / "shorter.onnx")
        for each in convolutions[6:]:
            if each in model.graph.node:
                model.graph.node.remove(each)
        onnx.save(model, str(tmp_path / "shortest.onnx"))
        with pytest.raises(WeightsError, match="is not such a network: it has 6 convolutions"):
            load_onnx(tmp_path / "shortest.onnx")


class TestCalibration:
    def test_a_class_that_is_called_too_rarely_is_raised(self) -> None:
        bgr = np.zeros((128, 128, 3), np.uint8)
        labels = np.zeros((128, 128), np.uint8)
        labels[:, 64:] = COAT
        scene = Scene(bgr, labels, np.zeros_like(labels), 0)

        def shy(picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            """Right about coats but for 0.4."""
            rows, columns = picture.shape[0] // 4, picture.shape[1] // 4
            scores = np.full((20, rows, columns), -5.0, np.float32)
            scores[0] = 0.0
            scores[COAT, :, columns // 2 :] = -0.4
            return scores, np.zeros((3, rows, columns), np.float32)

        found = shifts(shy, [scene])
        assert found[COAT] > 0.4
        assert np.abs(found).max() <= 1.5
        assert found[0] == BACKGROUND
        assert not np.delete(found, [0, COAT]).any()

    def test_shifts_are_part_of_the_answer(self) -> None:
        network = LiteNet(SMALL)
        image = torch.rand(1, 3, 64, 64) * 255
        with torch.no_grad():
            before = network(image)[0]
            add_shifts(network, np.arange(20, dtype=np.float32))
            after = network(image)[0]
        torch.testing.assert_close(after - before, torch.arange(20.0)[None, :, None, None].expand_as(after))

    def test_it_looks_at_photos_and_crowds(self, stock: Stock) -> None:
        scenes = scenes_for(stock)
        assert len(scenes) == 2 + 80
        assert sum(scene.count > 0 for scene in scenes) == 80


class TestMeasures:
    def test_who_sees_nobody_is_told_so(self) -> None:
        photos = [photo(COAT, "drawn/a"), photo(DRESS, "drawn/b")]
        crowds = validation_crowds(photos)[:3]

        figures = measure(parser_with(_seeing_nothing), photos, crowds)
        assert figures.photos.person_iou == 0
        assert figures.photos.per_class["Background"] > 0.5
        assert figures.photos.per_class["Coat"] == 0
        assert figures.crowds is not None
        assert figures.crowds.persons is not None
        assert (figures.crowds.persons.precision, figures.crowds.persons.recall) == (0, 0)
        assert figures.crowds.persons.people == sum(crowd.count for crowd in crowds) - _specks(crowds)

    def test_nobody_stands_before_a_background_with_passers_by(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The other crowds stay as they are."""
        walls = [np.full((100, 100, 3), shade, np.uint8) for shade in (17, 133, 251)]
        nobody = [make_photo(f"drawn/{n}", bgr, np.zeros((100, 100), np.uint8), True) for n, bgr in enumerate(walls)]
        before = validation_crowds([photo(), *nobody])
        monkeypatch.setattr(measuring, "PASSERS_BY", {"drawn/1"})
        after = validation_crowds([photo(), *nobody])

        def shades(crowds: list[Scene]) -> list[set[int]]:
            return [
                {shade for shade in (17, 133, 251) if (crowd.bgr == shade).all(axis=2).mean() > 0.05}
                for crowd in crowds
            ]

        assert any(133 in each for each in shades(before))
        assert not any(133 in each for each in shades(after))
        for one, other, seen in zip(before, after, shades(before), strict=True):
            np.testing.assert_array_equal(one.labels, other.labels)
            assert np.array_equal(one.bgr, other.bgr) == (133 not in seen)

    def test_without_crowds_there_is_no_score_of_them(self) -> None:
        assert measure(parser_with(_seeing_nothing), [photo()], []).crowds is None


def _seeing_nothing(bgr: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    scores = np.zeros((20, bgr.shape[0] // 4, bgr.shape[1] // 4), np.float32)
    scores[0] = 1.0
    return scores, np.full((3, *scores.shape[1:]), -9.0, np.float32)


def _specks(crowds: list[Scene]) -> int:
    shown = (np.bincount(crowd.persons.ravel(), minlength=crowd.count + 1)[1 : crowd.count + 1] for crowd in crowds)
    return int(sum((pixels < 200).sum() for pixels in shown))


def _twins() -> NDArray[np.uint8]:
    table = np.arange(256, dtype=np.uint8)
    table[:20] = CIHP.mirrored
    return table


def _a_second_a_step(trainer: Trainer) -> Callable[[], float]:
    return lambda: float(trainer.step)


def _bundled() -> LiteNet:
    return load_onnx(BUNDLED)


def test_what_is_measured_is_what_the_product_shows() -> None:
    with open_source(sample("street.mp4")) as source:
        bgr = next(islice(source, 74, None)).bgr
    measured, shown = parser_of(BUNDLED)(Frame.still(bgr)), load_parser("lite", precision="f32").still(bgr)
    assert len(measured.people) >= 3
    np.testing.assert_array_equal(measured.labels, shown.labels)
    np.testing.assert_array_equal(measured.instances, shown.instances)
