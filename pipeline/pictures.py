"""Pictures in the forms that people have them: arrays, files, Pillow's images. Each becomes a `Frame`."""

import io
import os
import struct
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import BadPicture
from pipeline.types import Frame, Picture
from pipeline.yuv import Yuv420

_PNG = b"\x89PNG\r\n\x1a\n"
"""What a PNG begins with."""
_CHUNK = struct.Struct(">I4s")
"""What each chunk of a PNG begins with: the length of its content, its kind."""
_CHECK = struct.Struct(">I")
"""What it ends with: a check sum of kind and content."""
_MAY_BE_TRANSPARENT = frozenset({".png", ".webp"})
_BY_PILLOW = frozenset({".apng", ".avif", ".gif", ".heic", ".heif", ".tif", ".tiff"})
"""Kinds that OpenCV does not read, or not rightly: of TIFF it multiplies the alpha in, and mostly reads no AVIF."""
_MAY_BE_FLOAT = frozenset({".tif", ".tiff"})
MAX_PIXELS = 100_000_000
"""A JPEG of more is read at a half, a quarter or an eighth of its width: decoding makes it so for free, and whole it
would take gigabytes."""
_JPEG = b"\xff\xd8"
"""What a JPEG begins with."""
_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The segments of a JPEG that say its size."""
_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_ORIENTATION = 0x0112
"""EXIF's number of it."""
_FORMS = (
    "a picture is a uint8 array, BGR (H, W, 3), BGRA (H, W, 4) or grey (H, W); the path of a file; a PIL image;"
    " or a Frame"
)


class PilImage(Protocol):
    """The part of `PIL.Image.Image` that is used; Pillow itself is not required."""

    @property
    def mode(self) -> str: ...

    def convert(self, mode: str) -> Any: ...


AnyPicture = Frame | Yuv420 | NDArray[Any] | str | os.PathLike[str] | PilImage
"""A `Frame`; a numpy array, uint8: BGR (H, W, 3), BGRA (H, W, 4) or grey (H, W); the path of a picture; a PIL image."""


def as_frame(picture: AnyPicture) -> Frame:
    """A picture as a frame; one that is no frame yet belongs to no stream.

    Transparent pictures are laid on white. Files and PIL images are turned upright, as their EXIF orientation says.

    Raises:
        BadPicture: a file that cannot be read, or an object or array that is no picture of these forms.
    """
    if isinstance(picture, Frame):
        return picture
    if isinstance(picture, Yuv420):
        return Frame(picture, index=0, pts_s=0.0, captured_s=0.0)
    if isinstance(picture, np.ndarray):
        return Frame.still(bgr_of(picture))
    if isinstance(picture, str | os.PathLike):
        return Frame.still(read_picture(Path(picture)))
    if _is_pil(picture):
        return Frame.still(bgr_of_pil(picture))
    raise BadPicture(f"{_FORMS}; not {type(picture).__module__}.{type(picture).__qualname__}")


def bgr_of(array: NDArray[Any]) -> Picture:
    """An array as uint8 (H, W, 3), BGR: grey becomes colours, what is transparent is laid on white.

    Args:
        array: uint8 (H, W, 3) BGR, (H, W, 4) BGRA, or (H, W) or (H, W, 1) grey.

    Raises:
        BadPicture: another dtype or shape.
    """
    if array.dtype != np.uint8:
        raise BadPicture(f"{_FORMS}; not {array.dtype} {array.shape}{_cure_of(array)}")
    channels = 1 if array.ndim == 2 else array.shape[2] if array.ndim == 3 else 0
    if not array.size or channels not in (1, 3, 4):
        raise BadPicture(f"{_FORMS}; not uint8 {array.shape}")
    if channels == 1:
        return np.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2)
    return on_white(array) if channels == 4 else array


