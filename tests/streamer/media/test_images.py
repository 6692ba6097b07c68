"""Still pictures on disk."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamer import CannotOpen, SinkError, SourceError
from streamer.media.images import labelled_pictures, read_label_map, read_picture, write_picture
from tests.support.media import quarters, turn_of


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif"])
def test_written_pictures_are_read_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    write_picture(path, quarters(40, 60))
    assert turn_of(read_picture(path)) == [0, 1, 2, 3]
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_grey_sixteen_bit_and_transparent_pictures(tmp_path: Path) -> None:
    grey = np.full((4, 6), 77, np.uint8)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    assert (read_picture(tmp_path / "grey.png") == 77).all()
    cv2.imwrite(str(tmp_path / "deep.png"), quarters(4, 6).astype(np.uint16) * 257)
    assert (read_picture(tmp_path / "deep.png") == quarters(4, 6)).all()
    half = np.dstack([np.zeros((4, 6, 3), np.uint8), np.full((4, 6), 128, np.uint8)])
    cv2.imwrite(str(tmp_path / "half.png"), half)
    assert (read_picture(tmp_path / "half.png") == 127).all()  # black at half over white


def test_the_cameras_orientation_is_honoured(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    cv2.imwrite(str(path), quarters(40, 60))
    plain = path.read_bytes()
    # An EXIF block that says orientation 6: to be turned clockwise by a quarter.
    tiff = b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
    body = b"Exif\x00\x00" + tiff
    path.write_bytes(plain[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + plain[2:])
    picture = read_picture(path)
    assert picture.shape == (60, 40, 3)
    assert turn_of(picture) == [2, 0, 3, 1]


def test_what_cannot_be_written_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    for name in ("picture.xyz", "nowhere/picture.png"):
        with pytest.raises(SinkError, match="picture"):
            write_picture(tmp_path / name, quarters(4, 4))
    with pytest.raises(SinkError, match="70000x1"):
        write_picture(tmp_path / "tall.jpg", np.zeros((70_000, 1, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_label_maps_are_ids(tmp_path: Path) -> None:
    ids = np.arange(24, dtype=np.uint8).reshape(4, 6)
    cv2.imwrite(str(tmp_path / "ids.png"), ids)
    assert (read_label_map(tmp_path / "ids.png") == ids).all()
    cv2.imwrite(str(tmp_path / "colour.png"), quarters(4, 6))
    with pytest.raises(CannotOpen, match="8-bit PNG of ids"):
        read_label_map(tmp_path / "colour.png")


def test_pictures_are_paired_with_label_maps_of_the_same_stem(tmp_path: Path) -> None:
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.mkdir()
    labels.mkdir()
    with pytest.raises(SourceError, match="no pictures in"):
        next(labelled_pictures(images, labels))
    for name in ("a.jpg", "b.png"):
        cv2.imwrite(str(images / name), quarters(4, 6))
    cv2.imwrite(str(labels / "a.png"), np.full((4, 6), 3, np.uint8))
    with pytest.raises(SourceError, match=r"1 pictures have no label map .*b\.png"):
        next(labelled_pictures(images, labels))
    cv2.imwrite(str(labels / "b.png"), np.full((4, 6), 4, np.uint8))
    pairs = list(labelled_pictures(images, labels))
    assert [(each.name, int(each.truth[0, 0])) for each in pairs] == [("a.jpg", 3), ("b.png", 4)]
    assert all(each.instances is None for each in pairs)
    with pytest.raises(SourceError, match="no folder"):
        next(labelled_pictures(images, tmp_path / "nowhere"))


def test_pictures_are_paired_with_instance_maps_of_the_same_stem(tmp_path: Path) -> None:
    images, labels, instances = tmp_path / "images", tmp_path / "labels", tmp_path / "instances"
    with pytest.raises(SourceError, match=r"no folder .*images"):
        next(labelled_pictures(images, labels, instances))
    images.mkdir()
    labels.mkdir()
    for index, name in enumerate(("a", "b")):
        cv2.imwrite(str(images / f"{name}.jpg"), quarters(4, 6))
        cv2.imwrite(str(labels / f"{name}.png"), np.full((4, 6), index, np.uint8))
    with pytest.raises(SourceError, match=r"no folder .*instances"):
        next(labelled_pictures(images, labels, instances))
    instances.mkdir()
    cv2.imwrite(str(instances / "b.png"), np.full((4, 6), 7, np.uint8))
    with pytest.raises(SourceError, match=r"1 pictures have no instance map of the same stem in .*, a\.jpg first"):
        next(labelled_pictures(images, labels, instances))
    cv2.imwrite(str(instances / "a.png"), np.full((4, 6), 6, np.uint8))
    pairs = [(each.truth, each.instances) for each in labelled_pictures(images, labels, instances)]
    assert [[int(ids[0, 0]) for ids in pair if ids is not None] for pair in pairs] == [[0, 6], [1, 7]]


def test_without_label_maps_persons_are_outlines_and_without_either_nobody_is_there(tmp_path: Path) -> None:
    images, instances = tmp_path / "images", tmp_path / "instances"
    for folder in (images, instances):
        folder.mkdir()
    cv2.imwrite(str(images / "a.jpg"), quarters(4, 6))
    cv2.imwrite(str(instances / "a.png"), np.full((4, 6), 7, np.uint8))
    (outlined,) = labelled_pictures(images, None, instances)
    assert outlined.truth.tolist() == [[254] * 6] * 4
    assert outlined.instances is not None
    (empty,) = labelled_pictures(images, None)
    assert not empty.truth.any()
    assert empty.instances is None


def test_a_png_with_a_broken_profile_is_read_in_silence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """libpng complains of it on stderr, and OpenCV does not use it."""
    coded = cv2.imencode(".png", quarters(8, 12))[1].tobytes()
    profile = b"broken\0\0" + zlib.compress(b"no profile")
    chunk = struct.pack(">I4s", len(profile), b"iCCP") + profile + struct.pack(">I", zlib.crc32(b"iCCP" + profile))
    (tmp_path / "in.png").write_bytes(coded[:33] + chunk + coded[33:])  # after the head
    assert np.array_equal(read_picture(tmp_path / "in.png"), quarters(8, 12))
    assert capfd.readouterr() == ("", "")
