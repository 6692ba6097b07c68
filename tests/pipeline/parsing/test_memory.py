"""A parser's memory: saved after any frame and loaded elsewhere, what follows is the same to the bit."""

import random
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

import cv2
import msgspec
import numpy as np
import pytest
import zstandard

from pipeline import Frame, Parser, Parsing, PipelineError, load_parser
from pipeline.parsing.memory import MAX_BYTES, Memory
from streamer import open_source
from streamer.sources.open import sample

SEED = 21
SPLITS = 4
AHEAD = (1, 3)
"""Frames that are begun before the first of them is read."""
STEP_S = 0.5
"""From frame to frame: the zoom goes up and comes down again within twenty of them."""


def shots(name: str, count: int) -> Iterator[np.ndarray]:
    with open_source(sample(name)) as source:
        for frame, _ in zip(source, range(count)):
            yield np.ascontiguousarray(cv2.resize(frame.bgr, (768, 576)))


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """Small people, then large ones, then small ones again."""
    pictures = [*shots("street.mp4", 5), *shots("people.mp4", 10), *shots("street.mp4", 4)]
    return [Frame(bgr, index, index * STEP_S, 0.0) for index, bgr in enumerate(pictures)]


def same(one: Parsing, other: Parsing) -> bool:
    return (
        one.labels.tobytes() == other.labels.tobytes()
        and one.map_size == other.map_size
        and one.instances.tobytes() == other.instances.tobytes()
        and one.people == other.people
    )


def parsed_ahead(parser: Parser, frames: Iterable[Frame], ahead: int) -> Iterator[Parsing]:
    waiting = deque()
    for frame in frames:
        waiting.append(parser.start(frame))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    yield from (each.result() for each in waiting)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param({"size": (256, 352)}, marks=pytest.mark.slow),
        pytest.param({"in_flight": 2}, marks=pytest.mark.slow),
        pytest.param({"refine": True}, marks=pytest.mark.slow),
        pytest.param({"runtime": "onnx", "size": (256, 352)}, marks=pytest.mark.slow),
        pytest.param({"precision": "f32", "sensitivity": "high"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_any_segments_and_any_look_ahead_give_what_one_run_gives(settings: dict, frames: list[Frame]) -> None:
    parser = load_parser("lite", threads=1, **settings)
    whole, saved = [], [parser.save()]
    for frame in frames:
        whole.append(parser(frame))
        saved.append(parser.save())
    if "size" not in settings and not settings.get("refine"):
        assert len({parsing.map_size for parsing in whole}) > 1, "the zoom did not change"
    assert len({person.track_id for parsing in whole for person in parsing.people}) > 1
    other = load_parser("lite", threads=1, **settings)
    chance = random.Random(SEED)
    for ahead in AHEAD:
        other.reset()
        assert all(map(same, parsed_ahead(other, frames, ahead), whole))
    for _ in range(SPLITS):
        cuts = sorted({0, *chance.sample(range(1, len(frames)), 2), len(frames)})
        for begin, end in pairwise(cuts):
            other.load(saved[begin])
            for parsing, wanted in zip(parsed_ahead(other, frames[begin:end], chance.choice(AHEAD)), whole[begin:]):
                assert same(parsing, wanted), (cuts, parsing)
            assert other.save() == saved[end]


def test_saved_in_the_middle_it_goes_on_there(frames: list[Frame]) -> None:
    parser, other = (load_parser("lite", size=(160, 224), threads=1) for _ in range(2))
    for frame in frames[6:9]:
        parser(frame)
    other.load(parser.save())
    assert all(same(parser(frame), other(frame)) for frame in frames[9:12])
    assert other.save() == parser.save()
    other.reset()
    assert not same(parser(frames[12]), other(frames[12])), "nothing depends on what was before"


def test_a_memory_is_bounded_and_forgotten_by_reset(frames: list[Frame]) -> None:
    parser = load_parser("lite", size=(256, 352), threads=1)
    empty = parser.save()
    for frame in frames[:3]:
        parser(frame)
    assert len(parser.save()) < 2**20
    parser.reset()
    assert parser.save() == empty


def refused(saved: bytes) -> str:
    parser = load_parser("lite")
    with pytest.raises(PipelineError) as raised:
        parser.load(saved)
    return str(raised.value)


def test_what_no_parser_saved_is_refused(frames: list[Frame]) -> None:
    parser = load_parser("lite", size=(64, 96), threads=1)
    parser(replace(frames[0], pts_s=0.0))
    saved = parser.save()
    state = msgspec.msgpack.decode(zstandard.decompress(saved))
    pack = zstandard.ZstdCompressor().compress
    assert "no memory of a parser of this version" in refused(b"")
    assert "no memory of a parser of this version" in refused(saved[: len(saved) // 2])
    assert "no memory of a parser of this version" in refused(pack(msgspec.msgpack.encode(state | {"v": 2})))
    planes = state["smoothed"]["planes"] | {"shape": [3, 4, 5]}
    changed = state | {"smoothed": state["smoothed"] | {"planes": planes}}
    assert "no memory of a parser of this version" in refused(pack(msgspec.msgpack.encode(changed)))
    grey = state["smoothed"]["grey"] | {"shape": [1, len(state["smoothed"]["grey"]["data"])]}
    changed = state | {"smoothed": state["smoothed"] | {"grey": grey}}
    assert "no memory of a parser of this version" in refused(pack(msgspec.msgpack.encode(changed)))
    assert f"more than {MAX_BYTES} bytes" in refused(pack(bytes(MAX_BYTES + 1)))
    assert Memory.load(saved).save() == saved