def read_picture(path: Path) -> Picture:
    """Upright, as the camera's orientation tag says; what is transparent is laid on white.

    Returns:
        uint8 (H, W, 3), BGR.

    Raises:
        BadPicture: missing, or not a picture.
    """
    data, suffix = bytes_of(path), path.suffix.lower()
    if suffix in _BY_PILLOW:
        try:
            read = _read_by_pillow(path)
        except BadPicture:
            if suffix not in _MAY_BE_FLOAT:
                raise
            read = _of_floats(data)  # of colours Pillow has no floats
        if read is not None:
            return read
    if suffix in _MAY_BE_TRANSPARENT:
        picture = decoded(data, cv2.IMREAD_UNCHANGED)
        if picture is not None and picture.ndim == 3 and picture.shape[2] == 4:
            bgra = picture if picture.dtype == np.uint8 else (picture >> 8).astype(np.uint8)
            return _upright(on_white(bgra), path)
    picture = decoded(data, _REDUCED[reduction_of(data)])
    if picture is None:
        raise BadPicture(f"{path} is not a picture that can be read")
    return picture


def opened(path: Path) -> Any:
    """A picture as Pillow has it, with HEIC where that is installed.

    Raises:
        BadPicture: it is none that can be read here.
    """
    image = import_module("PIL.Image")
    if path.suffix.lower() in (".heic", ".heif"):
        try:
            import_module("pi_heif").register_heif_opener()
        except ImportError as exc:
            raise BadPicture(f"{path} is HEIC, which needs the extra heif: pip install 'm2fp-streamer[heif]'") from exc
    try:
        # Not by its name: of a TIFF that is to be turned Pillow would map the file, and its rows at the wrong length.
        return image.open(io.BytesIO(path.read_bytes()))
    except (OSError, ValueError, SyntaxError, image.DecompressionBombError) as exc:
        raise BadPicture(f"{path} is not a picture that can be read") from exc


def reduction_of(data: NDArray[np.uint8]) -> int:
    """By how much the sides of a JPEG are divided as it is decoded: 1, 2, 4 or 8."""
    pixels = _jpeg_pixels(data[: 1 << 20].tobytes())
    return next((each for each in (1, 2, 4) if pixels <= MAX_PIXELS * each * each), 8)


def bytes_of(path: Path) -> NDArray[np.uint8]:
    """A file's content. Raises BadPicture."""
    try:
        return np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as exc:
        raise BadPicture(f"cannot open {path}: {exc.strerror}") from exc


def decoded(data: NDArray[np.uint8], flags: int) -> NDArray[np.uint8] | None:
    """The picture that OpenCV finds in some bytes, if any; with some flags the dtype may be another one."""
    png = data[: len(_PNG)].tobytes() == _PNG
    if png and not _is_whole_png(data.tobytes()):
        return None  # libpng would say so on stderr
    try:
        return cv2.imdecode(_without_profile(data) if png else data, flags)  # type: ignore[return-value]
    except cv2.error:
        return None


