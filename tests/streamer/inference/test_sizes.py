"""Which networks an inference process keeps: those that its streams use."""

import numpy as np

from pipeline import Size, load_parser
from pipeline.network.letterbox import Letterbox
from streamer.inference.ahead import Ahead
from streamer.inference.messages import Job
from streamer.inference.sizes import Sizes
from tests.support.waiting import eventually

LARGE, MIDDLE, SMALL, OTHER = Size(96, 160), Size(64, 128), Size(32, 64), Size(32, 96)


def job(size: Size, stream: int = 0, next_size: Size | None = None, streams: frozenset[int] | None = None) -> Job:
    fit = Letterbox.into(size, size)
    return Job(np.zeros((*size, 3), np.uint8), fit, 0.0, next_size, stream, streams or frozenset({0, 1}))


def test_the_present_one_the_one_before_and_the_next_are_kept() -> None:
    sizes = Sizes()
    assert sizes.after(job(LARGE)) == {LARGE}
    assert sizes.after(job(LARGE, next_size=MIDDLE)) == {LARGE, MIDDLE}
    assert sizes.after(job(MIDDLE)) == {LARGE, MIDDLE}
    assert sizes.after(job(SMALL)) == {MIDDLE, SMALL}
    assert sizes.after(job(MIDDLE)) == {MIDDLE, SMALL}


def test_each_stream_has_its_own_and_takes_them_along_when_it_goes() -> None:
    sizes = Sizes()
    sizes.after(job(LARGE, stream=0, next_size=MIDDLE))
    assert sizes.after(job(OTHER, stream=1)) == {LARGE, MIDDLE, OTHER}
    assert sizes.after(job(OTHER, stream=1, streams=frozenset({1}))) == {OTHER}


def test_a_next_size_that_is_not_wanted_any_more_goes() -> None:
    sizes = Sizes()
    sizes.after(job(LARGE, next_size=MIDDLE))
    assert sizes.after(job(LARGE)) == {LARGE}


def test_a_network_that_was_given_back_is_made_again_when_it_is_wanted() -> None:
    parser = load_parser(threads=1)
    ahead = Ahead(parser)
    for _ in range(2):
        ahead.begin(SMALL)
        assert eventually(lambda: ahead.is_ready(SMALL))
        first = parser.network(SMALL)
        assert parser.network(SMALL) is first
        ahead.release({LARGE})
        assert not ahead.is_ready(SMALL)
        assert parser.network(SMALL) is not first
        ahead.release(set())
