"""Age and gender: what the networks are given, what is made of their answers, and when anything is said at all."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import Box, Face, Frame, PipelineError, WeightsError, load_parser
from pipeline.errors import UnknownName
from pipeline.faces.attributes import FaceAttributes, Guess
from pipeline.faces.averages import LOOK_EVERY_S, MIN_LOOKS, Averages, estimate_of
from pipeline.faces.chips import PADDING, aligned, square
from pipeline.faces.estimator import FaceEstimator
from pipeline.geometry import Point
from pipeline.network.options import RunOptions
from pipeline.parsing.memory import Memory
from tests.support.guesses import use_made_up, use_made_up_cydral
from tests.support.scenes import frame_of, parsing_of

BLUE, RED = 120, 200


def painted(blue: int = BLUE, red: int = RED) -> np.ndarray:
    picture = np.zeros((360, 640, 3), np.uint8)
    picture[...] = blue, 90, red
    return picture


def face(left: int = 100, top: int = 80, side: int = 60, person: int | None = 1) -> Face:
    eyes = Point(left + 0.3 * side, top + 0.4 * side), Point(left + 0.7 * side, top + 0.4 * side)
    return Face(Box(left, top, left + side, top + side), (*eyes, *(eyes[0],) * 3), 0.9, person)


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_hse_is_given_blue_first_less_the_means(runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_made_up(monkeypatch, tmp_path)
    look = FaceAttributes("hse", options=RunOptions(runtime, threads=1))
    seen = look(painted(), face())
    assert seen.age_years == pytest.approx(BLUE / 4, abs=0.05)
    assert seen.p_male == pytest.approx(1 / (1 + np.exp(-0.1 * (RED - 128))), abs=1e-3)
    assert look(painted(200, 100), face()).age_years == pytest.approx(50, abs=0.05)


@pytest.mark.parametrize("runtime", ["openvino", "onnx"])
def test_cydral_is_given_red_first_less_the_means_over_256(
    runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_made_up_cydral(monkeypatch, tmp_path)
    seen = FaceAttributes("cydral", options=RunOptions(runtime, threads=1))(painted(90, 143), face())
    assert seen.age_years == pytest.approx(30, abs=0.01)
    assert seen.p_male == pytest.approx(1 / (1 + np.exp(-0.1 * (143 - 128))), abs=1e-3)


def test_a_square_chip_goes_on_beyond_the_edge() -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[:, :20], picture[40:60, 90:110] = 255, 128
    chip = square(picture, Box(90, 30, 110, 70), 48)  # 48 px around (100, 50)
    assert (chip[15:33, 15:33] == 128).all()
    assert not chip[:13].any()
    assert (square(picture, Box(0, 0, 10, 40), 48)[:, :24] == 255).all()


def test_eyes_are_where_dlib_has_them_whatever_the_tilt_and_the_size() -> None:
    for side, turn in ((30.0, 0.0), (160.0, 0.6), (400.0, -0.5)):
        picture = np.zeros((900, 900, 3), np.uint8)
        along = np.array([np.cos(turn), np.sin(turn)]) * side / 2
        eyes = [Point(*(np.array([450, 450]) + way * along)) for way in (-1, 1)]
        for eye in eyes:
            radius = side / 10
            rows, columns = np.ogrid[:900, :900]
            picture[(columns - eye.x) ** 2 + (rows - eye.y) ** 2 < radius**2] = 255
        chip = aligned(picture, Face(Box(400, 400, 500, 500), (*eyes, *(eyes[0],) * 3), 0.9), 64)
        for half, wanted_x in ((slice(0, 32), 0.22731), (slice(32, 64), 0.752814)):
            weights = chip[:, half, 0].astype(float)
            rows, columns = np.indices(weights.shape)
            x = (weights * columns).sum() / weights.sum() + (half.start or 0)
            y = (weights * rows).sum() / weights.sum()
            assert x == pytest.approx(64 * (wanted_x + PADDING) / (1 + 2 * PADDING), abs=1)
            assert y == pytest.approx(64 * (0.2213 + PADDING) / (1 + 2 * PADDING), abs=1)


@pytest.mark.parametrize(
    ("years", "p_male", "gender"),
    [(30, 0.49, "female"), (30, 0.51, "unsure"), (30, 0.79, "unsure"), (30, 0.81, "male"), (14.9, 0.99, None)],
)
def test_what_is_said_of_a_guess(years: float, p_male: float, gender: str | None) -> None:
    told = estimate_of(Guess(years, p_male), 1)
    assert told.gender == gender
    assert told.age_range[0] < years < told.age_range[1]


def test_nothing_is_said_before_three_looks_nor_of_small_faces_and_nobodys() -> None:
    averages, seen = Averages(), face()
    for number in range(MIN_LOOKS):
        assert averages.estimate(seen) is None
        averages.add(seen, Guess(20.0 + 10 * number, 0.9), number * LOOK_EVERY_S)
    told = averages.estimate(seen)
    assert told is not None
    assert (told.age_years, told.looks) == (pytest.approx(30), MIN_LOOKS)
    assert averages.estimate(face(person=2)) is None
    assert averages.estimate(face(person=None)) is None
    assert Averages().due([face(side=23), face(person=None)], 0.0) == []


def test_large_faces_count_for_more() -> None:
    averages = Averages()
    for number, (side, years) in enumerate(((25, 20.0), (100, 50.0), (100, 50.0))):
        averages.add(face(side=side), Guess(years, 0.5), number * 1.0)
    told = averages.estimate(face())
    assert told is not None
    assert told.age_years == pytest.approx((5 * 20 + 2 * 10 * 50) / 25)


def test_two_faces_a_frame_and_each_twice_a_second() -> None:
    averages = Averages()
    faces = [face(left=100 * number, person=number) for number in range(1, 5)]
    looked = []
    for number in range(100):
        pts_s = number / 25
        due = averages.due(faces, pts_s)
        assert len(due) <= 2
        for each in due:
            averages.add(each, Guess(30, 0.9), pts_s)
            looked.append(each.person)
    assert [looked.count(person) for person in range(1, 5)] == [8, 8, 8, 8]  # four seconds


def test_who_is_gone_for_a_minute_is_forgotten() -> None:
    averages = Averages()
    averages.add(face(), Guess(30, 0.9), 0.0)
    averages.add(face(person=2), Guess(30, 0.9), 61.0)
    assert set(averages.people) == {2}


def test_the_memory_of_a_parser_has_the_averages() -> None:
    memory = Memory()
    memory.estimates.add(face(), Guess(30.5, 0.75), 2.0)
    again = Memory.load(memory.save())
    assert again.estimates == memory.estimates
    assert again.save() == memory.save()


def test_a_stream_says_it_after_three_looks_and_a_picture_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_made_up(monkeypatch, tmp_path)
    estimator, averages = FaceEstimator("hse", RunOptions(threads=1)), Averages()
    told = []
    for index in range(30):
        frame = Frame(painted(), index, index / 25, 0.0)
        parsing = parsing_of(frame, [np.ones((9, 16), np.bool_)])
        seen = estimator(frame, replace(parsing, faces=(face(), face(side=20), face(person=None))), averages)
        assert seen.faces is not None
        told.append([each.estimate for each in seen.faces])
    first = next(index for index, (one, _, _) in enumerate(told) if one is not None)
    assert first == 26  # looked at in frames 0, 13 and 26, half a second and more apart
    assert told[-1][1:] == [told[-1][0], None]  # the small one is the same person's; nobody's has no average
    frame = frame_of(painted())
    still = estimator.still(frame, replace(parsing, faces=(face(person=None), face(side=20))))
    assert still.faces is not None
    known, small = (each.estimate for each in still.faces)
    assert known is not None
    assert (known.looks, small) == (1, None)
    assert known.age_years == pytest.approx(BLUE / 4, abs=0.05)


def test_what_cannot_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("M2FP_STREAMER_CACHE", str(tmp_path))
    with pytest.raises(PipelineError, match="set faces, too"):
        load_parser(age_gender=True)
    with pytest.raises(UnknownName, match="no face model 'gear'; there are: hse, cydral"):
        load_parser(faces=True, age_gender=True, face_model="gear")
    with pytest.raises(WeightsError, match="`streamer models pull faces` fetches them"):
        load_parser(faces=True, age_gender=True)
    use_made_up(monkeypatch, tmp_path / "made")
    file = tmp_path / "made" / "faces" / "faceres.onnx"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(WeightsError, match=r"faceres\.onnx is damaged; `streamer models pull faces` fetches"):
        FaceAttributes()
