"""Cameras on the machines of a made-up cluster, in this process: where they run, and who dies."""

import itertools
import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamer.cli import app
from streamer.cluster.nodes import Cluster, Machine
from streamer.errors import ConfigError, SinkError, StreamerError, WorkerDied
from streamer.fleets import placing, watched
from streamer.fleets.fleet import ClusterFleet, check_movable
from streamer.fleets.post import named_from_elsewhere
from streamer.live.config import StreamConfig
from streamer.live.fleet import End
from streamer.live.news import News
from streamer.segments.renewed import ONE_THREAD
from streamer.zeromq.relay import Relay
from streamer.zeromq.subscriber import subscribe
from tests.support.fake_ray import STRATEGIES, Actor, FakeRay
from tests.support.media import pts_of
from tests.support.waiting import PATIENCE_S, eventually

SOURCE = "test:size=96x128,rate=20"
LINUX = pytest.mark.skipif(sys.platform == "win32", reason="what a camera publishes for its machine goes by a path")


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    """Of two machines with two cores each."""
    found = FakeRay(one=2, two=2)
    monkeypatch.setitem(sys.modules, "ray", found)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "ray.util.scheduling_strategies", STRATEGIES)  # type: ignore[arg-type]
    for name in (*ONE_THREAD, "RAY_USAGE_STATS_ENABLED"):  # put back after the test
        monkeypatch.setenv(name, "2")
    # All cameras are in one process here, which would be taken for what each of them takes.
    monkeypatch.setattr(placing, "MEASURED_OVER_S", float("inf"))
    monkeypatch.chdir(Path.cwd())
    return found


