"""JPEGs over HTTP, however they are put together: one after the other between boundaries or without, as browsers show
them, or one for each request, fetched again and again.

Where a JPEG ends is read from itself: what stands around it, boundaries and lengths, is wrong in many cameras.
"""

import threading
import time
from collections.abc import Iterator
from typing import Protocol
from urllib.parse import unquote, urlsplit, urlunsplit

MAX_JPEG = 64_000_000
MAX_BEFORE = 1_000_000
"""After so many bytes without a JPEG there is none."""
READ_BYTES = 1 << 16

_BEGINS = b"\xff\xd8\xff"
_END, _SCAN = 0xD9, 0xDA
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length."""


class NoJpegs(ValueError):
    """Raised when what comes has none in it."""


class Answer(Protocol):
    """What a web server sends."""

    def read1(self, size: int = -1, /) -> bytes: ...


def fetched(url: str, poll_s: float) -> Iterator[bytes]:
    """The JPEGs that a web server gives, until it ends; where it gives one a request, one each so many seconds.

    Raises:
        OSError: it refuses.
        NoJpegs: it gives something else.
    """
    opener, bare = _opener(url)
    pause = threading.Event()
    while True:
        began_s, count = time.monotonic(), 0
        with opener.open(bare) as answer:
            for jpeg in split(answer):
                count += 1
                yield jpeg
        if not count:
            raise NoJpegs("there is no JPEG in it")
        if count > 1:
            return
        pause.wait(max(0.0, began_s + poll_s - time.monotonic()))


def split(answer: Answer) -> Iterator[bytes]:
    """The JPEGs in what comes. Raises NoJpegs."""
    data, seen = b"", False
    while piece := answer.read1(READ_BYTES):
        data += piece
        while True:
            begin = data.find(_BEGINS)
            if begin < 0:
                data = data[1 - len(_BEGINS) :] if seen else data
                break
            end = end_of(data, begin)
            if end is None:
                data = data[begin:]
                break
            seen = True
            yield data[begin:end]
            data = data[end:]
        if len(data) > (MAX_JPEG if data.startswith(_BEGINS) else MAX_BEFORE):
            raise NoJpegs("there is no JPEG in it, or none that ends")


def end_of(data: bytes, begin: int) -> int | None:
    """Where the JPEG that begins there ends; None if more of it has to come. Where it is broken, it ends there."""
    at = begin + 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return at
        marker = data[at + 1]
        if marker == _END:
            return at + 2
        if marker == 0xFF or marker in _ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker == _SCAN:
            found = _after_scan(data, at)
            if found is None:
                return None
            at = found
    return at + 2 if data[at : at + 2] == bytes((0xFF, _END)) else None


def _after_scan(data: bytes, at: int) -> int | None:
    """Where the next marker is behind coded pixels, in which there are only those to begin anew."""
    while (at := data.find(b"\xff", at)) >= 0 and at + 1 < len(data):
        if data[at + 1] != 0 and not 0xD0 <= data[at + 1] <= 0xD7:
            return at
        at += 2
    return None


def _opener(url: str):  # type: ignore[no-untyped-def]
    """What opens the address, and the address without user and password."""
    from urllib import request  # a tenth of a second, which most connections do not need

    parts = urlsplit(url)
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    known = request.HTTPPasswordMgrWithDefaultRealm()
    known.add_password(None, bare, unquote(parts.username or ""), unquote(parts.password or ""))
    handlers = [request.HTTPDigestAuthHandler(known), request.HTTPBasicAuthHandler(known)] if parts.username else []
    return request.build_opener(*handlers), bare
