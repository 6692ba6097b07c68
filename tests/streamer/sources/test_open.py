"""One contract over all sources, then what is special to each."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline import Size
from streamer import CannotOpen, ConfigError, Source, open_source
from tests.support.media import (
    NO_LENGTH,
    Answer,
    Clip,
    http,
    http_folder,
    motion_jpeg,
    quarters,
    raw,
    rtsp,
    serving,
    turn_of,
)

FRAMES = 12
SIZE = Size(64, 96)


class Place:
    """Where a test makes its source: a folder, and servers that end with the test."""

    def __init__(self, folder: Path, servers: ExitStack) -> None:
        self.folder = folder
        self._servers = servers

    def clip(self, suffix: str) -> Path:
        return Clip(size=SIZE).make(self.folder / f"clip{suffix}")

    def serve(self, answer: Answer) -> int:
        return self._servers.enter_context(serving(answer))


Maker = Callable[[Place], str]


def _video(place: Place) -> str:
    return str(place.clip(".mp4"))


def _pictures(place: Place) -> str:
    for index in range(FRAMES):
        cv2.imwrite(str(place.folder / f"shot{index}.png"), quarters(*SIZE, shade=2 * index))
    return str(place.folder)


def _glob(place: Place) -> str:
    return f"{_pictures(place)}/shot*.png"


def _pattern(place: Place) -> str:
    return f"test:size={SIZE},rate=25,frames={FRAMES}"


def _realtime(place: Place) -> str:
    return _video(place)


def _rtsp(place: Place) -> str:
    return f"rtsp://127.0.0.1:{place.serve(rtsp(place.clip('.ts')))}/1"


def _tcp(place: Place) -> str:
    return f"tcp://127.0.0.1:{place.serve(raw(place.clip('.ts').read_bytes()))}"


def _http_stream(place: Place) -> str:
    return f"http://127.0.0.1:{place.serve(http(place.clip('.ts').read_bytes(), NO_LENGTH))}/clip.ts"


def _http_file(place: Place) -> str:
    return f"http://127.0.0.1:{place.serve(http(place.clip('.mkv').read_bytes()))}/clip.mkv"


def _hls(place: Place) -> str:
    Clip(size=SIZE).make(place.folder / "clip.m3u8")
    return f"http://127.0.0.1:{place.serve(http_folder(place.folder))}/clip.m3u8"


def _motion_jpeg(place: Place) -> str:
    jpegs = [cv2.imencode(".jpg", quarters(*SIZE, shade=2 * index))[1].tobytes() for index in range(FRAMES)]
    return f"http://127.0.0.1:{place.serve(motion_jpeg(jpegs))}/mjpeg"


RECORDED = [_video, _pictures, _glob, _pattern, _realtime]
STREAMED = [_rtsp, _tcp, _http_stream, _http_file, _hls]
WITH_AN_END = [*RECORDED, _http_file, _hls]
"""Those that say how long they are."""
TIMELESS = [_motion_jpeg]
"""Those whose time is that of arrival."""


def _opened(make: Maker, place: Place) -> Source:
    return open_source(make(place), realtime=make is _realtime)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as servers:
        yield Place(tmp_path, servers)


# A process holds each connection.
CONNECTED = [pytest.param(maker, marks=pytest.mark.process) for maker in STREAMED + TIMELESS]


@pytest.fixture(params=[*RECORDED, *CONNECTED], ids=lambda maker: maker.__name__)
def maker(request: pytest.FixtureRequest) -> Maker:
    make: Maker = request.param
    return make


@pytest.fixture
def source(maker: Maker, place: Place) -> Iterator[Source]:
    with _opened(maker, place) as source:
        yield source


def test_every_frame_comes_once_in_order(source: Source) -> None:
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(FRAMES))


def test_time_starts_at_zero_and_is_the_sources_own(source: Source, maker: object) -> None:
    times = [frame.pts_s for frame in source]
    assert times[0] == 0
    assert times == sorted(times)
    if maker not in TIMELESS:
        assert times == pytest.approx([index / 25 for index in range(FRAMES)], abs=1e-9)


def test_captured_times_grow(source: Source) -> None:
    captured = [frame.captured_s for frame in source]
    assert captured == sorted(captured)
    assert captured[0] > 0


def test_info_is_known_before_the_first_frame_is_asked_for(source: Source, maker: object) -> None:
    assert source.info.frame_size == SIZE
    assert source.info.rate == (None if maker in TIMELESS else 25)
    assert source.info.expected_frames == (None if source.info.live else FRAMES)
    assert source.info.live == (maker not in WITH_AN_END)
    assert {frame.size for frame in source} == {SIZE}


def test_pixels_are_the_pictures(source: Source, maker: object) -> None:
    first = next(iter(source)).bgr
    if maker is _pattern:
        assert len({tuple(colour) for colour in first[4]}) == 8
    else:
        assert turn_of(first) == [0, 1, 2, 3]


def test_nothing_is_damaged_and_there_is_no_sound(source: Source) -> None:
    assert len(list(source)) == FRAMES
    assert source.health.damaged == 0
    assert source.audio.take() == []


def test_closing_is_safe_at_any_time(source: Source) -> None:
    with source:
        next(iter(source))
    source.close()


@pytest.mark.parametrize("make", RECORDED)
def test_looped_sources_go_on_over_the_seam(make: Maker, place: Place) -> None:
    with open_source(make(place), audio=True, loop=True) as source:
        frames = list(islice(source, 2 * FRAMES + 5))
    assert [frame.index for frame in frames] == list(range(2 * FRAMES + 5))
    assert [frame.pts_s for frame in frames] == pytest.approx([index / 25 for index in range(2 * FRAMES + 5)])
    assert (frames[FRAMES].bgr == frames[0].bgr).all()
    assert source.info.expected_frames is None
    assert not source.audio.streams


def test_leaving_early_closes(tmp_path: Path) -> None:
    path = Clip(size=SIZE).make(tmp_path / "clip.mp4")
    with open_source(path) as source:
        for _ in source:
            break
    path.rename(tmp_path / "moved.mp4")


# Videos


@pytest.mark.parametrize(
    ("rotation", "seen"), [(0, [0, 1, 2, 3]), (90, [1, 3, 0, 2]), (180, [3, 2, 1, 0]), (-90, [2, 0, 3, 1])]
)
def test_rotation_is_undone(tmp_path: Path, rotation: int, seen: list[int]) -> None:
    path = Clip(size=SIZE, rotation=rotation).make(tmp_path / "turned.mp4")
    with open_source(path) as source:
        frame = next(iter(source))
    assert turn_of(frame.bgr) == seen
    assert frame.size == source.info.frame_size == (SIZE if rotation % 180 == 0 else Size(96, 64))


def test_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    ticks = (0, 100, 700, 701, 5000, 9000, 9001, 20000)
    path = Clip(ticks=ticks).make(tmp_path / "uneven.mp4")
    with open_source(path) as source:
        times = [frame.pts_s for frame in source]
    assert times == pytest.approx([tick / 12_800 for tick in ticks], abs=1e-12)


def test_a_clock_that_starts_late_still_counts_from_the_first_frame(tmp_path: Path) -> None:
    path = Clip(ticks=range(5120, 9000, 512)).make(tmp_path / "late.mkv")
    with open_source(path) as source:
        assert next(iter(source)).pts_s == 0
    assert source.info.tags.start_ticks == 400
    assert source.info.tags.time_base == Fraction(1, 1000)


@pytest.mark.parametrize(
    ("codec", "pixels"), [("ffv1", "gray"), ("ffv1", "yuv420p10le"), ("libx264", "yuv444p"), ("mpeg4", "yuv420p")]
)
def test_pixel_formats(tmp_path: Path, codec: str, pixels: str) -> None:
    path = Clip(size=SIZE, codec=codec, pixels=pixels).make(tmp_path / "clip.mkv")
    with open_source(path) as source:
        first = next(iter(source)).bgr
    if pixels == "gray":
        assert (first[..., 0] == first[..., 1]).all()
    else:
        assert turn_of(first) == [0, 1, 2, 3]


def test_what_is_transparent_lies_on_white(tmp_path: Path) -> None:
    import av

    half = np.dstack([quarters(*SIZE), np.full(SIZE, 0, np.uint8)])
    with av.open(str(tmp_path / "clear.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width = SIZE
        stream.pix_fmt = "bgra"
        container.mux(
            stream.encode(av.VideoFrame.from_ndarray(half[..., [2, 1, 0, 3]], format="rgba").reformat(format="bgra"))
        )
        container.mux(stream.encode(None))
    with open_source(tmp_path / "clear.mkv") as source:
        assert (next(iter(source)).bgr == 255).all()


@pytest.mark.parametrize("matrix", [1, 5])
@pytest.mark.parametrize("colour_range", [1, 2])
def test_colours_are_right_whatever_the_matrix_and_range(tmp_path: Path, matrix: int, colour_range: int) -> None:
    clip = Clip(size=(240, 320), matrix=matrix, colour_range=colour_range)
    with open_source(clip.make(tmp_path / "clip.mp4")) as source:
        first = next(iter(source)).bgr
    assert (source.info.tags.matrix, source.info.tags.colour_range) == (matrix, colour_range)
    difference = np.abs(first.astype(int) - quarters(240, 320))[20:100, 20:140]
    assert difference.max() <= 6  # x264's own loss on flat colour is 2 to 3; another matrix would be off by 20


def test_changing_size_in_the_middle(tmp_path: Path) -> None:
    ticks = range(0, 12 * 512, 512)
    small = Clip(size=(64, 96), ticks=ticks).make(tmp_path / "small.h264").read_bytes()
    large = Clip(size=(128, 192), ticks=ticks).make(tmp_path / "large.h264").read_bytes()
    (tmp_path / "both.h264").write_bytes(small + large)
    with open_source(tmp_path / "both.h264") as source:
        sizes = [frame.size for frame in source]
    assert sizes == [Size(64, 96)] * 12 + [Size(128, 192)] * 12


def test_sound_is_read_along_when_asked_for(tmp_path: Path) -> None:
    path = Clip(sound="aac").make(tmp_path / "sung.mp4")
    with open_source(path, audio=True) as source:
        assert len(list(source)) == FRAMES
        assert len(source.audio.take()) > 20
    with open_source(path) as source:
        assert len(list(source)) == FRAMES
        assert source.audio.take() == []


def test_truncated_file_gives_what_is_there(tmp_path: Path) -> None:
    whole = Clip(size=(240, 320), ticks=range(0, 512 * 100, 512)).make(tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "half.mkv").write_bytes(whole[: len(whole) // 2])
    with open_source(tmp_path / "half.mkv") as source:
        count = len(list(source))
    assert 10 < count < 90


# Pictures


def test_numbers_in_names_count_as_numbers(tmp_path: Path) -> None:
    for name, shade in (("a10.png", 20), ("a2.png", 10), ("a1.png", 0)):
        cv2.imwrite(str(tmp_path / name), quarters(32, 32, shade))
    (tmp_path / "notes.txt").write_text("not a picture")
    with open_source(tmp_path) as source:
        shades = [220 - int(frame.bgr[-1, -1, 0]) for frame in source]
    assert shades == [0, 10, 20]


def test_pictures_may_have_sizes_of_their_own(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), quarters(20, 30))
    cv2.imwrite(str(tmp_path / "b.jpg"), quarters(50, 40))
    with open_source(tmp_path) as source:
        assert [frame.size for frame in source] == [Size(20, 30), Size(50, 40)]


# What cannot be opened


def _nothing(folder: Path) -> str:
    return str(folder / "nothing.mp4")


def _text(folder: Path) -> str:
    (folder / "text.mp4").write_text("these are words " * 50)
    return str(folder / "text.mp4")


def _empty(folder: Path) -> str:
    (folder / "empty.mp4").touch()
    return str(folder / "empty.mp4")


def _headless(folder: Path) -> str:
    whole = Clip().make(folder / "whole.mp4").read_bytes()
    (folder / "headless.mp4").write_bytes(whole[: len(whole) // 2])
    return str(folder / "headless.mp4")


def _frameless(folder: Path) -> str:
    import av

    with av.open(str(folder / "frameless.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        container.start_encoding()
    return str(folder / "frameless.mkv")


def _sound_only(folder: Path) -> str:
    import av

    from tests.support.media import _sing

    with av.open(str(folder / "song.mp4"), "w") as container:
        _sing(container, container.add_stream("aac", rate=48_000), 1.0)
    return str(folder / "song.mp4")


def _no_pictures(folder: Path) -> str:
    return str(folder)


def _no_match(folder: Path) -> str:
    return str(folder / "*.png")


def _not_a_picture(folder: Path) -> str:
    (folder / "fake.png").write_text("no")
    return str(folder / "fake.png")


def _address(folder: Path) -> str:
    return "gopher://camera.example/1"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_nothing, "No such file"),
        (_text, "is not a video"),
        (_empty, "is not a video"),
        (_headless, "index is missing"),
        (_frameless, "no frames"),
        (_sound_only, "no video in it"),
        (_no_pictures, "no pictures in"),
        (_no_match, "no pictures in"),
        (_not_a_picture, "not a picture"),
        (_address, "cannot be opened"),
    ],
)
def test_what_cannot_be_opened_says_why_at_once(tmp_path: Path, make: Callable[[Path], str], says: str) -> None:
    uri = make(tmp_path)
    with pytest.raises(CannotOpen, match=says):
        open_source(uri)


@pytest.mark.parametrize(
    "settings", ["size=0x5", "size=axb", "rate=0", "rate=-1", "rate=1/0", "frames=0", "colour=red", "size=16416x64"]
)
def test_test_pattern_settings_that_cannot_be(settings: str) -> None:
    with pytest.raises(ConfigError, match="test pattern"):
        open_source(f"test:{settings}")


@pytest.mark.parametrize("name", ["", "a" * 5000], ids=["none", "too long"])
def test_a_name_that_there_cannot_be(name: str) -> None:
    with pytest.raises(CannotOpen, match="cannot open"):
        open_source(name)
