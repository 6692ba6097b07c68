"""The look-up of deformable attention: the compiled kernel does what the plain one in torch says, whatever it gets."""

import gc
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pipeline import RuntimeUnavailable
from pipeline.m2fp import graph
from pipeline.m2fp.config import HEAD_CHANNELS, POINTS
from pipeline.m2fp.deformable import DeformableSampling, reference_points
from pipeline.m2fp.sampling import Sampler
from tests.support.waiting import eventually

SAME = 1e-4
"""Of values up to 5: places differ by float32's last bit of a level's width, some 2e-6, and exp has seven digits."""

Sizes = list[tuple[int, int]]
LEVELS: list[Sizes] = [
    [(3, 4), (6, 8), (12, 16)],
    [(1, 1), (2, 3), (5, 4)],
    [(1, 1), (1, 1), (1, 1)],
    [(1, 9), (9, 1)],
    [(7, 5)],
    [(5, 3), (10, 6), (20, 12), (2, 2)],
]


class Given(NamedTuple):
    """What the look-up is given, of one picture."""

    values: NDArray[np.float32]
    offsets: NDArray[np.float32]
    logits: NDArray[np.float32]
    shapes: NDArray[np.int64]

    def sampled(self, threads: int = 1) -> NDArray[np.float32]:
        out = np.full_like(self.values, np.nan)
        Sampler(threads)(*self, out)
        return out

    def plain(self) -> NDArray[np.float32]:
        heads = self.values.shape[1] // HEAD_CHANNELS
        tensors = [torch.from_numpy(each)[None] for each in self[:3]]
        answer: NDArray[np.float32] = DeformableSampling(heads)(*tensors, torch.from_numpy(self.shapes))[0].numpy()
        return answer


def made(sizes: Sizes, heads: int = 2, spread: float = 2.0, seed: int = 0) -> Given:
    random = np.random.default_rng(seed)
    cells, points = sum(height * width for height, width in sizes), heads * len(sizes) * POINTS
    numbers = [(heads * HEAD_CHANNELS, 1.0), (points * 2, spread), (points, 2.0)]
    planes = [(scale * random.standard_normal((cells, count))).astype(np.float32) for count, scale in numbers]
    return Given(*planes, np.array(sizes, np.int64))


@pytest.fixture(scope="module", autouse=True)
def threads_of_the_process() -> None:
    """Those that graphs share stay as long as the process."""
    graph.operation(2)


@pytest.mark.parametrize("heads", [1, 2, 8])
@pytest.mark.parametrize("sizes", LEVELS, ids=str)
def test_the_kernel_does_what_the_plain_way_says(sizes: Sizes, heads: int) -> None:
    given = made(sizes, heads)
    np.testing.assert_allclose(given.sampled(), given.plain(), rtol=0, atol=SAME)


def test_nearly_everything_lies_outside() -> None:
    given = made(LEVELS[0], spread=30.0)
    expected = given.plain()
    assert 0 < np.count_nonzero(expected) < expected.size
    np.testing.assert_allclose(given.sampled(), expected, rtol=0, atol=SAME)


@pytest.mark.parametrize("far", [1e3, -1e3, 1e9, -1e9, 3e38, -3e38])
def test_what_is_far_outside_is_nothing(far: float) -> None:
    given = made(LEVELS[0])
    assert not given._replace(offsets=np.full_like(given.offsets, far)).sampled().any()
    one_way = given.offsets.copy()
    one_way[:, ::2] = far
    assert not given._replace(offsets=one_way).sampled().any()


@pytest.mark.parametrize("sizes", LEVELS, ids=str)
def test_places_on_cells_and_on_every_kind_of_border(sizes: Sizes) -> None:
    """Where whole numbers decide which corners count: middles of cells, halves, the rim, one beyond, and around it."""
    given = made(sizes)
    random = np.random.default_rng(1)
    centres = reference_points(sizes).numpy()
    offsets = given.offsets.reshape(len(centres), 2, len(sizes), POINTS, 2)
    for level, (height, width) in enumerate(sizes):
        for axis, side in enumerate((width, height)):
            steps = [-1.0, -0.5, 0.0, 0.5, side / 2, side - 1.0, side - 0.5, float(side)]
            nudges = random.choice([0.0, 0.0, 1e-6, -1e-6], offsets[:, :, level, :, axis].shape)
            wanted = random.choice(steps, nudges.shape) + nudges
            offsets[:, :, level, :, axis] = wanted - (centres[:, axis, None, None] * side - 0.5)
    exact = given._replace(offsets=offsets.reshape(given.offsets.shape))
    np.testing.assert_allclose(exact.sampled(), exact.plain(), rtol=0, atol=SAME)


