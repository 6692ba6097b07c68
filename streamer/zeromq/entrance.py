"""The socket at which subscribers come in, and the keys that they need."""

from pathlib import Path

import zmq

from streamer.errors import ConfigError, SinkError
from streamer.zeromq.address import check_bindable, has_path
from streamer.zeromq.curve import Gate, be_server, read_key
from streamer.zeromq.ipc_path import IpcPath

MAX_QUEUED = 64
"""Maximum number of messages that wait for one subscriber, on either side; newer ones are dropped."""

_MAX_REQUEST_BYTES = 1024


class Entrance:
    """Listens for subscribers. For one thread."""

    def __init__(
        self, address: str, *, insecure: bool = False, key: Path | None = None, allow: Path | None = None
    ) -> None:
        """
        Args:
            address, insecure, key, allow: see `streamer.zeromq.publisher.Publisher`.

        Raises:
            ConfigError: one of these cannot be.
            SinkError: the address is taken, or not this machine's.
        """
        if (key is None) != (allow is None):
            raise ConfigError("key and allow belong together: the publisher's .key file, and a folder of .pub files")
        check_bindable(address, insecure or key is not None)
        pair = None if key is None else read_key(key)
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.XPUB)
        """It tells of each subscription, also of one that another subscriber has."""
        self._path: IpcPath | None = None
        self._gate: Gate | None = None
        try:
            _set_up(self.socket, address)
            if pair is not None and allow is not None:
                self._gate = Gate(self.context, allow)
                be_server(self.socket, pair)
            if has_path(address):
                self._path = IpcPath(self.socket, address)
            else:
                _bind(self.socket, address)
        except (SinkError, ConfigError):
            self._end_gate()
            self.context.destroy(linger=0)
            raise
        self.address = self.socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def keep(self) -> None:
        """To be called each second or so: the path of an `ipc://` address that was deleted is there again."""
        if self._path is not None:
            self._path.keep()

    def close(self) -> None:
        """Stops listening. The context's other sockets are to be closed before."""
        if self._path is not None:
            self._path.release()
        self.socket.close()
        self._end_gate()
        self.context.term()

    def _end_gate(self) -> None:
        if self._gate is not None:
            self._gate.close()


def _set_up(socket: zmq.Socket[bytes], address: str) -> None:
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, MAX_QUEUED)
    socket.setsockopt(zmq.MAXMSGSIZE, _MAX_REQUEST_BYTES)
    socket.setsockopt(zmq.XPUB_VERBOSE, 1)
    socket.setsockopt(zmq.IPV6, "[" in address)


def _bind(socket: zmq.Socket[bytes], address: str) -> None:
    try:
        socket.bind(address)
    except zmq.ZMQError as exc:
        cure = "; another program listens there" if exc.errno == zmq.EADDRINUSE else ""
        raise SinkError(f"cannot listen on {address}: {exc.strerror}{cure}") from exc
