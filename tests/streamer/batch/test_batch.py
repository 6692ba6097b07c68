"""Files rendered by several processes, of which some die."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
import pytest
from typer.testing import CliRunner, Result

from pipeline import Look, ParserSettings, PipelineError
from streamer import Rendering, SinkError, render_file
from streamer.batch import driver
from streamer.batch.driver import Batch, digest_of
from streamer.batch.events import Again, Event, Outcome, Share
from streamer.batch.manifest import Entry, Manifest
from streamer.batch.messages import Asked, Ended, Work
from streamer.cli import app
from streamer.errors import WorkerDied
from streamer.offline import Rendered
from streamer.processes.framing import ChannelClosed
from tests.support.media import Clip
from tests.support.waiting import eventually

PATIENCE_S = 120.0
SETTINGS = Rendering(ParserSettings("lite", size=(64, 96)))


def clips(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    return [Clip().make(folder / f"{name}.mp4") for name in names]


def works(folder: Path, sources: list[Path], *, masks: bool = False) -> list[Work]:
    folder.mkdir(exist_ok=True)
    return [Work(str(each), folder / each.name, folder / f"{each.name}.hpm" if masks else None) for each in sources]


def run(
    folder: Path,
    sources: list[Path],
    settings: Rendering = SETTINGS,
    *,
    masks: bool = False,
    workers: int = 2,
    stopped: Callable[[], bool] = lambda: False,
    tell: Callable[[Event], None] = lambda event: None,
) -> dict[str, Outcome]:
    given = works(folder, sources, masks=masks)
    with Manifest(folder) as manifest:
        outcomes = Batch(given, settings, workers, manifest).run(tell, stopped)
    return {each.work.out.stem: each for each in outcomes}


def lines(folder: Path) -> list[Entry]:
    return [msgspec.json.decode(each, type=Entry) for each in (folder / "manifest.jsonl").read_bytes().splitlines()]


def written(folder: Path) -> dict[str, tuple[int, int]]:
    """When each file in a folder was written, and which one it is."""
    found = {each.name: each.stat() for each in folder.iterdir() if each.suffix == ".mp4"}
    return {name: (each.st_mtime_ns, each.st_ino) for name, each in found.items()}


@pytest.fixture
def crashing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "_MODULE", "tests.support.crashing")


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.cluster
def test_each_file_is_as_by_one_process_and_what_is_done_is_left_out(tmp_path: Path) -> None:
    sources = clips(tmp_path / "in", "a", "b", "c")
    bad = tmp_path / "in" / "bad.mp4"
    bad.write_bytes(b"nothing")
    out = tmp_path / "out"
    events: list[Event] = []
    outcomes = run(out, [*sources, bad], masks=True, tell=events.append)
    assert {name: each.state for name, each in outcomes.items()} == dict.fromkeys("abc", "done") | {"bad": "failed"}
    for source in sources:
        masks = tmp_path / f"{source.stem}.hpm"
        render_file(source, tmp_path / source.name, SETTINGS, masks=masks)
        assert (out / f"{source.name}.hpm").read_bytes() == masks.read_bytes()
        assert (out / source.name).read_bytes() == (tmp_path / source.name).read_bytes()
    last = {each.out: each for each in lines(out)}
    assert {name: (each.state, each.exit, each.frames) for name, each in last.items()} == {
        "a.mp4": ("done", 0, 12),
        "b.mp4": ("done", 0, 12),
        "c.mp4": ("done", 0, 12),
        "bad.mp4": ("failed", 1, 0),
    }
    assert "bad.mp4 is not a video" in last["bad.mp4"].why
    before = written(out)
    again = run(out, [*sources, bad], Rendering(SETTINGS.parser, resume=True), masks=True)
    assert {name: each.state for name, each in again.items()} == dict.fromkeys("abc", "complete") | {"bad": "failed"}
    assert written(out) == before


@pytest.mark.process
@pytest.mark.slow
def test_a_file_that_ends_each_process_is_given_up_and_the_others_go_on(tmp_path: Path, crashing: None) -> None:
    sources = clips(tmp_path / "in", "a", "crash-once", "crash", "z")
    events: list[Event] = []
    outcomes = run(tmp_path / "out", sources, tell=events.append)
    assert {name: (each.state, each.tries) for name, each in outcomes.items()} == {
        "a": ("done", 1),
        "crash-once": ("done", 2),
        "crash": ("failed", driver.MAX_TRIES),
        "z": ("done", 1),
    }
    assert outcomes["crash"].exit == -signal.SIGSEGV
    assert (
        "ended 3 processes that rendered it, the last ended with exit code -11 (Segmentation" in outcomes["crash"].why
    )
    assert sum(isinstance(each, Again) for each in events) == driver.MAX_TRIES - 1 + 1
    assert {each.exit for each in lines(tmp_path / "out") if each.out == "crash.mp4"} == {None, -signal.SIGSEGV}
    left = sorted(each.name for each in (tmp_path / "out").iterdir())
    assert left == ["a.mp4", "crash-once.mp4", "manifest.jsonl", "z.mp4"]


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.cluster
def test_a_killed_process_loses_nothing(tmp_path: Path, crashing: None) -> None:
    (source,) = clips(tmp_path / "in", "crash-once")
    outcomes = run(tmp_path / "out", [source], masks=True, workers=1)
    assert (outcomes["crash-once"].state, outcomes["crash-once"].tries) == ("done", 2)
    render_file(source, tmp_path / "one.mp4", SETTINGS, masks=tmp_path / "one.hpm")
    assert (tmp_path / "out" / "crash-once.mp4.hpm").read_bytes() == (tmp_path / "one.hpm").read_bytes()
    assert (tmp_path / "out" / "crash-once.mp4").read_bytes() == (tmp_path / "one.mp4").read_bytes()


@pytest.mark.process
@pytest.mark.slow
def test_stopped_it_leaves_no_half_of_a_file(tmp_path: Path, crashing: None) -> None:
    sources = clips(tmp_path / "in", "slow", "slow-too", "waits")
    begun: set[str] = set()

    def tell(event: Event) -> None:
        if isinstance(event, Share) and event.done >= 4:
            begun.add(event.work.source)

    outcomes = run(tmp_path / "out", sources, tell=tell, stopped=lambda: len(begun) == 2)
    assert {name: (each.state, each.exit) for name, each in outcomes.items()} == {
        "slow": ("stopped", 130),
        "slow-too": ("stopped", 130),
    }
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["manifest.jsonl"]


def test_by_the_manifest_alone_what_is_done_is_known(tmp_path: Path) -> None:
    """No process is started: the quick tier allows none."""
    sources = clips(tmp_path / "in", "done", "cut", "killed", "begun", "other", "changed")
    out = tmp_path / "out"
    given = {work.out.stem: work for work in works(out, sources)}
    resumed = Rendering(SETTINGS.parser, resume=True)
    for work in given.values():
        if work.out.stem != "begun":
            work.out.write_bytes(b"written")
    with Manifest(out) as manifest:
        batch = Batch(list(given.values()), resumed, 2, manifest)
        other = Batch([], Rendering(SETTINGS.parser, Look(legend="below")), 2, manifest)
        for name, state, fresh in (
            ("done", "done", False),
            ("cut", "stopped", False),
            ("killed", "begun", True),
            ("begun", "begun", True),
            ("changed", "done", False),
        ):
            manifest.write(batch._line(given[name], state=state, fresh=fresh))
        manifest.write(other._line(given["other"], state="done"))
        sources[-1].write_bytes(b"another video")
        assert {name for name, work in given.items() if batch._is_complete(work)} == {"done", "killed"}


def test_a_full_disk_ends_the_run_with_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sources = clips(tmp_path / "in", "a", "b", "c")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SinkError, match=r"cannot write .*manifest\.jsonl: No space left on device"):
        run(tmp_path / "out", sources)


@pytest.mark.parametrize(
    ("fault", "raised"), [(PipelineError("no such network"), PipelineError), (RuntimeError("a fault"), WorkerDied)]
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_in_a_thread_ends_the_run_and_passes_over_no_file(
    fault: Exception, raised: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outcome(*args: object) -> Outcome:
        raise fault

    monkeypatch.setattr(Batch, "_outcome", outcome)
    with pytest.raises(raised):
        run(tmp_path / "out", [tmp_path / "a.mp4", tmp_path / "b.mp4", tmp_path / "c.mp4"])


def test_the_digest_is_of_what_changes_the_pictures() -> None:
    assert digest_of(SETTINGS) == digest_of(Rendering(ParserSettings("lite", size=(64, 96), threads=3), resume=True))
    assert digest_of(SETTINGS) != digest_of(Rendering(SETTINGS.parser, Look(legend="below")))


def called(*words: str) -> Result:
    return CliRunner().invoke(app, ["render", *words])


def test_what_cannot_be_is_one_clear_line(tmp_path: Path) -> None:
    clips(tmp_path / "in", "a", "b")
    for words, says in (
        (["--workers", "0"], "there must be 1 worker at least, not 0"),
        (["--workers", "two"], "there must be 1 worker at least, not two"),
        (["--shard", "3/2"], "there is no shard 3/2: the first number is 1 to 2"),
    ):
        told = called(str(tmp_path / "in"), str(tmp_path / "out"), *words)
        assert told.exit_code == 2
        assert says in " ".join(told.output.replace("│", " ").split())
    assert not (tmp_path / "out").exists()
    one = str(tmp_path / "in" / "a.mp4"), str(tmp_path / "a.mp4")
    told = called(*one, "--workers", "2", "--parse-every", "5")
    assert "--parse-every follows masks from frame to frame, in one process" in str(told.exception)
    told = called(*one, "--workers", "2", "--from", "a.hpm")
    assert "--workers parse a file together, and --from parses nothing" in str(told.exception)


def test_a_folder_that_another_run_writes_is_told(tmp_path: Path) -> None:
    clips(tmp_path / "in", "a", "b")
    (tmp_path / "out").mkdir()
    with Manifest(tmp_path / "out", 1, 2):
        told = called(str(tmp_path / "in"), str(tmp_path / "out"), "--shard", "1/2")
    assert "another run writes into" in str(told.exception)
    assert "--shard I/N of its own" in str(told.exception)


COMMAND = [sys.executable, "-m", "streamer", "render", "in", "out", "--workers", "2", "--size", "64x96", "--resume"]


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.cluster
def test_a_killed_run_is_gone_on_with_and_writes_nothing_twice(tmp_path: Path) -> None:
    clips(tmp_path / "in", "a", "b", "c", "d")
    running = subprocess.Popen(COMMAND, cwd=tmp_path)
    me = psutil.Process(running.pid)
    children: list[psutil.Process] = []
    try:
        assert eventually((tmp_path / "out" / "a.mp4").exists, PATIENCE_S)
        children = me.children(recursive=True)
    finally:
        running.kill()
        running.wait()
    assert eventually(lambda: not any(each.is_running() for each in children), PATIENCE_S)
    before = written(tmp_path / "out")
    done = subprocess.run(COMMAND, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    after = written(tmp_path / "out")
    assert sorted(after) == ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]
    kept = {name: each for name, each in before.items() if name[0] != "."}
    assert {name: after[name] for name in kept} == kept
    assert [each.name for each in (tmp_path / "out").iterdir() if each.name[0] == "."] == []
    assert "complete already" in done.stdout


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT for one process")
def test_ctrl_c_ends_it_and_says_how_to_go_on(tmp_path: Path) -> None:
    shutil.copy(clips(tmp_path / "in", "a")[0], tmp_path / "in" / "b.mp4")
    Clip(ticks=tuple(range(0, 3000 * 512, 512))).make(tmp_path / "in" / "long.mp4")
    running = subprocess.Popen(COMMAND, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert eventually((tmp_path / "out" / "b.mp4").exists, PATIENCE_S)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=PATIENCE_S)
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 130, err
    assert "1 are left, which --resume renders" in out
    assert "Traceback" not in err
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["a.mp4", "b.mp4", "manifest.jsonl"]


@pytest.mark.process
def test_more_workers_than_cores_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.cli.targets.cores", lambda: 1)
    clips(tmp_path / "in", "a")
    told = called(str(tmp_path / "in"), str(tmp_path / "out"), "--workers", "2", "--size", "64x96")
    assert told.exit_code == 0
    assert "2 workers share 1 cores: more than one a core only takes memory" in told.stderr
    assert (tmp_path / "out" / "a.mp4").exists()


class NoProcess:
    """Cannot be started."""

    where = "nowhere"

    def started(self, go_on: Callable[[], bool]) -> int | None:
        raise WorkerDied("no process today")

    def ask(self, message: object, go_on: Callable[[], bool]) -> object:
        raise NotImplementedError

    def close(self) -> int:
        return 0


@pytest.mark.parametrize(("workers", "expected"), [(1, 2), (4, 1)])
def test_the_only_process_leaves_cores_to_what_else_it_does(
    workers: int, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.segments.split.cores", lambda: 4)
    monkeypatch.setattr("streamer.parsings.threads.pairs_of_cores", lambda: 2)
    given: list[int | None] = []

    def start(name: str, module: str, first: object) -> NoProcess:
        assert isinstance(first, ParserSettings)
        given.append(first.threads)
        return NoProcess()

    sources = [Clip().make(tmp_path / f"in{number}.mp4") for number in range(workers)]
    with Manifest(tmp_path) as manifest, pytest.raises(WorkerDied, match="no process today"):
        batch = Batch(works(tmp_path / "out", sources), Rendering(), workers, manifest, start)
        batch.run(lambda event: None, lambda: False)
    assert set(given) == {expected}


class Machines:
    """Of one place each. A place is lost with its machine, and has one process at a time."""

    def __init__(self, count: int) -> None:
        self.places = threading.Semaphore(count)
        self.died: list[str] = []
        self.other_done = threading.Event()

    def start(self, name: str, module: str, first: object) -> "OnMachine":
        return OnMachine(self)


class OnMachine:
    """Is done with a file at once; the first one that has `lost` dies with its machine when another one is done."""

    where = "a machine"

    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self._there = False

    def started(self, go_on: Callable[[], bool]) -> int | None:
        while not self._there and go_on():
            self._there = self._machines.places.acquire(timeout=0.01)
        return 1 if self._there else None

    def ask(self, message: object, go_on: Callable[[], bool]) -> object:
        assert self._there
        assert isinstance(message, Asked)
        name = message.work.out.stem
        if name == "lost" and name not in self._machines.died:
            assert self._machines.other_done.wait(PATIENCE_S)
            self._machines.died.append(name)
            self._there = False
            raise ChannelClosed("its machine died")
        path = message.work.out
        self._machines.other_done.set()
        return Ended(Rendered(path, 1, 1, seconds=0.0, damaged=0, missing_s=0.0, left_out=(), stopped=False))

    def close(self) -> int:
        if self._there:
            self._machines.places.release()
        self._there = False
        return 0


def test_a_process_without_work_leaves_its_place_to_one_whose_machine_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would hold the last place until the other one was done, which waits for it."""
    monkeypatch.setattr(driver, "PLACE_S", 0.0)
    given = works(tmp_path / "out", clips(tmp_path / "in", "lost", "z"))
    machines, begun_s = Machines(2), time.monotonic()
    with Manifest(tmp_path / "out") as manifest:
        batch = Batch(given, SETTINGS, 2, manifest, machines.start)
        outcomes = batch.run(lambda event: None, lambda: time.monotonic() - begun_s > PATIENCE_S)
    assert {each.work.out.stem: (each.state, each.tries) for each in outcomes} == {
        "lost": ("done", 2),
        "z": ("done", 1),
    }
    assert machines.died == ["lost"]
