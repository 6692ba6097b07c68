"""Processes on the machines of a cluster, of which Ray's part is made up: a thread for each process."""

import os
import re
import socket
import sys
import threading
import time
import types
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline import ParserSettings, load_parser
from streamer import ConfigError, Rendering, SinkError, WorkerDied, render_file
from streamer.cli import app
from streamer.cluster import nodes
from streamer.cluster.hosted import Hello, Hosted
from streamer.cluster.nodes import Cluster
from streamer.masks.sidecar import Sidecar
from streamer.processes.framing import ChannelClosed
from streamer.processes.instructions import instructions
from streamer.segments import split
from streamer.segments.messages import unpacked
from streamer.segments.renewed import ONE_THREAD
from streamer.segments.split import Split
from streamer.version import __version__
from tests.support.fake_ray import Actor, FakeRay, RayError
from tests.support.media import Clip

SIZE = (64, 96)
SETTINGS = Rendering(ParserSettings("lite", size=SIZE))
FRAMES = 9


def always() -> bool:
    return True


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> FakeRay:
    """Of two machines with a core each."""
    found = FakeRay(one=1, two=1)
    monkeypatch.setitem(sys.modules, "ray", found)
    for name in (*ONE_THREAD, "RAY_USAGE_STATS_ENABLED"):  # put back after the test
        monkeypatch.setenv(name, "2")
    monkeypatch.setattr(split, "MAX_SEGMENT_FRAMES", 2)
    return found


@pytest.fixture
def address() -> Iterator[str]:
    """Where something listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return Clip(ticks=range(0, FRAMES * 512, 512)).make(tmp_path / "clip.mp4")


def called(*words: object) -> Result:
    return CliRunner().invoke(app, ["render", *map(str, words), "--size", "64x96"])


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """This process writes no file larger than that: as if the disk were full."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def echoes(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that answers with what it is given, and ends when that is an end."""

    def serve(parent: Hosted) -> None:
        with suppress(ChannelClosed):
            parent.receive()
            while unpacked(message := bytes(parent.receive())) != "end":
                parent.send(message)

    monkeypatch.setitem(sys.modules, "echoes", types.SimpleNamespace(serve=serve))  # type: ignore[arg-type]
    return "echoes"


@pytest.mark.slow
def test_one_file_is_parsed_by_all_machines_to_the_bytes_of_one_process(
    ray: FakeRay, address: str, clip: Path, tmp_path: Path
) -> None:
    render_file(clip, tmp_path / "one.mp4", SETTINGS, masks=tmp_path / "one.hpm")
    done = called(clip, tmp_path / "two.mp4", "--masks", tmp_path / "two.hpm", "--ray", address)
    assert done.exit_code == 0, done.exception
    for suffix in (".hpm", ".mp4"):
        assert (tmp_path / "two.mp4").with_suffix(suffix).read_bytes() == (
            (tmp_path / "one.mp4").with_suffix(suffix).read_bytes()
        )
    assert {each.machine for each in ray.actors if "ask" in each.calls} == {"one", "two"}
    assert ray.joined is None
    assert all(each.dead for each in ray.actors)
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert {os.environ[name] for name in ONE_THREAD} == {"1"}