def test_a_cell_that_looks_at_itself_sees_itself() -> None:
    """Known without the plain way: no offsets, and all the weight on the own level."""
    given = made([(4, 6), (8, 12)], heads=1)
    logits = np.full_like(given.logits, -1e4)
    logits[:24, :POINTS] = 0
    logits[24:, POINTS:] = 0
    still = given._replace(offsets=np.zeros_like(given.offsets), logits=logits)
    np.testing.assert_allclose(still.sampled(), given.values, rtol=0, atol=SAME)


@pytest.mark.parametrize("spread", [0.0, 1.0, 50.0, 1e4])
def test_weights_are_a_softmax_whatever_the_logits(spread: float) -> None:
    """With values of one everywhere and all points inside, the answer is the sum of the weights."""
    given = made([(9, 9)])
    logits = spread * np.random.default_rng(2).standard_normal(given.logits.shape).astype(np.float32)
    inside = given._replace(values=np.ones_like(given.values), offsets=np.zeros_like(given.offsets), logits=logits)
    np.testing.assert_allclose(inside.sampled(), 1, rtol=0, atol=SAME)


def poisoned(given: Given) -> Given:
    """The same values, in memory with NaN before and after: what is read there shows, even if it weighs nothing."""
    around = np.full((len(given.values) + 64, given.values.shape[1]), np.nan, np.float32)
    around[32:-32] = given.values
    return given._replace(values=around[32:-32])


@pytest.mark.parametrize("sizes", LEVELS, ids=str)
@pytest.mark.parametrize("damage", [np.nan, np.inf, -np.inf, 3e38], ids=str)
def test_offsets_that_are_no_numbers_see_nothing(sizes: Sizes, damage: float) -> None:
    """And nothing outside is read for them: a damaged checkpoint must not."""
    given = poisoned(made(sizes))
    hit = np.random.default_rng(3).random(given.offsets.shape) < 0.3
    damaged = given._replace(offsets=np.where(hit, np.float32(damage), given.offsets))
    far = given._replace(offsets=np.where(hit, np.float32(-1e6), given.offsets))
    answer = damaged.sampled()
    assert np.isfinite(answer).all()
    np.testing.assert_allclose(answer, far.sampled(), rtol=0, atol=SAME)


@pytest.mark.parametrize("damage", [np.nan, np.inf], ids=str)
def test_logits_that_are_no_numbers_stay_with_their_own_cell(damage: float) -> None:
    given = poisoned(made(LEVELS[0]))
    expected = given.sampled()
    logits = given.logits.copy()
    logits[5, 3] = damage
    answer = given._replace(logits=logits).sampled()
    others = np.arange(len(answer)) != 5
    np.testing.assert_array_equal(answer[others], expected[others])


def test_a_point_that_counts_for_nothing_is_not_seen() -> None:
    given = made(LEVELS[0])
    logits = given.logits.copy()
    logits[:, 3] = -np.inf
    lost = given._replace(logits=logits)
    np.testing.assert_allclose(lost.sampled(), lost.plain(), rtol=0, atol=SAME)


@pytest.mark.parametrize("threads", [2, 3, 7])
@pytest.mark.parametrize("sizes", LEVELS[:3], ids=str)
def test_threads_change_nothing(sizes: Sizes, threads: int) -> None:
    """Not one bit; also where there are more threads than cells."""
    given = made(sizes)
    np.testing.assert_array_equal(given.sampled(threads), given.sampled())


def test_a_sampler_may_be_used_by_several_at_once() -> None:
    """As requests in flight do."""
    sampler = Sampler(2)
    jobs = [made(LEVELS[0], seed=seed) for seed in range(8)]

    def sampled(given: Given) -> NDArray[np.float32]:
        out = np.full_like(given.values, np.nan)
        sampler(*given, out)
        return out

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(sampled, jobs))
    for given, answer in zip(jobs, answers):
        np.testing.assert_array_equal(answer, given.sampled())


