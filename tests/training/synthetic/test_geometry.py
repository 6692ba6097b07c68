"""Meshes, skinning and inverse kinematics, by numbers that can be worked out by hand."""

import numpy as np
import pytest

from training.synthetic.geometry.mesh import box, cross, normals_of, sheet, triangles_of, unit
from training.synthetic.geometry.skinning import Binding, binding_of, rigid, skin
from training.synthetic.posing.pose import arc, reach, rotation

QUARTER = rotation([0, 0, 1], np.pi / 2)


def test_a_vertex_follows_its_bone() -> None:
    rest, posed = np.zeros((2, 3)), np.array([[0.0, 0, 0], [5, 0, 0]])
    vertices = np.array([[1, 0, 0], [1, 0, 0]], np.float32)
    binding = Binding(np.array([[0, 1], [1, 0]], np.int32), np.array([[1, 0], [1, 0]], np.float32))
    found = skin(vertices, binding, np.stack([np.eye(3), QUARTER]), rest, posed)
    np.testing.assert_allclose(found, [[1, 0, 0], [5, 1, 0]], atol=1e-6)


def test_a_vertex_between_two_bones_is_where_both_put_it_by_their_weights() -> None:
    posed = np.array([[0.0, 0, 0], [4, 0, 0]])
    binding = Binding(np.array([[0, 1]], np.int32), np.array([[0.25, 0.75]], np.float32))
    found = skin(np.zeros((1, 3), np.float32), binding, np.stack([np.eye(3)] * 2), np.zeros((2, 3)), posed)
    np.testing.assert_allclose(found, [[3, 0, 0]], atol=1e-6)


def test_a_bone_turns_what_it_moves_around_where_it_begins() -> None:
    rest = np.array([[1.0, 0, 0]])
    found = skin(np.array([[2, 0, 0]], np.float32), rigid(1, 0), QUARTER[None], rest, rest)
    np.testing.assert_allclose(found, [[1, 1, 0]], atol=1e-6)


def test_a_binding_keeps_the_four_strongest_bones_and_their_sum() -> None:
    binding = binding_of(np.array([[0.1, 0.3, 0.2, 0.25, 0.15]], np.float32))
    assert set(binding.bones[0]) == {1, 2, 3, 4}
    assert binding.weights.sum() == pytest.approx(1)


def test_bones_and_weights_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        Binding(np.zeros((2, 4), np.int32), np.zeros((3, 4), np.float32))


def test_a_quad_that_repeats_a_vertex_is_one_triangle() -> None:
    assert len(triangles_of(np.array([[0, 1, 2, 3], [4, 5, 6, 6], [7, 8, 9, 7]], np.int32))) == 4


def test_the_normals_of_a_box_point_out_of_it() -> None:
    shape = box([0, 0, 0], [2, 4, 6], 3)
    out = shape.vertices - [1, 2, 3]
    assert (np.einsum("ni,ni->n", normals_of(shape.vertices, shape.triangles), out) > 0).all()


def test_a_closed_sheet_meets_itself() -> None:
    ring = sheet(np.zeros((2, 5, 3)), closed=(False, True))
    edges = {tuple(sorted(pair)) for a, b, c in ring.triangles.tolist() for pair in ((a, b), (b, c), (c, a))}
    assert (0, 4) in edges


@pytest.mark.parametrize(("way", "met"), [([3, 0, 0], True), ([1, -2, 1], True), ([9, 0, 0], False)])
def test_a_limb_ends_where_it_is_wished_to_if_it_is_long_enough(way: list[float], met: bool) -> None:
    upper, lower = reach((2.0, 2.5), np.array(way, float), [0, 0, 1])
    end = upper * 2.0 + lower * 2.5
    assert (np.linalg.norm(end - way) < 1e-6) == met
    assert unit(end) @ unit(way) == pytest.approx(1, abs=1e-6)


def test_a_limb_bends_towards_its_pole() -> None:
    upper, _ = reach((2.0, 2.0), np.array([3.0, 0, 0]), [0, 1, 0])
    assert upper[1] > 0.5


def test_an_arc_brings_one_direction_to_another_even_to_its_opposite() -> None:
    for start, end in (([1, 0, 0], [0, 1, 0]), ([0, 0, 1], [0, 0, -1]), ([1, 2, 3], [1, 2, 3])):
        np.testing.assert_allclose(arc(start, end) @ unit(start), unit(end), atol=1e-9)


def test_the_cross_product_is_numpys() -> None:
    a, b = np.array([1.0, 2, 3]), np.array([-2.0, 0.5, 4])
    np.testing.assert_allclose(cross(a, b), np.cross(a, b))