@pytest.fixture
def address() -> Iterator[str]:
    """Where something listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def config(**given: object) -> StreamConfig:
    return StreamConfig(SOURCE, size=(64, 96), parse_hz=5, **given)  # type: ignore[arg-type]


class Told:
    """What happened to the cameras."""

    def __init__(self, fleet: ClusterFleet) -> None:
        self._fleet = fleet
        self.news: list[tuple[str, News]] = []
        self.ends: dict[str, End] = {}

    def of(self, camera: str, event: str) -> list[News]:
        self.news += self._fleet.news()
        return [news for name, news in self.news if (name, news.event) == (camera, event)]

    def ended(self, camera: str) -> bool:
        self.ends |= {each.name: each for each in self._fleet.ended()}
        return camera in self.ends


@contextmanager
def running(address: str, **cameras: StreamConfig) -> Iterator[tuple[ClusterFleet, Told]]:
    with Cluster(address, 1) as cluster, ClusterFleet(cameras, cluster) as fleet:
        yield fleet, Told(fleet)


@LINUX
@pytest.mark.process
def test_the_camera_of_a_machine_that_dies_goes_on_elsewhere_into_other_files_and_is_heard_there(
    ray: FakeRay, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cameras = {
        name: config(record=f"{name}.mp4", publish="tcp://127.0.0.1:*", stream=name, force=True)
        for name in ("door", "yard")
    }
    with running(address, **cameras) as (fleet, told):
        assert eventually(lambda: all(each.shown > 5 for each in fleet.stats.values()))
        assert sorted(fleet.nodes.values()) == ["one", "two"]
        (placed,) = told.of("door", "camera_placed")
        lost = fleet.nodes["door"]
        (other,) = told.of("yard", "camera_placed")
        assert placed.details["node"] == lost
        assert placed.details["address"] != other.details["address"]
        shown = fleet.stats["door"].shown
        with subscribe(str(other.details["address"]), stream="door", timeout_s=PATIENCE_S) as heard:
            ray.lose(lost)
            assert next(iter(heard)).frame_index >= 0
        assert eventually(lambda: bool(told.of("door", "camera_moved")))
        (moved,) = told.of("door", "camera_moved")
        assert moved.details["node"] == fleet.nodes["yard"]
        assert moved.details["times"] == 1
        assert f"on {lost} it was lost by the cluster: The actor died because its node has died" in moved.text
        assert told.of("yard", "camera_moved") == []
        assert eventually(lambda: fleet.stats["door"].shown > shown + 5 and fleet.stats["door"].reconnects == 1)
        fleet.stop()
        assert [told.ended(name) and told.ends[name].error for name in cameras] == [None, None]
        lives = fleet.lives["door"]
        assert [each.node for each in lives] == [lost, moved.details["node"]]
    assert not fleet.runs
    files = [str(each.config.record.file) for each in lives]
    assert files[0] == "door.mp4"
    assert len(set(files)) == 2
    assert len(pts_of(tmp_path / files[1])) == lives[1].at.shown


@LINUX
@pytest.mark.process
def test_an_address_that_fails_is_there_again(
    ray: FakeRay, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, fails = Relay.keep, threading.Event()

    def fail(relay: Relay) -> None:
        if fails.is_set():
            fails.clear()
            raise SinkError("it cannot be kept")
        keep(relay)

    monkeypatch.setattr(Relay, "keep", fail)
    with running(address, door=config(publish="tcp://127.0.0.1:*", stream="door")) as (_, told):
        assert eventually(lambda: bool(told.of("door", "camera_placed")))
        (placed,) = told.of("door", "camera_placed")
        fails.set()
        assert eventually(lambda: not fails.is_set())
        with subscribe(str(placed.details["address"]), stream="door", timeout_s=PATIENCE_S) as heard:
            # Five a second: the one that failed passes on for a second what was said last.
            assert len(list(itertools.islice(heard, 20))) == 20


@pytest.mark.process
def test_without_room_a_camera_waits_and_is_begun_when_there_is(
    ray: FakeRay, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.fleets.watched.PLACE_EVERY_S", 0.05)
    ray.machines.update(one=1, two=1)
    cameras = {name: config(record=str(tmp_path / f"{name}.mp4")) for name in ("door", "yard")}
    with running(address, **cameras) as (fleet, told):
        assert eventually(lambda: all(each.shown > 5 for each in fleet.stats.values()))
        ray.lose(fleet.nodes["door"])
        assert eventually(lambda: bool(told.of("door", "camera_waits")))
        assert fleet.stats["door"].offline_since_s is not None
        assert set(fleet.nodes) == {"yard"}
        ray.machines["three"] = 1
        assert eventually(lambda: fleet.nodes.get("door") == "three")
        assert len(told.of("door", "camera_waits")) == 1


@pytest.mark.process
def test_what_fails_on_a_machine_fails_alone_and_is_told_with_the_machine(
    ray: FakeRay, address: str, tmp_path: Path
) -> None:
    bad = config(record=str(tmp_path / "no" / "a.mp4"))
    short = StreamConfig(f"{SOURCE},frames=10", size=(64, 96), record=str(tmp_path / "b.mp4"))
    with running(address, bad=bad, short=short) as (fleet, told):
        assert eventually(lambda: told.ended("bad") and told.ended("short"))
        assert not fleet.runs
    assert str(told.ends["bad"].error).startswith(("on one: no folder", "on two: no folder"))
    assert told.ends["short"].error is None
    assert len(pts_of(tmp_path / "b.mp4")) == 10


def test_one_whose_processes_die_again_and_again_is_given_up(
    ray: FakeRay, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(actor: Actor, name: str) -> None:
        if name == "hello":
            actor.die("It crashed.")

    ray.on_call = die
    with running(address, door=config(masks=str(tmp_path / "a.hpm"))) as (fleet, told):
        assert eventually(lambda: told.ended("door"))
        assert fleet.lives["door"] == []
    error = told.ends["door"].error
    assert isinstance(error, WorkerDied)
    assert "It crashed.; so did 3 within 60 s each: given up" in str(error)
    machines = [each.machine for each in ray.actors]
    assert len(machines) == watched.MAX_SHORT
    assert machines[0] != machines[1] != machines[2]  # elsewhere each time


def test_more_than_there_are_cores_for_is_refused(ray: FakeRay, address: str) -> None:
    cameras = {f"c{number}": config(record=f"{number}.mp4") for number in range(7)}
    with (
        Cluster(address, 1) as cluster,
        pytest.raises(ConfigError, match=r"room for 6 of 7 cameras: they need 4\.06 cores, and it has 3 machines of"),
    ):
        ClusterFleet(cameras, cluster)
    assert ray.actors == []


def test_a_machine_whose_cameras_take_more_than_it_has_is_told_once(ray: FakeRay, address: str) -> None:
    with Cluster(address, 1) as cluster:
        fleet = ClusterFleet({"a": config(masks="a.hpm"), "b": config(masks="b.hpm")}, cluster)
        for cores in (0.3, 2.5, 2.6):
            fleet.measured("a", cores)
    ((name, news),) = fleet.news()
    assert (name, news.event) == ("a", "machine_full")
    assert news.text.endswith("has 2 cores, and its cameras take 2.50: a; parse_hz makes a camera take less")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"window": True}, "camera door: window is of one machine, and with --ray a camera may run on any"),
        ({"virtual_camera": "/dev/video9"}, "camera door: virtual_camera is of one machine"),
        ({"source": "webcam:0"}, "camera door: source = 'webcam:0' is of one machine"),
        ({"source": "screen:"}, "camera door: source = 'screen:' is of one machine"),
        ({"source": "-"}, "camera door: source = '-' is of one machine"),
        ({"publish": "tcp://127.0.0.1:6"}, "cameras yard and door differ in publish, insecure, key or allow"),
    ],
)
def test_what_is_of_one_machine_is_refused_by_name(given: dict[str, str], says: str) -> None:
    yard = config(publish="tcp://127.0.0.1:5")
    with pytest.raises(ConfigError, match=says):
        check_movable({"yard": yard, "door": StreamConfig(**{"source": SOURCE, **given})})  # type: ignore[arg-type]
    check_movable({"yard": yard, "door": yard, "quiet": config()})


def test_an_address_that_means_all_of_a_machine_is_told_as_others_name_it() -> None:
    four, six = (Machine("id", "one", each, 1.0) for each in ("10.0.0.7", "fd00::7"))
    assert named_from_elsewhere("tcp://0.0.0.0:5556", four) == "tcp://10.0.0.7:5556"
    assert named_from_elsewhere("tcp://[::]:5556", six) == "tcp://[fd00::7]:5556"
    for each in ("tcp://127.0.0.1:5556", "ipc:///run/masks"):
        assert named_from_elsewhere(each, four) == each


@LINUX
@pytest.mark.process
def test_the_command_tells_programs_where_each_camera_is(
    ray: FakeRay, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = tmp_path / "fleet.toml"
    fleet.write_text(
        f"""
        size = [64, 96]
        record = "{tmp_path}/{{camera}}.mp4"
        publish = "tcp://127.0.0.1:*"
        [camera.door]
        source = "{SOURCE},frames=20"
        [camera.yard]
        source = "{SOURCE},frames=20"
        """
    )
    done = CliRunner().invoke(app, ["fleet", str(fleet), "--ray", address, "--log-format", "json"])
    assert done.exit_code == 0, done.output
    lines = [json.loads(each) for each in done.stderr.splitlines()]
    for name in ("door", "yard"):
        own = {each["event"]: each for each in lines if each.get("stream") == name}
        assert own["camera_placed"]["node"] in ("one", "two")
        assert own["camera_placed"]["address"].startswith("tcp://127.0.0.1:")
        assert own["camera_ended"]
        assert own["ended"]["captured"] == 20
        assert own["written"]["path"] == f"{tmp_path}/{name}.mp4"
        assert own["written"]["node"] == own["camera_placed"]["node"]


def test_the_command_refuses_what_cannot_be_before_it_joins_a_cluster(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.toml"
    fleet.write_text(f"window = true\n[camera.door]\nsource = '{SOURCE}'")
    done = CliRunner().invoke(app, ["fleet", str(fleet), "--ray", "127.0.0.1:1"])
    assert isinstance(done.exception, StreamerError)
    assert str(done.exception).startswith("camera door: window is of one machine")