@pytest.mark.slow
def test_what_a_lost_machine_had_is_parsed_by_the_one_that_is_left(
    ray: FakeRay, address: str, clip: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """That one waits for the memory after just that: it gives back what it has, and begins with what was lost."""
    render_file(clip, tmp_path / "one.mp4", SETTINGS, masks=tmp_path / "one.hpm")

    def lose(actor: Actor, name: str) -> None:
        if actor.machine == "one" and actor.calls.count("ask") == 5:
            ray.on_call = lambda actor, name: None
            ray.lose("one")

    ray.on_call = lose
    with Cluster(address, 1) as cluster, Split(SETTINGS.parser, cluster.workers(None), cluster.start) as by:
        render_file(clip, tmp_path / "two.mp4", SETTINGS, masks=tmp_path / "two.hpm", by=by)
    assert set(ray.machines) == {"two"}
    assert by.redone == 1
    assert (tmp_path / "two.hpm").read_bytes() == (tmp_path / "one.hpm").read_bytes()
    assert "a process that parses was lost by the cluster: The actor died because its node has died." in caplog.text


@pytest.mark.slow
def test_a_slow_machine_changes_nothing_but_the_time(ray: FakeRay, address: str, clip: Path, tmp_path: Path) -> None:
    """A tenth as fast as the other, with segments of a moment: no process is lost."""
    render_file(clip, tmp_path / "one.mp4", SETTINGS, masks=tmp_path / "one.hpm")
    began_s = time.monotonic()
    render_file(clip, tmp_path / "again.mp4", SETTINGS)
    segment_s = (time.monotonic() - began_s) / FRAMES * split.MAX_SEGMENT_FRAMES

    def wait(actor: Actor, name: str) -> None:
        if actor.machine == "two" and name == "ask":
            time.sleep(10 * segment_s)

    ray.on_work = wait
    with Cluster(address, 1) as cluster, Split(SETTINGS.parser, cluster.workers(None), cluster.start) as by:
        render_file(clip, tmp_path / "two.mp4", SETTINGS, masks=tmp_path / "two.hpm", by=by)
    assert {each.machine for each in ray.actors if "ask" in each.calls} == {"one", "two"}
    assert by.redone == 0
    for suffix in (".hpm", ".mp4"):
        assert (tmp_path / f"two{suffix}").read_bytes() == (tmp_path / f"one{suffix}").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("before", [0, 2])
def test_a_machine_that_stands_still_is_told_and_its_segments_are_parsed_by_the_other_one(
    ray: FakeRay, address: str, clip: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, before: int
) -> None:
    """From its first segment on, or from a later one: until the run ends, which it does."""
    render_file(clip, tmp_path / "one.mp4", SETTINGS, masks=tmp_path / "one.hpm")
    over, asked = threading.Event(), []

    def stand_still(actor: Actor, name: str) -> None:
        if actor.machine == "two" and name == "ask":
            asked.append(name)
            if len(asked) > before:
                over.wait()

    ray.on_work = stand_still
    try:
        with Cluster(address, 1) as cluster, Split(SETTINGS.parser, cluster.workers(None), cluster.start) as by:
            done = render_file(clip, tmp_path / "two.mp4", SETTINGS, masks=tmp_path / "two.hpm", by=by)
    finally:
        over.set()
    assert done.frames == FRAMES
    assert len(asked) == before + 1
    assert by.redone == 0
    assert re.search(r"two is slow: it has had frames \d to \d for [\d.]+ s, which takes [\d.]+ s else", caplog.text)
    for suffix in (".hpm", ".mp4"):
        assert (tmp_path / f"two{suffix}").read_bytes() == (tmp_path / f"one{suffix}").read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be limited there")
def test_a_full_disk_is_told_and_what_was_parsed_by_the_machines_is_gone_on_from(
    ray: FakeRay, address: str, clip: Path, tmp_path: Path
) -> None:
    """The disk of the machine that the run is on: the others write nothing."""
    settings = replace(SETTINGS, resume=True)
    render_file(clip, tmp_path / "one.mp4", settings, masks=tmp_path / "one.hpm")
    masks, most = tmp_path / "two.hpm", (tmp_path / "one.hpm").stat().st_size // 2
    with Cluster(address, 1) as cluster, Split(SETTINGS.parser, cluster.workers(None), cluster.start) as by:
        with files_of_at_most(most), pytest.raises(SinkError, match=r"cannot write .*: File too large"):
            render_file(clip, tmp_path / "two.mp4", settings, masks=masks, by=by)
    assert {each.machine for each in ray.actors if "ask" in each.calls} == {"one", "two"}
    assert {each.name for each in tmp_path.iterdir() if each.name.startswith("two")} >= {"two.hpm"}
    assert not (tmp_path / "two.mp4").exists()
    assert ray.joined is None
    with Sidecar(masks) as sidecar:
        assert 0 < len(sidecar) < FRAMES
    with Cluster(address, 1) as cluster, Split(SETTINGS.parser, cluster.workers(None), cluster.start) as by:
        render_file(clip, tmp_path / "two.mp4", settings, masks=masks, by=by)
    for suffix in (".hpm", ".mp4"):
        assert (tmp_path / f"two{suffix}").read_bytes() == (tmp_path / f"one{suffix}").read_bytes()


@pytest.mark.slow
def test_files_go_to_the_machines_one_each_with_a_manifest(
    ray: FakeRay, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for name in ("a", "b"):
        clip = Clip().make(Path("in", f"{name}.mp4"))
        render_file(clip, Path(f"{name}.mp4"), SETTINGS, masks=Path(f"{name}.hpm"))
    Path("in", "bad.mp4").write_bytes(b"nothing")
    done = called("in", "out", "--masks", "masks", "--ray", address)
    assert str(done.exception) == "1 of 3 could not be rendered: in/bad.mp4"
    assert "2 rendered, 0 complete already, 1 failed: out/manifest.jsonl" in done.output
    for name in ("a", "b"):
        assert Path("out", f"{name}.mp4").read_bytes() == Path(f"{name}.mp4").read_bytes()
        assert Path("masks", f"{name}.mp4.hpm").read_bytes() == Path(f"{name}.hpm").read_bytes()
    assert len([each for each in ray.actors if "ask" in each.calls]) == 2


def test_a_process_that_dies_before_it_answers_is_started_again_and_then_given_up(
    ray: FakeRay, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(actor: Actor, name: str) -> None:
        if actor.machine == "one":
            ray.lose("one")

    ray.on_call = lose
    with Cluster(address, 1) as cluster:
        worker = cluster.start("a process", echoes(monkeypatch), None)
        assert worker.started(always) == os.getpid()
        assert worker.started(always) == os.getpid()
        assert [each.machine for each in ray.actors] == ["one", "two"]
        assert worker.ask([1, "two"], always) == [1, "two"]
        worker.close()

        def missing(*words: object) -> None:
            raise ModuleNotFoundError("No module named 'streamer'")

        monkeypatch.setattr(nodes, "Hosted", missing)
        why = "a process does not come up on the cluster: it was lost by the cluster: ModuleNotFoundError: No module"
        with pytest.raises(WorkerDied, match=why):
            cluster.start("a process", "echoes", None).started(always)
    assert len(ray.actors) == 2 + nodes.MAX_STARTS


def test_a_place_is_waited_for_and_told_and_nothing_stays_asked_for_when_it_is_not_wanted_any_more(
    ray: FakeRay, address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(nodes, "TELL_S", 0.0)
    ray.machines["one"] = 0
    with Cluster(address, 1) as cluster:
        first, second = (cluster.start(name, echoes(monkeypatch), None) for name in ("first", "second"))
        assert first.started(always) is not None
        for _ in range(2):
            assert second.started(lambda: False) is None
        assert [bool(each.dead) for each in ray.actors] == [False, True, True]
        assert [each.getMessage() for each in caplog.records if "waited" in each.getMessage()] == [
            "the cluster has had no free core for 0 s: one is waited for"
        ]
        first.close()
        assert second.started(always) is not None
        second.close()


def test_what_ends_in_a_process_ends_that_process_and_what_fails_in_the_cluster_the_run(
    ray: FakeRay, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = echoes(monkeypatch)
    with Cluster(address, 1) as cluster:
        worker = cluster.start("a process", module, None)
        assert worker.started(always)
        with pytest.raises(ChannelClosed, match="was lost by the cluster: Over: what the process ran has ended"):
            worker.ask("end", always)
        worker.close()

        def full(actor: Actor, name: str) -> None:
            raise RayError("Failed to put an object.\nThe store is full.")

        assert worker.started(always)
        ray.on_call = full
        with pytest.raises(WorkerDied, match=r"the cluster fails: The store is full\."):
            worker.ask("something", always)


def test_workers_are_counted_machine_by_machine(ray: FakeRay, address: str) -> None:
    ray.machines.update(one=3, two=2)
    with Cluster(address, 1) as cluster:
        assert (cluster.workers(None), cluster.workers(4)) == (5, 4)
        with pytest.raises(ConfigError, match="room for 5 workers of 1 core each, not for 6: it has 3 machines"):
            cluster.workers(6)
    with Cluster(address, 2) as cluster:
        assert cluster.workers(None) == 2
    with Cluster(address, 4) as cluster:
        with pytest.raises(
            ConfigError, match="room for 0 workers of 4 cores each, not for 1: it has 3 machines of 0, 3, 2 cores"
        ):
            cluster.workers(None)
    assert ray.joined is None


def test_a_machine_that_would_not_do_the_same_is_refused_or_told(
    ray: FakeRay, address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def said(version: str = __version__, more: tuple[str, ...] = (), *, sees: bool = True) -> None:
        found = Hello(1, "far", version, (*instructions(), *more), sees)
        monkeypatch.setattr(Hosted, "hello", lambda self, folder, known_by: found)
        worker = cluster.start("a process", module, None)
        try:
            assert worker.started(always) == 1
        finally:
            worker.close()

    module = echoes(monkeypatch)
    with Cluster(address, 1, Path("out", "manifest.jsonl")) as cluster:
        said()
        assert not caplog.records
        with pytest.raises(ConfigError, match=r"far has version 9\.9 of m2fp-streamer, this machine .*: install one"):
            said("9.9")
        with pytest.raises(ConfigError, match=r"far does not see .*manifest\.jsonl from .*: several files need a"):
            said(sees=False)
        for _ in range(2):
            said(more=("amx_tile_made_up",))
    (record,) = caplog.records
    assert "far has another processor than this machine (amx_tile_made_up)" in record.getMessage()


def test_a_process_works_in_the_folder_that_the_files_are_named_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "manifest.jsonl").touch()
    hosted = Hosted.__new__(Hosted)
    assert hosted.hello(None, None).sees
    assert not hosted.hello(str(tmp_path / "shared"), "other.jsonl").sees
    assert not hosted.hello(str(tmp_path / "missing"), "manifest.jsonl").sees
    assert Path.cwd() == tmp_path
    assert hosted.hello(str(tmp_path / "shared"), "manifest.jsonl").sees
    assert Path.cwd() == tmp_path / "shared"


def test_the_precision_is_named_before_it_goes_to_other_machines() -> None:
    parser = load_parser("lite", size=SIZE, threads=2)  # of this machine alone
    assert parser.settings.precision == "auto"
    pinned = nodes.pinned(ParserSettings("lite", size=SIZE), parser)
    assert (pinned.precision, pinned.threads) == (parser.network(parser.settings.input_size).precision, 1)
    assert nodes.pinned(ParserSettings("lite", size=SIZE, threads=3), parser).threads == 3


def test_what_cannot_be_is_one_clear_line(
    ray: FakeRay, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, out = Clip().make(tmp_path / "in.mp4"), tmp_path / "out.mp4"

    def says(*words: str) -> str:
        return str(called(clip, out, "--ray", *words).exception)

    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        silent = f"127.0.0.1:{bound.getsockname()[1]}"
        assert says(silent).startswith(f"no cluster answers at {silent}: ")
    for wrong in ("somewhere", "head:", ":6379", "ray://head"):
        assert says(wrong) == f"the address of a cluster is HOST:PORT, not {wrong}"
    assert says("127.0.0.1:99999").startswith("no cluster answers at 127.0.0.1:99999: ")
    assert "in one process: leave out --ray" in says(address, "--parse-every", "5")
    assert "--from parses nothing: leave it out" in says(address, "--from", "a.hpm")
    assert "room for 2 workers of 1 core each, not for 3" in says(address, "--workers", "3")
    ray.refuses = RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.50.0\n    Python: 3.12.1")
    told = says(address)
    assert f"the cluster at {address} cannot be joined" in told
    assert "Python: 3.12.1" in told
    monkeypatch.setitem(sys.modules, "ray", None)
    assert says(address) == "--ray needs Ray; install it by: pip install 'm2fp-streamer[scale]'"
    assert not out.exists()
