"""Masks that move with the picture: to the pixel, in time, with their persons, and never over a cut."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from pipeline import CIHP, Box, Face, Parsing, Person, Size
from pipeline.geometry import Point
from pipeline.motion.carry import KEPT, MAX_AHEAD, MAX_STEPS, MIN_LOST_LEVELS, STRIDE, Motion, carry, stops
from pipeline.motion.flow import Flow, Follower, Grey, is_cut
from tests.support.scenes import (
    COAT,
    FRAME,
    Bgr,
    centre,
    frame_of,
    iou,
    parsing_of,
    person_at,
    person_scene,
    rectangle,
    shifted,
    texture,
)

# Nearest sampling puts each edge within half a pixel; the flow itself is good to a fraction of a pixel.
EDGE_PX = 0.75


def moved_through(motion: Motion, parsing: Parsing, pictures: Sequence[Bgr]) -> Iterator[Parsing]:
    for index, bgr in enumerate(pictures):
        motion.add(Grey.of(frame_of(bgr, index)))
        carried = motion.carry(parsing)
        assert carried is not None
        yield carried


@pytest.mark.parametrize("map_size", [FRAME, Size(252, 448), Size(96, 320)], ids=str)
@pytest.mark.parametrize(("across", "down"), [(5.3, -3.7), (-8.5, 6.25), (1.4, 1.4), (0.0, 11.0)])
def test_a_mask_moves_as_far_as_the_picture(across: float, down: float, map_size: Size) -> None:
    before, after = frame_of(texture(0)), frame_of(shifted(texture(0), across, down), 1)
    box = (200, 120, 420, 260)
    parsing = parsing_of(before, [rectangle(map_size, box)])
    carried = carry(parsing, Follower(Grey.of(before)).follow(Grey.of(after)))
    wanted = np.array([down * map_size.height / FRAME.height, across * map_size.width / FRAME.width])
    found = centre(carried.mask("Face")) - centre(parsing.mask("Face"))
    assert np.abs(found - wanted).max() < EDGE_PX
    truth = rectangle(map_size, (box[0] + across, box[1] + down, box[2] + across, box[3] + down))
    assert iou(carried.mask("Face"), truth) > 0.95
    np.testing.assert_array_equal(carried.instances > 0, carried.labels > 0)


def test_a_flow_given_by_hand_is_followed_to_the_pixel() -> None:
    """A grey picture half as large as the map: two grey pixels are four of the map, and the first centre is kept."""
    flow, parsing = hand_made()
    flow.source[...] = (2.0, -1.0)
    carried = carry(parsing, flow)
    np.testing.assert_array_equal(carried.labels[2:, :-4], parsing.labels[:-2, 4:])


def test_a_flow_that_grows_over_the_picture_grows_evenly_over_the_map() -> None:
    """The map's pixel x is at (x + 0.5) / 2 - 0.5 of the grey one: half a grey pixel of offset shows as 0.2 here."""
    flow, parsing = hand_made()
    flow.source[..., 0] = 0.4 * np.arange(64) - 10
    ramp = np.zeros((64, 128), np.uint8)
    ramp[:] = np.arange(128) // 8
    carried = carry(replace(parsing, labels=ramp, instances=np.zeros_like(ramp), people=()), flow)
    places = np.arange(128) + 2 * (0.4 * ((np.arange(128) + 0.5) / 2 - 0.5) - 10)
    inside = (places > 1) & (places < 126) & (np.abs(places % 8 - 7.5) > 0.05)
    np.testing.assert_array_equal(carried.labels[5][inside], (np.rint(places) // 8)[inside])


def hand_made() -> tuple[Flow, Parsing]:
    """A flow of nothing, on a grey picture of 32x64; and a parsing on a map of 64x128 with somebody in the middle."""
    grey = Grey(np.zeros((32, 64), np.uint8), 3, 0.1, 100.1, FRAME)
    mask = np.zeros((64, 128), bool)
    mask[16:48, 40:80] = True
    flow = Flow(grey, np.zeros((32, 64, 2), np.float32), np.zeros((32, 64), np.uint8))
    return flow, parsing_of(frame_of(texture(0)), [mask])


def test_what_cannot_be_explained_takes_the_nearest_label() -> None:
    flow, parsing = hand_made()
    # Map columns 60-99: the left half of them is nearest to the person's other half, the right half to the wall.
    flow.difference[:, 30:50] = MIN_LOST_LEVELS + 1
    flow.source[:, 30:50] = (-28.0, 0.0)
    carried = carry(parsing, flow)
    assert carried.mask("Face")[30, 40:78].all()
    assert not carried.mask("Face")[30, 82:].any()
    np.testing.assert_array_equal(carried.labels[:, :58], parsing.labels[:, :58])


def test_a_change_of_light_moves_nothing() -> None:
    flow, parsing = hand_made()
    flow.difference[:, :60] = MIN_LOST_LEVELS + 1
    np.testing.assert_array_equal(carry(parsing, flow).labels, parsing.labels)
    bright = np.clip(texture(0).astype(int) + 40, 0, 255).astype(np.uint8)
    before, after = Grey.of(frame_of(texture(0))), Grey.of(frame_of(bright, 1))
    assert np.median(Follower(before).follow(after).difference) < MIN_LOST_LEVELS / 4
    assert not is_cut(before, after)


def test_a_still_picture_changes_nothing_but_the_time() -> None:
    motion = Motion()
    parsing = parsing_of(frame_of(texture(0)), [person_at(100, Size(252, 448)), person_at(300, Size(252, 448))])
    *_, last = moved_through(motion, parsing, [texture(0)] * 5)
    np.testing.assert_array_equal(last.labels, parsing.labels)
    np.testing.assert_array_equal(last.instances, parsing.instances)
    assert (last.frame_index, last.carried_from) == (4, 0)
    assert (last.pts_s, last.captured_s) == (4 / 30, 100 + 4 / 30)
    assert (last.inferred_s, last.frame_size, last.label_set) == (0.01, FRAME, CIHP)


def test_the_parsed_frame_itself_is_left_as_it_is() -> None:
    motion = Motion()
    motion.add(Grey.of(frame_of(texture(0), 7)))
    parsing = parsing_of(frame_of(texture(0), 7), [person_at(100)])
    assert motion.carry(parsing) is parsing


def test_a_person_is_followed_through_ten_frames_with_its_box() -> None:
    lefts = [100 + 7.3 * step for step in range(11)]
    parsing = parsing_of(frame_of(person_scene(100)), [person_at(100, Size(252, 448))])
    for left, carried in zip(lefts, moved_through(Motion(), parsing, [person_scene(left) for left in lefts])):
        assert iou(carried.labels > 0, person_at(left, Size(252, 448))) > 0.85
    # A pixel of the map is 1.43 of the frame's.
    assert carried.people[0].box.iou(Box(round(lefts[-1]), 100, round(lefts[-1]) + 60, 260)) > 0.85
    assert (carried.people[0].track_id, carried.people[0].score) == (1, 0.9)
    assert iou(parsing.labels > 0, person_at(lefts[-1], Size(252, 448))) == 0.0


def test_a_parsing_that_comes_late_catches_up() -> None:
    motion, late = Motion(), 3 * STRIDE - 1
    for step in range(late + 1):
        motion.add(Grey.of(frame_of(person_scene(100 + 5.0 * step), step)))
    carried = motion.carry(parsing_of(frame_of(person_scene(100)), [person_at(100)]))
    assert carried is not None
    assert carried.frame_index == late
    assert iou(carried.labels > 0, person_at(100 + 5.0 * late)) > 0.85


def test_what_is_far_behind_is_caught_up_with_in_few_steps() -> None:
    assert list(stops(0)) == []
    for ahead in range(1, KEPT + 1):
        looked_at = list(stops(ahead))
        assert looked_at[-1] == ahead - 1
        assert len(looked_at) <= MAX_STEPS
        assert all(later - earlier >= STRIDE for earlier, later in pairwise(looked_at))
    motion = Motion()
    for step in range(61):
        motion.add(Grey.of(frame_of(person_scene(100 + step), step)))
    carried = motion.carry(parsing_of(frame_of(person_scene(100)), [person_at(100)]))
    assert carried is not None
    assert iou(carried.labels > 0, person_at(160)) > 0.8


def test_parsings_of_frames_still_to_come_wait_and_the_last_one_is_carried_on() -> None:
    """A reader of a stream may be behind the one who parses it."""
    frames = [frame_of(person_scene(100 + 4.0 * step), step) for step in range(7)]
    motion = Motion()
    motion.add(Grey.of(frames[0]))
    from_index = []
    for frame, parsed in zip(frames[1:], (0, 3, 5, 5, 6, 6)):
        motion.add(Grey.of(frame))
        left = 100 + 4.0 * parsed
        carried = motion.carry(parsing_of(frames[parsed], [person_at(left)]))
        assert carried is not None
        assert carried.frame_index == frame.index
        assert iou(carried.labels > 0, person_at(100 + 4.0 * frame.index)) > 0.85
        from_index.append(carried.carried_from)
    assert from_index == [0, 0, 3, 3, 5, 6]


def test_a_bounded_number_of_parsings_waits() -> None:
    motion, pictures = Motion(), [texture(0)] * (MAX_AHEAD + 3)
    motion.add(Grey.of(frame_of(texture(0))))
    for index in range(len(pictures)):
        motion.carry(parsing_of(frame_of(texture(0), index), [person_at(100)]))
    from_index = []
    for index, bgr in enumerate(pictures[1:], start=1):
        motion.add(Grey.of(frame_of(bgr, index)))
        carried = motion.carry(parsing_of(frame_of(texture(0), len(pictures) - 1), [person_at(100)]))
        from_index.append(carried.carried_from if carried else None)
    # The one that is carried is kept, the first ones to come are not.
    assert from_index == [0, 0, *range(3, MAX_AHEAD + 3)]


def test_who_goes_behind_something_is_gone_and_does_not_stick_to_it() -> None:
    lefts = [150 + 9 * step for step in range(14)]
    pictures = [person_scene(left, post=(230, 330)) for left in lefts]
    parsing = parsing_of(frame_of(pictures[0]), [person_at(150)])
    *_, last = moved_through(Motion(), parsing, pictures)
    # By now the person is behind the post from head to foot; a hundredth of it may stand at its edges.
    assert lefts[-1] > 230
    assert lefts[-1] + 60 < 330
    assert np.count_nonzero(last.labels) < 0.05 * np.count_nonzero(parsing.labels)


def test_those_of_whom_nothing_is_left_are_no_longer_listed() -> None:
    flow, parsing = hand_made()
    flow.source[...] = (10.0, 0.0)  # what stood in the first twenty columns is gone
    labels, instances = parsing.labels.copy(), parsing.instances.copy()
    labels[16:48, 0:10], instances[16:48, 0:10] = COAT, 1
    instances[16:48, 40:80] = 2
    both = replace(
        parsing,
        labels=labels,
        instances=instances,
        people=(Person(9, 0.5, Box(0, 0, 1, 1)), replace(parsing.people[0], track_id=4)),
    )
    carried = carry(both, flow)
    assert [person.track_id for person in carried.people] == [4]
    assert int(carried.instances.max()) == 1


def test_what_comes_into_the_picture_is_not_labelled() -> None:
    newcomer = person_scene(100)
    newcomer[80:280, 300:400] = texture(9, Size(200, 100))
    parsing = parsing_of(frame_of(person_scene(100)), [person_at(100)])
    _, last = moved_through(Motion(), parsing, [person_scene(100), newcomer])
    assert not last.labels[80:280, 300:400].any()
    assert iou(last.labels > 0, person_at(100)) > 0.9


def test_nothing_is_carried_over_a_cut() -> None:
    motion = Motion()
    parsing = parsing_of(frame_of(texture(0)), [person_at(100)])
    for index, bgr in enumerate([texture(0), texture(0), texture(50)]):
        motion.add(Grey.of(frame_of(bgr, index)))
    assert motion.carry(parsing) is None
    after = parsing_of(frame_of(texture(50), 2), [person_at(100)])
    motion.add(Grey.of(frame_of(texture(50), 3)))
    carried = motion.carry(after)
    assert carried is not None
    assert carried.carried_from == 2


def test_only_so_many_frames_are_remembered() -> None:
    motion = Motion(kept=4)
    for index in range(8):
        motion.add(Grey.of(frame_of(texture(0), index)))
    assert motion.carry(parsing_of(frame_of(texture(0), 3), [person_at(100)])) is None
    assert motion.carry(parsing_of(frame_of(texture(0), 4), [person_at(100)])) is not None


def test_before_the_frame_that_was_parsed_nothing_is_known_of_it() -> None:
    motion = Motion()
    motion.add(Grey.of(frame_of(texture(0), 7)))
    assert motion.carry(parsing_of(frame_of(texture(0), 8), [person_at(100)])) is None


def test_before_the_first_frame_nothing_is_carried() -> None:
    assert Motion().carry(parsing_of(frame_of(texture(0)), [person_at(100)])) is None


def test_a_frame_that_was_left_out_is_stood_in_for_by_the_one_before() -> None:
    motion = Motion()
    for index in (0, 1, 4):
        motion.add(Grey.of(frame_of(person_scene(100), index)))
    carried = motion.carry(parsing_of(frame_of(person_scene(100), 3), [person_at(100)]))
    assert carried is not None
    assert (carried.frame_index, carried.carried_from) == (4, 3)
    np.testing.assert_array_equal(carried.labels > 0, person_at(100))


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (4000, 16), (9, 100), (2160, 3840), (17, 4096)], ids=str)
def test_frames_of_any_size(size: tuple[int, int]) -> None:
    motion = Motion()
    first = frame_of(np.full((*size, 3), 90, np.uint8))
    mask = np.zeros((32, 32), bool)
    mask[8:20] = True
    for index in range(3):
        motion.add(Grey.of(replace(first, index=index)))
    carried = motion.carry(parsing_of(first, [mask]))
    assert carried is not None
    np.testing.assert_array_equal(carried.labels > 0, mask)
    assert Grey.of(first).pixels.size <= 64 * 1024


