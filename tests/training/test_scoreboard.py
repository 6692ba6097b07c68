"""The scoreboard: sets of pictures from elsewhere, and outlines at equal false alarms."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import BadPicture, Frame, PipelineError, Size
from pipeline.evaluation.evaluate import Labelled
from pipeline.network.letterbox import Letterbox
from tests.support.paths import ROOT
from training.external import external_sets
from training.false_alarms import OddsCounts, counting, somebody_odds
from training.parsing import parser_with

BUNDLED = ROOT / "pipeline" / "lite" / "lite.onnx"
GREY = np.full((64, 64, 3), 90, np.uint8)


def seeing(bgr: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Whoever is brighter than grey, as surely as they are bright; in no class more than in another."""
    cells = cv2.resize(bgr[..., 0], (bgr.shape[1] // 4, bgr.shape[0] // 4), interpolation=cv2.INTER_AREA)
    scores = np.zeros((20, *cells.shape), np.float32)
    scores[0] = np.log(19) + (128 - cells.astype(np.float32)) / 16
    return scores, np.full((3, *cells.shape), -9.0, np.float32)


def picture(bright: int, truth: int = 0) -> Labelled:
    """Its left half as bright as said, and what is there; its right half dark, with nobody."""
    bgr, labels = np.zeros((256, 448, 3), np.uint8), np.zeros((256, 448), np.uint8)
    bgr[:, :224], labels[:, :224] = bright, truth
    return Labelled("made up", bgr, labels)


def counted(*pictures: Labelled) -> OddsCounts:
    parser, counts = parser_with(seeing), OddsCounts()
    for each in counting(parser, pictures, counts):
        parser(Frame.still(each.bgr))
    return counts


def write(folder: Path, kind: str, stem: str, pixels: NDArray[np.uint8]) -> None:
    (folder / kind).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / kind / f"{stem}.png"), pixels)


def test_a_set_tells_classes_persons_both_or_that_nobody_is_there(tmp_path: Path) -> None:
    ones, twos = np.full((64, 64), 1, np.uint8), np.full((64, 64), 2, np.uint8)
    for stem in ("a", "b"):
        write(tmp_path / "labelled", "images", stem, GREY)
        write(tmp_path / "labelled", "labels", stem, ones)
    write(tmp_path / "labelled", "instances", "b", twos)
    write(tmp_path / "outlined", "images", "a", GREY)
    write(tmp_path / "outlined", "instances", "a", twos)
    write(tmp_path / "rooms", "images", "a", GREY)
    labelled, outlined, rooms = external_sets(tmp_path)
    assert [each.name for each in (labelled, outlined, rooms)] == ["labelled", "outlined", "rooms"]
    assert [each.nobody for each in (labelled, outlined, rooms)] == [False, False, True]
    first, second = labelled.pictures()
    assert (first.truth[0, 0], first.instances) == (1, None)
    assert second.instances is not None
    assert next(outlined.pictures()).truth[0, 0] == 254
    assert next(rooms.pictures()).truth[0, 0] == 0


def test_a_picture_without_its_map_and_a_folder_without_sets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadPicture, match="no sets in"):
        external_sets(tmp_path)
    write(tmp_path / "outlined", "images", "a", GREY)
    (tmp_path / "outlined" / "instances").mkdir()
    (outlined,) = external_sets(tmp_path)
    with pytest.raises(BadPicture, match=r"a\.png has no map of the same stem"):
        list(outlined.pictures())


def test_odds_are_of_all_classes_together_and_as_large_as_the_frame() -> None:
    scores = np.zeros((20, 16, 16), np.float32)
    odds = somebody_odds(scores, Letterbox.into(Size(50, 50), Size(64, 64)))
    assert odds.shape == (50, 50)
    assert odds == pytest.approx(np.log(19))


def test_outlines_are_compared_at_equal_false_alarms() -> None:
    # Half of the first empty picture is as bright as 200 and the other three are dark: an eighth of all pixels.
    empty = counted(picture(200), *[picture(0)] * 3)
    # Who is brighter than that is seen without a false alarm; of whom is darker only with them.
    bright, dim = counted(picture(220, truth=5)), counted(picture(160, truth=5))
    strict, loose = empty.threshold(0.01), empty.threshold(0.2)
    assert bright.person_iou(strict) > 0.95
    assert dim.person_iou(strict) < 0.05
    assert dim.person_iou(loose) > 0.95


def test_one_picture_does_not_decide_where_each_is_capped() -> None:
    empty = counted(picture(200), *[picture(0)] * 99)
    dim = counted(picture(160, truth=5))
    # Half of one picture is .5 % of all pixels, but with each capped at 2 % it is .02 %.
    assert dim.person_iou(empty.threshold(0.002)) < 0.05
    assert dim.person_iou(empty.capped_threshold(0.002)) > 0.95


def test_there_are_no_scores_before_the_first_parsing() -> None:
    with pytest.raises(PipelineError, match="nothing was parsed yet"):
        parser_with(seeing).scores()


def test_measure_prints_each_set_for_each_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    from training.commands.measure import main

    write(tmp_path / "outlined", "images", "a", GREY)
    write(tmp_path / "outlined", "instances", "a", np.full((64, 64), 2, np.uint8))
    write(tmp_path / "rooms", "images", "a", GREY)
    assert main(["--external", str(tmp_path), str(BUNDLED), str(BUNDLED)]) == 0
    printed = capsys.readouterr().out
    for row in ("outlined: person IoU", "outlined: persons P R", "rooms: pictures above 1%", "at 0.2 % capped"):
        assert row in printed
    assert main(["--external", str(tmp_path / "rooms" / "images"), str(BUNDLED)]) == 1
    assert "no sets in" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(BUNDLED)])
    assert "--pack, --external or both" in capsys.readouterr().err


def test_a_network_in_training_is_looked_at_once_where_faults_are_looked_for() -> None:
    """A video has one look a frame: what is wrong one way round is a fault, though the mean of both hides it."""
    asked: list[NDArray[np.uint8]] = []

    def watched(bgr: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        asked.append(bgr)
        return seeing(bgr)

    still = Frame.still(picture(200).bgr)
    parser_with(watched)(still)
    both_ways = len(asked)
    parser_with(watched, once=True)(still)
    assert (both_ways, len(asked) - both_ways) == (2, 1)
