"""Parsings kept of a file, and drawn again without a parser."""

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import Look, Parser, UnknownName, load_parser
from streamer import BadMessage, CannotOpen, ConfigError, Rendering, SinkError, open_source, redraw_file, render_file
from streamer.masks.origin import Origin, ParserKey, SourceKey
from streamer.masks.records import BEGINNING, SIGNATURE
from streamer.masks.sidecar import Sidecar
from streamer.masks.sidecar_writer import SidecarWriter
from streamer.sources.open import sample
from tests.support.media import Clip, quarters


@pytest.fixture(scope="module")
def parser() -> Parser:
    return load_parser("lite", size=(288, 384))


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with open_source(sample("street.mp4")) as source:
        shots = [frame.bgr for frame, _ in zip(source, range(12))]
    return Clip(size=shots[0].shape[:2]).make(tmp_path_factory.mktemp("in") / "street.mp4", shots)


@pytest.fixture(scope="module")
def kept(parser: Parser, street: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a rendering and its parsings."""
    folder = tmp_path_factory.mktemp("kept")
    render_file(street, folder / "a.mp4", Rendering(parser.settings), parser=parser, masks=folder / "a.hpm")
    return folder


def test_each_frame_has_its_parsing_and_two_runs_give_the_same_bytes(
    parser: Parser, street: Path, kept: Path, tmp_path: Path
) -> None:
    render_file(street, tmp_path / "b.mp4", Rendering(parser.settings), parser=parser, masks=tmp_path / "b.hpm")
    assert (tmp_path / "b.hpm").read_bytes() == (kept / "a.hpm").read_bytes()
    parser.reset()
    with open_source(street) as frames, Sidecar(kept / "a.hpm") as sidecar:
        assert sidecar.has_index
        for frame, read in zip(frames, sidecar, strict=True):
            own = parser(frame)
            np.testing.assert_array_equal(read.labels, own.labels)
            np.testing.assert_array_equal(read.instances, own.instances)
            assert (read.people, read.frame_index, read.pts_s) == (own.people, own.frame_index, own.pts_s)


@pytest.mark.parametrize("every", [1, 5])
def test_drawn_again_it_is_the_same_video(parser: Parser, street: Path, tmp_path: Path, every: int) -> None:
    settings = Rendering(parser.settings, parse_every=every)
    done = render_file(street, tmp_path / "a.mp4", settings, parser=parser, masks=tmp_path / "a.hpm")
    again = redraw_file(street, tmp_path / "b.mp4", tmp_path / "a.hpm", Rendering())
    assert (again.frames, again.parsed) == (done.frames, done.parsed)
    assert (tmp_path / "b.mp4").read_bytes() == (tmp_path / "a.mp4").read_bytes()
    redraw_file(street, tmp_path / "c.mp4", tmp_path / "a.hpm", Rendering(look=Look(hidden=frozenset({"Pants"}))))
    assert (tmp_path / "c.mp4").read_bytes() != (tmp_path / "a.mp4").read_bytes()


def test_pictures_have_their_parsings_kept(parser: Parser, tmp_path: Path) -> None:
    import cv2

    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), quarters(96, 128))
    source = str(tmp_path / "[ab].png")
    render_file(source, tmp_path / "out.mp4", Rendering(parser.settings), parser=parser, masks=tmp_path / "o.hpm")
    redraw_file(source, tmp_path / "again.mp4", tmp_path / "o.hpm", Rendering())
    assert (tmp_path / "again.mp4").read_bytes() == (tmp_path / "out.mp4").read_bytes()


def refused(kept: Path, source: Path, tmp_path: Path, look: Look | None = None) -> str:
    with pytest.raises((ConfigError, CannotOpen, BadMessage, UnknownName)) as raised:
        redraw_file(source, tmp_path / "out.mp4", kept, Rendering(look=look or Look()))
    assert not (tmp_path / "out.mp4").exists()
    return str(raised.value)


def test_what_cannot_be_drawn_again_is_told_by_name(kept: Path, street: Path, tmp_path: Path) -> None:
    masks, whole = kept / "a.hpm", (kept / "a.hpm").read_bytes()
    other = Clip().make(tmp_path / "other.mp4")
    assert "a.hpm is of another video: of street.mp4 (" in refused(masks, other, tmp_path)
    assert "not of other.mp4 (" in refused(masks, other, tmp_path)
    bad = tmp_path / "bad.hpm"
    bad.write_bytes(whole[: len(whole) // 2])
    assert "bad.hpm is torn: it has " in refused(bad, street, tmp_path)
    bad.write_bytes(BEGINNING.pack(SIGNATURE, 2) + whole[BEGINNING.size :])
    assert "bad.hpm is of version 2; this program reads version 1" in refused(bad, street, tmp_path)
    bad.write_bytes(b"no sidecar")
    assert "bad.hpm is not a .hpm file" in refused(bad, street, tmp_path)
    assert "none.hpm: No such file" in refused(tmp_path / "none.hpm", street, tmp_path)
    assert "no class or group in label set cihp 'Hare'" in refused(
        masks, street, tmp_path, Look(hidden=frozenset({"Hare"}))
    )
    damaged = bytearray(whole)
    with Sidecar(masks) as sidecar:
        damaged[sidecar.masks[3].offset + 40] ^= 0x55
    bad.write_bytes(damaged)
    assert "bad.hpm is damaged at byte" in refused(bad, street, tmp_path)


def an_origin(**changes: object) -> Origin:
    key = ParserKey(
        name="lite", weights="", runtime="openvino", precision="f32", size="auto", refine=False, sensitivity="normal"
    )
    origin = Origin(source=SourceKey("a.mp4", "12"), parser=key)
    return Origin(**{name: changes.get(name, getattr(origin, name)) for name in Origin.__struct_fields__})  # type: ignore[arg-type]


def test_a_sidecar_without_parsings_or_of_nothing_is_told(street: Path, tmp_path: Path) -> None:
    from streamer.parsings.identity import source_key

    key = source_key(street)
    for name, origin, says in (
        ("none.hpm", an_origin(source=key), "has no parsings"),
        ("live.hpm", an_origin(source=key, live=True), "has no parsings"),
        ("track.hpm", an_origin(source=key, video_track=2), "is of another video track of street.mp4"),
        ("old.hpm", None, "does not say which video it is of"),
    ):
        SidecarWriter.create(tmp_path / name, origin).close()
        assert says in refused(tmp_path / name, street, tmp_path)


def test_a_sidecar_that_ends_before_the_video_is_told(parser: Parser, street: Path, tmp_path: Path) -> None:
    render_file(
        street,
        tmp_path / "a.mp4",
        Rendering(parser.settings),
        lambda so_far: so_far.done < 5,
        parser,
        masks=tmp_path / "a.hpm",
    )
    assert "a.hpm ends at 0.16 s, before the video does" in refused(tmp_path / "a.hpm", street, tmp_path)


def test_differences_are_named() -> None:
    one = an_origin()
    other = replace_origin(one, size="288x384")
    assert one.differences(one) == []
    assert one.differences(other) == ["the parser's size is 288x384, not auto"]
    assert one.differences(an_origin(video_track=2)) == ["the video track is 2, not 0"]
    assert one.differences(an_origin(source=SourceKey("b.mp4", "34"))) == ["the source is b.mp4 (34), not a.mp4 (12)"]


def replace_origin(origin: Origin, **parser: object) -> Origin:
    values = {name: getattr(origin.parser, name) for name in ParserKey.__struct_fields__} | parser
    return an_origin(parser=ParserKey(**values))  # type: ignore[arg-type]


def test_what_is_there_is_not_written_over_without_force(parser: Parser, street: Path, tmp_path: Path) -> None:
    masks = tmp_path / "a.hpm"
    masks.write_bytes(b"mine")
    settings = Rendering(parser.settings)
    with pytest.raises(SinkError, match=r"a\.hpm exists; name another file, or --force overwrites it"):
        render_file(street, tmp_path / "a.mp4", settings, parser=parser, masks=masks)
    assert masks.read_bytes() == b"mine"
    assert not (tmp_path / "a.mp4").exists()
    render_file(street, tmp_path / "a.mp4", replace(settings, force=True), parser=parser, masks=masks)
    with pytest.raises(ConfigError, match=r"masks must end with \.hpm, not be "):
        render_file(street, tmp_path / "b.mp4", settings, parser=parser, masks=tmp_path / "a.txt")


def test_an_origin_that_is_none_is_told(tmp_path: Path) -> None:
    from streamer.masks.records import ORIGIN, packed

    path = tmp_path / "a.hpm"
    path.write_bytes(BEGINNING.pack(SIGNATURE, 1) + packed(ORIGIN, struct.pack(">I", 7)))
    with pytest.raises(BadMessage, match="the origin: "):
        Sidecar(path)
