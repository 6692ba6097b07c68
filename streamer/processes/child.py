"""A child process: a plain new interpreter that runs one module of ours, and the channel to it.

It is not one of `multiprocessing`, which would run the user's script again in the child, so that a script without
`if __name__ == "__main__"` could not stream, and would leave a tracker process behind. There is one way for all
systems: arguments and the first message over standard input, everything else over a loopback socket.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO

from streamer.errors import ShutdownTimeout
from streamer.processes.framing import Body, Channel, ChannelClosed
from streamer.processes.handshake import Listener

_END_S = 0.8
"""For each of three ways to end a process, so that all three together stay under three seconds."""
_LAST_WORDS_S = 0.3
"""What it said is heard by then; processes of its own, which write to the same place, may live longer."""
_MAX_LINE_BYTES = 4096
_CODE = """
import sys
module, leave_s, *sys.path[:] = sys.argv[1:]
from streamer.processes.parent import run
run(module, float(leave_s))
"""
if sys.platform == "win32":
    # A program without a console, such as one with a window, would otherwise get one for each child.
    _FLAGS = subprocess.CREATE_NO_WINDOW
else:
    _FLAGS = 0
_FIRST_NTSTATUS = 0x8000_0000
"""Windows gives from here on what it ended a process for, such as 0xC0000005 for an access violation."""


class Child:
    """One process, from its start to its end. Its channel is closed when it ends."""

    def __init__(
        self,
        name: str,
        module: str,
        first: bytes,
        *,
        wait_s: float,
        leave_s: float = 0.0,
        quiet: bool = False,
        hear: Callable[[bytes], None] | None = None,
        environment: Mapping[str, str] | None = None,
        files: tuple[int, ...] = (),
    ) -> None:
        """Starts it, and does not wait for it. Raises OSError.

        Args:
            name: for error messages.
            module: its `serve(parent)` is called there, see `streamer.processes.parent.Parent`.
            first: the first message, of less than 4 kB: more than a pipe holds on Windows would be waited for.
            wait_s: interval at which `go_on` is asked while nothing moves.
            leave_s: time that it gets to tidy up when this end is closed.
            quiet: discard its standard error, too.
            hear: called in a thread with each line of its standard error, which then goes nowhere else.
            environment: variables that it gets where this process has none of that name.
            files: descriptors that it has as well, by the same numbers; on Unix alone.
        """
        self._name = name
        self._wait_s = wait_s
        self._channel: Channel | None = None
        self._listener = Listener()
        try:
            # A group of its own, since Ctrl-C goes to the whole group: while Python starts, before a signal can be
            # ignored, it would print a traceback.
            # What a library prints would break what the program itself prints for other programs.
            self._process = subprocess.Popen(
                [sys.executable, "-c", _CODE, module, str(leave_s), *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE if hear is not None else subprocess.DEVNULL if quiet else None,
                env={**(environment or {}), **os.environ},
                creationflags=_FLAGS,
                process_group=0,
                pass_fds=files,
            )
        except OSError:
            self._listener.close()
            raise
        self._hearing: threading.Thread | None = None
        if hear is not None and self._process.stderr is not None:
            given = self._process.stderr, hear
            self._hearing = threading.Thread(target=_hear, args=given, name="last words", daemon=True)
            self._hearing.start()
        assert self._process.stdin is not None
        with suppress(OSError), self._process.stdin as stdin:  # it is dead already, as whoever reads from it will see
            stdin.write(self._listener.directions + first)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, body: Body, go_on: Callable[[], bool], rest: Body = b"") -> bool:
        """As `Channel.send`."""
        channel = self._connected(go_on)
        return channel is not None and channel.send(body, go_on, rest)

    def receive(self, go_on: Callable[[], bool], wait_s: float | None = None) -> memoryview | None:
        """As `Channel.receive`."""
        channel = self._connected(go_on)
        return None if channel is None else channel.receive(go_on, wait_s)

    def close(self, *, at_once: bool = False, each_s: float = _END_S) -> int:
        """Ends it by the mildest means that work; its exit code. Safe to call twice. Raises ShutdownTimeout.

        Args:
            at_once: it has nothing to tidy up, or would not notice that it should.
            each_s: time for each of the means; longer than a stream can wait where nobody waits for the end.
        """
        mild = () if at_once else (self._hang_up, self._process.terminate)
        for push in (*mild, self._process.kill):
            push()
            with suppress(subprocess.TimeoutExpired):
                code = self._process.wait(each_s)
                self._hang_up()
                if self._hearing is not None:
                    self._hearing.join(_LAST_WORDS_S)
                return code
        raise ShutdownTimeout(f"{self._name}, process {self.pid}, cannot be killed")

    def _connected(self, go_on: Callable[[], bool]) -> Channel | None:
        """The channel, or None if `go_on` says no before the process has connected. Raises ChannelClosed."""
        while self._channel is None:
            ended = self._process.poll() is not None
            end = self._listener.accept(self._wait_s)
            if end is not None:
                self._channel = Channel(end, self._wait_s)
            elif ended:
                raise ChannelClosed
            elif not go_on():
                return None
        return self._channel

    def _hang_up(self) -> None:
        self._listener.close()
        if self._channel is not None:
            self._channel.close()


def _hear(said: IO[bytes], hear: Callable[[bytes], None]) -> None:
    with said:
        while line := said.readline(_MAX_LINE_BYTES):
            hear(line)


def exit_text(code: int) -> str:
    """An exit code, with its meaning where it has one."""
    if code < 0:
        return f"exit code {code} ({signal.strsignal(-code)})"
    return f"exit code 0x{code:08X}" if code >= _FIRST_NTSTATUS else f"exit code {code}"
