"""What hides people holds on every way out: recording, clips, snapshots; from the first frame on, over cuts, lost
connections and a worker that is killed."""

import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from pipeline import Frame, ParserSettings, load_parser
from streamer import Stream, StreamConfig, open_source
from streamer.sources.open import sample
from tests.support.media import Clip, hang_up, pictures_of, serving, spread
from tests.support.waiting import eventually, within

pytestmark = pytest.mark.process

RED = (0, 0, 255)
MARKS = {"here": (255, 0, 0), "mirrored": (0, 255, 0)}
"""The colour of the upper left corner tells which scene a frame is of."""
MARK_PX = 32
SIZE = (288, 384)


class Scenes:
    """A person, and the same mirrored; and where its face is."""

    def __init__(self) -> None:
        still = next(iter(open_source(sample("portrait.mp4")))).bgr
        here = cv2.resize(still, (480, 360), interpolation=cv2.INTER_AREA)
        self.pictures = {"here": here, "mirrored": np.ascontiguousarray(here[:, ::-1])}
        self.faces = {}
        parser = load_parser(ParserSettings(size=SIZE))
        for name, picture in self.pictures.items():
            picture[:MARK_PX, :MARK_PX] = MARKS[name]
            face = parser.still(Frame.still(picture)).mask("Face", full_size=True)
            inner = cv2.erode(face.astype(np.uint8), np.ones((25, 25), np.uint8)) > 0
            assert inner.sum() > 200
            self.faces[name] = inner

    def clip(self, path: Path, names: Sequence[str], frames: int) -> Path:
        """So many frames of each scene, one scene after the other."""
        pictures = [self.pictures[name] for name in names for _ in range(frames)]
        return Clip(size=(360, 480), ticks=range(0, 512 * len(pictures), 512)).make(path, iter(pictures))

    def uncovered(self, bgr: NDArray[np.uint8]) -> bool:
        """Whether the face can be seen in a picture that was to be painted red there."""
        red = np.abs(bgr.astype(int) - RED).max(axis=-1) < 60
        if red.mean() > 0.99:
            return False
        corner = bgr[: MARK_PX - 8, : MARK_PX - 8].reshape(-1, 3).mean(axis=0)
        name = min(MARKS, key=lambda each: float(np.abs(corner - MARKS[each]).sum()))
        return bool(red[self.faces[name]].mean() < 0.99)


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return Scenes()


@pytest.fixture
def camera(scenes: Scenes, tmp_path: Path) -> Iterator[str]:
    """Two scenes, then the connection is lost, then they come again."""
    short = scenes.clip(tmp_path / "short.ts", ("here", "mirrored"), 40).read_bytes()
    long = scenes.clip(tmp_path / "long.ts", ("mirrored", "here") * 8, 40).read_bytes()

    connections = 0

    def answer(connection: socket.socket) -> None:
        nonlocal connections
        connections += 1
        if connections == 1:
            spread(short, 80 / 25, then=hang_up)(connection)
        else:
            spread(long, 640 / 25)(connection)

    with serving(answer) as port:
        yield f"tcp://127.0.0.1:{port}"


def test_the_scenes_tell_covered_from_uncovered(scenes: Scenes) -> None:
    for name, picture in scenes.pictures.items():
        assert scenes.uncovered(picture)
        other = next(each for each in scenes.faces if each != name)
        for face, left in ((scenes.faces[name], False), (scenes.faces[other] & ~scenes.faces[name], True)):
            covered = picture.copy()
            covered[face] = RED
            assert scenes.uncovered(covered) == left


@pytest.mark.parametrize("sync", ["live", "exact"])
@pytest.mark.usefixtures("whole")
def test_nothing_that_is_kept_shows_a_face(scenes: Scenes, camera: str, tmp_path: Path, sync: str) -> None:
    out = tmp_path / "out.mkv"
    config = StreamConfig(
        camera, effect=("fill=red",), on="Face", record=str(out), clip_seconds=60, size=SIZE, sync=sync
    )
    snapshots = []

    def looked() -> None:
        snapshots.append(tmp_path / f"{len(snapshots)}.png")
        stream.snapshot(snapshots[-1])

    with Stream(config) as stream:
        assert eventually(lambda: stream.stats.shown > 0, 60)
        looked()
        assert eventually(lambda: stream.stats.parsed > 5 and stream.stats.shown > 60, 60)
        looked()
        stream.clip(tmp_path / "first.mkv")
        assert eventually(lambda: stream.stats.shown > 110, 60)  # 80 came by the first connection
        looked()
        worker = next(each for each in psutil.Process().children() if "inference" in " ".join(each.cmdline()))
        worker.kill()
        assert eventually(lambda: stream.stats.worker_restarts == 1, 60)
        looked()
        parsed = stream.stats.parsed
        assert eventually(lambda: stream.stats.parsed > parsed + 3, 60)
        looked()
        stream.clip(tmp_path / "last.mkv")
        stream.stop()
        with within(20):
            assert stream.join(120)
    kept = {path.name: pictures_of(path) for path in (out, tmp_path / "first.mkv", tmp_path / "last.mkv")}
    kept |= {path.name: [cv2.imread(str(path))] for path in snapshots}
    assert len(kept["out.mkv"]) > 110
    assert {name: sum(map(scenes.uncovered, pictures)) for name, pictures in kept.items()} == dict.fromkeys(kept, 0)
    # And it is not all hidden all the time.
    assert any((np.abs(each.astype(int) - RED).max(axis=-1) > 60).mean() > 0.5 for each in kept["out.mkv"])


def test_live_a_face_that_the_parser_does_not_see_is_hidden(scenes: Scenes, tmp_path: Path) -> None:
    """A small head, parsed at the smallest size, and seldom."""
    head = cv2.resize(scenes.pictures["here"][20:260, 100:320], (66, 72), interpolation=cv2.INTER_AREA)
    shots, lefts = [], [20 + 4 * abs(index % 80 - 40) for index in range(160)]
    for left in lefts:
        shots.append(np.full((360, 480, 3), 110, np.uint8))
        shots[-1][40:112, left : left + 66] = head
    unseen = load_parser(ParserSettings(size=(64, 64))).still(Frame.still(shots[0]))
    assert not unseen.mask("head", full_size=True)[62:90, 40:66].any()
    clip, out = (
        Clip(size=(360, 480), ticks=range(0, 512 * 160, 512)).make(tmp_path / "clip.mp4", shots),
        tmp_path / "o.mkv",
    )
    settings = {"effect": ("fill=red",), "on": "Face", "size": (64, 64), "parse_hz": 5, "mask_ttl_s": 30.0}
    with Stream(StreamConfig(str(clip), loop=True, record=str(out), **settings)) as stream:
        assert eventually(lambda: stream.stats.parsed > 2, 120)
        shown = stream.stats.shown
        assert eventually(lambda: stream.stats.shown > shown + 20, 120)
        stream.stop()
        with within(20):
            assert stream.join(120)
    shown = 0
    for picture in pictures_of(out):
        red = np.abs(picture.astype(int) - RED).max(axis=-1) < 60
        here = np.abs(picture.astype(int) - 110).max(axis=-1) > 25
        if red.mean() > 0.99:
            continue
        shown += 1
        columns = np.flatnonzero(here[40:112].sum(axis=0) > 20)
        middle = (int(columns.min()) + int(columns.max())) // 2
        assert red[66:90, middle - 8 : middle + 8].mean() > 0.95
    assert shown > 10
