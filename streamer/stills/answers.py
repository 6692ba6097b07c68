"""What a service answers of a parsing, as JSON; and the pictures made of it."""

import base64
import io
import zlib
from collections.abc import Container, Iterable
from dataclasses import replace
from typing import Any

import cv2
import msgspec
import numpy as np
from PIL import Image

from pipeline.drawing.effects import cut
from pipeline.drawing.look import Look
from pipeline.drawing.overlay import blend
from pipeline.drawing.selection import On
from pipeline.exports.coco import coco, rle
from pipeline.exports.faces import facts
from pipeline.exports.parts import Part, parts
from pipeline.exports.polygons import polygons
from pipeline.labels import LABEL_SETS, LabelSet
from pipeline.types import Face, LabelMap, Parsing, Picture
from streamer.stills.messages import Detail, Masks, Show, Shown

JPEG_QUALITY = 90


def described(parsing: Parsing, detail: Detail, picture: dict[str, Any]) -> bytes:
    """An answer, without what only the service knows: its id, its links, how long it waited.

    Args:
        picture: what to say of the picture itself.
    """
    shown = [each for each in parsing.people if each.score >= detail.min_score]
    only = None if not detail.parts else frozenset(i for name in detail.parts for i in parsing.label_set.ids_of(name))
    of: dict[int, list[dict[str, Any]]] = {each.track_id: [] for each in shown}
    nobodys: list[dict[str, Any]] = []
    for part in parts(parsing, only):
        if part.person is None:
            nobodys.append(_part(part, parsing, detail.masks))
        elif part.person.track_id in of:
            of[part.person.track_id].append(_part(part, parsing, detail.masks))
    people = [
        {"person_id": each.track_id, "score": round(each.score, 4), "box": each.box, "parts": of[each.track_id]}
        for each in shown
    ]
    answer: dict[str, Any] = {
        "picture": picture,
        "map": {"width": parsing.map_size.width, "height": parsing.map_size.height},
        "label_set": parsing.label_set.name,
        "people": people,
        "unassigned": nobodys,
        "parts": _totals(of.values(), nobodys),
    }
    if parsing.faces is not None:
        answer["faces"] = [_face(each, of) for each in parsing.faces]
    if detail.labels != "none":
        indexed = detail.labels == "indexed"
        data = palette_png(parsing.labels, parsing.label_set) if indexed else grey_png(parsing.labels)
        answer["labels"] = {"encoding": "png-indexed" if indexed else "png-grey", "data": _base64(data)}
    return msgspec.json.encode(answer)


def _face(face: Face, people: Container[int]) -> dict[str, Any]:
    """
    Args:
        people: the numbers of those that are told of.
    """
    return {
        "box": face.box,
        "points": [(round(point.x, 1), round(point.y, 1)) for point in face.points],
        "score": round(face.score, 4),
        "person_id": face.person if face.person in people else None,
        **({} if face.estimate is None else facts(face.estimate)),
    }


def _part(part: Part, parsing: Parsing, masks: Masks) -> dict[str, Any]:
    told: dict[str, Any] = {
        "label": parsing.label_set.names[part.label],
        "label_id": part.label,
        "area_px": part.area_px,
        "share": round(part.area_px / parsing.frame_size.area, 6),
        "box": part.box,
    }
    if masks != "none":
        told["mask"] = _mask(part, parsing, masks)
    return told


def _mask(part: Part, parsing: Parsing, masks: Masks) -> dict[str, Any]:
    if masks == "png":
        return {"encoding": "png", "box": part.box, "data": _base64(bits_png(part.mask))}
    if masks == "rle":
        return {"encoding": "rle", **rle(part, parsing)}
    return {"encoding": "polygon", "polygons": polygons(part)}


