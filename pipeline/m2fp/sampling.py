"""The kernel that does what `DeformableSampling` says, compiled for this processor by numba.

As operations of a graph the look-up is mostly data movement: positions, gathers, reorders, products and sums of
arrays that are each used once. Here a cell's softmax, places and bilinear weights stay in the first cache, and the
channels of a head are added up in registers.
"""

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import pairwise
from threading import Barrier
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from pipeline.m2fp.config import HEAD_CHANNELS, POINTS

_F = np.float32
_I = np.int32
_LOG2_E = _F(1.44269504)
# NaN and infinity are left out of what the compiler may assume away: clamping must hold for them too, or a damaged
# checkpoint would read outside the array.
_FAST = {"contract", "reassoc", "nsz", "arcp", "afn"}


PARTS_A_THREAD = 4
"""Threads take parts until none is left: one that has to wait for a processor holds up no more than its own."""


class Sampler:
    """Runs the kernel on all threads, that of the caller among them. The others end when it is forgotten.

    Args:
        threads: processor threads to share the cells among.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(max(1, threads - 1), "sampling")
        # Started here: a thread inherits the cores of the one that starts it, and a runtime's own threads are pinned.
        together = Barrier(threads)
        started = [self._pool.submit(together.wait, 10.0) for _ in range(threads - 1)]
        together.wait(10.0)
        for each in started:
            each.result()

    def __call__(
        self,
        values: NDArray[np.float32],
        offsets: NDArray[np.float32],
        logits: NDArray[np.float32],
        shapes: NDArray[np.int64],
        out: NDArray[np.float32],
    ) -> None:
        """See `DeformableSampling.forward`, of one picture.

        Args:
            values: (T, heads * 32).
            offsets: (T, heads * levels * 4 * 2).
            logits: (T, heads * levels * 4).
            shapes: (levels, 2).
            out: (T, heads * 32), written to.
        """
        count = PARTS_A_THREAD * self._threads if self._threads > 1 else 1
        parts = list(pairwise(len(values) * part // count for part in range(count + 1)))

        def take() -> tuple[int, int] | None:
            with suppress(IndexError):  # none is left
                return parts.pop()
            return None

        def work() -> None:
            while (part := take()) is not None:
                _sample(values, offsets, logits, shapes, out, *part)

        helping = [self._pool.submit(work) for _ in range(self._threads - 1)]
        try:
            work()
        finally:
            # Ctrl-C does not end them, and what they read and write is the caller's to free. One that has not begun
            # yet, on a machine that is busy, is not waited for.
            begun = [each for each in helping if not each.cancel()]
            wait(begun)
        for each in begun:
            each.result()


@intrinsic
def _float_of(_context: Any, bits: Any) -> Any:
    """The float32 that these 32 bits are."""

    def generate(_: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@intrinsic
def _add_up(
    _context: Any, values: Any, places: Any, weights: Any, first: Any, count: Any, stride: Any, out: Any, at: Any
) -> Any:
    """out[at:at+32] = the sum of weights[j] * values[places[j]:places[j]+32], in registers.

    j runs over first ... first + count, and the same again 1, 2 and 3 strides further: the four corners.
    """
    signature = types.void(values, places, weights, first, count, stride, out, at)
    lanes = ir.VectorType(ir.FloatType(), HEAD_CHANNELS)
    undefined, zero = ir.Constant(lanes, ir.Undefined), ir.Constant(ir.IntType(32), 0)
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), HEAD_CHANNELS), [0] * HEAD_CHANNELS)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def data(index: int) -> Any:
            return cgutils.create_struct_proxy(signature.args[index])(context, builder, value=arguments[index]).data

        def lanes_at(array: Any, place: Any) -> Any:
            return builder.bitcast(builder.gep(array, [place]), lanes.as_pointer())

        seen, where, weighing, result = data(0), data(1), data(2), data(6)
        start, number, step, at = arguments[3], arguments[4], arguments[5], arguments[7]
        kept = cgutils.alloca_once(builder, lanes)
        builder.store(ir.Constant(lanes, [0.0] * HEAD_CHANNELS), kept)
        with cgutils.for_range(builder, number) as loop:
            total, index = builder.load(kept), builder.add(start, loop.index)
            for _ in range(4):
                place = builder.zext(builder.load(builder.gep(where, [index])), ir.IntType(64))
                weight = builder.load(builder.gep(weighing, [index]))
                spread = builder.shuffle_vector(builder.insert_element(undefined, weight, zero), undefined, everywhere)
                found = builder.load(lanes_at(seen, place), align=4)
                total = builder.fadd(builder.fmul(found, spread, flags=["contract"]), total, flags=["contract"])
                index = builder.add(index, step)
            builder.store(total, kept)
        builder.store(builder.load(kept), lanes_at(result, at), align=4)
        return context.get_dummy_value()

    return signature, generate


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def _exp(x: Any) -> Any:
    """exp(x) for x <= 0, to seven digits: 2 to the whole part by its bits, 2 to the rest by a polynomial."""
    x = x * _LOG2_E
    x = x if x > _F(-126.0) else _F(-126.0)
    whole = np.floor(x)
    rest = x - whole
    power = _F(1.8775767e-3)
    for factor in (8.9893397e-3, 5.5826318e-2, 2.4015361e-1, 6.9315308e-1, 9.9999994e-1):
        power = power * rest + _F(factor)
    return power * _float_of((_I(whole) + _I(127)) << _I(23))


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def _softmax(logits: Any, weights: Any, each: int) -> None:
    """Of each run of so many logits."""
    for start in range(0, len(weights), each):
        highest = logits[start]
        for index in range(start + 1, start + each):
            highest = logits[index] if logits[index] > highest else highest
        for index in range(start, start + each):
            weights[index] = logits[index] - highest
    for index in range(len(weights)):
        weights[index] = _exp(weights[index])
    for start in range(0, len(weights), each):
        total = _F(0)
        for index in range(start, start + each):
            total += weights[index]
        share = _F(1) / total
        for index in range(start, start + each):
            weights[index] *= share


@njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")
def _sample(
    values: Any, offsets: Any, logits: Any, shapes: Any, out: Any, first: int, last: int
) -> None:  # pragma: no cover - compiled
    channels, levels = values.shape[1], len(shapes)
    heads = channels // HEAD_CHANNELS
    each = levels * POINTS
    points = heads * each
    heights, widths = np.empty(points, np.float32), np.empty(points, np.float32)
    rows, bases = np.empty(points, np.int32), np.empty(points, np.int32)
    starts = np.zeros(levels + 1, np.int64)
    for level in range(levels):
        starts[level + 1] = starts[level] + shapes[level, 0] * shapes[level, 1]
    for point in range(points):
        level = point % each // POINTS
        heights[point], widths[point] = shapes[level, 0], shapes[level, 1]
        rows[point] = shapes[level, 1] * channels
        bases[point] = starts[level] * channels + point // each * HEAD_CHANNELS
    shares, x_of, y_of = np.empty(points, np.float32), np.empty(points, np.float32), np.empty(points, np.float32)
    places, weights = np.empty(4 * points, np.int32), np.empty(4 * points, np.float32)
    flat, flat_out = values.reshape(-1), out.reshape(-1)
    zero, one, half, step = _F(0), _F(1), _F(0.5), _I(channels)
    level = 0
    for cell in range(first, last):
        while cell >= starts[level + 1]:
            level += 1
        row, column = divmod(cell - starts[level], shapes[level, 1])
        centre_y, centre_x = (row + half) / _F(shapes[level, 0]), (column + half) / _F(shapes[level, 1])
        _softmax(logits[cell], shares, each)
        for point in range(points):
            x_of[point], y_of[point] = offsets[cell, 2 * point], offsets[cell, 2 * point + 1]
        for point in range(points):
            width, height = widths[point], heights[point]
            x, y = _F(centre_x) * width - half + x_of[point], _F(centre_y) * height - half + y_of[point]
            # Whatever x is, NaN too, it ends up between -1 and the width, where all corners weigh nothing.
            x = x if x > -one else -one
            y = y if y > -one else -one
            x = x if x < width else width
            y = y if y < height else height
            left, top = np.floor(x), np.floor(y)
            right, bottom = left + one, top + one
            by_right, by_bottom = x - left, y - top
            by_left = one - by_right if (left >= zero) & (left < width) else zero
            by_top = one - by_bottom if (top >= zero) & (top < height) else zero
            by_right = by_right if right < width else zero
            by_bottom = by_bottom if bottom < height else zero
            # Corners outside weigh nothing, but are read: they move to the edge.
            x0, x1 = _I(min(max(left, zero), width - one)) * step, _I(min(right, width - one)) * step
            y0, y1 = _I(min(max(top, zero), height - one)), _I(min(bottom, height - one))
            above, below = bases[point] + y0 * rows[point], bases[point] + y1 * rows[point]
            share = shares[point]
            places[point], weights[point] = above + x0, share * by_top * by_left
            places[points + point], weights[points + point] = above + x1, share * by_top * by_right
            places[2 * points + point], weights[2 * points + point] = below + x0, share * by_bottom * by_left
            places[3 * points + point], weights[3 * points + point] = below + x1, share * by_bottom * by_right
        for head in range(heads):
            _add_up(flat, places, weights, head * each, each, points, flat_out, cell * channels + head * HEAD_CHANNELS)