@pytest.mark.parametrize(("across", "down"), [(5.3, -3.7), (-18.5, 6.25), (40.0, 0.0)])
def test_faces_move_with_what_is_in_their_boxes(across: float, down: float) -> None:
    before, after = frame_of(texture(0)), frame_of(shifted(texture(0), across, down), 1)
    face = Face(Box(300, 120, 340, 170), tuple(Point(300 + each, 130) for each in range(5)), 0.9, person=1)
    stranger = Face(Box(300, 120, 340, 170), face.points, 0.9, person=9)
    gone = Face(Box(0 if across < 0 else 636, 0, 2 if across < 0 else 640, 40), face.points, 0.9)
    parsing = replace(parsing_of(before, [rectangle(FRAME, (200, 120, 420, 260))]), faces=(face, stranger, gone))
    carried = carry(parsing, Follower(Grey.of(before)).follow(Grey.of(after))).faces
    assert carried is not None
    assert np.abs(np.subtract(carried[0].box, face.box) - (across, down) * 2).max() < 2
    assert abs(carried[0].points[0].x - 300 - across) < 2
    assert [each.person for each in carried] == [1, None]
    nobody = replace(parsing, faces=None)
    assert carry(nobody, Follower(Grey.of(before)).follow(Grey.of(after))).faces is None