def _totals(people: Iterable[list[dict[str, Any]]], nobodys: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each class that is there, with the number of people who show it and its share of the picture."""
    found: dict[int, dict[str, Any]] = {}
    for own in (*people, nobodys):
        for part in own:
            total = found.setdefault(
                part["label_id"],
                {"label": part["label"], "label_id": part["label_id"], "people": 0, "area_px": 0, "share": 0.0},
            )
            total["people"] += own is not nobodys
            total["area_px"] += part["area_px"]
            total["share"] = round(total["share"] + part["share"], 6)
    return [found[label] for label in sorted(found)]


def shown(parsing: Parsing, picture: Picture, wish: Show) -> Shown:
    """The picture, or the bytes, that a wish is for. Raises PipelineError for a name that there is not.

    Args:
        picture: upright, uint8 (H, W, 3), BGR.
    """
    if wish.view == "overlay":
        look = Look(
            wish.opacity, wish.outline, tags=wish.tags, hidden=frozenset(wish.hidden), only=frozenset(wish.only)
        )
        return _coded(blend(picture, parsing, look), wish.lossless)
    if wish.view == "cutout":
        on = On.read(wish.on)
        return Shown(_encoded(".png", cut(picture, parsing, on), [cv2.IMWRITE_PNG_COMPRESSION, 3]), "image/png")
    if wish.view == "labels":
        return Shown(palette_png(parsing.labels, parsing.label_set), "image/png")
    if wish.view == "instances":
        return Shown(grey_png(parsing.instances), "image/png")
    if wish.view == "maps":
        height, width = parsing.map_size
        return Shown(maps(parsing), f"application/octet-stream; width={width}; height={height}")
    if wish.view == "coco":
        return Shown(msgspec.json.encode(coco(parsing)), "application/vnd.coco+json")
    return _coded(picture, wish.lossless)


def needs_picture(wish: Show) -> bool:
    """Whether the picture has to be decoded for it."""
    return wish.view in ("picture", "overlay", "cutout")


def maps(parsing: Parsing, level: int = 6) -> bytes:
    """The map of classes and then that of people, a byte for each cell, as raw DEFLATE: browsers have that.

    Args:
        level: zlib's, from 1, the fastest, to 9.
    """
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(parsing.labels.tobytes()) + packer.compress(parsing.instances.tobytes()) + packer.flush()


def palette_png(ids: LabelMap, label_set: LabelSet) -> bytes:
    """Ids as a PNG whose palette has the colours of the classes; 0 is transparent to whoever draws it."""
    image = Image.frombytes("P", ids.shape[::-1], np.ascontiguousarray(ids).tobytes())
    image.putpalette(np.ascontiguousarray(label_set.palette[:, ::-1]).tobytes())
    return _saved(image)


def grey_png(ids: LabelMap) -> bytes:
    """Ids as a grey PNG, whose values they are."""
    return _saved(Image.frombytes("L", ids.shape[::-1], np.ascontiguousarray(ids).tobytes()))


def bits_png(mask: LabelMap) -> bytes:
    """A mask of 1 and 0 as a PNG of one bit a pixel."""
    packed = np.packbits(mask, axis=1)
    return _saved(Image.frombytes("1", mask.shape[::-1], packed.tobytes()))


def jpeg(bgr: Picture, quality: int = JPEG_QUALITY) -> bytes:
    """A picture as JPEG."""
    return _encoded(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])


def label_rows() -> bytes:
    """The label sets as JSON: each class with its id, name, colour and twin."""
    rows = {
        name: [
            {"id": index, "name": each.name, "colour": f"#{each.rgb}", "twin": each.twin or None}
            for index, each in enumerate(label_set.classes)
        ]
        for name, label_set in LABEL_SETS.items()
    }
    return msgspec.json.encode(rows)


def numbered(parsing: Parsing) -> Parsing:
    """With people numbered from 1, the largest box first."""
    order = sorted(range(len(parsing.people)), key=lambda index: -parsing.people[index].box.area)
    table = np.zeros(256, np.uint8)
    table[[index + 1 for index in order]] = np.arange(1, len(order) + 1)
    people = tuple(replace(parsing.people[index], track_id=number) for number, index in enumerate(order, start=1))
    number_of = {parsing.people[index].track_id: number for number, index in enumerate(order, start=1)}
    faces = parsing.faces and tuple(
        replace(each, person=None if each.person is None else number_of.get(each.person)) for each in parsing.faces
    )
    return replace(parsing, people=people, instances=table[parsing.instances], faces=faces)


def _coded(bgr: Picture, lossless: bool) -> Shown:
    if lossless:
        return Shown(_encoded(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 3]), "image/png")
    return Shown(jpeg(bgr), "image/jpeg")


def _encoded(suffix: str, picture: Picture, options: list[int]) -> bytes:
    return cv2.imencode(suffix, picture, options)[1].tobytes()


def _saved(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=6)
    return out.getvalue()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
