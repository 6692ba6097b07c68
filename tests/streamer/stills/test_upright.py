"""The odd pictures that people and attackers send, each made here."""

import io
import struct
import time
import zlib
from collections.abc import Callable
from contextlib import suppress

import cv2
import numpy as np
import pytest
from PIL import Image

from streamer.stills.messages import Limits
from streamer.stills.upright import Unreadable, upright

LIMITS = Limits()
RANDOM = np.random.default_rng(5)
RGB = cv2.resize(RANDOM.integers(0, 256, (6, 8, 3), np.uint8), (80, 60), interpolation=cv2.INTER_CUBIC)
TOLERANCE = 6
"""Levels by which a JPEG or WebP may differ from its picture, on average."""


def _file(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def _png_of(width: int, height: int) -> bytes:
    """A PNG whose pixels would take gigabytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def _near(bgr: np.ndarray, rgb: np.ndarray) -> bool:
    return bgr.shape == rgb.shape and float(np.abs(bgr[..., ::-1].astype(int) - rgb).mean()) <= TOLERANCE


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(form: str, orientation: int) -> None:
    """As a camera held like that would store it."""
    undo: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
        8: lambda p: np.rot90(p, -1),
    }
    stored = Image.fromarray(np.ascontiguousarray(undo[orientation](RGB)))
    seen = upright(_file(stored, form, exif=_exif(orientation), quality=95), LIMITS)
    assert _near(seen.bgr, RGB)
    assert (seen.size, seen.orientation) == ((60, 80), orientation)


@pytest.mark.parametrize(
    ("mode", "form"), [("L", "JPEG"), ("CMYK", "JPEG"), ("L", "PNG"), ("P", "PNG"), ("1", "PNG"), ("RGBA", "WEBP")]
)
def test_other_colours_become_bgr(mode: str, form: str) -> None:
    image = Image.fromarray(RGB).convert(mode)
    expected = np.asarray(image.convert("RGB"))
    assert _near(upright(_file(image, form, quality=95), LIMITS).bgr, expected)


def test_sixteen_bits_become_eight() -> None:
    grey = np.asarray(Image.fromarray(RGB).convert("L"))
    coded = cv2.imencode(".png", grey.astype(np.uint16) * 257)[1].tobytes()
    assert np.array_equal(upright(coded, LIMITS).bgr, np.repeat(grey[..., None], 3, 2))
    colours = cv2.imencode(".png", RGB[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    assert np.abs(upright(colours, LIMITS).bgr[..., ::-1].astype(int) - RGB).max() <= 1


def test_what_is_transparent_is_laid_on_white() -> None:
    rgba = np.dstack([RGB, np.zeros(RGB.shape[:2], np.uint8)])
    rgba[:30, :, 3] = 255
    bgr = upright(_file(Image.fromarray(rgba), "PNG"), LIMITS).bgr
    assert (bgr[30:] == 255).all()
    assert np.array_equal(bgr[:30, :, ::-1], RGB[:30])
    palette = Image.fromarray(RGB).quantize(8)
    bgr = upright(_file(palette, "PNG", transparency=0), LIMITS).bgr
    assert (bgr[np.asarray(palette) == 0] == 255).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 16384), (16384, 1)])
def test_the_smallest_and_the_longest_are_taken(size: tuple[int, int]) -> None:
    assert upright(_file(Image.new("RGB", size), "PNG"), LIMITS).size == size[::-1]


@pytest.mark.parametrize(("width", "height"), [(20_000, 20_000), (16_385, 1), (1, 16_385), (8000, 8000)])
def test_too_large_ones_are_refused_by_their_header(width: int, height: int) -> None:
    """No memory is taken for the pixels: they are not even there."""
    with pytest.raises(Unreadable, match="pixels") as refused:
        upright(_png_of(width, height), LIMITS)
    assert refused.value.kind == "too-many-pixels"


def test_a_large_jpeg_is_decoded_smaller_but_not_where_it_is_needed_whole() -> None:
    rgb = cv2.resize(RGB, (1600, 1200), interpolation=cv2.INTER_CUBIC)
    body = _file(Image.fromarray(rgb), "JPEG", exif=_exif(6), quality=90)
    limits = Limits(decode_pixels=1_000_000)
    small = upright(body, limits)
    assert small.size == (1600, 1200)
    assert small.bgr.shape == (800, 600, 3)
    assert upright(body, limits, whole=True).bgr.shape == (1600, 1200, 3)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "JPEG"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.97])
def test_pictures_cut_short_are_refused(form: str, share: float) -> None:
    noise = Image.fromarray(RANDOM.integers(0, 256, (200, 200, 3), np.uint8))
    body = _file(noise, form)
    with pytest.raises(Unreadable) as refused:
        upright(body[: int(len(body) * share)], LIMITS)
    assert refused.value.kind in ("truncated-picture", "not-a-picture")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "not-a-picture"),
        (b"hello", "not-a-picture"),
        (b"\x89PNG\r\n\x1a\n", "not-a-picture"),
        (b"GIF89a" + bytes(30), "unsupported-format"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported-format"),
        (b"%PDF-1.7", "unsupported-format"),
        (b"#EXTM3U\n/etc/passwd", "unsupported-format"),
        (bytes(4) + b"ftypheic" + bytes(30), "unsupported-format"),
    ],
)
def test_other_bytes_are_refused_with_what_they_are(body: bytes, kind: str) -> None:
    with pytest.raises(Unreadable) as refused:
        upright(body, LIMITS)
    assert refused.value.kind == kind


@pytest.mark.parametrize("form", ["BMP", "TIFF", "GIF", "PPM"])
def test_other_formats_are_refused(form: str) -> None:
    with pytest.raises(Unreadable):
        upright(_file(Image.fromarray(RGB), form), LIMITS)


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_animations_need_to_be_asked_for(form: str) -> None:
    frames = [Image.fromarray(np.full((20, 30, 3), level, np.uint8)) for level in (40, 200)]
    body = _file(frames[0], form, save_all=True, append_images=frames[1:], duration=100, lossless=True)
    with pytest.raises(Unreadable, match="2 frames") as refused:
        upright(body, LIMITS)
    assert refused.value.kind == "animated"
    assert (upright(body, LIMITS, first_frame=True).bgr == 40).all()


def test_damaged_tags_and_profiles_turn_nothing() -> None:
    image = Image.fromarray(RGB)
    for exif in (b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", _exif(99)):
        assert _near(upright(_file(image, "JPEG", exif=exif, quality=95), LIMITS).bgr, RGB)
    assert _near(upright(_file(image, "PNG", icc_profile=b"no profile" * 20), LIMITS).bgr, RGB)


def test_a_picture_with_a_page_behind_it_is_the_picture() -> None:
    body = _file(Image.fromarray(RGB), "JPEG", quality=95) + b"<script>alert(1)</script>" + b"PK\x03\x04"
    assert _near(upright(body, LIMITS).bgr, RGB)


def test_mutated_pictures_are_refused_or_decoded_and_nothing_else() -> None:
    random = np.random.default_rng(9)
    sources = [_file(Image.fromarray(RGB), form) for form in ("JPEG", "PNG", "WEBP")]
    until_s = time.monotonic() + 1.0
    while time.monotonic() < until_s:
        body = bytearray(sources[random.integers(3)])
        for _ in range(random.integers(1, 6)):
            body[random.integers(len(body))] = random.integers(256)
        with suppress(Unreadable):
            assert upright(bytes(body), LIMITS).bgr.dtype == np.uint8
