"""The parsings of a live run drawn on its recording: found by their times, carried between, and none too far."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import Look, Parsing, Size, load_parser
from streamer import ConfigError, Rendering, open_source, redraw_file, render_file
from streamer.masks.origin import Origin, ParserKey, SourceKey
from streamer.masks.sidecar import Sidecar
from streamer.masks.sidecar_writer import SidecarWriter
from streamer.parsings import live_run
from streamer.parsings.identity import source_key
from streamer.parsings.live_run import LiveRun
from streamer.sources.open import sample
from tests.support.media import Clip

EVERY = 4
FRAMES = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of a street, a rendering of it for which each fourth frame was parsed, and all parsings."""
    made = tmp_path_factory.mktemp("recorded")
    with open_source(sample("street.mp4")) as source:
        shots = [frame.bgr for frame, _ in zip(source, range(FRAMES))]
    Clip(size=shots[0].shape[:2]).make(made / "door.mp4", shots)
    parser = load_parser("lite", size=(288, 384))
    settings = Rendering(parser.settings, parse_every=EVERY)
    render_file(made / "door.mp4", made / "drawn.mp4", settings, parser=parser, masks=made / "all.hpm")
    return made


def live_sidecar(
    folder: Path,
    path: Path,
    source: SourceKey,
    wanted: Iterable[int],
    change: Callable[[Parsing], Parsing] = lambda parsing: parsing,
) -> Path:
    """A sidecar of a live run that parsed some of the frames."""
    key = ParserKey(
        name="lite", weights="", runtime="openvino", precision="f32", size="auto", refine=False, sensitivity="normal"
    )
    with (
        Sidecar(folder / "all.hpm") as sidecar,
        SidecarWriter.create(path, Origin(source=source, parser=key, live=True)) as writer,
    ):
        for number in wanted:
            # Frames of a camera have numbers of their own: a recording may begin later, or lack some.
            writer.write(change(replace(sidecar.read(sidecar.masks[number]), frame_index=1000 + number)))
    return path


CAMERA = SourceKey("rtsp://camera/1")


@pytest.mark.parametrize("played", [True, False])
def test_it_is_drawn_as_if_these_frames_had_been_parsed(folder: Path, tmp_path: Path, played: bool) -> None:
    """Of a camera on its recording, and of a file that was played live on that file."""
    source = source_key(folder / "door.mp4") if played else CAMERA
    masks = live_sidecar(folder, tmp_path / "door.hpm", source, range(0, FRAMES, EVERY))
    done = redraw_file(folder / "door.mp4", tmp_path / "out.mp4", masks, Rendering())
    assert (done.frames, done.parsed) == (FRAMES, 3)
    assert (tmp_path / "out.mp4").read_bytes() == (folder / "drawn.mp4").read_bytes()


def test_what_a_killed_run_left_is_drawn(folder: Path, tmp_path: Path) -> None:
    masks = live_sidecar(folder, tmp_path / "door.hpm", CAMERA, range(0, FRAMES, EVERY))
    masks.write_bytes(masks.read_bytes()[:-200])
    assert redraw_file(folder / "door.mp4", tmp_path / "out.mp4", masks, Rendering()).parsed >= 2


def test_frames_far_from_a_parsed_one_are_hidden_whole(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_run, "MAX_AGE_S", 0.09)  # two frames and a bit
    masks = live_sidecar(folder, tmp_path / "door.hpm", CAMERA, (2, 9))
    with open_source(folder / "door.mp4") as source, Sidecar(masks) as sidecar:
        known = [parsing is not None for _, parsing in LiveRun(sidecar).over(source)]
    assert [index for index, each in enumerate(known) if each] == [0, 1, 2, 3, 4, 7, 8, 9, 10, 11]
    redraw_file(folder / "door.mp4", tmp_path / "out.mp4", masks, Rendering(look=Look(effect=("fill=red",))))
    with open_source(tmp_path / "out.mp4") as source:
        shown = [frame.bgr for frame in source]
    whole = [bool((np.ptp(bgr.reshape(-1, 3), axis=0) < 10).all()) for bgr in shown]
    assert whole == [not each for each in known]


@pytest.mark.parametrize(
    ("source", "change", "says"),
    [
        (CAMERA, lambda parsing: replace(parsing, pts_s=parsing.pts_s + 0.017), "parsings had the time of a frame"),
        (CAMERA, lambda parsing: replace(parsing, pts_s=parsing.pts_s + 99), "none of its parsings has the time"),
        (CAMERA, lambda parsing: replace(parsing, frame_size=Size(1080, 1920)), "its frames are"),
        (SourceKey("other.mp4", "12"), lambda parsing: parsing, "is of another video: of other.mp4"),
    ],
)
def test_another_recording_is_refused(
    folder: Path, tmp_path: Path, source: SourceKey, change: Callable[[Parsing], Parsing], says: str
) -> None:
    masks = live_sidecar(folder, tmp_path / "door.hpm", source, range(FRAMES), change)
    with pytest.raises(ConfigError, match=says):
        redraw_file(folder / "door.mp4", tmp_path / "out.mp4", masks, Rendering())
    assert not (tmp_path / "out.mp4").exists()