def on_white(bgra: NDArray[np.uint8]) -> Picture:
    """A transparent picture on white ground.

    Args:
        bgra: uint8 (H, W, 4), alpha not multiplied in.
    """
    alpha = bgra[..., 3:].astype(np.uint16)
    mixed = (bgra[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return mixed.astype(np.uint8)


def on_black(bgra: NDArray[np.uint8]) -> Picture:
    """A transparent picture, as `on_white` takes it, on black ground."""
    return np.asarray(cv2.multiply(bgra[..., :3], cv2.merge([bgra[..., 3]] * 3), scale=1 / 255), np.uint8)


def _cure_of(array: NDArray[Any]) -> str:
    if np.issubdtype(array.dtype, np.floating):
        return "; of values from 0 to 1, (255 * array).astype(numpy.uint8) makes one"
    return "; (array // 256).astype(numpy.uint8) makes one" if array.dtype == np.uint16 else ""


def _is_pil(picture: object) -> bool:
    """True for an image of Pillow, which must have been imported to make one."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(picture, module.Image)


def bgr_of_pil(image: Any) -> Picture:
    """A PIL image as uint8 (H, W, 3), BGR: upright, on white where it is transparent. Raises BadPicture."""
    if image.mode[0] in "IF":
        raise BadPicture(f"a PIL image of mode {image.mode} has no 8-bit colours; convert it to RGB first")
    upright = import_module("PIL.ImageOps").exif_transpose(image)
    if upright.mode.lower() in ("rgba", "la", "pa") or "transparency" in upright.info:
        rgba = np.asarray(upright.convert("RGBA"), np.uint8)
        return np.ascontiguousarray(on_white(rgba[..., [2, 1, 0, 3]]))
    return np.ascontiguousarray(np.asarray(upright.convert("RGB"), np.uint8)[..., ::-1])


def _read_by_pillow(path: Path) -> Picture | None:
    """None for what has more than 8 bits, which OpenCV reads."""
    with opened(path) as image:
        if image.mode == "F":
            return _of_floats(bytes_of(path))
        if image.mode[0] == "I":
            return None
        try:
            image.load()  # TIFF is turned by that, and would be once more
            return bgr_of_pil(image)
        except (OSError, ValueError, SyntaxError) as exc:
            raise BadPicture(f"{path} is not a picture that can be read") from exc


def _of_floats(data: NDArray[np.uint8]) -> Picture | None:
    """Brightness from 0 to 1, or where it goes further from 0 to 255, as colours; None of what is no such picture."""
    picture = decoded(data, cv2.IMREAD_UNCHANGED)
    if picture is None or picture.dtype.kind != "f":
        return None
    known = np.nan_to_num(picture, nan=0.0, posinf=255.0, neginf=0.0)
    levels = known * 255 if known.max() <= 1 else known
    return bgr_of(np.clip(np.rint(levels), 0, 255).astype(np.uint8))


def _upright(bgr: Picture, path: Path) -> Picture:
    """Turned as its EXIF says, where OpenCV did not."""
    ops, image = import_module("PIL.ImageOps"), import_module("PIL.Image")
    with opened(path) as stored:
        orientation = stored.getexif().get(_ORIENTATION, 1)
    if orientation == 1:
        return bgr
    turned = image.fromarray(bgr)
    turned.getexif()[_ORIENTATION] = orientation
    return np.ascontiguousarray(ops.exif_transpose(turned))


def _jpeg_pixels(head: bytes) -> int:
    """Height times width as a JPEG's beginning says; 0 of what is none."""
    at = len(_JPEG)
    while head.startswith(_JPEG) and at + 9 < len(head) and head[at] == 0xFF:
        if head[at + 1] in _SIZE_MARKERS:
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return int(height * width)
        at += 2 + int.from_bytes(head[at + 2 : at + 4])
    return 0


def _is_whole_png(data: bytes) -> bool:
    """Whether what a picture needs of a PNG is all there, and as it was written."""
    at, view = len(_PNG), memoryview(data)
    while at + _CHUNK.size + _CHECK.size <= len(data):
        length, kind = _CHUNK.unpack_from(data, at)
        end = at + _CHUNK.size + length
        if end + _CHECK.size > len(data):
            return False
        needed = kind[:1].isupper()
        if needed and crc32(view[at + 4 : end]) != _CHECK.unpack_from(data, end)[0]:
            return False
        if kind == b"IEND":
            return True
        at = end + _CHECK.size
    return False


def _without_profile(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A PNG without its colour profile, which OpenCV does not use, and about which libpng complains on stderr."""
    at = len(_PNG)
    while at + _CHUNK.size <= len(data):
        length, kind = _CHUNK.unpack(data[at : at + _CHUNK.size].tobytes())
        end = at + _CHUNK.size + length + 4  # and a check sum
        if kind == b"iCCP":
            return np.concatenate((data[:at], data[end:]))
        if kind == b"IDAT":
            break
        at = end
    return data
