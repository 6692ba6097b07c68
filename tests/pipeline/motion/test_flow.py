"""Where one scene ends and another begins, and what frames of any kind are reduced to."""

from collections.abc import Callable
from dataclasses import replace

import av
import cv2
import numpy as np
import pytest

from pipeline import BadPicture, Size
from pipeline.motion.carry import carry
from pipeline.motion.flow import Follower, Grey, dis_flow, flow_between, grid, is_cut
from pipeline.yuv import Yuv420
from tests.support.scenes import (
    FRAME,
    Bgr,
    frame_of,
    iou,
    parsing_of,
    person_at,
    person_scene,
    shifted,
    texture,
)


@pytest.mark.parametrize(
    ("change", "cut"),
    [
        (lambda bgr: texture(77), True),
        (np.zeros_like, True),
        (lambda bgr: bgr[:180], True),
        (lambda bgr: bgr, False),
        (lambda bgr: shifted(bgr, 25, 10), False),
        (lambda bgr: np.asarray(cv2.convertScaleAbs(bgr, alpha=1.3), np.uint8), False),
        (lambda bgr: person_scene(300), False),
    ],
    ids=["another scene", "black", "another size", "the same", "a quick pan", "a flash", "somebody jumps"],
)
def test_cuts(change: Callable[[Bgr], Bgr], cut: bool) -> None:
    before = person_scene(100)
    assert is_cut(Grey.of(frame_of(before)), Grey.of(frame_of(change(before), 1))) is cut


def test_dark_pictures_with_a_little_noise_are_one_scene() -> None:
    noise = [np.random.default_rng(seed).integers(0, 4, (*FRAME, 3), np.uint8) for seed in (0, 1)]
    assert not is_cut(*(Grey.of(frame_of(each)) for each in noise))


def test_a_frame_of_another_size_is_refused() -> None:
    with pytest.raises(BadPicture, match="the frames must be of one size, not 360x640 and 360x480"):
        Follower(Grey.of(frame_of(texture(0)))).follow(Grey.of(frame_of(texture(0)[:, :480])))


def test_the_flow_from_one_frame_to_the_next_is_as_a_follower_has_it() -> None:
    before, after = (Grey.of(frame_of(person_scene(left), index)) for index, left in enumerate((100, 107)))
    flow, followed = flow_between(before, after, dis_flow()), Follower(before).follow(after)
    np.testing.assert_array_equal(flow.source, followed.source)
    np.testing.assert_array_equal(flow.difference, followed.difference)
    assert flow.to is after


@pytest.mark.parametrize("size", [Size(1, 1), Size(118, 209), Size(128, 128), Size(129, 300)], ids=str)
def test_each_pixel_has_its_own_place(size: Size) -> None:
    places = grid(size)
    np.testing.assert_array_equal(places, np.moveaxis(np.indices(size)[::-1], 0, -1))
    assert not places.flags.writeable


def test_video_and_bgr_agree() -> None:
    carried = []
    for yuv in (False, True):
        frames = [frame_of(person_scene(left), index) for index, left in enumerate((100, 107, 114))]
        if yuv:
            videos = [av.VideoFrame.from_ndarray(frame.bgr, format="bgr24") for frame in frames]
            pictures = [Yuv420(video.reformat(format="yuv420p")) for video in videos]
            frames = [replace(frame, picture=picture) for frame, picture in zip(frames, pictures)]
        follower = Follower(Grey.of(frames[0]))
        for frame in frames[1:]:
            flow = follower.follow(Grey.of(frame))
        carried.append(carry(parsing_of(frames[0], [person_at(100)]), flow))
    assert iou(carried[0].labels > 0, carried[1].labels > 0) > 0.98
