"""The path of an `ipc://` address: for its owner only, never taken from a live publisher, and bound again when deleted.

ZeroMQ by itself removes whatever is at the path, be it the socket of another publisher or somebody's file, lets every
user connect as far as the umask allows it, and goes on listening where nobody finds it when the path is gone.
"""

import logging
import os
import socket
import sys
from contextlib import suppress
from errno import EADDRINUSE, EAFNOSUPPORT
from pathlib import Path

import zmq

from streamer.errors import SinkError
from streamer.zeromq.address import IPC

_LOG = logging.getLogger(__name__)
_OWNER_ONLY = 0o600
_MAX_BACKLOG = 100
"""Subscribers that wait to be let in at the same moment."""


class IpcPath:
    """Where one ZeroMQ socket listens; used by the thread that uses the socket."""

    def __init__(self, publishing: zmq.Socket[bytes], address: str) -> None:
        """Listens. Raises SinkError: somebody else does, or nobody can."""
        self._socket, self._address = publishing, address
        self._path = Path(address.removeprefix(IPC))
        self._told = ""
        self._listen()

    def keep(self) -> None:
        """To be called each second or so: who listens already goes on, and who comes later finds the path again."""
        if self._is_ours():
            return
        try:
            self._listen()
        except SinkError as exc:
            self._tell(f"subscribers that come now do not find this publisher, whose path is gone: {exc}")
        else:
            self._tell(f"listening on {self._address} again, whose path was gone")
            self._told = ""

    def release(self) -> None:
        """Removes the path, if it is ours; to be called before the socket is closed."""
        if self._is_ours():
            with suppress(OSError):  # of a folder that may not be written any more; the next publisher takes it
                self._path.unlink()

    def _tell(self, what: str) -> None:
        if what != self._told:
            _LOG.warning("%s", what)
        self._told = what

    def _is_ours(self) -> bool:
        try:
            there = self._path.stat()
        except OSError:
            return False
        # As long as the socket lives the system gives its number to no other file.
        return (there.st_dev, there.st_ino) == self._mark

    def _listen(self) -> None:
        with _local_socket() as listener:
            listener.setblocking(False)
            try:
                self._bind(listener)
                # Nobody can connect before it listens, and nobody else after.
                self._path.chmod(_OWNER_ONLY)
                there = self._path.stat()
                listener.listen(_MAX_BACKLOG)
                # The old one stays: to unbind it would end the connections that came by it.
                self._socket.setsockopt(zmq.USE_FD, listener.fileno())
                self._socket.bind(self._address)
            except (OSError, zmq.ZMQError) as exc:
                raise SinkError(f"cannot listen on {self._address}: {exc.strerror or exc}") from exc
            listener.detach()
            self._mark = (there.st_dev, there.st_ino)

    def _bind(self, listener: socket.socket) -> None:
        try:
            listener.bind(os.fspath(self._path))
        except OSError as exc:
            if exc.errno != EADDRINUSE:
                raise
            self._remove_dead()
            listener.bind(os.fspath(self._path))

    def _remove_dead(self) -> None:
        """A publisher that was killed leaves its path behind. Raises SinkError where it is something else."""
        if not self._path.is_socket():
            raise SinkError(f"cannot listen on {self._address}: what is there is no socket; name another path")
        with _local_socket() as caller:
            caller.setblocking(False)
            try:
                caller.connect(os.fspath(self._path))
            except ConnectionRefusedError:
                self._path.unlink(missing_ok=True)
            except BlockingIOError as exc:
                raise self._taken() from exc
            else:
                raise self._taken()

    def _taken(self) -> SinkError:
        return SinkError(f"cannot listen on {self._address}: another program listens there")


def _local_socket() -> socket.socket:
    if sys.platform == "win32":  # where an `ipc://` address has been refused before
        raise OSError(EAFNOSUPPORT, "no sockets in the file system")
    return socket.socket(socket.AF_UNIX)
