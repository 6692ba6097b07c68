"""What is hidden stays hidden where the masks miss it for a while: after it was seen, and in a recording before it."""

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
import pytest

from pipeline import Box, Frame, Parsing, Size
from pipeline.drawing.selection import On, selected
from pipeline.motion.blobs import Mask
from pipeline.motion.flow import Grey, dis_flow, flow_between, flow_inside
from pipeline.motion.linger import LINGER_S, MAX_AHEAD, MAX_TIMES, Covered, Lingering, Looked, covered_both_ways
from pipeline.motion.spots import Spot
from tests.support.scenes import FRAME, Bgr, frame_of, parsing_of, person_at, person_scene, rectangle, shifted, texture

STEP_PX = 3.0
EVERYBODY = On.read("all")


def left_of(index: int) -> float:
    return 150 + STEP_PX * index


def walk(count: int) -> list[Frame]:
    return [frame_of(person_scene(left_of(index)), index) for index in range(count)]


def seen(frame: Frame, seen_at: Sequence[int]) -> Parsing:
    where = person_at(left_of(frame.index)) if frame.index in seen_at else np.zeros(FRAME, bool)
    return parsing_of(frame, [where])


def hidden(each: Covered) -> Mask:
    mask = selected(each.parsing, EVERYBODY)
    return mask if each.lingering is None else mask | each.lingering


def share_hidden(mask: Mask | None, index: int) -> float:
    """Of the person in a frame, without two pixels at the edge, which effects hide anyway."""
    inside = person_at(left_of(index))
    return 0.0 if mask is None else float((mask > 0)[inside].mean())


def looked(parsed: Iterable[tuple[Frame, Parsing]]) -> Iterator[Looked]:
    return (Looked(frame, parsing, selected(parsing, EVERYBODY)) for frame, parsing in parsed)


def both_ways(frames: Sequence[Frame], seen_at: Sequence[int]) -> list[Covered]:
    parsed = ((frame, seen(frame, seen_at)) for frame in frames)
    return list(covered_both_ways(looked(parsed)))


def test_in_a_recording_who_is_seen_before_and_after_is_hidden_between() -> None:
    """The person walks on by more than its width meanwhile."""
    frames, missed = walk(34), range(5, 28)
    done = both_ways(frames, [index for index in range(34) if index not in missed])
    assert [each.frame.index for each in done] == list(range(34))
    for each in done:
        assert share_hidden(hidden(each), each.frame.index) > 0.9
        assert (each.lingering is None) == (each.frame.index not in missed)
        elsewhere = hidden(each)[:, : int(left_of(each.frame.index)) - 30]
        assert np.count_nonzero(elsewhere) < 0.1 * np.count_nonzero(person_at(0.0))


def test_in_a_recording_who_is_seen_late_is_hidden_before() -> None:
    done = both_ways(walk(20), range(10, 20))
    assert min(share_hidden(hidden(each), each.frame.index) for each in done) > 0.9


def live_shares(frames: Sequence[Frame], seen_at: Sequence[int], linger_s: float) -> list[float]:
    """How much of the place of somebody who sits at 150 is hidden in each frame beside what is seen."""
    live, shares = Lingering(linger_s), []
    for frame in frames:
        mask = person_at(150) if frame.index in seen_at else np.zeros(FRAME, bool)
        lingering = live.add(Grey.of(frame), selected(parsing_of(frame, [mask]), EVERYBODY))
        shares.append(0.0 if lingering is None else float((lingering > 0)[person_at(150)].mean()))
    return shares


def test_who_has_gone_is_hidden_for_a_time_and_no_longer() -> None:
    frames = [frame_of(person_scene(150 if index < 5 else -600), index) for index in range(24)]
    shares = live_shares(frames, [0], 0.5)
    assert shares[0] == 0  # its own masks hide it
    assert min(shares[1:5]) > 0.9
    assert min(shares[5:15]) > 0.5
    assert max(shares[5 + 15 :]) == 0
    assert LINGER_S >= 0.5


def test_who_sits_still_and_is_missed_for_longer_stays_hidden() -> None:
    """But a mistake does not stay for ever."""
    last = round(0.1 * MAX_TIMES * 30)
    shares = live_shares([frame_of(person_scene(150), index) for index in range(last + 6)], [0], 0.1)
    assert min(shares[1:last]) > 0.9
    assert max(shares[last + 2 :]) == 0


def test_in_a_recording_a_gap_is_hidden_in_its_middle_too() -> None:
    """Of more than two times the time that is looked ahead."""
    gap = range(2, 2 + 15)
    assert len(gap) / 30 > 4 * 0.1
    parsed = (
        (frame, parsing_of(frame, [np.zeros(FRAME, bool) if frame.index in gap else person_at(150)]))
        for frame in (frame_of(person_scene(150), index) for index in range(gap.stop + 2))
    )
    done = covered_both_ways(looked(parsed), 0.1)
    assert min(float((hidden(each) > 0)[person_at(150)].mean()) for each in done) > 0.9


