"""Which masks a frame is shown with: its own, carried ones, or none."""

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from pipeline import Frame, Parsing, Size
from streamer.live.latest import LatestParsings
from streamer.live.sync import MAX_WAITING, ExactSync, LiveSync, Masked
from tests.support.scenes import FRAME, Bgr, frame_of, iou, parsing_of, person_at, person_scene, texture

STEP_PX = 8.0
"""A frame; between two parsed ones a held mask loses a third of the person."""


def walk(count: int) -> list[Frame]:
    return [frame_of(person_scene(200 + STEP_PX * index), index) for index in range(count)]


def own(frame: Frame) -> Parsing:
    return parsing_of(frame, [person_at(200 + STEP_PX * frame.index)])


def told(newest: LatestParsings, frame: Frame) -> None:
    newest.begin(frame.index)
    newest.end(own(frame))


def overlap(masked: Masked) -> float:
    assert masked.parsing is not None
    return iou(masked.parsing.labels > 0, person_at(200 + STEP_PX * masked.frame.index))


# Live


def test_live_shows_each_frame_at_once_with_masks_where_the_person_is() -> None:
    newest, frames = LatestParsings(), walk(6)
    told(newest, frames[0])
    sync = LiveSync(newest, wait_s=0.0, ttl_s=1.0)
    shown = [masked for frame in frames for masked in sync.push(frame)]
    assert [masked.frame.index for masked in shown] == list(range(6))
    assert min(overlap(masked) for masked in shown) > 0.85
    assert iou(person_at(200), person_at(200 + 5 * STEP_PX)) < 0.25  # what a held mask would have
    assert [masked.age_s for masked in shown] == pytest.approx([index / 30 for index in range(6)])
    assert {masked.parsing.carried_from for masked in shown if masked.parsing} == {0}


def test_live_draws_no_mask_that_is_older_than_allowed() -> None:
    newest, frames = LatestParsings(), walk(6)
    told(newest, frames[0])
    sync = LiveSync(newest, wait_s=0.0, ttl_s=0.11)
    ages = [masked.age_s for frame in frames for masked in sync.push(frame)]
    assert ages[3] == pytest.approx(0.1)
    assert ages[4:] == [None, None]


def test_live_carries_nothing_over_a_cut() -> None:
    newest = LatestParsings()
    frames = [*walk(3), frame_of(texture(9), 3)]
    told(newest, frames[0])
    sync = LiveSync(newest, wait_s=0.0, ttl_s=1.0)
    shown = [masked for frame in frames for masked in sync.push(frame)]
    assert shown[2].parsing is not None
    assert shown[3].parsing is None


def test_live_takes_an_earlier_parsing_where_the_newest_is_of_a_later_frame() -> None:
    newest, frames = LatestParsings(), walk(4)
    for frame in frames:
        told(newest, frame)
    sync = LiveSync(newest, wait_s=0.0, ttl_s=1.0)
    assert [masked.parsing.frame_index for frame in frames[:2] for masked in sync.push(frame) if masked.parsing] == [
        0,
        1,
    ]


# Exact


def pushed(sync: ExactSync, newest: LatestParsings, frames: Sequence[Frame], parsed: Sequence[int]) -> list[Masked]:
    """Every parsing comes two frames late."""
    shown: list[Masked] = []
    for place, frame in enumerate(frames):
        if place >= 2 and frames[place - 2].index in parsed:
            told(newest, frames[place - 2])
        shown.extend(sync.push(frame))
    for frame in frames[-2:]:
        if frame.index in parsed:
            told(newest, frame)
    newest.close()
    return [*shown, *sync.rest()]


def at_once() -> float:
    """A clock by which no frame has waited."""
    return 0.0


def test_exact_gives_parsed_frames_their_own_masks_and_the_others_those_of_both_sides() -> None:
    newest, frames = LatestParsings(), walk(11)
    shown = pushed(ExactSync(newest, 1.0, at_once), newest, frames, [0, 5, 10])
    assert [masked.frame.index for masked in shown] == list(range(11))
    assert [masked.age_s for masked in shown] == pytest.approx([n / 30 for n in (0, 1, 2, 2, 1, 0, 1, 2, 2, 1, 0)])
    assert all(overlap(masked) == 1.0 for masked in shown if masked.age_s == 0)
    assert min(overlap(masked) for masked in shown) > 0.85


