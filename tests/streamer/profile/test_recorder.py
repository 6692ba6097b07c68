import os
import subprocess
import sys
import threading

import pytest

from streamer.diagnose.sampler import Costs, Sample, family
from streamer.profile.recorder import EVERY_S, PSS_EVERY, Recorder, Window, next_tick
from tests.support.waiting import eventually

PATIENCE_S = 60.0


def _costs(at_s: float, **spent: tuple[int, float]) -> Costs:
    """Processes by name, each with its megabytes and the processor time it has spent."""
    samples = (
        Sample(name, pid, megabytes * 10**6, None if at_s % 1 else megabytes * 500_000, cpu_s, 1)
        for pid, (name, (megabytes, cpu_s)) in enumerate(sorted(spent.items()))
    )
    return Costs(at_s, 1000 + at_s, tuple(samples))


def test_a_window_has_what_was_spent_and_the_peaks_between_its_marks() -> None:
    began, middle, ended = (
        _costs(0.0, a=(100, 5.0), b=(10, 1.0)),
        _costs(0.5, a=(300, 6.0), b=(10, 1.5), c=(50, 0.25)),
        _costs(1.0, a=(90, 6.5)),
    )
    window = Window(began, ended, (began, middle, ended))
    assert window.seconds == 1.0
    # Of b, which ended, what it had spent when it was last seen; of c, which came, all of it.
    assert window.cpu_s == pytest.approx(1.5 + 0.5 + 0.25)
    assert window.peak_rss_bytes == 360 * 10**6
    assert window.peak_pss_bytes == 55 * 10**6


def test_the_clock_is_absolute_and_a_late_sample_is_missed_not_made_up() -> None:
    assert next_tick(3, 3 * EVERY_S + 0.01) == 4
    assert next_tick(3, 0.57) == 6
    assert next_tick(3, 0.4) == 4
    assert next_tick(3, 0.0) == 4


@pytest.mark.process
def test_a_process_is_sampled_each_tenth_of_a_second_and_pss_each_second() -> None:
    with Recorder(lambda: {os.getpid(): "own"}) as recorder:
        first = recorder.mark()
        assert eventually(lambda: len(recorder.samples) > 2 * PSS_EVERY, PATIENCE_S)
        window = recorder.since(first)
    assert window.began.pss_bytes is not None
    assert window.ended.pss_bytes is not None
    with_pss = [each for each in window.between if each.pss_bytes is not None]
    assert 2 < len(with_pss) < len(window.between) / 3
    assert window.cpu_s >= 0
    assert window.peak_rss_bytes > 10**6
    times = [each.at_s for each in recorder.samples]
    assert times == sorted(times)
    assert recorder.cpu_s > 0
    assert not [each for each in threading.enumerate() if each.name == "recorder"]


@pytest.mark.process
def test_what_holds_the_sampling_up_is_counted() -> None:
    held, first = threading.Event(), [True]

    def roles() -> dict[int, str]:
        if first.pop() if first else False:
            held.wait(3.5 * EVERY_S)
        return {os.getpid(): "own"}

    with Recorder(roles) as recorder:
        assert eventually(lambda: recorder.missed >= 3, PATIENCE_S)


@pytest.mark.process
def test_a_family_is_told_by_what_its_processes_run() -> None:
    child = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    code = f"import subprocess, sys; subprocess.run({child!r} + ['some.module']); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as parent:
        assert eventually(lambda: len(family(parent.pid, {"some.module": "worker"})) == 2, PATIENCE_S)
        assert sorted(family(parent.pid, {"some.module": "worker"}).values()) == ["main", "worker"]
        assert family(parent.pid, {"other": "worker"}) == {parent.pid: "main"}
    assert family(parent.pid, {}) == {}
