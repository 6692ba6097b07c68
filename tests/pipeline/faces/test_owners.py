"""A face is the person's whose pixels are under it, and nobody has two."""

from dataclasses import replace

import numpy as np

from pipeline import Box, Face, Person, Size
from pipeline.faces.owners import owned
from pipeline.geometry import Point
from tests.support.scenes import FRAME, frame_of, parsing_of, rectangle, texture


def face(left: int, top: int, side: int = 40) -> Face:
    return Face(Box(left, top, left + side, top + side), (Point(left, top),) * 5, 0.9)


def test_faces_get_their_persons_and_a_person_one_face() -> None:
    frame = frame_of(texture(0))
    maps = Size(180, 320)
    one, other = rectangle(maps, (50, 50, 150, 350)), rectangle(maps, (300, 50, 400, 350))
    people = [Person(7, 0.9, Box(0, 0, 1, 1)), Person(4, 0.9, Box(0, 0, 1, 1))]
    parsing = parsing_of(frame, [one, other], people)
    faces = [face(80, 60), face(330, 60), face(500, 60), face(60, 180), face(600, 330)]
    faces[3] = replace(faces[3], box=Box(30, 180, 90, 220))  # half of it is beside the first person
    assert [each.person for each in owned(faces, parsing)] == [7, 4, None, None, None]
    assert [each.person for each in owned(faces[2:], parsing)] == [None, 7, None]
    assert owned([], parsing) == ()


def test_a_face_smaller_than_a_cell_has_an_owner_too() -> None:
    frame = frame_of(texture(0))
    parsing = parsing_of(frame, [np.ones((9, 16), np.bool_)])
    tiny = Face(Box(FRAME.width - 2, FRAME.height - 2, FRAME.width, FRAME.height), (Point(0, 0),) * 5, 0.9)
    assert owned([tiny], parsing)[0].person == 1