def test_exact_waits_for_the_masks_and_no_longer() -> None:
    newest, frames = LatestParsings(), walk(4)
    sync = ExactSync(newest, 1.0, at_once)
    assert [list(sync.push(frame)) for frame in frames[:3]] == [[], [], []]
    assert sync.waiting == 3
    told(newest, frames[2])
    assert [masked.frame.index for masked in sync.push(None)] == [0, 1, 2]
    assert sync.waiting == 0


def test_exact_carries_up_to_a_cut_from_before_and_from_it_on_from_after() -> None:
    newest = LatestParsings()
    before, after = walk(4), [frame_of(person_scene(300 + STEP_PX * n, seed=5)[:, ::-1], 4 + n) for n in range(4)]
    shift = [parsing_of(frame, [person_at(300 + STEP_PX * n)[:, ::-1]]) for n, frame in enumerate(after)]
    sync = ExactSync(newest, 1.0, at_once)
    told(newest, before[0])
    shown = [masked for frame in (*before, *after) for masked in sync.push(frame)]
    newest.begin(7)
    newest.end(shift[3])
    shown.extend(sync.push(None))
    assert [masked.frame.index for masked in shown] == list(range(8))
    assert min(overlap(masked) for masked in shown[:4]) > 0.85
    assert [masked.parsing.carried_from for masked in shown if masked.parsing] == [0, 0, 0, 0, 7, 7, 7, 7]
    assert shown[4].parsing is not None
    assert iou(shown[4].parsing.labels > 0, shift[0].labels > 0) > 0.8


def test_exact_does_not_wait_for_ever() -> None:
    """The inference process may be dead: each frame is shown when its time is up, at first with what there was."""
    newest, frames, now_s = LatestParsings(), walk(40), [0.0]
    sync = ExactSync(newest, 0.5, lambda: now_s[0])
    told(newest, frames[0])
    shown: list[Masked] = []
    for frame in frames:
        now_s[0] = frame.captured_s
        shown.extend(sync.push(frame))
    assert sync.waiting == 16
    assert [masked.frame.index for masked in shown] == list(range(24))
    assert [masked.parsing is not None for masked in shown] == [True] * 16 + [False] * 8


def test_exact_keeps_no_more_frames_than_it_says() -> None:
    newest, still = LatestParsings(), texture(1, Size(90, 160))
    sync = ExactSync(newest, 1e9, at_once)
    shown = [masked for index in range(MAX_WAITING + 5) for masked in sync.push(frame_of(still, index))]
    assert [masked.frame.index for masked in shown] == list(range(5))
    assert sync.waiting == MAX_WAITING


def test_exact_shows_what_is_left_at_the_end() -> None:
    newest, frames = LatestParsings(), walk(6)
    shown = pushed(ExactSync(newest, 1.0, at_once), newest, frames, [0, 2])
    assert [masked.frame.index for masked in shown] == list(range(6))
    assert overlap(shown[-1]) > 0.85


def test_exact_ends_soon_where_the_parsings_never_do() -> None:
    newest, frames = LatestParsings(), walk(2)
    sync = ExactSync(newest, 0.01, at_once)
    assert [list(sync.push(frame)) for frame in frames] == [[], []]
    assert [masked.parsing for masked in sync.rest()] == [None, None]


@pytest.mark.parametrize("kind", ["live", "exact"])
def test_a_camera_may_change_its_size(kind: str) -> None:
    newest = LatestParsings()
    frames: list[Frame] = [*walk(3), frame_of(np.ascontiguousarray(half(person_scene(224))), 3)]
    told(newest, frames[0])
    sync = LiveSync(newest, 0.0, 1.0) if kind == "live" else ExactSync(newest, 1.0, at_once)
    newest_closes = threading.Timer(0, newest.close)
    newest_closes.start()
    shown = [masked for frame in frames for masked in sync.push(frame)] + list(sync.rest())
    newest_closes.join()
    assert [masked.frame.size for masked in shown] == [FRAME, FRAME, FRAME, Size(180, 320)]
    assert [masked.parsing is None for masked in shown] == [False, False, False, True]


def half(bgr: Bgr) -> Bgr:
    return bgr[::2, ::2]
