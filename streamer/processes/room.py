"""Memory that a process and its child both see: pictures of a few megabytes need not go through a socket.

This file imports nothing but the standard library.
"""

import mmap
import os
import sys
from contextlib import suppress
from typing import Self


class Room:
    """Bytes of an anonymous file, of which nothing is left when both processes are gone, whatever ended them.

    What is written there, and when it may be read, the two tell each other over their channel.
    """

    def __init__(self, file: int) -> None:
        """
        Args:
            file: its descriptor, which this end owns from now on.
        """
        self.file = file
        self._memory: mmap.mmap | None = None

    @classmethod
    def new(cls) -> Self | None:
        """Empty. None where the system has no such files, as all but Linux, or refuses to make one."""
        if sys.platform == "linux":
            with suppress(OSError):
                return cls(os.memfd_create("pictures"))
        return None

    def first(self, count: int) -> memoryview:
        """Its first bytes, so many; it grows if it has fewer. Raises OSError."""
        if self._memory is None or len(self._memory) < count:
            if os.fstat(self.file).st_size < count:
                os.ftruncate(self.file, count)
            # The mapping before goes when nobody looks at it any more.
            self._memory = mmap.mmap(self.file, count)
        return memoryview(self._memory)[:count]

    def close(self) -> None:
        """Safe to call twice. What was looked at stays."""
        if self.file >= 0:
            os.close(self.file)
            self.file, self._memory = -1, None
