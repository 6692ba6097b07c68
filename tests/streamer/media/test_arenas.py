"""How many arenas threads have, as the allocator says."""

import os
import platform
import subprocess
import sys

import pytest

from streamer.media.arenas import VARIABLE
from tests.support.paths import ROOT

THREADS = 12
CODE = f"""
import ctypes, sys, threading
from streamer.media.arenas import limit_arenas
if sys.argv[1] == "limited":
    limit_arenas(2)
libc, all_there = ctypes.CDLL(None), threading.Barrier({THREADS})
libc.malloc.restype = ctypes.c_void_p
def allocate():
    libc.malloc(ctypes.c_size_t(1000))
    all_there.wait()
threads = [threading.Thread(target=allocate) for _ in range({THREADS})]
[each.start() for each in threads]
[each.join() for each in threads]
libc.malloc_stats()
"""


def arenas(how: str, **environment: str) -> int:
    own = {name: value for name, value in os.environ.items() if name != VARIABLE}
    said = subprocess.run(
        [sys.executable, "-c", CODE, how], cwd=ROOT, env=own | environment, capture_output=True, text=True, check=True
    ).stderr
    return sum(line.startswith("Arena ") for line in said.splitlines())


@pytest.mark.process
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator of glibc")
def test_threads_share_arenas_unless_the_user_says_how_many_there_are() -> None:
    assert arenas("as usual") > 2
    assert arenas("limited") <= 2
    assert arenas("limited", **{VARIABLE: "4"}) > 2