def test_its_threads_end_when_it_is_forgotten() -> None:
    before = set(threading.enumerate())
    sampler = Sampler(3)
    started = set(threading.enumerate()) - before
    assert len(started) == 2  # and the caller
    del sampler
    assert eventually(lambda: not started & set(threading.enumerate()))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux says on which cores a thread may run")
def test_its_threads_may_run_on_all_cores() -> None:
    """Whoever calls it, as OpenVINO's threads, each of which stays on one core."""
    everywhere, before = os.sched_getaffinity(0), set(threading.enumerate())
    sampler = Sampler(2)
    started = set(threading.enumerate()) - before
    given = made(LEVELS[0])

    def from_one_core() -> set[int]:
        os.sched_setaffinity(0, {min(everywhere)})
        sampler(*given, np.empty_like(given.values))
        return os.sched_getaffinity(0)

    with ThreadPoolExecutor(1) as pinned:
        assert pinned.submit(from_one_core).result() == {min(everywhere)}
    assert [os.sched_getaffinity(thread.native_id or 0) for thread in started] == [everywhere]


def test_a_thread_that_cannot_begin_is_not_waited_for() -> None:
    """As where other programs have all processors."""
    sampler, free = Sampler(2), threading.Event()
    busy = sampler._pool.submit(free.wait, 60.0)
    try:
        assert eventually(busy.running)
        with ThreadPoolExecutor(1) as caller:
            given = made(LEVELS[0])
            out = np.full_like(given.values, np.nan)
            asked = caller.submit(sampler, *given, out)
            done = eventually(asked.done)
            free.set()
    finally:
        free.set()
    assert done
    np.testing.assert_array_equal(out, given.sampled())


def test_ctrl_c_leaves_nothing_at_work() -> None:
    """What a thread wrote to after that would be somebody else's memory by then."""
    made(LEVELS[0]).sampled()  # or the first call would compile it
    sampler, given = Sampler(2), made([(100, 100), (100, 200)], heads=8)
    out = np.full_like(given.values, np.nan)

    def interrupt() -> None:
        assert eventually(lambda: not np.isnan(out[:, 0]).all())
        os.kill(os.getpid(), signal.SIGINT)

    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            sampler(*given, out)
        left = out.copy()
        sampler._pool.shutdown()
    finally:
        signal.signal(signal.SIGINT, usual)
        interrupting.join()
    np.testing.assert_array_equal(out, left)


def graph_of(given: Given, sampling: Any, batch: int = 1) -> Any:
    """A graph of nothing but the look-up."""
    import openvino

    inputs = [
        openvino.opset13.parameter([batch, *each.shape], np.float32, name=name)
        for name, each in zip(given._fields, given[:3])
    ]
    shapes = openvino.opset13.constant(given.shapes)
    node = sampling([*(each.output(0) for each in inputs), shapes.output(0)])
    model = openvino.Model(node.outputs(), inputs)
    return openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def test_it_is_an_operation_of_openvinos() -> None:
    pictures = [made(LEVELS[0], seed=seed) for seed in range(2)]
    compiled = graph_of(pictures[0], graph.operation(2), batch=2)
    stacked = [np.stack(each) for each in zip(*(given[:3] for given in pictures))]
    (answer,) = compiled(stacked).values()
    for found, given in zip(answer, pictures):
        np.testing.assert_array_equal(found, given.sampled())


def test_graphs_share_the_threads() -> None:
    """There are never more, however many are compiled, and each graph has its own answer."""
    before = set(threading.enumerate())
    some, others = made(LEVELS[0]), made(LEVELS[1])
    first, second = graph_of(some, graph.operation(2)), graph_of(others, graph.operation(2))
    for compiled, given in ((first, some), (second, others), (first, some)):
        (answer,) = compiled([each[None] for each in given[:3]]).values()
        np.testing.assert_array_equal(answer[0], given.sampled())
    gc.collect()
    assert eventually(lambda: set(threading.enumerate()) <= before)


def test_a_graph_that_is_released_answers_as_before() -> None:
    sampling, given = graph.operation(2), made(LEVELS[0])
    compiled = graph_of(given, sampling)
    graph.release(sampling)
    (answer,) = compiled([each[None] for each in given[:3]]).values()
    np.testing.assert_array_equal(answer[0], given.sampled())


def test_without_numba_there_is_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "pipeline.m2fp.sampling")
    with pytest.raises(RuntimeUnavailable, match=r"numba is not installed; `pip install -e '\.\[m2fp\]'` in /"):
        graph.operation(5)  # so many that there are none yet
