"""The bodies of requests: counted as they come, and given up when they do not come."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request

from streamer.web.problems import Problem

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

IDLE_S = 30.0
"""Time without a byte after which a body is given up."""
WHOLE_S = 300.0
"""Time after which a body is given up that is still coming."""
MULTIPART_EXTRA_BYTES = 16_384
"""What the lines around a file may take."""


def counted(receive: Receive, limit_bytes: int, whole_s: float = WHOLE_S) -> Receive:
    """A request's `receive` that raises Problem for a body that is too large or too slow."""
    loop = asyncio.get_running_loop()
    got, until_s, done = 0, loop.time() + whole_s, False

    async def receive_counted() -> Message:
        nonlocal got, done
        if done:
            return await receive()
        try:
            async with asyncio.timeout(max(0.0, min(IDLE_S, until_s - loop.time()))):
                message = await receive()
        except TimeoutError as exc:
            raise Problem(
                "too-slow", f"the body did not come within {IDLE_S:.0f} s, or {whole_s:.0f} s in all"
            ) from exc
        got += len(message.get("body", b""))
        done = message["type"] != "http.request" or not message.get("more_body", False)
        if got > limit_bytes:
            raise Problem("too-many-bytes", f"more than {limit_bytes} bytes")
        return message

    return receive_counted


def refuse_early(length: str | None, limit_bytes: int) -> None:
    """Raises Problem for a body that says itself that it is too large."""
    if length is not None and length.isascii() and length.isdecimal() and int(length) > limit_bytes:
        raise Problem("too-many-bytes", f"{length} bytes; at most {limit_bytes} are taken")


async def files_of(request: Request, max_files: int) -> list[bytes]:
    """The files in a request: its body, or the parts of a form that are files. Names are never used. Raises Problem."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind != "multipart/form-data":
            body = await request.body()
            files = [body] if body else []
        else:
            files = await _of_form(request, max_files)
    except ClientDisconnect as exc:
        raise Problem("bad-request", "the client hung up") from exc
    if not files:
        raise Problem("validation", "there is no picture in the body", errors=[{"pointer": "", "detail": "no file"}])
    if len(files) > max_files:
        raise Problem("validation", f"{len(files)} files; at most {max_files} are taken")
    return files


async def _of_form(request: Request, max_files: int) -> list[bytes]:
    try:
        async with request.form(max_files=max_files, max_fields=16) as form:
            return [await part.read() for _, part in form.multi_items() if isinstance(part, UploadFile)]
    except (MultiPartException, MultipartParseError, KeyError, UnicodeDecodeError) as exc:
        raise Problem("bad-request", f"the form cannot be read: {exc}") from exc


async def file_chunks(request: Request) -> AsyncIterator[bytes]:
    """The file in a request, as it comes: its body, or the one part of a form that is a file. Raises Problem."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    form = _FileOfForm(options.get(b"boundary", b"")) if kind == b"multipart/form-data" else None
    try:
        async for chunk in request.stream():
            if form is None:
                yield chunk
            else:
                for part in form.fed(chunk):
                    yield part
    except ClientDisconnect as exc:
        raise Problem("bad-request", "the client hung up") from exc
    if form is not None and not form.whole:
        raise Problem("bad-request", "the form ends before its end")


class _FileOfForm:
    """The file of a form, out of the pieces of its body; other fields are passed over."""

    def __init__(self, boundary: bytes) -> None:
        """Raises Problem."""
        self.whole = False
        self._files = 0
        self._in_file = False
        self._name, self._value = b"", b""
        self._found: list[bytes] = []
        heed: MultipartCallbacks = {
            "on_part_begin": self._begun,
            "on_header_field": self._named,
            "on_header_value": self._valued,
            "on_header_end": self._header,
            "on_part_data": self._data,
            "on_end": self._ended,
        }
        if not boundary:
            raise Problem("bad-request", "the form cannot be read: its Content-Type has no boundary")
        self._parser = MultipartParser(boundary, heed)

    def fed(self, chunk: bytes) -> list[bytes]:
        """What of the file is in the next piece. Raises Problem."""
        try:
            self._parser.write(chunk)
        except MultipartParseError as exc:
            raise Problem("bad-request", f"the form cannot be read: {exc}") from exc
        if self._files > 1:
            raise Problem("validation", "more than one file; a job is of one video")
        found, self._found = self._found, []
        return found

    def _begun(self) -> None:
        self._in_file = False

    def _named(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _valued(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header(self) -> None:
        if self._name.lower() == b"content-disposition" and b"filename" in parse_options_header(self._value)[1]:
            self._in_file = True
            self._files += 1
        self._name, self._value = b"", b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._found.append(data[start:end])

    def _ended(self) -> None:
        self.whole = True
