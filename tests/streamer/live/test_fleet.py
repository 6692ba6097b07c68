"""Several cameras: their file, and their streams side by side."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import av
import pytest

from pipeline import Size
from streamer.errors import CannotOpen, ConfigError, SinkError
from streamer.live.fleet import Fleet, read_fleet
from tests.support.media import pts_of
from tests.support.waiting import eventually

PATIENCE_S = 60.0
TWO = """
reconnect_for = 0
record = "{camera}.mp4"
[masks]
parse_hz = 5

[camera.door]
source = "rtsp://door/1"
[camera.door.masks]
parse_hz = 2

[camera.yard-2]
source = "rtsp://yard/{camera}"
record = "y.mkv"
size = [96, 128]
"""


def file(folder: Path, text: str) -> Path:
    path = folder / "fleet.toml"
    path.write_text(text)
    return path


def test_each_camera_has_its_own_settings_over_those_of_all(tmp_path: Path) -> None:
    fleet = read_fleet(file(tmp_path, TWO))
    assert list(fleet) == ["door", "yard-2"]
    door, yard = fleet.values()
    assert (door.stream, door.record.file, door.masks.parse_hz) == ("door", "door.mp4", 2)
    assert (yard.stream, yard.record.file, yard.masks.parse_hz) == ("yard-2", "y.mkv", 5)
    assert yard.source.uri == "rtsp://yard/yard-2"
    assert yard.parser.input_size == Size(96, 128)
    assert {each.source.reconnect_for_s for each in (door, yard)} == {0}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("source = 'test:'", r"there is no camera: begin a table \[camera.NAME\]"),
        ("[camera]\ndoor = 3", "camera door: it is a table of settings, not 3"),
        ("[camera.door]\nrecord = 'a.mp4'", "camera door: no source"),
        ("[camera.door]\nsource = 'test:'\nrecrod = 'a.mp4'", "camera door: no setting 'recrod'; did you mean"),
        ("[camera.'a b']\nsource = 'test:'", "'a b' is no name of a camera"),
        ("[camera.door]\nsource = 'test:'\nstream = 'x'", "camera door: stream is the name of the camera"),
        ("stream = 'x'\n[camera.door]\nsource = 'test:'", "stream is the name of each camera"),
        ("[camera.door]\nsource = 'test:'\nparser = 'big'", "camera door: .*'big'"),
        (
            "record = 'a.mp4'\n[camera.a]\nsource = 'test:'\n[camera.b]\nsource = 'test:'",
            "cameras a and b have the same",
        ),
        ("[camera.a\n", "is not TOML"),
    ],
)
def test_what_cannot_be_is_told_with_file_and_camera(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as told:
        read_fleet(file(tmp_path, text))
    assert "fleet.toml" in str(told.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        read_fleet(tmp_path / "no.toml")


def test_what_cannot_be_made_is_told_with_the_camera(tmp_path: Path) -> None:
    text = f"[camera.door]\nsource = 'test:'\nrecord = '{tmp_path}/no/a.mp4'"
    with pytest.raises(SinkError, match="camera door: no folder"):
        Fleet(read_fleet(file(tmp_path, text)))


@pytest.mark.process
def test_one_that_fails_leaves_the_others(tmp_path: Path) -> None:
    text = f"""
    size = [64, 96]
    record = "{tmp_path}/{{camera}}.mp4"
    [camera.gone]
    source = "{tmp_path}/nothing.mp4"
    [camera.one]
    source = "test:size=96x128,rate=20,frames=60"
    [camera.two]
    source = "test:size=96x128,rate=20"
    """
    ends = []
    with Fleet(read_fleet(file(tmp_path, text))) as fleet:

        def over(names: set[str]) -> bool:
            ends.extend(fleet.ended())
            return {each.name for each in ends} >= names

        assert eventually(lambda: over({"gone", "one"}), PATIENCE_S)
        assert fleet.runs
        assert eventually(lambda: fleet.stats["two"].shown > 10, PATIENCE_S)
        fleet.stop()
        assert eventually(lambda: over({"gone", "one", "two"}), PATIENCE_S)
    assert not fleet.runs
    errors = {each.name: each.error for each in ends}
    assert isinstance(errors.pop("gone"), CannotOpen)
    assert errors == {"one": None, "two": None}
    assert len(pts_of(tmp_path / "one.mp4")) == 60


def pictures_of(recordings: Sequence[Path]) -> list[int]:
    """The number of pictures that can be had of each, which may grow meanwhile."""
    counts = []
    for each in recordings:
        try:
            counts.append(len(pts_of(each)))
        except (OSError, av.error.FFmpegError):
            counts.append(0)
    return counts


@pytest.mark.process
@pytest.mark.parametrize("ending", ["SIGKILL", "SIGTERM"])
def test_recordings_play_however_the_program_ends(tmp_path: Path, ending: str) -> None:
    """All of what was there, of each of the cameras."""
    if not hasattr(signal, ending):
        pytest.skip(f"there is no {ending} on this system")
    recordings = [tmp_path / f"{name}.mp4" for name in ("one", "two", "three", "four")]
    tables = [f'[camera.{each.stem}]\nrecord = "{each.name}"\n' for each in recordings]
    common = 'source = "test:size=64x96,rate=10"\nsize = "64x96"\nparse_hz = 2\n'
    (tmp_path / "fleet.toml").write_text(common + "".join(tables))
    command = [sys.executable, "-c", "from streamer.cli import main; main()", "fleet", "fleet.toml"]
    nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=tmp_path, **nowhere) as fleet:  # type: ignore[call-overload]
        try:
            assert eventually(lambda: min(pictures_of(recordings)) > 5)
            before = pictures_of(recordings)
        finally:
            fleet.send_signal(getattr(signal, ending))
        fleet.wait(120)
    after = pictures_of(recordings)
    assert all(now >= then for now, then in zip(after, before)), (before, after)
    assert fleet.returncode == (130 if ending == "SIGTERM" else -signal.SIGKILL)
