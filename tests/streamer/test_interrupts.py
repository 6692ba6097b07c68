"""The second Ctrl-C, of a program that does not hear."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streamer.interrupts import INTERRUPTED, ending_at_the_second, ending_silently
from tests.support.paths import ROOT

PATIENCE_S = 60.0
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
DEAF = """
import signal, threading
from streamer.interrupts import ending_at_the_second
for each in (signal.SIGINT, signal.SIGTERM):
    signal.signal(each, lambda *_: None)
with ending_at_the_second():
    print("running", flush=True)
    threading.Event().wait()
"""


@pytest.mark.process
@pytest.mark.parametrize("numbers", [(signal.SIGINT, signal.SIGINT), (signal.SIGINT, signal.SIGTERM)])
def test_the_second_ends_what_does_not_hear(numbers: tuple[signal.Signals, signal.Signals]) -> None:
    with subprocess.Popen([sys.executable, "-c", DEAF], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as deaf:
        assert deaf.stdout is not None
        assert deaf.stdout.readline() == "running\n"
        deaf.send_signal(numbers[0])
        with pytest.raises(subprocess.TimeoutExpired):
            deaf.wait(0.5)  # one alone does not
        deaf.send_signal(numbers[1])
        assert deaf.wait(PATIENCE_S) == INTERRUPTED


EARLY_OR_LATE = """
import os, signal, threading
from streamer.interrupts import ending_at_the_second
do = threading.Thread.{do}
def interrupted(*_):
    os.kill(os.getpid(), signal.SIGINT)
    do(*_)
threading.Thread.{do} = interrupted
with ending_at_the_second():
    pass
"""


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot interrupt itself alone there")
@pytest.mark.parametrize("do", ["start", "join"])
def test_ctrl_c_while_it_begins_or_ends_leaves_no_traceback(do: str) -> None:
    code = EARLY_OR_LATE.format(do=do)
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_recording_that_blocks_is_told_and_left(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    command = [sys.executable, "-m", "streamer", "run", "test:rate=15,size=96x128", "--record", "a.mp4", "--force"]
    done = subprocess.run(
        command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: cannot write a.mp4: its disk does not answer within 3 s")


def test_nothing_is_left_behind() -> None:
    before = signal.getsignal(signal.SIGINT)
    with ending_at_the_second():
        assert signal.set_wakeup_fd(-1) >= 0
    assert signal.set_wakeup_fd(-1) == -1
    with ending_silently():
        assert (signal.getsignal(signal.SIGINT) is signal.SIG_DFL) == (before is signal.default_int_handler)
    assert signal.getsignal(signal.SIGINT) is before