def test_nothing_lingers_where_masks_go_along_with_who_moves() -> None:
    done = both_ways(walk(12), range(12))
    assert all(each.lingering is None for each in done)


def test_of_two_people_the_one_who_is_missed_lingers() -> None:
    frames = [frame_of(person_scene(100), index) for index in range(4)]
    both, one = [person_at(100), person_at(400)], [np.zeros(FRAME, bool), person_at(400)]
    live = Lingering()
    for frame in frames:
        masks = both if frame.index < 2 else one
        lingering = live.add(Grey.of(frame), selected(parsing_of(frame, masks), EVERYBODY))
    assert lingering is not None
    assert (lingering > 0)[person_at(100)].mean() > 0.9
    assert not (lingering > 0)[person_at(400)].any()


def test_nothing_lingers_over_a_cut_in_either_direction() -> None:
    other: Bgr = texture(9)
    frames = [*walk(4), *(frame_of(other, index) for index in range(4, 8))]
    for seen_at in (range(4), range(4, 8)):
        done = both_ways(frames, seen_at)
        assert all(each.lingering is None for each in done)


def test_without_masks_everything_is_hidden_and_what_was_known_lingers_after() -> None:
    frames, live = walk(8), Lingering()
    first = live.add(Grey.of(frames[0]), selected(seen(frames[0], [0]), EVERYBODY))
    assert first is None
    for frame in frames[1:7]:
        assert live.add(Grey.of(frame), None) is None
    last = live.add(Grey.of(frames[7]), selected(seen(frames[7], []), EVERYBODY))
    assert share_hidden(last, 7) > 0.9


def test_maps_of_another_size_take_over() -> None:
    """Live, the network's input changes with the load."""
    frames, live = [frame_of(person_scene(200), index) for index in range(2)], Lingering()
    live.add(Grey.of(frames[0]), selected(parsing_of(frames[0], [person_at(200)]), EVERYBODY))
    small = np.zeros((90, 160), np.uint8)
    lingering = live.add(Grey.of(frames[1]), small)
    assert lingering is not None
    assert lingering.shape == small.shape
    assert (lingering[25:65, 50:65] > 0).mean() > 0.9


@pytest.mark.parametrize("count", [0, 1, MAX_AHEAD + 20])
def test_every_frame_comes_out_in_order_and_few_wait(count: int) -> None:
    frame = frame_of(texture(1), 0)
    parsing = parsing_of(frame, [np.zeros(FRAME, bool)])
    taken: list[int] = []
    given: list[int] = []

    def parsed() -> object:
        for index in range(count):
            taken.append(index)
            # 200 frames a second
            yield Frame(frame.picture, index, index / 200, 0.0), parsing

    for each in covered_both_ways(looked(parsed())):  # type: ignore[arg-type]
        given.append(each.frame.index)
        assert len(taken) - len(given) < MAX_AHEAD
    assert given == list(range(count))


def test_what_has_left_the_picture_lingers_no_more() -> None:
    """The camera pans, and what was hidden at the right edge is beyond it."""
    live, shares = Lingering(), []
    for index in range(8):
        frame = frame_of(shifted(texture(0), 15.0 * index, 0.0), index)
        where = rectangle(FRAME, (560, 100, 620, 200)) if index == 0 else np.zeros(FRAME, bool)
        lingering = live.add(Grey.of(frame), selected(parsing_of(frame, [where]), EVERYBODY))
        shares.append(0 if lingering is None else np.count_nonzero(lingering))
    assert shares[1] > 0
    assert shares[-1] == 0


def test_a_place_is_found_on_the_small_picture_as_opencv_scales() -> None:
    rng = np.random.default_rng(3)
    for map_size, size in ((Size(252, 448), Size(118, 209)), (Size(60, 80), Size(135, 181))):
        whole = np.zeros(map_size, np.uint8)
        box = Box(11, 7, 53, 41)
        whole[box.top : box.bottom, box.left : box.right] = rng.integers(0, 2, (34, 42)) * 255
        spot = Spot(box, whole[box.top : box.bottom, box.left : box.right]).at(size, map_size)
        assert spot is not None
        wanted = cv2.resize(whole, size[::-1], interpolation=cv2.INTER_NEAREST)
        np.testing.assert_array_equal(spot.mask, spot.of(wanted))
        assert np.count_nonzero(spot.mask) == np.count_nonzero(wanted)
        assert spot.box.area < 2 * box.area * size.area / map_size.area


def test_motion_is_looked_for_only_around_what_lingers() -> None:
    before, after = (Grey.of(frame_of(person_scene(left), index)) for index, left in enumerate((150, 156)))
    height, width = after.pixels.shape
    box = Box(width // 4, 0, width // 2, height)
    moved = flow_inside(before, after, box, dis_flow())
    elsewhere = np.ones((height, width), bool)
    elsewhere[:, box.left : box.right] = False
    assert not moved[elsewhere].any()
    whole = flow_between(before, after, dis_flow()).source
    inner = np.s_[8:-8, box.left + 8 : box.right - 8]
    assert np.abs(moved[inner] - whole[inner]).mean() < 0.5
