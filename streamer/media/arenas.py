"""The memory allocator of Linux (glibc), kept from hoarding.

It gives nearly each thread an arena of its own, up to eight for each core, and keeps in each what was freed there.
Frames are made by one thread and freed by another, so that a program of several streams holds and slowly gathers what
nobody uses: of four cameras in a minute and a half 434 to 442 MB, in place of 386 to 382.
"""

import ctypes
import os
import sys
from contextlib import suppress

ARENA_MAX = -8
"""glibc's M_ARENA_MAX."""
VARIABLE = "MALLOC_ARENA_MAX"
"""By this the user says it: then it stays so."""


def limit_arenas(number: int) -> None:
    """Allows so many arenas in this process from now on; those that there are stay. Does nothing elsewhere."""
    if sys.platform == "linux" and VARIABLE not in os.environ:
        with suppress(AttributeError):  # another library of C, such as musl
            ctypes.CDLL(None).mallopt(ARENA_MAX, number)
