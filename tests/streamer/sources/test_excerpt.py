"""A part of a recording, and each so-manieth frame."""

from pathlib import Path

import numpy as np
import pytest

from pipeline import Frame, Parser, load_parser
from streamer import ConfigError, Rendering, SourceInfo, render_file
from streamer.sources.excerpt import Excerpt
from tests.support.media import Clip, pts_of, sound_of

INFO = SourceInfo("a.mp4", (10, 10), 25, 50, 2.0)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def parser() -> Parser:
    return load_parser("lite", size=(64, 96))


def taken(excerpt: Excerpt) -> list[int]:
    pixels = np.zeros((4, 4, 3), np.uint8)
    frames = (Frame(pixels, index, index / 25, 0.0, duration_s=0.04) for index in range(50))
    return [frame.index for frame in excerpt.of(frames)]


def test_frames_from_one_time_to_another_and_each_nth() -> None:
    assert taken(Excerpt()) == list(range(50))
    assert taken(Excerpt(0.2, 0.4)) == [5, 6, 7, 8, 9]
    assert taken(Excerpt(0.2, 0.4, every=2)) == [5, 7, 9]
    assert taken(Excerpt(every=20)) == [0, 20, 40]
    assert taken(Excerpt(1.9)) == [48, 49]


def test_what_is_known_of_it() -> None:
    assert Excerpt().info(INFO) == INFO
    part = Excerpt(0.5, 1.5, 5).info(INFO)
    assert (part.rate, part.duration_s, part.expected_frames) == (5, 1.0, 5)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((5.0, 3.0), "end 3s is not after start 5s"),
        ((3.0, 3.0), "not after"),
        ((-1.0,), "start must be 0 or more"),
        ((0.0, None, 0), "every is at least 1, not 0"),
    ],
)
def test_what_cannot_be_is_said(given: tuple[float, ...], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Excerpt(*given)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=told):
        Rendering(**dict(zip(("start_s", "end_s", "every"), given)))  # type: ignore[arg-type]


def test_a_start_after_the_end_of_the_source(tmp_path: Path, parser: Parser) -> None:
    clip = Clip(ticks=range(0, 50 * 512, 512)).make(tmp_path / "clip.mp4")
    with pytest.raises(ConfigError, match=r"start 9s is after the end of clip\.mp4, which lasts 2\.0s"):
        render_file(clip, tmp_path / "out.mp4", Rendering(start_s=9), parser=parser)
    assert not (tmp_path / "out.mp4").exists()


def test_pictures_have_no_times(tmp_path: Path, parser: Parser) -> None:
    from streamer.media.images import write_picture

    write_picture(tmp_path / "a.png", np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(ConfigError, match="for videos"):
        render_file(tmp_path / "a.png", tmp_path / "b.png", Rendering(every=2), parser=parser)


def test_a_part_begins_at_0_with_the_sound_of_that_time(tmp_path: Path, parser: Parser) -> None:
    clip = Clip(ticks=range(0, 50 * 512, 512), sound="aac").make(tmp_path / "clip.mp4")
    done = render_file(clip, tmp_path / "out.mp4", Rendering(start_s=0.6, end_s=1.4, every=2), parser=parser)
    assert (done.frames, done.missing_s) == (10, 0.0)
    assert [float(each) for each in pts_of(tmp_path / "out.mp4")] == pytest.approx([0.08 * n for n in range(10)])
    (whole,), (part,) = sound_of(clip), sound_of(tmp_path / "out.mp4")
    same = {body: time_s for time_s, body in whole}
    # The same packets, each earlier by the time of the first picture.
    assert len(part) == pytest.approx(0.8 * 48_000 / 1024, abs=2)
    for time_s, body in part:
        assert float(same[body] - time_s) == pytest.approx(0.6, abs=1 / 25_000 + 1e-4)
