"""The socket that the service listens at: a port, or a file of this user."""

import os
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamer.errors import StreamerError
from streamer.web.settings import AccessSettings

BACKLOG = 2048
_OTHERS = 0o177
"""What the file of a socket does not let others do: only its user connects."""


class CannotListen(StreamerError):
    """Raised when the address cannot be listened at."""


@contextmanager
def listening_at(access: AccessSettings) -> Iterator[socket.socket]:
    """A socket that listens; its file is removed at the end. Raises CannotListen."""
    if access.uds is not None:
        with _file(Path(access.uds)) as found:
            yield found
        return
    host, port = access.host.strip("[]"), access.port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        found = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as exc:
        raise CannotListen(f"cannot listen at {host} port {port}: {exc.strerror or exc}") from exc
    with found:
        yield found


@contextmanager
def _file(path: Path) -> Iterator[socket.socket]:
    if sys.platform == "win32":
        raise CannotListen("this system has no Unix sockets: leave out --uds")
    with socket.socket(socket.AF_UNIX) as found:
        try:
            _remove_stale(path)
            before = os.umask(_OTHERS)
            try:
                found.bind(str(path))
            finally:
                os.umask(before)
            found.listen(BACKLOG)
            own = path.lstat()
        except OSError as exc:
            raise CannotListen(f"cannot listen at {path}: {exc.strerror or exc}") from exc
        try:
            yield found
        finally:
            if path.is_socket() and os.path.samestat(path.lstat(), own):
                path.unlink()


def _remove_stale(path: Path) -> None:
    """Removes the socket of a service that was killed. Raises CannotListen for anything else that is there, OSError."""
    if sys.platform == "win32":
        return
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise CannotListen(f"{path} is there and is no socket; remove it, or name another with --uds")
    with socket.socket(socket.AF_UNIX) as asking:
        try:
            asking.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise CannotListen(f"another service listens at {path}; end it, or name another with --uds")
