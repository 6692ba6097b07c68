"""CURVE: who may connect to a publisher, and what nobody else can read on the way (RFC 26 of ZeroMQ).

A key pair is two files, NAME.key with the secret and NAME.pub without, in the format of ZeroMQ's certificates. A
publisher knows the public keys that it admits, a subscriber that of its publisher.
"""

import logging
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import zmq
import zmq.auth
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

from streamer.errors import ConfigError, ShutdownTimeout

ZAP_DOMAIN = b"hpm"
SECRET_SUFFIX = ".key"
PUBLIC_SUFFIX = ".pub"
MAX_TOLD = 256
"""Maximum number of refused addresses that are remembered, each of which is logged once."""

_NAME = re.compile("[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_LOG = logging.getLogger(__name__)
_ZAP_ADDRESS = "inproc://zeromq.zap.01"
_POLL_MS = 100
_JOIN_S = 5.0
_OTHERS = 0o077
_KEY_LETTERS = 40
_KEY_BYTES = 32
_CERTIFICATE = """#   {what}
metadata
    name = "{name}"
curve
    public-key = "{public}"
"""
_FAILURES = zmq.Event.HANDSHAKE_FAILED_NO_DETAIL | zmq.Event.HANDSHAKE_FAILED_PROTOCOL | zmq.Event.HANDSHAKE_FAILED_AUTH


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A public key and its secret, as Z85, the way ZeroMQ takes them."""

    public: bytes
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a subscriber needs: its own keys, and the public key of its publisher."""

    key: KeyPair
    server: bytes


def new_keys(name: str, folder: Path) -> tuple[Path, Path]:
    """Writes NAME.key, which only its owner can read, and NAME.pub; their paths. Raises ConfigError."""
    secret_path, public_path = folder / f"{name}{SECRET_SUFFIX}", folder / f"{name}{PUBLIC_SUFFIX}"
    if not _NAME.fullmatch(name):
        raise ConfigError(f"name {name!r} must have 1 to 64 letters a-z or A-Z, digits, '.', '_', '-', no '.' first")
    public, secret = (each.decode() for each in zmq.curve_keypair())
    shown = _CERTIFICATE.format(what="A public key: for whoever is to know this one.", name=name, public=public)
    hidden = _CERTIFICATE.format(what="A SECRET key: never give it away.", name=name, public=public)
    _write(secret_path, f'{hidden}    secret-key = "{secret}"\n', 0o600)
    try:
        _write(public_path, shown, 0o644)
    except ConfigError:
        secret_path.unlink()
        raise
    return secret_path, public_path


def read_key(path: Path) -> KeyPair:
    """The key pair in a .key file. Raises ConfigError, also where others can read the file."""
    public, secret = _read(path)
    if secret is None:
        raise ConfigError(f"{path} has no secret key in it; give the {SECRET_SUFFIX} file, not the {PUBLIC_SUFFIX} one")
    # Windows keeps to itself who may read a file.
    if os.name == "posix" and path.stat().st_mode & _OTHERS:
        raise ConfigError(f"{path} can be read by others; chmod 600 {path}, and make a new key if somebody has")
    return KeyPair(public, secret)


def read_public_key(path: Path) -> bytes:
    """The public key in a .pub file. Raises ConfigError."""
    return _read(path)[0]


def read_credentials(key: Path | None, server_key: Path | None) -> Credentials | None:
    """From a .key file and the publisher's .pub file; None without both. Raises ConfigError."""
    if key is None and server_key is None:
        return None
    if key is None or server_key is None:
        raise ConfigError(
            "key and server_key belong together: the subscriber's .key file, and the publisher's .pub file"
        )
    return Credentials(read_key(key), read_public_key(server_key))


def read_allowed(folder: Path) -> frozenset[bytes]:
    """The public keys in a folder's .pub files; with none, nobody is admitted. Raises ConfigError."""
    if not folder.is_dir():
        raise ConfigError(f"no folder {folder} with the {PUBLIC_SUFFIX} files of those who are admitted")
    return frozenset(read_public_key(each) for each in sorted(folder.glob(f"*{PUBLIC_SUFFIX}")))


def be_server(socket: zmq.Socket[bytes], key: KeyPair) -> None:
    """Has a socket, before it is bound, talk to those only that a `Gate` admits."""
    socket.curve_server = True
    socket.curve_publickey, socket.curve_secretkey = key.public, key.secret
    socket.zap_domain = ZAP_DOMAIN


def be_client(socket: zmq.Socket[bytes], credentials: Credentials) -> None:
    """Has a socket, before it is connected, talk to the owner of the server's key only."""
    key = credentials.key
    socket.curve_publickey, socket.curve_secretkey = key.public, key.secret
    socket.curve_serverkey = credentials.server


class Handshakes:
    """Notices the connections of a socket that fail for want of the right key. For one thread."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        """To be made before the socket is bound or connected, and closed before it is."""
        self._socket = socket
        self._events = socket.get_monitor_socket(_FAILURES)
        self._told = False

    def tell(self, line: str) -> None:
        """Logs a line if one has failed, the first time."""
        while self._events.poll(0):
            recv_monitor_message(self._events)
            if not self._told:
                _LOG.warning("%s", line)
            self._told = True

    def close(self) -> None:
        self._socket.disable_monitor()
        self._events.close()


class Gate:
    """Answers ZeroMQ's questions who may connect (ZAP, RFC 27) in a thread of its own.

    The folder is read at each question, so that who is added or removed needs no restart.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", folder: Path) -> None:
        """Raises ConfigError for a folder that cannot be read."""
        read_allowed(folder)
        self._folder = folder
        self._told: set[str] = set()
        self._stop = threading.Event()
        # Bound here: what connects before somebody answers would be let in.
        self._questions = context.socket(zmq.REP)
        self._questions.linger = 0
        self._questions.bind(_ZAP_ADDRESS)
        self._thread = threading.Thread(target=self._answer, name="zap")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Safe to call twice. Raises ShutdownTimeout."""
        self._stop.set()
        self._thread.join(_JOIN_S)
        if self._thread.is_alive():
            raise ShutdownTimeout(f"the thread {self._thread.name!r} did not end within {_JOIN_S:.0f} s")

    def _answer(self) -> None:
        with self._questions:
            while not self._stop.is_set() and threading.main_thread().is_alive():
                if self._questions.poll(_POLL_MS):
                    self._questions.send_multipart(self._answer_to(self._questions.recv_multipart()))

    def _answer_to(self, question: list[bytes]) -> list[bytes]:
        version, number, _, address, _, mechanism, *credentials = question
        admitted = mechanism == b"CURVE" and self._is_allowed(credentials, address.decode(errors="replace"))
        status = (b"200", b"OK") if admitted else (b"400", b"no such key")
        return [version, number, *status, b"", b""]

    def _is_allowed(self, credentials: list[bytes], address: str) -> bool:
        try:
            allowed = read_allowed(self._folder)
        except ConfigError as exc:
            self._tell(address, f"nobody can be admitted: {exc}")
            return False
        if len(credentials) == 1 and len(credentials[0]) == _KEY_BYTES and z85.encode(credentials[0]) in allowed:
            return True
        self._tell(address, f"refused a subscriber from {address or 'this machine'}: its key is not in {self._folder}")
        return False

    def _tell(self, address: str, line: str) -> None:
        if address not in self._told and len(self._told) < MAX_TOLD:
            self._told.add(address)
            _LOG.warning("%s", line)


def _read(path: Path) -> tuple[bytes, bytes | None]:
    """The public and, where it is there, the secret key."""
    try:
        public, secret = zmq.auth.load_certificate(path)
        for each in (public, secret or public):
            if len(each) != _KEY_LETTERS:
                raise ValueError(f"a key has {_KEY_LETTERS} letters, not {len(each)}")
    except (OSError, ValueError, IndexError) as exc:
        raise ConfigError(f"{path} is not a key file: {exc}") from exc
    return public, secret


def _write(path: Path, text: str, mode: int) -> None:
    with _writing(path):
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as exc:
        raise ConfigError(f"{path} exists; a key is never overwritten: name another") from exc
    except OSError as exc:
        with suppress(OSError):
            path.unlink()
        raise ConfigError(f"{path} cannot be written: {exc.strerror}") from exc
