import os
import sys
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

if sys.platform != "linux":
    pytest.skip("Linux's scheduling", allow_module_level=True)

from pipeline import Size
from streamer import Encoding, Recorder, SourceInfo
from streamer.media.packet_queue import PacketQueue
from streamer.media.priority import same_priority

BATCH = os.SCHED_BATCH, os.sched_param(0)
"""What nobody needs a permission for, in place of real-time."""


def test_this_thread_and_those_that_are_started_keep_their_scheduling() -> None:
    begun, over, usual = threading.Event(), threading.Event(), os.sched_getscheduler(0)
    ids = []

    def work() -> None:
        os.sched_setscheduler(0, *BATCH)
        ids.append(threading.get_native_id())
        begun.set()
        over.wait(30)

    with same_priority():
        thread = threading.Thread(target=work)
        thread.start()
        assert begun.wait(120)
        os.sched_setscheduler(0, *BATCH)
    try:
        assert os.sched_getscheduler(0) == usual == os.sched_getscheduler(ids[0])
    finally:
        over.set()
        thread.join()


def test_what_was_so_before_stays() -> None:
    usual = os.sched_getscheduler(0), os.sched_getparam(0)
    os.sched_setscheduler(0, *BATCH)
    try:
        with same_priority():
            pass
        assert os.sched_getscheduler(0) == os.SCHED_BATCH
    finally:
        os.sched_setscheduler(0, *usual)


@pytest.mark.parametrize("codec", ["av1", "h265"])
def test_no_encoder_is_real_time_for_root(codec: str, tmp_path: Path) -> None:
    usual = os.sched_getscheduler(0)
    about = SourceInfo("made up", Size(64, 96), Fraction(25))
    with Recorder(tmp_path / "out.mkv", about, PacketQueue(), Encoding(codec), force=False) as recorder:
        for index in range(3):
            recorder.write(np.zeros((64, 96, 3), np.uint8), index / 25)
        threads = [int(each.name) for each in Path("/proc/self/task").iterdir()]
        assert {os.sched_getscheduler(thread) for thread in threads} == {usual}
