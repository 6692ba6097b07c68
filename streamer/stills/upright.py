"""A picture from bytes that nobody vouches for: first its header, then its pixels, upright."""

import io
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image, UnidentifiedImageError

from pipeline.geometry import Size
from pipeline.pictures import on_white
from pipeline.types import Picture
from streamer.stills.messages import MEGA, Limits

FORMATS = ("JPEG", "PNG", "WEBP")
_HIGH = ("I;16", "I;16B", "I;16L", "I;16N")
"""Pillow's modes for 16 bits of grey."""
_OTHERS = {
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"%PDF": "PDF",
    b"\0\0\1\0": "an icon",
    b"#EXTM3U": "a playlist",
}


class Unreadable(Exception):
    """Raised for bytes that are no picture that may be decoded."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind, self.detail = kind, detail


@dataclass(frozen=True, slots=True, eq=False)
class Upright:
    """A decoded picture."""

    bgr: Picture
    """Upright, what is transparent laid on white; smaller than `size` where that saved time."""
    size: Size
    """Of the picture itself, upright."""
    orientation: int
    """The camera's tag, from 1 to 8; 1 is upright already."""
    format: str


def upright(body: bytes, limits: Limits, *, first_frame: bool = False, whole: bool = False) -> Upright:
    """Decodes a JPEG, PNG or WebP.

    Args:
        first_frame: take the first frame of an animation.
        whole: never decode it smaller.

    Raises:
        Unreadable: not a picture, of another format, cut short, animated, or larger than the limits.
    """
    with warnings.catch_warnings():
        # The limits are ours, and a tag that cannot be read is no matter.
        warnings.simplefilter("ignore")
        image = _opened(body)
        _check(image, limits, first_frame)
        try:
            orientation = _orientation(image)
            size = Size(image.height, image.width)
            size = Size(*size[::-1]) if orientation >= 5 else size
            if not whole and size.area > limits.decode_pixels:
                image.draft("RGB", _reduced(image, limits.decode_pixels))
            bgr = _turned(_bgr(image), orientation)
        except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, OverflowError, MemoryError) as exc:
            # Pillow's decoders raise these for damaged data.
            raise Unreadable("truncated-picture", f"the picture cannot be decoded to its end: {exc}") from exc
    return Upright(bgr, size, orientation, str(image.format))


def _opened(body: bytes) -> Image.Image:
    Image.MAX_IMAGE_PIXELS = None  # ours are checked below
    try:
        return Image.open(io.BytesIO(body), formats=FORMATS)
    except UnidentifiedImageError as exc:
        kind = _other_format(body)
        if kind is None:
            raise Unreadable("not-a-picture", "this is no picture; JPEG, PNG and WebP are taken") from exc
        raise Unreadable("unsupported-format", f"this is {kind}; JPEG, PNG and WebP are taken") from exc
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, OverflowError) as exc:
        raise Unreadable("truncated-picture", f"the picture's header cannot be read: {exc}") from exc


def _check(image: Image.Image, limits: Limits, first_frame: bool) -> None:
    if image.width * image.height > limits.max_pixels:
        raise Unreadable(
            "too-many-pixels",
            f"{image.width}x{image.height} pixels; at most {limits.max_pixels / MEGA:g} million are taken",
        )
    if max(image.size) > limits.max_side_px:
        raise Unreadable(
            "too-many-pixels", f"{image.width}x{image.height} pixels; a side has at most {limits.max_side_px}"
        )
    frames = int(getattr(image, "n_frames", 1))
    # The frames of a JPEG are a camera's previews.
    if frames > 1 and image.format != "JPEG" and not first_frame:
        raise Unreadable("animated", f"an animation of {frames} frames; frame=0 takes the first one")


def _orientation(image: Image.Image) -> int:
    try:
        value = int(image.getexif().get(0x0112, 1))
    except (OSError, SyntaxError, ValueError, TypeError, EOFError, KeyError, IndexError, OverflowError):
        return 1  # a damaged tag turns nothing
    return value if 1 <= value <= 8 else 1


def _reduced(image: Image.Image, pixels: int) -> tuple[int, int]:
    """The size that no side may fall below when JPEG's decoder halves a picture: a quarter of so many pixels."""
    scale = (pixels / 4 / (image.width * image.height)) ** 0.5
    return max(1, int(image.width * scale)), max(1, int(image.height * scale))


def _bgr(image: Image.Image) -> Picture:
    image.load()
    if image.mode in _HIGH:
        grey = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode in ("I", "F"):
        grey = np.clip(np.asarray(image, np.float64) / 256, 0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = np.asarray(image.convert("RGBA"), np.uint8)
        return on_white(rgba[..., [2, 1, 0, 3]])
    return np.asarray(image.convert("RGB"), np.uint8)[..., ::-1]


def _turned(picture: Picture, orientation: int) -> Picture:
    """Upright, by the eight values of EXIF's orientation."""
    if orientation >= 5:
        picture = picture.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    return np.ascontiguousarray(picture)


def _other_format(body: bytes) -> str | None:
    """The name of a format that is not taken, where the first bytes tell it."""
    head = body[:16]
    for start, name in _OTHERS.items():
        if head.startswith(start):
            return name
    if head[4:8] == b"ftyp":
        return "a film, HEIC or AVIF"
    return "SVG" if b"<svg" in body[:1024] else None
