"""The page's files: kept in memory, compressed once."""

import gzip
import mimetypes
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response

from streamer.web.problems import Problem

FOLDER = Path(__file__).parent / "page"
PAGES = {"/": "index.html", "/docs": "docs.html"}
"""The files of addresses that do not end like files."""
_KINDS = {".js": "text/javascript", ".svg": "image/svg+xml", ".json": "application/json", ".md": "text/plain"}

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class File:
    """One file of the page."""

    body: bytes
    packed: bytes
    """The same, as gzip."""
    kind: str
    etag: str


@cache
def files() -> dict[str, File]:
    """All files of the page, by their paths inside its folder. There are no others: nothing is looked up on a disk."""
    found = {}
    for path in FOLDER.rglob("*"):
        if path.is_file():
            body = path.read_bytes()
            kind = _KINDS.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "text/plain"
            etag = f'"{blake2b(body, digest_size=12).hexdigest()}"'
            packed = gzip.compress(body, 9, mtime=0)
            found[path.relative_to(FOLDER).as_posix()] = File(body, packed, kind, etag)
    return found


@router.get("/")
async def index(request: Request) -> Response:
    return _answer(request, PAGES["/"])


@router.get("/docs")
async def docs(request: Request) -> Response:
    return _answer(request, PAGES["/docs"])


@router.get("/page/{path:path}")
async def file(request: Request, path: str) -> Response:
    return _answer(request, path)


def _answer(request: Request, path: str) -> Response:
    found = files().get(path)
    if found is None:
        raise Problem("not-found", "the page has no such file")
    headers = {"ETag": found.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == found.etag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.packed, media_type=found.kind, headers={**headers, "Content-Encoding": "gzip"})
    return Response(found.body, media_type=found.kind, headers=headers)
