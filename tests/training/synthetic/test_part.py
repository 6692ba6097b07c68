"""A part is written so that it can be stopped at any moment and gone on with, and is what `training.pack` reads."""

from pathlib import Path

import numpy as np
import pytest

from pipeline import CIHP
from training.pack import read_pack
from training.synthetic import part as parts
from training.synthetic.contact_sheet import contact_sheet
from training.synthetic.painting import Painting
from training.synthetic.part import OtherPart, Part, Recipe, fill, write_whole

RECIPE = Recipe(seed=1, assets="a", backgrounds="b")


def painting(number: int) -> Painting:
    labels = np.zeros((40, 30), np.uint8)
    labels[10:30, 10:20] = CIHP.id_of("Coat")
    labels[5:10, 12:18] = CIHP.id_of("Face")
    return Painting(np.full((40, 30, 3), 10 * number, np.uint8), labels, (labels > 0).astype(np.uint8) * 2)


def never() -> bool:
    return False


def test_a_part_is_one_of_ordinary_life_in_a_pack(tmp_path: Path) -> None:
    fill(Part(tmp_path / "synthetic", RECIPE), 3, painting, never, lambda: None)
    pack = read_pack(tmp_path)
    photos = (*pack.training, *pack.kept)
    assert [photo.name for photo in photos] == [f"synthetic/{number:06d}" for number in range(3)]
    assert all(photo.ordinary and photo.annotated for photo in photos)
    assert set(np.unique(photos[0].persons)) == {0, 2}


def test_a_part_is_gone_on_with(tmp_path: Path) -> None:
    painted: list[int] = []

    def paint(number: int) -> Painting:
        painted.append(number)
        return painting(number)

    part = Part(tmp_path, RECIPE)
    assert fill(part, 5, paint, lambda: len(painted) == 2, lambda: None) == 2
    assert fill(Part(tmp_path, RECIPE), 5, paint, never, lambda: None) == 3
    assert painted == [0, 1, 2, 3, 4]
    (tmp_path / "img" / "000001.jpg").unlink()
    assert list(part.missing(5)) == [1]


def test_a_picture_that_was_not_finished_is_painted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: Path, *_: object) -> None:
        if path.parent.name == "img":
            raise KeyboardInterrupt
        write_whole(path, painting(0).labels)

    part = Part(tmp_path, RECIPE)
    with monkeypatch.context() as patch:
        patch.setattr(parts, "write_whole", interrupted)
        with pytest.raises(KeyboardInterrupt):
            part.write(0, painting(0))
    assert list(part.missing(1)) == [0]


def test_no_half_written_file_has_a_pictures_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError("no space left")

    part = Part(tmp_path, RECIPE)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OtherPart, match="cannot write picture 0"):
            part.write(0, painting(0))
    assert not [path for name in ("img", "lab", "inst") for path in (tmp_path / name).iterdir()]


@pytest.mark.parametrize(
    ("other", "named"),
    [(Recipe(2, "a", "b"), "seed"), (Recipe(1, "x", "b"), "assets"), (Recipe(1, "a", "x"), "backgrounds")],
)
def test_a_part_of_another_recipe_is_not_mixed_with_it(tmp_path: Path, other: Recipe, named: str) -> None:
    Part(tmp_path, RECIPE)
    with pytest.raises(OtherPart, match=f"another {named}: give the same again"):
        Part(tmp_path, other)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_record_is_not_overwritten(tmp_path: Path, text: str) -> None:
    (tmp_path / "made.json").write_text(text)
    with pytest.raises(OtherPart, match="name a new folder"):
        Part(tmp_path, RECIPE)


def test_a_part_cannot_be_where_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OtherPart, match="cannot write a part"):
        Part(tmp_path / "file", RECIPE)


def test_a_sheet_shows_picture_classes_and_persons() -> None:
    sheet = contact_sheet([painting(20), painting(20)], columns=2)
    assert sheet.shape == (256, 6 * 256, 3)
    middle = sheet[128, [80, 256 + 80, 512 + 80]]
    assert (middle[0] == 200).all()
    assert (middle[1] == CIHP.palette[CIHP.id_of("Coat")]).all()
    assert middle[2].any()
    assert (sheet[10, 512 + 10] == 0).all()
