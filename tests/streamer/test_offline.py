"""The whole product as a for-loop: every frame, in order, with its own masks."""

import pickle
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline import Frame, Look, Parser, ParserSettings, Parsing, Size, WeightsError, blend, load_parser
from pipeline.drawing.overlay import drawn_size
from pipeline.lite.model import lite_model
from pipeline.parsing.parser import Pending
from streamer import ConfigError, Encoding, Progress, Rendering, open_source, render_file
from streamer.media.opencv_threads import CORES_A_THREAD
from streamer.media.paths import free_name
from streamer.sources.open import sample
from tests.support.media import Clip, pictures_of, pts_of, quarters, sound_of

PLAIN = Look(outline=False, tags=False)


@pytest.fixture(scope="module")
def parser() -> Parser:
    return load_parser("lite", size=(288, 384), in_flight=2)


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """Twelve frames of the street."""
    with open_source(sample("street.mp4")) as source:
        shots = [frame.bgr for frame, _ in zip(source, range(12))]
    return Clip(size=shots[0].shape[:2], sound="aac").make(tmp_path / "street.mp4", shots)


def test_every_frame_is_rendered_at_its_time_with_its_sound(parser: Parser, street: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    seen: list[Progress] = []

    def watch(so_far: Progress) -> bool:
        seen.append(so_far)
        return True

    done = render_file(street, out, Rendering(parser.settings), watch, parser=parser)
    assert (done.path, done.frames, done.parsed, done.stopped, done.missing_s) == (out, 12, 12, False, 0.0)
    assert pts_of(out) == pts_of(street)
    assert sound_of(out) == sound_of(street)
    assert seen == [Progress(count, 12) for count in range(1, 13)]


@pytest.mark.parametrize("cores", [2, 16])
def test_opencv_leaves_the_cores_to_the_network_and_the_encoder(
    cores: int, parser: Parser, street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cv2.getNumThreads()
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    cv2.setNumThreads(cores)
    used: list[int] = []

    def watch(_: Progress) -> bool:
        used.append(cv2.getNumThreads())
        return len(used) < 2

    try:
        render_file(street, tmp_path / "out.mp4", Rendering(parser.settings), watch, parser=parser)
        assert used == [max(1, cores // CORES_A_THREAD)] * 2
        assert cv2.getNumThreads() == cores
    finally:
        cv2.setNumThreads(before)


def test_each_frame_carries_its_own_masks(parser: Parser, street: Path, tmp_path: Path) -> None:
    """Masks that are a frame late differ from these by far more than the codec's loss."""
    render_file(
        street,
        tmp_path / "out.mkv",
        Rendering(parser.settings, replace(PLAIN, opacity=1.0), encoding=Encoding(crf=5)),
        parser=parser,
    )
    with open_source(street) as source:
        frames = list(source)
    parser.reset()
    wanted = [blend(frame, parser(frame), replace(PLAIN, opacity=1.0)) for frame in frames]
    for index, picture in enumerate(pictures_of(tmp_path / "out.mkv")):
        errors = [np.abs(picture.astype(int) - other).mean() for other in wanted]
        assert int(np.argmin(errors)) == index


@pytest.mark.parametrize("every", [1, 2, 5, 100])
def test_parse_every_parses_so_many_frames_and_writes_all(
    parser: Parser, street: Path, tmp_path: Path, every: int
) -> None:
    done = render_file(street, tmp_path / "out.mp4", Rendering(parser.settings, parse_every=every), parser=parser)
    assert done.frames == 12
    assert done.parsed == len(range(0, 12, every))


def test_asked_to_stop_it_completes_the_file(parser: Parser, street: Path, tmp_path: Path) -> None:
    done = render_file(
        street, tmp_path / "out.mp4", Rendering(parser.settings), lambda so_far: so_far.done < 4, parser=parser
    )
    assert (done.frames, done.stopped) == (4, True)
    assert len(pts_of(tmp_path / "out.mp4")) == 4


def test_an_error_on_the_way_leaves_nothing(parser: Parser, street: Path, tmp_path: Path) -> None:
    def fail(so_far: Progress) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        render_file(street, tmp_path / "out.mp4", Rendering(parser.settings), fail, parser=parser)
    assert [path.name for path in tmp_path.iterdir()] == [street.name]


def test_a_file_cut_short_is_told(parser: Parser, tmp_path: Path) -> None:
    whole = Clip(size=(240, 320), ticks=range(0, 512 * 200, 512)).make(tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "half.mkv").write_bytes(whole[: len(whole) // 2])
    done = render_file(tmp_path / "half.mkv", tmp_path / "out.mp4", Rendering(parser.settings), parser=parser)
    assert 10 < done.frames < 190
    assert done.missing_s == pytest.approx(8 - done.frames / 25, abs=0.2)


def test_an_avi_cut_short_is_told(parser: Parser, tmp_path: Path) -> None:
    """FFmpeg says of it how long what is left lasts."""
    whole = Clip(ticks=range(100), time_base=Fraction(1, 25), codec="mpeg4").make(tmp_path / "whole.avi").read_bytes()
    (tmp_path / "half.avi").write_bytes(whole[: len(whole) // 2])
    done = render_file(tmp_path / "half.avi", tmp_path / "out.mp4", Rendering(parser.settings), parser=parser)
    assert 10 < done.frames < 90
    assert done.missing_s == pytest.approx(4 - done.frames / 25, abs=0.2)


def test_a_last_picture_that_stands_for_long_is_no_file_cut_short(parser: Parser, tmp_path: Path) -> None:
    with av.open(str(Clip().make(tmp_path / "in.mp4"))) as source, av.open(str(tmp_path / "slow.mp4"), "w") as slow:
        copied = slow.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        packets[-1].duration = round(10 / packets[-1].time_base)
        for packet in packets:
            packet.stream = copied
            slow.mux(packet)
    with open_source(tmp_path / "slow.mp4") as opened:
        assert (opened.info.frames, round(opened.info.duration_s or 0)) == (12, 10)
    assert (
        render_file(tmp_path / "slow.mp4", tmp_path / "out.mp4", Rendering(parser.settings), parser=parser).missing_s
        == 0
    )


def test_a_size_that_changes_in_the_middle(parser: Parser, tmp_path: Path) -> None:
    small = Clip(size=(64, 96)).make(tmp_path / "small.h264").read_bytes()
    large = Clip(size=(128, 160)).make(tmp_path / "large.h264").read_bytes()
    (tmp_path / "both.h264").write_bytes(small + large)
    done = render_file(tmp_path / "both.h264", tmp_path / "out.mp4", Rendering(parser.settings), parser=parser)
    assert done.frames == 24
    assert {picture.shape for picture in pictures_of(tmp_path / "out.mp4")} == {(64, 96, 3)}


@pytest.mark.parametrize(("height", "width"), [(1, 1), (65, 97), (2, 300), (2160, 3840)])
def test_unusual_sizes(tmp_path: Path, height: int, width: int) -> None:
    ticks = (0, 512, 1024)
    path = Clip(size=(height, width), pixels="yuv444p", ticks=ticks).make(tmp_path / "in.mkv")
    done = render_file(path, tmp_path / "out.mp4", Rendering())
    assert done.frames == 3
    assert pictures_of(tmp_path / "out.mp4")[0].shape == (height + height % 2, width + width % 2, 3)


def test_pictures_become_pictures_or_a_video(parser: Parser, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    for name in ("a.png", "b.jpg"):
        cv2.imwrite(str(folder / name), quarters(100, 120))
    assert render_file(folder, out, Rendering(parser.settings), parser=parser).path == out
    assert {path.name for path in out.iterdir()} == {"a.png", "b.jpg"}
    one = render_file(folder / "a.png", tmp_path / "one.webp", Rendering(parser.settings), parser=parser)
    assert (one.path, one.frames) == (tmp_path / "one.webp", 1)
    assert cv2.imread(str(tmp_path / "one.webp")).shape == (100, 120, 3)
    render_file(folder, tmp_path / "out.mp4", Rendering(parser.settings), parser=parser)
    assert len(pts_of(tmp_path / "out.mp4")) == 2


@pytest.mark.parametrize("order", ["abcd", "dcba", "bd"])
def test_a_picture_in_a_folder_is_drawn_as_it_is_alone(tmp_path: Path, order: str) -> None:
    """Whatever was before it there: four of one street, in which the same people walk on."""
    parser = load_parser("lite")
    rendering = Rendering(parser.settings)
    folder, out, alone = (tmp_path / name for name in ("in", "out", "alone"))
    for each in (folder, out, alone):
        each.mkdir()
    with open_source(sample("street.mp4")) as source:
        shots = [frame.bgr for frame in islice(source, 0, 40, 10)]
    for place, letter in enumerate(order):
        cv2.imwrite(str(folder / f"{place}.png"), shots["abcd".index(letter)])
    render_file(folder, out, rendering, parser=parser)
    for path in folder.iterdir():
        render_file(path, alone / path.name, rendering, parser=load_parser("lite"))
        assert (out / path.name).read_bytes() == (alone / path.name).read_bytes()
    assert len(list(alone.iterdir())) == len(order)


def test_pictures_are_frames_of_one_stream_when_some_are_not_parsed(parser: Parser, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    for place in range(4):
        cv2.imwrite(str(folder / f"{place}.png"), quarters(100, 120))
    done = render_file(folder, out, Rendering(parser.settings, parse_every=2), parser=parser)
    assert (done.frames, done.parsed) == (4, 2)


def test_what_cannot_be_is_said(parser: Parser, street: Path, tmp_path: Path) -> None:
    before = street.read_bytes()
    with pytest.raises(ConfigError, match="source itself"):
        render_file(street, street, Rendering(parser.settings, force=True), parser=parser)
    with pytest.raises(ConfigError, match=r"out\.avi is no kind of file"):
        render_file(street, tmp_path / "out.avi", Rendering(parser.settings), parser=parser)
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), quarters(64, 96))
    with pytest.raises(ConfigError, match=r"photo\.png is the source itself"):
        render_file(photo, tmp_path, Rendering(parser.settings, force=True), parser=parser)
    assert (cv2.imread(str(photo)) == quarters(64, 96)).all()
    with pytest.raises(ConfigError, match="parse_every is at least 1, not 0"):
        Rendering(parser.settings, parse_every=0)
    assert street.read_bytes() == before


ANIMATIONS = pytest.mark.parametrize("suffix", [".gif", ".apng", ".webp", ".png", ".tif"])


@ANIMATIONS
@pytest.mark.parametrize("out", ["out.png", "out.tif", "out.bmp"])
def test_an_animation_of_one_picture_becomes_a_picture(parser: Parser, tmp_path: Path, suffix: str, out: str) -> None:
    source, unchanged = tmp_path / f"in{suffix}", replace(PLAIN, opacity=0.0)
    Image.fromarray(quarters(100, 120)[..., ::-1]).save(source, save_all=True, duration=2000, lossless=True)
    assert render_file(source, tmp_path / out, Rendering(parser.settings, unchanged), parser=parser).frames == 1
    assert (cv2.imread(str(tmp_path / out)) == quarters(100, 120)).all()


@ANIMATIONS
def test_an_animation_of_several_pictures_becomes_no_picture(parser: Parser, tmp_path: Path, suffix: str) -> None:
    source, out = tmp_path / f"in{suffix}", tmp_path / "out.png"
    frames = [Image.fromarray(quarters(100, 120, shade)[..., ::-1]) for shade in (0, 10)]
    frames[0].save(source, save_all=True, append_images=frames[1:], duration=[500, 2000])
    with pytest.raises(ConfigError, match=r"out\.png would hold one picture, and in\..* is a video: name \.mp4"):
        render_file(source, out, Rendering(parser.settings), parser=parser)
    assert not out.exists()


def test_names_that_begin_like_an_address(
    parser: Parser, street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    street.rename("10:30.mp4")
    assert render_file("10:30.mp4", "http:out.mp4", Rendering(parser.settings), parser=parser).frames == 12
    assert pts_of(tmp_path / "http:out.mp4") == pts_of(tmp_path / "10:30.mp4")


def test_a_free_name_is_numbered(tmp_path: Path) -> None:
    assert free_name(tmp_path / "demo.mp4") == tmp_path / "demo.mp4"
    (tmp_path / "demo.mp4").touch()
    assert free_name(tmp_path / "demo.mp4") == tmp_path / "demo-1.mp4"
    (tmp_path / "demo-1.mp4").touch()
    assert free_name(tmp_path / "demo.mp4") == tmp_path / "demo-2.mp4"


@pytest.mark.slow
def test_persons_keep_their_numbers_over_the_clip(parser: Parser) -> None:
    """Of the persons of one frame nearly all are numbered the same in the next."""
    tracker = load_parser("lite", size=(576, 768))
    kept = total = 0
    before: set[int] = set()
    with open_source(sample("street.mp4")) as source:
        for frame in source:
            parsing: Parsing = tracker(frame)
            now = {person.track_id for person in parsing.people}
            assert len(now) == len(parsing.people)
            kept += len(now & before)
            total += len(before)
            before = now
    assert kept / total > 0.8


def test_frames_are_not_written_to(parser: Parser) -> None:
    with open_source(sample("portrait.mp4")) as source:
        frame = next(iter(source))
    before = frame.bgr.copy()
    blend(frame, parser(frame), Look(legend="auto"))
    assert (frame.bgr == before).all()
    assert isinstance(frame, Frame)


def test_output_says_nothing_of_the_encoder_on_standard_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = Clip().make(tmp_path / "in.mp4")
    render_file(path, tmp_path / "out.mp4", Rendering())
    assert capfd.readouterr().err == ""
    assert av.open(str(tmp_path / "out.mp4")).close() is None


def test_a_legend_below_makes_every_frame_of_the_file_higher(tmp_path: Path, parser: Parser) -> None:
    path = Clip().make(tmp_path / "in.mp4")
    look = Look(legend="below")
    render_file(path, tmp_path / "out.mp4", Rendering(parser.settings, look), parser=parser)
    before, after = ([each.shape[:2] for each in pictures_of(name)] for name in (path, tmp_path / "out.mp4"))
    assert set(after) == {drawn_size(Size(*before[0]), look, parser.label_set)}
    assert len(after) == len(before)
    assert after[0] > before[0]
    # Not a picture that was scaled to have room: the source's own rows are where they were.
    assert np.abs(pictures_of(tmp_path / "out.mp4")[0][: before[0][0]].astype(int) - pictures_of(path)[0]).mean() < 6


def test_a_rendering_can_be_sent_to_another_process(tmp_path: Path, parser: Parser) -> None:
    rendering = Rendering(
        parser.settings, Look(legend="auto", hidden=frozenset({"Hat"})), 2, encoding=Encoding(crf=30), force=True
    )
    assert pickle.loads(pickle.dumps(rendering)) == rendering


def test_the_parser_that_is_loaded_is_the_one_asked_for(tmp_path: Path, parser: Parser) -> None:
    """One that is lent is used in its place."""
    photo = tmp_path / "a.png"
    cv2.imwrite(str(photo), np.zeros((48, 64, 3), np.uint8))
    asked = Rendering(ParserSettings("lite", model_dir=tmp_path), force=True)
    with pytest.raises(WeightsError, match="lite is bundled with its weights"):
        render_file(photo, tmp_path / "b.png", asked)
    assert render_file(photo, tmp_path / "b.png", asked, parser=parser).frames == 1


class Blinking(Parser):
    """Sees nobody in some frames."""

    def __init__(self, misses: range) -> None:
        super().__init__(lite_model(), ParserSettings(size=Size(288, 384)))
        self.misses = misses

    def start(self, frame: Frame) -> Pending:
        begun, misses = super().start(frame), self.misses

        class Later:
            def result(self) -> Parsing:
                parsing = begun.result()
                if frame.index not in misses:
                    return parsing
                nobody = np.zeros_like(parsing.labels)
                return replace(parsing, labels=nobody, instances=nobody, people=())

        return cast(Pending, Later())


@pytest.mark.parametrize(
    ("misses", "effect"), [(range(5, 12), "fill"), (range(0, 6), "fill"), (range(5, 12), "background")]
)
def test_a_face_that_the_parser_misses_for_some_frames_stays_hidden_or_kept(
    tmp_path: Path, misses: range, effect: str
) -> None:
    with open_source(sample("portrait.mp4")) as source:
        shots = [cv2.resize(frame.bgr, (480, 360), interpolation=cv2.INTER_AREA) for frame, _ in zip(source, range(16))]
    clip = Clip(size=(360, 480), ticks=range(0, 16 * 512, 512)).make(tmp_path / "clip.mp4", shots)
    parser, out = Blinking(misses), tmp_path / "out.mp4"
    look = Look(effect=(f"{effect}=red",), on="Face")
    render_file(clip, out, Rendering(parser.settings, look), parser=parser)
    parser.misses = range(0)
    drawn = pictures_of(out)
    assert len(drawn) == 16
    for shot, picture in zip(shots, drawn):
        seen = parser.still(shot)
        red = np.abs(picture.astype(int) - (0, 0, 255)).max(axis=-1) < 80
        face = red[seen.mask("Face", full_size=True)].mean()
        assert face > 0.95 if effect == "fill" else face < 0.1
        assert effect != "fill" or red.mean() < 2 * seen.mask("head").mean() + 0.05


def test_a_face_that_the_parser_never_sees_is_hidden_and_the_sound_is_kept(tmp_path: Path) -> None:
    """And it moves by its own width in seven frames, of which every fourth is parsed: what hides it does not lag."""
    with open_source(sample("portrait.mp4")) as source:
        head = cv2.resize(next(iter(source)).bgr[20:300, 150:410], (100, 108), interpolation=cv2.INTER_AREA)
    shots, lefts = [], [20 + 8 * index for index in range(16)]
    for left in lefts:
        shots.append(np.full((240, 320, 3), 110, np.uint8))
        shots[-1][60:168, left : left + 100] = head
    clip = Clip(size=(240, 320), ticks=range(0, 16 * 512, 512), sound="aac").make(tmp_path / "clip.mp4", shots)
    parser, out = Blinking(range(99)), tmp_path / "out.mp4"
    settings = Rendering(parser.settings, Look(effect=("fill=red",), on="Face"), parse_every=4)
    render_file(clip, out, settings, parser=parser)
    assert sound_of(out) == sound_of(clip)
    drawn = pictures_of(out)
    assert len(drawn) == len(lefts)
    for left, picture in zip(lefts, drawn):
        red = np.abs(picture.astype(int) - (0, 0, 255)).max(axis=-1) < 80
        assert red[85:135, left + 32 : left + 68].mean() > 0.95
        assert red.mean() < 0.2
