"""Transparency in files: there in each frame, at its time, with the source's colours, and not much larger.

What people complain of in tools of this kind: the transparency some frames late (nadermx/backgroundremover#44), a file
80 times the size (#88), transparency that is lost with colour tags (Kosinkadink/ComfyUI-VideoHelperSuite#350).
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline import Size
from pipeline.yuv import Yuv420
from streamer import ConfigError, Encoding, Recorder, SinkError, SourceInfo
from streamer.media.packet_queue import PacketQueue
from streamer.media.paths import TRANSPARENT_PICTURES, TRANSPARENT_VIDEOS
from streamer.media.tags import VideoTags
from streamer.recording.animation import Animation
from streamer.recording.clip_buffer import Recent
from streamer.recording.codecs import transparent
from streamer.recording.live import LiveRecorder
from tests.support.paths import ROOT

SIZE = Size(96, 160)
FRAMES = 30
BAR_PX = 16


def left_of(index: int) -> int:
    return 4 * index


def bars(frames: int = FRAMES) -> Iterator[NDArray[np.uint8]]:
    """A bar with a soft upper edge that moves and changes its colour; the rest is transparent."""
    for index in range(frames):
        picture = np.zeros((*SIZE, 4), np.uint8)
        picture[16:80, left_of(index) : left_of(index) + BAR_PX] = (30, 200 - 4 * index, 60 + 4 * index, 255)
        picture[16:24, left_of(index) : left_of(index) + BAR_PX, 3] = 128
        yield picture


def info(tags: VideoTags | None = None) -> SourceInfo:
    return SourceInfo("bars", SIZE, Fraction(25), tags=tags or VideoTags())


def recorded(path: Path, tags: VideoTags | None = None) -> Path:
    encoding = transparent(Encoding(), str(path))
    with Recorder(path, info(tags), PacketQueue(), encoding, force=False, alpha=True) as recorder:
        for index, picture in enumerate(bars()):
            recorder.write(picture, index / 25)
    return path


def decoded(path: Path) -> list[tuple[float, NDArray[np.uint8]]]:
    """Each frame's time, and BGRA; by libvpx, for FFmpeg's own decoder of VP9 leaves the transparency out."""
    with av.open(str(path)) as container:
        stream: Any = container.streams.video[0]
        context: Any = stream.codec_context
        if context.name == "vp9":
            context = av.CodecContext.create("libvpx-vp9", "r")
        frames = [frame for packet in container.demux(stream) for frame in context.decode(packet)]
        return [(float(frame.pts * stream.time_base), frame.to_ndarray(format="bgra")) for frame in frames]


def check(shown: list[tuple[float, NDArray[np.uint8]]], first: int = 0) -> None:
    for number, (_, bgra) in enumerate(shown):
        index = first + number
        alpha, left = bgra[48, :, 3].astype(int), left_of(index)
        assert alpha[left + 2 : left + BAR_PX - 2].min() > 200, index
        assert alpha[: max(0, left - 6)].max(initial=0) < 40, index
        assert alpha[left + BAR_PX + 6 :].max(initial=0) < 40, index
        # The bar's colour is this frame's, too.
        green = int(bgra[48, left + BAR_PX // 2, 1])
        assert abs(green - (200 - 4 * index)) < 25, index


@pytest.mark.parametrize("suffix", [".webm", ".mkv", ".mov"])
def test_each_frame_has_its_own_transparency(tmp_path: Path, suffix: str) -> None:
    shown = decoded(recorded(tmp_path / f"bars{suffix}"))
    assert len(shown) == FRAMES
    assert [time_s for time_s, _ in shown] == pytest.approx([index / 25 for index in range(FRAMES)], abs=0.002)
    check(shown)


@pytest.mark.parametrize("suffix", [".webm", ".mov"])
@pytest.mark.parametrize("colour_range", [1, 2])
def test_transparency_stays_beside_the_tags_of_colours(tmp_path: Path, suffix: str, colour_range: int) -> None:
    tags = VideoTags(matrix=1, colour_range=colour_range, primaries=1, transfer=1)
    path = recorded(tmp_path / f"bars{suffix}", tags)
    check(decoded(path))
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.colorspace == 1


@pytest.mark.parametrize("colour_range", [1, 2])
@pytest.mark.parametrize("suffix", [".webm", ".mov"])
def test_planes_are_recorded_with_their_transparency(tmp_path: Path, suffix: str, colour_range: int) -> None:
    """As a cut-out of video has them: what is kept is not converted."""
    tags = VideoTags(matrix=1, colour_range=colour_range)
    path = tmp_path / f"bars{suffix}"
    with Recorder(
        path, info(tags), PacketQueue(), transparent(Encoding(), str(path)), force=False, alpha=True
    ) as recorder:
        for index, bgra in enumerate(bars()):
            video = av.VideoFrame.from_ndarray(np.ascontiguousarray(bgra[..., :3]), format="bgr24")
            whole = Yuv420(video.reformat(format="yuv420p", dst_colorspace=1, dst_color_range=colour_range))
            cutout = whole.cleared()
            assert cutout.alpha is not None
            for target, source in zip(cutout.planes, whole.planes):
                target[:] = source
            cutout.alpha[:] = bgra[..., 3]
            recorder.write(cutout, index / 25)
    check(decoded(path))


def test_a_webm_with_transparency_is_little_larger_than_without(tmp_path: Path) -> None:
    cut = recorded(tmp_path / "cut.webm").stat().st_size
    with Recorder(tmp_path / "whole.webm", info(), PacketQueue(), Encoding("vp9"), force=False) as recorder:
        for index, picture in enumerate(bars()):
            recorder.write(np.ascontiguousarray(picture[..., :3]), index / 25)
    assert cut < 3 * (tmp_path / "whole.webm").stat().st_size


def test_a_webm_says_that_it_is_transparent(tmp_path: Path) -> None:
    """Without it browsers show the bar on black."""
    with av.open(str(recorded(tmp_path / "bars.webm"))) as container:
        assert container.streams.video[0].metadata["alpha_mode"] == "1"


@pytest.mark.parametrize(
    ("name", "codec", "told"),
    [
        ("a.mp4", "h264", r"a\.mp4 holds no transparency, which cut needs: write \.webm"),
        ("a.webm", "av1", r"av1 in \.webm holds no transparency, which cut needs: vp9 does"),
        ("a.mov", "h265", "prores does"),
    ],
)
def test_what_holds_none_is_refused(name: str, codec: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        transparent(Encoding(codec), name)


def test_clips_of_a_live_recording_are_transparent_too(tmp_path: Path) -> None:
    recent = Recent(30)
    with LiveRecorder(info(), PacketQueue(), Encoding("vp9"), None, recent, alpha=True) as recorder:
        for index, picture in enumerate(bars()):
            recorder.write(picture, index / 25)
        clip = tmp_path / f"clip{recent.suffix}"
        recent.clip(clip)
        assert clip.suffix == ".mkv"  # the first in the list that holds it
        with pytest.raises(SinkError, match="no transparency"):
            recent.clip(tmp_path / "clip.mp4")
    check(decoded(clip))


def test_prores_for_those_who_edit(tmp_path: Path) -> None:
    opaque = tmp_path / "opaque.mov"
    with Recorder(opaque, info(), PacketQueue(), Encoding("prores"), force=False) as recorder:
        for index, picture in enumerate(bars()):
            recorder.write(np.ascontiguousarray(picture[..., :3]), index / 25)
    with av.open(str(opaque)) as container:
        assert container.streams.video[0].codec_context.name == "prores"
    with pytest.raises(ConfigError, match="prores has no crf"):
        Encoding("prores", crf=20)


@pytest.mark.parametrize(("suffix", "alpha"), [(".gif", False), (".webp", False), (".webp", True)])
def test_animations(tmp_path: Path, suffix: str, alpha: bool) -> None:
    from PIL import Image

    path = tmp_path / f"bars{suffix}"
    with Animation(path, info(), force=False, alpha=alpha) as animation:
        for index, picture in enumerate(bars()):
            animation.write(picture if alpha else np.ascontiguousarray(picture[..., :3]), 3 + index / 25)
    with Image.open(path) as image:
        assert (image.n_frames, image.size, image.info["loop"]) == (FRAMES, SIZE[::-1], 0)
        for index in (0, 7, FRAMES - 1):
            image.seek(index)
            rgba = np.asarray(image.convert("RGBA")).astype(int)
            left = left_of(index) + BAR_PX // 2
            assert abs(rgba[48, left] - (60 + 4 * index, 200 - 4 * index, 30, 255)).max() < 40
            assert abs(rgba[48, (left + 60) % SIZE.width][:3]).max() < 40
            assert rgba[48, (left + 60) % SIZE.width][3] == (0 if alpha else 255)
    assert not list(tmp_path.glob(".*"))


def test_an_animation_of_what_failed_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no more"):
        with Animation(tmp_path / "a.gif", info(), force=False) as animation:
            animation.write(np.zeros((*SIZE, 3), np.uint8), 0.0)
            raise RuntimeError("no more")
    with pytest.raises(SinkError, match="no picture came"):
        with Animation(tmp_path / "a.gif", info(), force=False):
            pass
    with pytest.raises(SinkError, match="soft edges"):
        Animation(tmp_path / "a.gif", info(), force=False, alpha=True)
    assert list(tmp_path.iterdir()) == []


def test_a_gif_leaves_out_what_comes_faster_than_it_can_show(tmp_path: Path) -> None:
    from PIL import Image

    with Animation(tmp_path / "a.gif", info(), force=False) as animation:
        for index, picture in enumerate(bars()):
            animation.write(np.ascontiguousarray(picture[..., :3]), index / 100)
    with Image.open(tmp_path / "a.gif") as image:
        assert image.n_frames == FRAMES // 2
        assert image.info["duration"] == 20


@pytest.mark.parametrize("suffix", [*TRANSPARENT_VIDEOS, *(each for each in TRANSPARENT_PICTURES if each != ".tiff")])
def test_the_document_tells_which_players_show_the_transparency(suffix: str) -> None:
    """nadermx/backgroundremover#135: some players alone show it, and nobody was told which."""
    rows = [line.split("|") for line in (ROOT / "docs" / "effects.md").read_text("utf-8").splitlines()]
    told = [row for row in rows if len(row) == 5 and f"`{suffix}`" in row[1]]
    assert told
    for row in told:
        # A name of a program, or that all show it.
        assert re.search(r"[A-Z][a-z]+|everywhere|all browsers", row[3])
