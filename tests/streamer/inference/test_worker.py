"""The inference process: what it answers, and everything that can happen to it, with real processes."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import psutil
import pytest

from pipeline import (
    BadPicture,
    Frame,
    ParserSettings,
    PipelineError,
    RuntimeUnavailable,
    Size,
    WeightsError,
    load_parser,
)
from pipeline.network.letterbox import Letterbox
from pipeline.parsing.reading import Reading
from pipeline.types import Picture
from streamer import open_source
from streamer.errors import WorkerDied
from streamer.inference.worker import MAX_RESTARTS, RESTARTS_WITHIN_S, Worker, WorkerSettings
from tests.support.paths import ROOT
from tests.support.waiting import eventually, fair_time

pytestmark = pytest.mark.process

CLIP = ROOT / "sample_videos" / "street.mp4"

SMALL = Size(64, 96)
LARGE = Size(1536, 1536)
"""Takes a second or more to parse, and 7 MB to send: more than lies in a pipe."""
QUICK = WorkerSettings(SMALL, ParserSettings(runtime="onnx", threads=1))
"""The runtime that loads fastest."""
NEVER = threading.Event()

PATIENCE_S = 60.0
"""For what takes a second where nothing else runs: an interpreter starts, libraries load, a network is compiled."""
CLOSED_WITHIN_S = 3.0
ORPHAN_GONE_WITHIN_S = 2.0


@pytest.fixture(scope="module")
def street() -> Frame:
    """People in a street, three of whom the network finds at the size that is used here."""
    with open_source(CLIP) as source:
        return next(islice(source, 67, None))


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker(QUICK, answer_s=60) as worker:
        yield worker


def blank(size: Size = SMALL) -> tuple[Picture, Letterbox, float]:
    """Nothing, as the network takes it."""
    return np.full((*size, 3), 127, np.uint8), Letterbox.into(size, size), 0.0


def seen(frame: Frame, size: Size) -> tuple[Picture, Letterbox, float]:
    """A frame as the network takes it."""
    fit = Letterbox.into(frame.size, size)
    return fit.shrink(frame.picture), fit, frame.pts_s


def pid_of(worker: Worker) -> int:
    assert worker.pid is not None
    return worker.pid


def tell(worker: Worker, number: signal.Signals) -> None:
    os.kill(pid_of(worker), number)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@contextmanager
def inferring(
    worker: Worker, picture: tuple[Picture, Letterbox, float], stop: threading.Event = NEVER
) -> Iterator["Future[Reading | None]"]:
    """A call that another thread is in."""
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(worker.infer, *picture, stop)
        assert eventually(call.running)
        yield call


@contextmanager
def within(limit_s: float) -> Iterator[None]:
    with fair_time() as spent_s:
        yield
        assert spent_s() < limit_s


def assert_same(one: Reading | None, other: Reading) -> None:
    assert one is not None
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.instances, other.instances)
    assert one.people == other.people


def test_it_reads_what_the_parser_reads(street: Frame) -> None:
    settings = WorkerSettings(Size(256, 448), ParserSettings(precision="f32", threads=1))
    parser = load_parser(precision="f32", threads=1)
    with Worker(settings, answer_s=PATIENCE_S) as worker:
        for size in (settings.size, SMALL, settings.size):
            expected = parser.infer(*seen(street, size))
            reading = worker.infer(*seen(street, size), NEVER)
            assert_same(reading, expected)
            assert reading is not None
            assert reading.seconds > 0
            assert size == SMALL or len(reading.people) >= 2


def test_it_remembers_what_it_said_of_the_frame_before(street: Frame) -> None:
    settings = WorkerSettings(Size(256, 448), ParserSettings(precision="f32", threads=1))
    parser = load_parser(precision="f32", threads=1)
    first, fit, _ = seen(street, settings.size)
    second = np.clip(first + np.random.default_rng(0).normal(0, 8, first.shape), 0, 255).astype(np.uint8)
    with Worker(settings, answer_s=PATIENCE_S) as worker:
        for small, pts_s in ((first, 1.0), (second, 1.04)):
            expected, reading = parser.infer(small, fit, pts_s), worker.infer(small, fit, pts_s, NEVER)
            assert_same(reading, expected)
    parser.reset()
    alone = parser.infer(second, fit, 1.04)
    assert (alone.labels != expected.labels).any()


def test_to_start_is_not_to_wait(worker: Worker) -> None:
    tell(worker, signal.SIGSTOP)
    assert not worker.wait_ready(0.1)
    tell(worker, signal.SIGCONT)
    assert worker.wait_ready(PATIENCE_S)


def test_ready_means_that_the_network_is_compiled(worker: Worker) -> None:
    assert worker.wait_ready(PATIENCE_S)
    loaded = {Path(each.path).name for each in psutil.Process(pid_of(worker)).memory_maps()}
    assert any(name.startswith("onnxruntime") for name in loaded)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        (WorkerSettings(SMALL, ParserSettings(model_dir="elsewhere")), WeightsError),
        (WorkerSettings(Size(63, 96)), PipelineError),
        (WorkerSettings(SMALL, ParserSettings(runtime="onnx", precision="bf16")), RuntimeUnavailable),
    ],
    ids=["weights", "size", "precision"],
)
def test_an_error_from_loading_is_raised_as_itself(settings: WorkerSettings, error: type[PipelineError]) -> None:
    with pytest.raises(error) as here:
        settings.load()
    with Worker(settings, answer_s=PATIENCE_S) as worker:
        for ask in (lambda: worker.wait_ready(PATIENCE_S), lambda: worker.infer(*blank(), NEVER)):
            with pytest.raises(error) as there:
                ask()
            assert type(there.value) is type(here.value)
            assert str(there.value) == str(here.value)
            assert "in load" in there.value.__notes__[0] or "in network" in there.value.__notes__[0]
        assert worker.restarts == 0


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The code in another place, where the child finds it first; for what only other code would do."""
    for package in ("pipeline", "streamer"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "pipeline" / "lite"


def test_a_lost_network_is_told_as_such(copied: Path) -> None:
    (copied / "lite.onnx").unlink()
    with Worker(QUICK) as worker, pytest.raises(WeightsError, match=r"lite\.onnx"):
        worker.wait_ready(PATIENCE_S)


def test_a_library_that_prints_is_not_heard(copied: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with (copied / "__init__.py").open("a") as file:
        file.write("print('hello', flush=True)\n")
    with Worker(QUICK, answer_s=PATIENCE_S) as worker:
        assert worker.wait_ready(PATIENCE_S)
    assert capfd.readouterr() == ("", "")


def test_its_death_is_seen_although_a_process_of_a_library_lives_on(copied: Path) -> None:
    with (copied / "__init__.py").open("a") as file:
        file.write("import subprocess\nleft = subprocess.Popen(['sleep', '60'], close_fds=False)\n")
    with Worker(QUICK, answer_s=60) as worker:
        assert worker.wait_ready(PATIENCE_S)
        (left,) = psutil.Process(pid_of(worker)).children()
        try:
            tell(worker, signal.SIGKILL)
            with within(PATIENCE_S), pytest.raises(WorkerDied, match="exit code -9"):
                worker.infer(*blank(), NEVER)
        finally:
            left.kill()


def test_a_picture_that_cannot_be_parsed_costs_only_itself(worker: Worker) -> None:
    small, fit, pts_s = blank()
    assert worker.wait_ready(PATIENCE_S)
    pid = worker.pid
    with pytest.raises(BadPicture):
        worker.infer(small[:32], fit, pts_s, NEVER)
    with pytest.raises(PipelineError, match=r"the parser failed: AttributeError: 'NoneType'") as failed:
        worker.infer(None, fit, pts_s, NEVER)  # type: ignore[arg-type]
    assert "Traceback" in failed.value.__notes__[0]
    assert worker.infer(small, fit, pts_s, NEVER)
    assert (worker.pid, worker.restarts) == (pid, 0)


def test_the_next_one_compiles_what_is_wanted_now(copied: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with (copied.parent / "network" / "runtime.py").open("a") as file:
        file.write(
            "compile_quietly = compile_network\n"
            "def compile_network(path, size, options, **more):\n"
            "    print(size, file=sys.stderr)\n"
            "    return compile_quietly(path, size, options, **more)\n"
        )
    with Worker(QUICK, answer_s=PATIENCE_S) as worker:
        assert worker.wait_ready(PATIENCE_S)
        tell(worker, signal.SIGKILL)
        with pytest.raises(WorkerDied):
            worker.infer(*blank(), NEVER)
        assert worker.infer(*blank(Size(96, 64)), NEVER)
    assert capfd.readouterr().err == "64x96\n96x64\n"


def test_pictures_are_parsed_while_the_next_size_is_made_ready(copied: Path, tmp_path: Path) -> None:
    may_end, slow = tmp_path / "may-end", Size(96, 64)
    with (copied.parent / "network" / "runtime.py").open("a") as file:
        file.write(
            "import os, time\n"
            "compile_fast = compile_network\n"
            "def compile_network(path, size, options, **more):\n"
            f"    while size == {tuple(slow)} and not os.path.exists({str(may_end)!r}):\n"
            "        time.sleep(0.01)\n"
            "    return compile_fast(path, size, options, **more)\n"
        )
    with Worker(QUICK, answer_s=60) as worker:
        for _ in range(10):
            assert worker.infer(*blank(), NEVER, slow)
            assert not worker.next_ready
        may_end.touch()
        assert eventually(lambda: worker.infer(*blank(), NEVER, slow) is not None and worker.next_ready, PATIENCE_S)
        assert worker.infer(*blank(slow), NEVER)
        assert not worker.next_ready  # nothing was asked for
        assert worker.restarts == 0


def test_a_size_that_is_on_its_way_is_waited_for(worker: Worker) -> None:
    other = Size(96, 64)
    assert worker.infer(*blank(), NEVER, other)
    assert worker.infer(*blank(other), NEVER)
    assert worker.infer(*blank(), NEVER, other)
    assert worker.next_ready


def test_a_next_size_that_cannot_be_is_told_when_it_is_used(copied: Path) -> None:
    other = Size(96, 64)
    with (copied.parent / "network" / "runtime.py").open("a") as file:
        file.write(
            "compile_always = compile_network\n"
            "def compile_network(path, size, options, **more):\n"
            f"    if size == {tuple(other)}:\n"
            "        raise MemoryError('there is none left')\n"
            "    return compile_always(path, size, options, **more)\n"
        )
    with Worker(QUICK, answer_s=60) as worker:
        assert eventually(lambda: worker.infer(*blank(), NEVER, other) is not None and worker.next_ready, PATIENCE_S)
        with pytest.raises(PipelineError, match="there is none left"):
            worker.infer(*blank(other), NEVER)
        assert worker.infer(*blank(), NEVER)
        assert worker.restarts == 0


@pytest.mark.parametrize("loaded", [False, True], ids=["while it loads", "when it is ready"])
def test_after_it_was_killed_another_is_started(worker: Worker, loaded: bool) -> None:
    if loaded:
        assert worker.wait_ready(PATIENCE_S)
    first = pid_of(worker)
    tell(worker, signal.SIGKILL)
    with pytest.raises(WorkerDied, match=r"ended with exit code -9 \(Killed\)"):
        worker.infer(*blank(), NEVER)
    assert worker.pid is None
    assert worker.restarts == 0
    assert worker.infer(*blank(), NEVER)
    assert worker.pid != first
    assert worker.restarts == 1


def test_killed_in_the_middle_of_a_picture_it_is_missed_at_once(worker: Worker) -> None:
    assert worker.wait_ready(PATIENCE_S)
    tell(worker, signal.SIGSTOP)
    with within(PATIENCE_S), inferring(worker, blank()) as call:
        tell(worker, signal.SIGKILL)
        with pytest.raises(WorkerDied, match="exit code -9"):
            call.result()


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["while it should answer", "while it should read"])
def test_one_that_stops_answering_is_ended(size: Size) -> None:
    with Worker(QUICK, answer_s=0.3) as worker:
        assert worker.wait_ready(PATIENCE_S)
        pid = pid_of(worker)
        tell(worker, signal.SIGSTOP)
        with within(0.5 + CLOSED_WITHIN_S), pytest.raises(WorkerDied, match=r"stopped answering after 0\.3 s"):
            worker.infer(*blank(size), NEVER)
        assert gone(pid)
        assert worker.infer(*blank(), NEVER)


@pytest.mark.parametrize(
    "ask", [lambda worker: worker.wait_ready(60), lambda worker: worker.infer(*blank(), NEVER)], ids=["wait", "infer"]
)
def test_one_that_never_gets_ready_is_ended(ask: Callable[[Worker], object]) -> None:
    with Worker(QUICK, ready_s=0.2) as worker:
        tell(worker, signal.SIGSTOP)
        with within(0.5 + CLOSED_WITHIN_S), pytest.raises(WorkerDied, match=r"was not ready after 0\.2 s"):
            ask(worker)


def test_one_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    worker = Worker(QUICK)
    with monkeypatch.context() as changed:
        changed.setattr(sys, "executable", str(tmp_path / "python"))
        with pytest.raises(WorkerDied, match=r"cannot be started: .*No such file"):
            worker.start()
    with worker:
        assert worker.wait_ready(PATIENCE_S)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["while it should answer", "while it should read"])
def test_after_a_stop_no_old_answer_is_read(worker: Worker, street: Frame, size: Size) -> None:
    people = seen(street, Size(256, 448))
    expected = load_parser(runtime="onnx", threads=1).infer(*people)
    assert expected.people
    assert worker.wait_ready(PATIENCE_S)
    stop = threading.Event()
    tell(worker, signal.SIGSTOP)
    with inferring(worker, blank(size), stop) as call:
        stop.set()
        with within(1):
            assert call.result() is None
    tell(worker, signal.SIGCONT)
    assert_same(worker.infer(*people, NEVER), expected)
    assert worker.restarts == 0


def test_a_stop_while_it_loads_is_heard(worker: Worker) -> None:
    pid = worker.pid
    stop = threading.Event()
    stop.set()
    tell(worker, signal.SIGSTOP)
    assert worker.infer(*blank(), stop) is None
    tell(worker, signal.SIGCONT)
    assert worker.infer(*blank(), NEVER)
    assert worker.pid == pid


def as_it_starts(worker: Worker) -> None:
    pass


def as_it_loads_and_hangs(worker: Worker) -> None:
    tell(worker, signal.SIGSTOP)


def as_it_idles(worker: Worker) -> None:
    assert worker.wait_ready(PATIENCE_S)


def as_it_hangs(worker: Worker) -> None:
    assert worker.wait_ready(PATIENCE_S)
    tell(worker, signal.SIGSTOP)


def as_it_parses(worker: Worker) -> None:
    stop = threading.Event()
    stop.set()
    assert worker.infer(*blank(), NEVER)
    assert worker.infer(*blank(LARGE), stop) is None


def as_it_is_dead(worker: Worker) -> None:
    tell(worker, signal.SIGKILL)


def as_it_failed_to_load(worker: Worker) -> None:
    with pytest.raises(BadPicture):
        worker.infer(blank()[0], blank(LARGE)[1], 0.0, NEVER)


@pytest.mark.parametrize(
    "state",
    [as_it_starts, as_it_loads_and_hangs, as_it_idles, as_it_hangs, as_it_parses, as_it_is_dead, as_it_failed_to_load],
    ids=lambda state: state.__name__,
)
def test_it_closes_whatever_it_does(state: Callable[[Worker], None]) -> None:
    with Worker(QUICK, answer_s=60) as worker:
        state(worker)
        pid = pid_of(worker)
        with within(CLOSED_WITHIN_S):
            worker.close()
        assert not psutil.pid_exists(pid)
        worker.close()
        with pytest.raises(ValueError, match="closed"):
            worker.infer(*blank(), NEVER)


def test_a_long_inference_is_not_waited_for() -> None:
    with Worker(QUICK, answer_s=60) as worker:
        as_it_parses(worker)
        with within(0.6):  # it takes longer, and so would ending it by a signal
            worker.close()


def test_one_that_was_never_started_closes() -> None:
    Worker(QUICK).close()


def test_it_is_restarted_only_so_often() -> None:
    now_s = [1000.0]
    with Worker(QUICK, clock=lambda: now_s[0]) as worker:
        for restarts in range(MAX_RESTARTS + 1):
            worker.start()
            assert (worker.restarts, worker.restarts_left) == (restarts, MAX_RESTARTS - restarts)
            now_s[0] += 1
            tell(worker, signal.SIGKILL)
            with pytest.raises(WorkerDied, match="ended with exit code -9"):
                worker.wait_ready(PATIENCE_S)
        # The first restart was in second 1.
        for now_s[0] in (1010.0, 1000.9 + RESTARTS_WITHIN_S):
            with pytest.raises(WorkerDied, match=r"restarted 5 times within 60 s .* the last time, .* exit code -9"):
                worker.infer(*blank(), NEVER)
        now_s[0] = 1001.0 + RESTARTS_WITHIN_S
        assert worker.infer(*blank(), NEVER)
        assert (worker.restarts, worker.restarts_left) == (MAX_RESTARTS + 1, 0)


PROGRAM = """
import sys, threading
import numpy as np
from pipeline import ParserSettings, Size
from pipeline.network.letterbox import Letterbox
from streamer.inference.worker import Worker, WorkerSettings

def blank(*size):
    return np.zeros((*size, 3), np.uint8), Letterbox.into(Size(*size), Size(*size)), 0.0

stop = threading.Event()
with Worker(WorkerSettings(Size(64, 96), ParserSettings(runtime="onnx", threads=1))) as worker:
    {before}
    try:
        print(worker.pid, flush=True)
        {then}
    except KeyboardInterrupt:
        pass
print("left", flush=True)
"""
READY = "worker.wait_ready(60)"
PARSING = "worker.infer(*blank(64, 96), stop); stop.set(); worker.infer(*blank(1536, 1536), stop)"
WAIT = "stop.clear(); stop.wait(60)"


@contextmanager
def program(before: str, then: str) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A program with a worker, in a group of its own; and the worker's pid."""
    code = PROGRAM.format(before=before, then=then)
    command = [sys.executable, "-c", code]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, process_group=0) as running:  # type: ignore[call-overload]
        try:
            yield running, int(running.stdout.readline())
        finally:
            running.kill()


