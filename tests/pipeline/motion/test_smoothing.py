"""Answers averaged along the picture's motion: on made-up answers, and on the bundled clip."""

from itertools import islice, pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import Frame, Size, load_parser
from pipeline.motion.smoothing import MEMORY_S, TemporalSmoother
from streamer import open_source
from streamer.sources.open import sample
from tests.support.scenes import shifted, texture

SIZE, CELL = Size(256, 448), 4
CELLS = Size(*(side // CELL for side in SIZE))
BACK, BRIGHTER = texture(1, SIZE, 0, 120), texture(2, SIZE, 130, 256)
THING = (slice(80, 160), slice(120, 200))
"""Rows and columns of something in the first picture."""
SURE = 2.0
STEP_S = 0.04
Planes = NDArray[np.float32]


def picture(across: int = 0) -> NDArray[np.uint8]:
    """The thing, moved by so much, before what does not move."""
    rows, columns = THING
    made = BACK.copy()
    made[rows, columns.start + across : columns.stop + across] = BRIGHTER[rows, columns]
    return made


def answer(across: int = 0, sure: float = SURE) -> tuple[Planes, Planes]:
    """Logits of nobody and of the thing, and one plane more, which is 1 on the thing."""
    scores, others = np.zeros((2, *CELLS), np.float32), np.zeros((1, *CELLS), np.float32)
    rows, columns = (slice(side.start // CELL, side.stop // CELL) for side in THING)
    columns = slice(columns.start + across // CELL, columns.stop + across // CELL)
    scores[0], scores[1] = SURE, 0.0
    scores[0, rows, columns], scores[1, rows, columns] = 0.0, sure
    others[0, rows, columns] = 1.0
    return scores, others


def thing(scores: Planes) -> NDArray[np.bool_]:
    return np.asarray(scores[1] > scores[0])


def test_what_flickers_is_held_where_nothing_moves() -> None:
    smoother = TemporalSmoother()
    wanted = thing(answer()[0])
    for count in range(10):
        doubt = -SURE / 2 if count % 2 else SURE
        said, _ = smoother(*answer(sure=doubt), picture(), count * STEP_S)
        assert np.array_equal(thing(said), wanted)
    alone, _ = TemporalSmoother()(*answer(sure=-SURE / 2), picture(), 0.0)
    assert not thing(alone).any()


def test_it_is_held_where_the_thing_has_gone_to_and_not_where_it_was() -> None:
    smoother = TemporalSmoother()
    for count in range(5):
        smoother(*answer(8 * count), picture(8 * count), count * STEP_S)
    said, others = smoother(*answer(40, sure=-SURE / 2), picture(40), 5 * STEP_S)
    there = thing(answer(40)[0])
    inside = there & thing(answer(36)[0]) & thing(answer(44)[0])
    assert thing(said)[inside].mean() > 0.9
    assert thing(said)[~there].mean() < 0.01
    assert others[0, inside].mean() > 0.9


def test_what_is_new_is_seen_at_once() -> None:
    smoother = TemporalSmoother()
    nothing = answer()[0] * 0 + np.array([6.0, 0.0], np.float32)[:, None, None]
    smoother(nothing, answer()[1] * 0, BACK, 0.0)
    said, _ = smoother(*answer(sure=0.5), picture(), STEP_S)
    assert thing(said)[thing(answer()[0])].mean() > 0.95


def test_who_is_missed_twice_is_held_as_long_as_remembered() -> None:
    smoother = TemporalSmoother()
    for count in range(5):
        smoother(*answer(), picture(), count * STEP_S)
    for count in range(5, 7):
        said, _ = smoother(*answer(sure=-SURE / 2), picture(), count * STEP_S)
    assert thing(said)[thing(answer()[0])].mean() > 0.95


@pytest.mark.parametrize("where", ["in the middle", "in the corner", "everywhere"])
def test_only_around_people_is_there_anything_to_average(where: str) -> None:
    near = np.zeros(CELLS, np.bool_)
    near[{"in the middle": np.s_[20:30, 50:60], "in the corner": np.s_[:1, :1], "everywhere": np.s_[:]}[where]] = True
    around = cv2.dilate(near.view(np.uint8), np.ones((15, 15), np.uint8)) > 0
    smoother, smoothed = TemporalSmoother(), []
    for other in (0.0, 1.0):
        scores = np.stack([np.zeros(CELLS), np.where(near, SURE, -SURE)]).astype(np.float32)
        smoothed.append(smoother(scores, np.full((1, *CELLS), other, np.float32), picture(), other * STEP_S))
    ((scores, others),) = smoothed[1:]
    np.testing.assert_array_equal(thing(scores), near)
    assert (others[0, near] < 0.3).all()
    np.testing.assert_array_equal(others[0, ~around], 1.0)


def test_where_nobody_is_nothing_is_averaged() -> None:
    smoother = TemporalSmoother()
    nobody = np.zeros((2, *CELLS), np.float32)
    for other in (0.0, 1.0):
        _, others = smoother(nobody, np.full((1, *CELLS), other, np.float32), picture(), other * STEP_S)
    np.testing.assert_array_equal(others, 1.0)


def test_the_longer_ago_the_less_it_counts() -> None:
    def left(passed_s: float) -> float:
        smoother = TemporalSmoother()
        smoother(*answer(), picture(), 0.0)
        said, _ = smoother(*answer(sure=-1.0), picture(), passed_s)
        return float((said[1] - said[0])[thing(answer()[0])].mean())

    assert left(STEP_S) > left(MEMORY_S) > left(5 * MEMORY_S)
    assert left(5 * MEMORY_S) == pytest.approx(-1.0, abs=0.05)


def test_what_was_very_sure_is_outvoted_as_soon() -> None:
    smoother = TemporalSmoother()
    smoother(*answer(sure=30.0), picture(), 0.0)
    for count in range(1, 6):
        said, _ = smoother(*answer(sure=-6.0), picture(), count * STEP_S)
    assert not thing(said).any()


@pytest.mark.parametrize("how", ["same time", "earlier", "cut", "other size"])
def test_another_stream_or_scene_begins_anew(how: str) -> None:
    smoother = TemporalSmoother()
    smoother(*answer(), picture(), 1.0)
    pts_s = {"same time": 1.0, "earlier": 0.5}.get(how, 1.0 + STEP_S)
    scores, others = answer(sure=-SURE / 2)
    seen = texture(7, SIZE, 0, 60) if how == "cut" else picture()
    if how == "other size":
        scores, others, seen = scores[:, ::2, ::2], others[:, ::2, ::2], np.ascontiguousarray(seen[::2, ::2])
    said, also = smoother(scores, others, seen, pts_s)
    np.testing.assert_array_equal(said, scores)
    np.testing.assert_array_equal(also, others)


def test_the_parser_is_steadier_on_a_stream_and_as_it_was_on_pictures() -> None:
    with open_source(sample("portrait.mp4")) as source:
        bgr = next(islice(source, 3, None)).bgr
    noise = np.random.default_rng(5).normal(0, 6, (8, *bgr.shape))
    pictures = [np.clip(shifted(bgr, 2 * at, 0) + each, 0, 255).astype(np.uint8) for at, each in enumerate(noise)]
    parser, fresh = (load_parser(precision="f32", size=(192, 256)) for _ in range(2))

    def changed(pts_s: list[float]) -> float:
        parser.reset()
        found = [parser(Frame(each, at, time, time)).labels for at, (each, time) in enumerate(zip(pictures, pts_s))]
        return float(np.mean([np.mean(one != other) for one, other in pairwise(found)]))

    # Seconds apart nothing is remembered, and the garments' own memory holds in both.
    assert changed([at * STEP_S for at in range(8)]) < 0.9 * changed([at * 4.0 for at in range(8)])
    parser(Frame.still(pictures[0]))
    by_itself = fresh(Frame.still(pictures[1]))
    np.testing.assert_array_equal(parser(Frame.still(pictures[1])).instances, by_itself.instances)


def test_the_parser_forgets_when_it_is_reset() -> None:
    frames = [Frame(picture(8 * at), at, at * STEP_S, 0.0) for at in range(2)]
    parser = load_parser(precision="f32", size=(64, 96))
    small = parser.fit_for(SIZE).shrink(frames[1].picture)
    parser(frames[0])
    remembered = parser.infer(small, parser.fit_for(SIZE), STEP_S)
    parser.reset()
    alone = parser.infer(small, parser.fit_for(SIZE), 2 * STEP_S)
    assert remembered.garments is not None
    assert alone.garments is not None
    assert not np.array_equal(remembered.garments.logits, alone.garments.logits)
    fresh = load_parser(precision="f32", size=(64, 96)).infer(small, parser.fit_for(SIZE), STEP_S)
    assert fresh.garments is not None
    np.testing.assert_array_equal(alone.garments.logits, fresh.garments.logits)
