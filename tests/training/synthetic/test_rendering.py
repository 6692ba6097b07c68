"""Pixels: what is nearer is seen, what is cut is not, the same seed gives the same picture. Compiling takes time."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import CIHP, BadPicture
from tests.support.mannequin import write_assets, write_backgrounds
from tests.support.paths import ROOT
from tests.support.waiting import eventually
from training.commands import synthesize
from training.pack import ALLOWED, PERSON, read_pack
from training.synthetic.geometry.mesh import plane
from training.synthetic.picture import Studio, open_studio, paint
from training.synthetic.rendering.camera import look
from training.synthetic.rendering.rasterizer import NOTHING, height_map, rasterize

pytestmark = pytest.mark.slow
SIZE = (16, 20)
WHOLE = np.array([[-50, -50], [100, -50], [-50, 100]], np.float32)
"""A triangle that covers the picture."""


def layers(*inverse_distances: float) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    points = [np.column_stack([WHOLE, np.full(3, inverse, np.float32)]) for inverse in inverse_distances]
    return np.concatenate(points), np.arange(3 * len(points), dtype=np.int32).reshape(-1, 3)


def draw(
    points: NDArray[np.float32], triangles: NDArray[np.int32], cut: float = 1.0, fray: float = 0.0
) -> NDArray[np.int32]:
    cuts, frays = np.full(len(points), cut, np.float32), np.full(len(triangles), fray, np.float32)
    return rasterize(points, triangles, SIZE, cuts, frays, points * np.float32(0.4)).triangle


@pytest.mark.parametrize("distances", [(0.1, 0.5, 0.2), (0.5, 0.2, 0.1), (0.2, 0.1, 0.5)])
def test_the_nearest_is_seen_in_whatever_order_they_are_drawn(distances: tuple[float, ...]) -> None:
    assert (draw(*layers(*distances)) == int(np.argmax(distances))).all()


def test_what_is_behind_the_camera_is_not_drawn() -> None:
    assert (draw(*layers(0.0)) == NOTHING).all()


def test_a_surface_ends_where_its_cut_is_below_zero() -> None:
    points, triangles = layers(0.5)
    cut = (8 - points[:, 0]).astype(np.float32)  # dm left of the eighth column
    hits = rasterize(points, triangles, SIZE, cut, np.zeros(1, np.float32), points).triangle
    assert (hits[:, :8] == 0).all()
    assert (hits[:, 8:] == NOTHING).all()


def test_strands_leave_gaps_through_which_the_rest_is_seen() -> None:
    points, triangles = layers(0.5, 0.1)
    open_ = rasterize(
        points, triangles, SIZE, np.full(6, 0.5, np.float32), np.array([1.0, 0.0], np.float32), points * np.float32(0.4)
    ).triangle
    assert 0.1 < (open_ == 0).mean() < 0.9
    assert (open_ != NOTHING).all()
    assert (draw(points[:3], triangles[:1], cut=0.5) == 0).all()


def test_barycentric_coordinates_are_right_in_perspective() -> None:
    """Half-way across the picture of a floor is not half-way along it."""
    floor = plane([0, 0, 0], [2, 0, 0], [0, 0, 10], divisions=2)
    camera = look(np.array([0.0, 2, 14]), np.array([0.0, 0, 0]), 1.0, 0.0)
    points = camera.project(floor.vertices, SIZE)
    whole = np.ones(4, np.float32)
    hits = rasterize(points, floor.triangles, SIZE, whole, np.zeros(2, np.float32), floor.texture)
    for y, x in np.argwhere(hits.triangle >= 0):
        corners = floor.vertices[floor.triangles[hits.triangle[y, x]]]
        weights = np.array([hits.first[y, x], hits.second[y, x], 1 - hits.first[y, x] - hits.second[y, x]])
        seen = camera.project((weights @ corners)[None], SIZE)[0]
        np.testing.assert_allclose(seen[:2], [x + 0.5, y + 0.5], atol=1e-2)


def test_a_height_map_keeps_the_highest() -> None:
    points, triangles = layers(0.2, 0.7, 0.4)
    np.testing.assert_allclose(height_map(points, triangles, 8, np.ones(9, np.float32)), 0.7, atol=1e-5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("made")
    write_assets(made / "assets")
    write_backgrounds(made / "backgrounds")
    return made


@pytest.fixture(scope="module")
def studio(folder: Path) -> Studio:
    return open_studio(folder / "assets", [folder / "backgrounds"])


def test_the_same_seed_and_number_give_the_same_picture(studio: Studio) -> None:
    first, again, other = paint(studio, 1, 4), paint(studio, 1, 4), paint(studio, 2, 4)
    for name in ("bgr", "labels", "persons"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.bgr[:9, :9], other.bgr[:9, :9])


@pytest.mark.parametrize("kind", ["row", "hug", "table"])
def test_each_pixel_of_somebody_has_a_class_and_a_person(studio: Studio, kind: str) -> None:
    painting = paint(studio, 3, 1, kind)
    assert painting.bgr.shape[:2] == painting.labels.shape == painting.persons.shape
    assert ALLOWED[painting.labels].any(axis=-1).all()
    assert np.array_equal(PERSON[painting.labels], painting.persons > 0)
    assert painting.persons.max() >= 1


def test_who_faces_the_camera_has_their_left_at_the_pictures_right(studio: Studio) -> None:
    columns: dict[str, list[float]] = {"Left-arm": [], "Right-arm": []}
    for number in range(6):
        labels = paint(studio, 5, number, "webcam").labels
        for name, found in columns.items():
            if (labels == CIHP.id_of(name)).any():
                found.append(float(np.argwhere(labels == CIHP.id_of(name))[:, 1].mean() / labels.shape[1]))
    assert np.mean(columns["Left-arm"]) > np.mean(columns["Right-arm"])


def test_backgrounds_that_are_not_there_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadPicture, match="no folder; --backgrounds"):
        open_studio(folder / "assets", [tmp_path / "none"])
    with pytest.raises(BadPicture, match="no pictures"):
        open_studio(folder / "assets", [tmp_path])
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(BadPicture, match=r"background .*broken\.jpg"):
        paint(open_studio(folder / "assets", [tmp_path]), 1, 0)


def command(folder: Path, out: Path, count: int, *more: str) -> list[str]:
    assets, backgrounds = str(folder / "assets"), str(folder / "backgrounds")
    return ["--assets", assets, "--backgrounds", backgrounds, "--out", str(out), "--count", str(count), *more]


def test_the_command_makes_a_part_and_goes_on_with_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "pack" / "synthetic"
    assert synthesize.main(command(folder, out, 1)) == 0
    before = (out / "img" / "000000.jpg").read_bytes()
    assert synthesize.main(command(folder, out, 2)) == 0
    assert "1 of 2 pictures are there" in capsys.readouterr().out
    assert (out / "img" / "000000.jpg").read_bytes() == before
    assert cv2.imread(str(out / "sheet.jpg")) is not None
    assert len(read_pack(tmp_path / "pack").training) == 2
    assert synthesize.main(command(folder, out, 2, "--seed", "9")) == 1
    assert "another seed" in capsys.readouterr().err
    assert synthesize.main(["--assets", str(tmp_path), *command(folder, out, 2)[2:]]) == 1
    assert "MANIFEST.json" in capsys.readouterr().err


@pytest.mark.parametrize(("option", "value"), [("--count", "0"), ("--count", "-1"), ("--seed", "x")])
def test_numbers_that_are_none_are_refused(folder: Path, tmp_path: Path, option: str, value: str) -> None:
    with pytest.raises(SystemExit):
        synthesize.main([*command(folder, tmp_path, 1), option, value])


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="a child's Ctrl-C goes to the whole console")
def test_ctrl_c_leaves_whole_pictures(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "synthetic"
    line = [sys.executable, "-m", "training", "synthesize", *command(folder, out, 5000)]
    with subprocess.Popen(line, cwd=ROOT, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        try:
            assert eventually((out / "img" / "000000.jpg").is_file, 120)
            child.send_signal(signal.SIGINT)
            assert child.wait(120) == 130
        finally:
            child.kill()
    made = sorted(path.stem for path in (out / "img").iterdir())
    assert made
    for name in ("img", "lab", "inst"):
        assert all(cv2.imread(str(path)) is not None for path in (out / name).iterdir())
        assert sorted(path.stem for path in (out / name).iterdir()) == made
    assert (out / "sheet.jpg").is_file()