@pytest.mark.parametrize("before", ["pass", READY, PARSING], ids=["loads", "idles", "parses"])
def test_it_does_not_outlive_a_parent_that_is_killed(before: str) -> None:
    with program(before, WAIT) as (parent, pid):
        assert not gone(pid)
        parent.kill()
        with within(ORPHAN_GONE_WITHIN_S):
            assert eventually(lambda: gone(pid))


def test_ctrl_c_while_its_interpreter_starts_leaves_no_traceback() -> None:
    with program("pass", WAIT) as (parent, pid):
        # Python would already answer the signal, and the worker's own code is not reached yet.
        maps = psutil.Process(pid).memory_maps
        assert eventually(lambda: any("_multiarray_umath" in each.path for each in maps()), PATIENCE_S)
        os.killpg(parent.pid, signal.SIGINT)
        assert parent.communicate(timeout=PATIENCE_S) == ("left\n", "")


@pytest.mark.parametrize("before", ["pass", READY, PARSING], ids=["loads", "idles", "parses"])
def test_ctrl_c_to_the_group_leaves_no_traceback_and_no_process(before: str) -> None:
    with program(before, WAIT) as (parent, pid):
        os.killpg(parent.pid, signal.SIGINT)
        assert parent.communicate(timeout=PATIENCE_S) == ("left\n", "")
        assert parent.returncode == 0
        assert gone(pid)


