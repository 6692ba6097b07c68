"""Pictures of every kind are read as people see them, and keep what their files say of them."""

import io
import logging
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, features

from pipeline import pictures
from pipeline.pictures import reduction_of
from streamer import CannotOpen, open_source
from streamer.cli.targets import planned
from streamer.media.images import PictureTags, is_animated, read_label_map, read_picture, tags_of, write_picture
from tests.support.heic import write_heic
from tests.support.media import quarters, turn_of

RGB = np.ascontiguousarray(quarters(64, 96)[..., ::-1])
MODEL, ORIENTATION = 0x0110, 0x0112
STORED = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
"""How a picture is turned to be stored with an orientation."""


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION], exif[MODEL] = orientation, "Cam"
    return exif


def faded(alpha: int) -> Image.Image:
    return Image.fromarray(np.dstack([RGB, np.full(RGB.shape[:2], alpha, np.uint8)]))


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".avif", ".jpg"])
@pytest.mark.parametrize("orientation", STORED)
def test_orientation_is_heeded_by_every_kind(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(RGB).transpose(STORED[orientation]).save(path, exif=exif_of(orientation))
    assert turn_of(read_picture(path)) == [0, 1, 2, 3]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".avif"])
@pytest.mark.parametrize("orientation", STORED)
def test_orientation_and_alpha_together_and_alpha_once(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"a{suffix}"
    more: dict[str, Any] = {"lossless": True} if suffix == ".webp" else {}
    faded(128).transpose(STORED[orientation]).save(path, exif=exif_of(orientation), **more)
    read = read_picture(path)
    whitened = np.round(quarters(64, 96) * (128 / 255) + 255 * (127 / 255))
    for spot in ((10, 10), (10, 80), (50, 10), (50, 80)):
        np.testing.assert_allclose(read[spot], whitened[spot], atol=6 if suffix == ".avif" else 1)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("size", [(64, 64), (128, 192), (100, 122)])  # a tile, six, and four that are cropped
def test_heic_is_read_whole_and_upright(tmp_path: Path, size: tuple[int, int], turns: int) -> None:
    pytest.importorskip("pi_heif")
    path = write_heic(tmp_path / "a.HEIC", quarters(*size), turns)
    upright = np.rot90(quarters(*size), turns)
    read = read_picture(path)
    assert read.shape == upright.shape
    assert turn_of(read) == turn_of(np.ascontiguousarray(upright))
    assert np.abs(read.astype(int) - upright).mean() < 3  # what the codec loses; a tile that is missing is 30


def test_a_heic_that_is_none_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pi_heif")
    whole = write_heic(tmp_path / "a.heic", quarters(128, 128)).read_bytes()
    for data in (b"nothing", whole[: len(whole) // 2]):
        (tmp_path / "a.heic").write_bytes(data)
        with pytest.raises(CannotOpen, match="not a picture that can be read"):
            read_picture(tmp_path / "a.heic")


def test_heic_without_its_extra_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pi_heif", None)
    (tmp_path / "a.heic").write_bytes(b"nothing")
    with pytest.raises(CannotOpen, match=r"pip install 'm2fp-streamer\[heif\]'"):
        read_picture(tmp_path / "a.heic")


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".avif", ".gif"])
def test_animated_pictures_are_videos_with_their_own_times(tmp_path: Path, suffix: str) -> None:
    path, lasts_ms = tmp_path / f"a{suffix}", [40, 200, 500]
    frames = [Image.fromarray(np.roll(RGB, 30 * step, axis=1)) for step in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=lasts_ms, loop=0)
    assert is_animated(path) == (suffix != ".gif")  # FFmpeg reads that
    with open_source(path) as source:
        shown = [(frame.pts_s, frame.bgr) for frame in source]
    times = [0.0, 0.04, 0.08] if suffix == ".tif" else [0.0, 0.04, 0.24]
    assert [round(time_s, 3) for time_s, _ in shown] == times
    assert len({picture.tobytes() for _, picture in shown}) == 3
    if suffix in (".png", ".webp", ".avif"):
        assert source.info.duration_s == pytest.approx(0.74)
    (tmp_path / "out").mkdir()
    (job,) = planned([str(path), str(tmp_path / "out")]).jobs
    assert job.out.name == "a.mp4"


def test_a_heic_in_a_folder_becomes_a_jpeg(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.HEIC").touch()
    (job,) = planned([str(tmp_path / "in"), str(tmp_path / "out")]).jobs
    assert job.out.name == "a.jpg"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
def test_profile_and_exif_are_kept_and_the_orientation_is_not(tmp_path: Path, suffix: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=exif_of(6), icc_profile=profile)
    tags = tags_of(tmp_path / "a.jpg")
    out = tmp_path / f"out{suffix}"
    write_picture(out, quarters(64, 96), tags)
    with Image.open(out) as image:
        assert image.info["icc_profile"] == profile
        assert image.getexif().get(MODEL) == "Cam"
        assert image.getexif().get(ORIENTATION, 1) == 1
    assert turn_of(read_picture(out)) == [0, 1, 2, 3]


TIFFS = {
    "RGBA": faded(128),
    "CMYK": Image.fromarray(RGB).convert("CMYK"),
    "16 bits": Image.fromarray(RGB[..., 0].astype(np.uint16) * 257),
    "fractions": Image.fromarray(RGB[..., 0].astype(np.float32)),
    "palette": Image.fromarray(RGB).quantize(8),
}


@pytest.mark.parametrize("suffix", [".tif", ".jpg", ".png", ".webp", ".avif"])
@pytest.mark.parametrize("stored", TIFFS)
def test_how_a_tiff_stores_its_pixels_is_said_of_no_other_file(tmp_path: Path, stored: str, suffix: str) -> None:
    """EXIF and the directory of a TIFF share their numbers: another file's bits a sample make one unreadable."""
    TIFFS[stored].save(tmp_path / "a.tif", exif=exif_of(1), compression="tiff_lzw")
    out = tmp_path / f"out{suffix}"
    write_picture(out, quarters(64, 96), tags_of(tmp_path / "a.tif"))
    with Image.open(out) as image:
        assert image.mode == "RGB"
        assert turn_of(np.asarray(image)[..., ::-1]) == [0, 1, 2, 3]
        said = image.getexif()
    assert said.get(MODEL) == "Cam"
    assert suffix == ".tif" or set(said) <= {MODEL}


def test_a_profile_of_inks_is_not_kept(tmp_path: Path) -> None:
    inks = bytes(16) + b"CMYK" + bytes(108)
    Image.fromarray(RGB).convert("CMYK").save(tmp_path / "a.jpg", icc_profile=inks)
    assert tags_of(tmp_path / "a.jpg") == PictureTags()


def test_a_label_map_with_a_palette_is_its_indices(tmp_path: Path) -> None:
    ids = np.zeros((20, 30), np.uint8)
    ids[5:15, 10:20] = 5
    image = Image.fromarray(ids)
    image.putpalette([value for index in range(256) for value in (index, 255 - index, 40 * index % 256)])
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_label_map(tmp_path / "a.png"), ids)


@pytest.mark.parametrize("place", [0.5, 0.9, None])
def test_a_damaged_png_is_refused_and_libpng_says_nothing(
    tmp_path: Path, place: float | None, capfd: pytest.CaptureFixture[str]
) -> None:
    write_picture(tmp_path / "a.png", quarters(64, 96))
    data = bytearray((tmp_path / "a.png").read_bytes())
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), quarters(64, 96))
    if place is None:
        data[len(data) // 2] ^= 0xFF
    else:
        del data[int(place * len(data)) :]
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(CannotOpen, match="not a picture that can be read"):
        read_picture(tmp_path / "a.png")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("most", [1.0, 255.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_tiff_of_floats_is_read(tmp_path: Path, most: float, channels: int) -> None:
    bgr = quarters(64, 96) if channels == 3 else np.repeat(quarters(64, 96)[..., :1], 3, axis=2)
    floats = bgr.astype(np.float32) * (most / 255)
    floats[0, 0] = np.nan
    cv2.imwrite(str(tmp_path / "a.tif"), floats if channels == 3 else floats[..., 0])
    read = read_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(read[1:], bgr[1:])
    assert (read[0, 0] == 0).all()


def test_a_huge_jpeg_is_decoded_reduced_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=exif_of(1), quality=95)
    monkeypatch.setattr(pictures, "MAX_PIXELS", 64 * 96 // 4)
    with caplog.at_level(logging.WARNING):
        read = read_picture(tmp_path / "a.jpg")
    assert read.shape == (32, 48, 3)
    assert turn_of(read) == [0, 1, 2, 3]
    assert "read at 1/2 of its width" in caplog.text


@pytest.mark.parametrize(("height", "width", "times"), [(4000, 6000, 1), (10_000, 20_000, 2), (30_000, 40_000, 4)])
def test_by_how_much_a_jpeg_is_reduced(height: int, width: int, times: int) -> None:
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, "JPEG")
    data = bytearray(file.getvalue())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    assert reduction_of(np.frombuffer(bytes(data), np.uint8)) == times
    assert reduction_of(np.frombuffer(cv2.imencode(".png", RGB)[1].tobytes(), np.uint8)) == 1


def test_the_libraries_that_are_asked_for_read_avif() -> None:
    assert features.check("avif")
