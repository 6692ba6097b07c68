"""A whole stream on real processes: how old its masks are, what is parsed for it, and what is not."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline import Size
from pipeline.network.letterbox import network_size
from pipeline.parsing.input_size import SMALLER
from streamer import ConfigError, Stream, StreamConfig
from streamer.live import rate
from streamer.sources.open import sample
from tests.support.media import pts_of
from tests.support.scenes import Bgr, person_scene, texture
from tests.support.waiting import eventually

pytestmark = pytest.mark.process


def test_a_limit_that_cannot_be_kept_leads_to_the_smallest_input_and_is_told() -> None:
    config = StreamConfig("test:size=240x320,rate=30", max_mask_age_s=0.0001, still_for_s=0.0, mask_wait_s=0.5)
    smallest = network_size(Size(240, 320), int(SMALLER[-1] * 256 * 448))
    with Stream(config) as stream:
        assert eventually(lambda: stream.stats.too_slow_s is not None, 60)
        at = stream.stats
    assert at.size is not None
    assert at.size.area <= smallest.area


@pytest.mark.parametrize(("size", "limit_s"), [((96, 128), 0.0001), (None, float("inf"))])
def test_a_size_that_was_given_and_masks_of_any_age_are_left_alone(
    tmp_path: Path, size: tuple[int, int] | None, limit_s: float
) -> None:
    config = StreamConfig(
        "test:size=240x320,rate=30,frames=60",
        size=size,
        max_mask_age_s=limit_s,
        still_for_s=0.0,
        mask_wait_s=0.5,
        record=str(tmp_path / "out.mp4"),
    )
    with Stream(config) as stream:
        assert stream.join(120)
    assert stream.stats.size == (size or network_size(Size(240, 320), 256 * 448))


@pytest.mark.parametrize(("quick_s", "larger"), [(60.0, True), (0.0, False)])
def test_small_people_are_parsed_larger_where_there_is_time_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_s: float, larger: bool
) -> None:
    monkeypatch.setattr(rate, "QUICK_S", quick_s)
    monkeypatch.setattr(rate, "SLOW_S", 60.0)
    config = StreamConfig(
        str(sample("street.mp4")), max_mask_age_s=60.0, mask_wait_s=0.5, record=str(tmp_path / "out.mp4")
    )
    with Stream(config) as stream:
        assert stream.join(120)
    assert stream.stats.size is not None
    assert (stream.stats.size.area > 2 * 288 * 384) is larger
    assert stream.stats.shown == 80


def test_exact_shows_every_frame_with_masks(tmp_path: Path) -> None:
    """Of a parsing in three frames or fewer, all but the first, for which the network was not loaded yet."""
    out = tmp_path / "out.mp4"
    config = StreamConfig(
        str(sample("street.mp4")), size=(288, 384), sync="exact", parse_hz=4, mask_ttl_s=8.0, record=str(out)
    )
    with Stream(config) as stream:
        assert stream.join(120)
    stats = stream.stats
    assert (stats.shown, stats.drops.total, stats.waiting) == (80, 0, 0)
    assert len(pts_of(out)) == 80
    assert 8 < stats.parsed < 60
    assert 0.0 < stats.mask_age.p95_s < 8.0


def test_a_still_scene_is_parsed_now_and_then_and_its_masks_stay_young(tmp_path: Path) -> None:
    scene = tmp_path / "still.mp4"
    film(scene, [texture(1, Size(240, 320), 60, 180)] * 90)
    with Stream(StreamConfig(str(scene), loop=True, size=(96, 128), record=str(tmp_path / "out.mp4"))) as stream:
        # What is not repeated: the first, and one of those a second or more later.
        assert eventually(lambda: stream.stats.parsed - stream.stats.repeated >= 2 and stream.stats.repeated > 2, 60)
        stream.stop()
        assert stream.join(120)
    assert stream.stats.repeated > stream.stats.parsed / 2


def test_where_something_moves_everything_is_parsed(tmp_path: Path) -> None:
    scene = tmp_path / "walk.mp4"
    # Once through: played again, a slow machine sees its first picture once more while that is still parsed.
    film(scene, [person_scene(100 + 2 * index) for index in range(120)])
    with Stream(StreamConfig(str(scene), size=(96, 192), record=str(tmp_path / "out.mp4"))) as stream:
        assert stream.join(120)
    assert stream.stats.parsed > 0
    assert stream.stats.repeated == 0


def film(path: Path, pictures: Sequence[Bgr]) -> None:
    """Thirty a second, with a camera's noise."""
    random = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=30, options={"crf": "12"})
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = "yuv420p"
        for picture in pictures:
            noisy = np.clip(picture + random.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(noisy, format="bgr24")))
        container.mux(video.encode())


def test_a_sync_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match="sync = 'late': sync is live or exact"):
        StreamConfig("test:", sync="late")  # type: ignore[arg-type]