def test_ctrl_c_to_itself_is_ignored(worker: Worker) -> None:
    assert worker.wait_ready(PATIENCE_S)
    tell(worker, signal.SIGINT)
    assert worker.infer(*blank(), NEVER)
    assert worker.restarts == 0


@pytest.mark.parametrize("way", ["file", "-c", "stdin"])
def test_programs_need_no_guard(way: str, tmp_path: Path) -> None:
    """A script without `if __name__ == "__main__"`, and one that is in no file, too."""
    code = PROGRAM.format(before=READY, then=f"print({READY})")
    script = tmp_path / "script.py"
    script.write_text(code)
    arguments = {"file": [str(script)], "-c": ["-c", code], "stdin": ["-"]}[way]
    command = [sys.executable, *arguments]
    done = subprocess.run(command, check=False, input=code, capture_output=True, text=True, timeout=120)
    assert done.stdout.split()[1:] == ["True", "left"]
    assert done.stderr == ""


@pytest.mark.parametrize("own", [None, "3"])
def test_libraries_have_one_thread_beside_the_network_unless_somebody_says_otherwise(
    own: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        monkeypatch.delenv(name, raising=False)
        if own is not None:
            monkeypatch.setenv(name, own)
    with Worker(QUICK, answer_s=PATIENCE_S) as worker:
        assert worker.wait_ready(60)
        told = psutil.Process(worker.pid).environ()
    assert {told["OPENBLAS_NUM_THREADS"], told["OPENCV_FOR_THREADS_NUM"]} == {own or "1"}
    count = "import cv2; print(cv2.getNumThreads())"
    done = subprocess.run([sys.executable, "-c", count], env=told, capture_output=True, text=True, check=True)
    assert int(done.stdout) <= int(own or 1)
