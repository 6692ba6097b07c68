"""Messages: what is sent is what is read, and whatever else is read is refused."""

import math
import tracemalloc
from dataclasses import replace
from typing import Any
from uuid import UUID

import cv2
import msgspec
import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import CIHP, LIP, Box, Face, LabelSet, Parsing, Person, Size
from pipeline.geometry import Point
from pipeline.labels import LABEL_SETS, LabelClass
from pipeline.types import Estimate
from streamer.errors import BadMessage, ConfigError, SinkError
from streamer.masks import headers, wire
from streamer.masks.faces import MAX_FACES, MAX_FACES_BYTES

RUN = UUID("8a5f6a5e-52d4-4d1c-9d4e-0b3a4b5c6d7e")
UNIX_OFFSET_S = 1_700_000_000.0
SIZE = Size(6, 9)
CLOCK_STEP_S = 1e-6
"""Unix time in a double moves in steps of a quarter of a microsecond."""

FACES = LabelSet(
    "faces", (LabelClass("None", "000000"), LabelClass("L", "ff0000", "R"), LabelClass("R", "00ff00", "L"))
)


def a_parsing(people: int = 1, size: Size = SIZE, label_set: LabelSet = CIHP, seed: int = 0) -> Parsing:
    random = np.random.default_rng(seed)
    return Parsing(
        labels=random.integers(0, len(label_set), size, np.uint8),
        instances=random.integers(0, people + 1, size, np.uint8),
        people=tuple(Person(index, 0.5, Box(index, 0, index + 1, 720)) for index in range(people)),
        label_set=label_set,
        frame_index=41,
        pts_s=1.5,
        captured_s=1234.5,
        frame_size=Size(720, 1280),
        inferred_s=0.125,
        carried_from=40,
    )


def encoded(parsing: Parsing, encoding: str = "zstd") -> list[bytes]:
    return wire.encode_parsing(
        "door",
        parsing,
        run=RUN,
        seq=7,
        published_unix_s=UNIX_OFFSET_S + 1235,
        unix_offset_s=UNIX_OFFSET_S,
        parser="lite",
        dropped=2,
        encoding=encoding,
    )


def decoded(parts: list[bytes], label_set: LabelSet = CIHP) -> Parsing:
    message = wire.decode(parts)
    assert isinstance(message.header, headers.Mask)
    return wire.decode_parsing(message.header, message.bodies, label_set, UNIX_OFFSET_S)


def with_header(parts: list[bytes], **changes: Any) -> list[bytes]:
    header = msgspec.msgpack.decode(parts[1]) | changes
    return [parts[0], msgspec.msgpack.encode(header), *parts[2:]]


def assert_same(one: Parsing, other: Parsing) -> None:
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.instances, other.instances)
    assert one.captured_s == pytest.approx(other.captured_s, abs=CLOCK_STEP_S)
    for name in ("people", "faces", "label_set", "frame_index", "pts_s", "frame_size", "inferred_s", "carried_from"):
        assert getattr(one, name) == getattr(other, name)


def estimates() -> st.SearchStrategy[Estimate]:
    years, genders = st.floats(0, 200), st.sampled_from(["male", "female", "unsure", None])
    return st.builds(Estimate, years, st.tuples(years, years), st.floats(0, 1), genders, st.integers(1, 2**50))


@st.composite
def parsings(draw: st.DrawFn) -> Parsing:
    size = Size(draw(st.integers(1, 12)), draw(st.integers(1, 12)))
    frame_size = Size(draw(st.integers(1, 65535)), draw(st.integers(1, 65535)))
    edges = st.tuples(*(st.integers(0, side) for side in frame_size[::-1]))
    people = draw(
        st.lists(
            st.builds(
                lambda track_id, score, one, other: Person(
                    track_id, score, Box(*np.minimum(one, other).tolist(), *np.maximum(one, other).tolist())
                ),
                st.integers(0, headers.MAX_COUNT),
                st.floats(0, 1),
                edges,
                edges,
            ),
            max_size=4,
        )
    )
    places = st.floats(-1e6, 1e6)
    face = st.builds(
        lambda one, other, points, score, person, estimate: Face(
            Box(*np.minimum(one, other).tolist(), *np.maximum(one, other).tolist()), points, score, person, estimate
        ),
        edges,
        edges,
        st.tuples(*[st.builds(Point, places, places)] * 5),
        st.floats(0, 1),
        st.none() | st.integers(0, headers.MAX_COUNT),
        st.none() | estimates(),
    )
    faces = draw(st.none() | st.lists(face, max_size=3).map(tuple))
    label_set = draw(st.sampled_from(list(LABEL_SETS.values())))
    index = st.integers(0, headers.MAX_COUNT)
    return replace(
        a_parsing(len(people), size, label_set, draw(st.integers(0, 99))),
        people=tuple(people),
        faces=faces,
        frame_size=frame_size,
        frame_index=draw(index),
        carried_from=draw(index),
        pts_s=draw(st.floats(-1e6, 1e6)),
        captured_s=draw(st.floats(0, 1e7)),
        inferred_s=draw(st.floats(0, 100)),
    )


@pytest.mark.parametrize("encoding", wire.ENCODINGS)
@given(parsing=parsings())
@settings(max_examples=60, deadline=None)
def test_what_is_read_is_what_was_sent(encoding: str, parsing: Parsing) -> None:
    assert_same(decoded(encoded(parsing, encoding), parsing.label_set), parsing)


@pytest.mark.parametrize("encoding", wire.ENCODINGS)
def test_as_many_people_and_classes_as_a_byte_can_tell_apart(encoding: str) -> None:
    classes = LabelSet("many", tuple(LabelClass(f"class {index}", "808080") for index in range(256)))
    parsing = a_parsing(people=255, size=Size(300, 400), label_set=classes)
    people = tuple(replace(each, track_id=headers.MAX_COUNT) for each in parsing.people)
    assert parsing.labels.max() == parsing.instances.max() == 255
    assert_same(decoded(encoded(replace(parsing, people=people), encoding), classes), replace(parsing, people=people))


def test_maps_that_are_cut_from_larger_ones() -> None:
    parsing = a_parsing(size=Size(20, 30))
    cut = replace(parsing, labels=parsing.labels[2:9, ::3], instances=parsing.instances[2:9, ::3])
    for encoding in wire.ENCODINGS:
        assert_same(decoded(encoded(cut, encoding)), cut)


def test_the_header_is_the_one_that_is_documented() -> None:
    parts = encoded(a_parsing())
    assert parts[0] == b"hpm1/door/mask"
    assert msgspec.msgpack.decode(parts[1]) == {
        "v": 1,
        "run": str(RUN),
        "seq": 7,
        "frame": 41,
        "pts_s": 1.5,
        "captured_unix_s": UNIX_OFFSET_S + 1234.5,
        "inferred_s": 0.125,
        "published_unix_s": UNIX_OFFSET_S + 1235,
        "frame_size": [720, 1280],
        "map_size": [6, 9],
        "carried_from": 40,
        "label_set": {"name": "cihp", "hash": CIHP.fingerprint},
        "parser": "lite",
        "people": [{"id": 0, "score": 0.5, "box": [0, 0, 1, 720]}],
        "dropped": 2,
        "layers": [{"name": "labels", "encoding": "zstd"}, {"name": "instances", "encoding": "zstd"}],
    }


def test_capture_time_is_put_on_the_readers_clock() -> None:
    message = wire.decode(encoded(a_parsing()))
    assert isinstance(message.header, headers.Mask)
    read = wire.decode_parsing(message.header, message.bodies, CIHP, UNIX_OFFSET_S - 1000)
    assert read.captured_s == pytest.approx(2234.5, abs=CLOCK_STEP_S)


def test_small_by_default() -> None:
    labels = np.zeros((288, 512), np.uint8)
    cv2.ellipse(labels, (200, 150), (60, 120), 0, 0, 360, 5, -1)
    parsing = replace(a_parsing(), labels=labels, instances=(labels > 0).view(np.uint8))
    assert sum(map(len, encoded(parsing))) < 5000


@pytest.mark.parametrize("label_set", [CIHP, LIP, FACES], ids=lambda each: each.name)
def test_a_label_set_can_be_rebuilt(label_set: LabelSet) -> None:
    schema = headers.Schema.of(label_set, run=RUN, published_unix_s=1.0)
    message = wire.decode(wire.encode("door", schema))
    assert isinstance(message.header, headers.Schema)
    assert message.header.read() == label_set
    assert message.header.label_set.hash == label_set.fingerprint
    np.testing.assert_array_equal(message.header.read().mirrored, label_set.mirrored)


def test_heartbeat_and_end() -> None:
    beat = headers.Heartbeat(v=1, run=RUN, published_unix_s=2.5)
    assert wire.decode(wire.encode("door", beat)) == wire.Message("door", beat, ())
    end = headers.End(v=1, run=RUN, published_unix_s=2.5, reason=headers.fitting("no film \udcff" + "!" * 5000))
    read = wire.decode(wire.encode("door", end)).header
    assert isinstance(read, headers.End)
    assert read.reason.startswith("no film ?!")
    assert len(read.reason) == headers.MAX_REASON


def a_guess(**changes: Any) -> bytes:
    guess = {"age": 30, "age_range": [20, 40], "p_male": 0.5, "gender": "unsure", "looks": 3} | changes
    return a_face(estimate=guess)


def with_faces(body: bytes, encoding: str = "msgpack") -> list[bytes]:
    parts = encoded(replace(a_parsing(), faces=()))
    layers = msgspec.msgpack.decode(parts[1])["layers"]
    assert layers[-1] == {"name": "faces", "encoding": "msgpack"}
    layers[-1]["encoding"] = encoding
    return [*with_header(parts, layers=layers)[:-1], body]


def a_face(**changes: Any) -> bytes:
    return msgspec.msgpack.encode(
        [{"box": [0, 0, 1, 1], "points": [[0.5, 1]] * 5, "score": 1, "person": None} | changes]
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"faces",
        a_face(box=[0, 0, 65536, 1]),
        a_face(box=[1, 0, 0, 1]),
        a_face(box=[0, 0, 1]),
        a_face(points=[[0, 0]] * 4),
        a_face(points=[[0, 1e9]] * 5),
        a_face(points=[[0, math.nan]] * 5),
        a_face(score=1.5),
        a_face(person=-1),
        a_guess(age=-1),
        a_guess(age_range=[0, math.inf]),
        a_guess(p_male=1.5),
        a_guess(gender="yes"),
        a_guess(looks=0),
        msgspec.msgpack.encode([msgspec.msgpack.decode(a_face())[0]] * (MAX_FACES + 1)),
        b"\x91" * 2**16,
        bytes(MAX_FACES_BYTES + 1),
    ],
    ids=range(18),
)
def test_faces_that_cannot_be_are_refused(body: bytes) -> None:
    with pytest.raises(BadMessage, match="face"):
        decoded(with_faces(body))


def test_faces_in_a_form_of_the_future_are_passed_over_and_too_many_left_out() -> None:
    assert decoded(with_faces(b"something", encoding="better")).faces is None
    (face,) = decoded(with_faces(a_face(colour="red"))).faces or ()
    assert face == Face(Box(0, 0, 1, 1), (Point(0.5, 1.0),) * 5, 1.0)
    (guessed,) = decoded(with_faces(a_guess(mood="glad"))).faces or ()
    assert guessed.estimate == Estimate(30.0, (20.0, 40.0), 0.5, "unsure", 3)
    assert len(decoded(encoded(replace(a_parsing(), faces=(face,) * 5000))).faces or ()) == MAX_FACES


def test_keys_and_layers_from_the_future_are_passed_over() -> None:
    parts = encoded(a_parsing())
    layers = [{"name": "depth", "encoding": "jxl"}, *msgspec.msgpack.decode(parts[1])["layers"]]
    newer = with_header(parts, layers=layers, weather={"rain": [1, None, b"x"]})
    assert_same(decoded([*newer[:2], b"depth", *newer[2:]]), a_parsing())


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_any_bytes_are_refused(parts: list[bytes]) -> None:
    with pytest.raises(BadMessage):
        wire.decode(parts)


@given(st.sampled_from(["mask", "schema", "heartbeat", "end"]), st.binary(max_size=200))
@settings(max_examples=300)
def test_any_header_is_refused(kind: str, header: bytes) -> None:
    with pytest.raises(BadMessage):
        wire.decode([wire.topic("door", kind), header, b"", b""])


@pytest.mark.parametrize("encoding", wire.ENCODINGS)
@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_damaged_message_is_read_or_refused(encoding: str, data: st.DataObject) -> None:
    parts = [bytearray(part) for part in encoded(a_parsing(people=2), encoding)]
    for _ in range(data.draw(st.integers(1, 4))):
        part = parts[data.draw(st.integers(0, len(parts) - 1))]
        start = data.draw(st.integers(0, len(part)))
        part[start : start + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    try:
        parsing = decoded([bytes(part) for part in parts])
    except BadMessage:
        return
    assert int(parsing.labels.max()) < len(CIHP)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=9)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = sorted(each for each in headers.Mask.__struct_fields__)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1, max_size=3))
@settings(max_examples=400, deadline=None)
def test_a_header_with_other_values_is_read_or_refused(changes: dict[str, Any]) -> None:
    try:
        decoded(with_header(encoded(a_parsing()), **changes))
    except BadMessage:
        return


PERSON = {"id": 1, "score": 0.5, "box": [0, 0, 1, 1]}


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 2},
        {"run": "me"},
        {"seq": -1},
        {"seq": headers.MAX_COUNT + 1},
        {"seq": True},
        {"pts_s": float("nan")},
        {"captured_unix_s": float("inf")},
        {"inferred_s": -0.1},
        {"frame_size": [0, 1280]},
        {"frame_size": [720, 65536]},
        {"frame_size": [720]},
        {"map_size": [9, 6, 1]},
        {"map_size": [6, 10]},
        {"map_size": [-6, -9]},
        {"map_size": [4097, 4096]},
        {"people": [PERSON] * 256},
        {"people": []},
        {"people": [PERSON | {"id": headers.MAX_COUNT + 1}]},
        {"people": [PERSON | {"score": float("nan")}]},
        {"people": [PERSON | {"score": 1.01}]},
        {"people": [PERSON | {"box": [0, 0, 1281, 1]}]},
        {"people": [PERSON | {"box": [0, 0, 1, 721]}]},
        {"people": [PERSON | {"box": [-1, 0, 1, 1]}]},
        {"people": [PERSON | {"box": [0, -1, 1, 1]}]},
        {"people": [PERSON | {"box": [2, 0, 1, 1]}]},
        {"people": [PERSON | {"box": [0, 2, 1, 1]}]},
        {"people": [PERSON | {"box": [0, 0, 1.5, 1]}]},
        {"label_set": {"name": "cihp", "hash": LIP.fingerprint}},
        {"parser": "p" * 65},
        {"layers": []},
        {"layers": [{"name": "labels", "encoding": "zstd"}] * 2},
        {"layers": [{"name": "labels", "encoding": "gif"}, {"name": "instances", "encoding": "zstd"}]},
        {"much": "x" * wire.MAX_HEADER_BYTES},
    ],
    ids=str,
)
def test_refused_headers(changes: dict[str, Any]) -> None:
    with pytest.raises(BadMessage):
        decoded(with_header(encoded(a_parsing()), **changes))


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_needed(key: str) -> None:
    parts = encoded(a_parsing())
    header = msgspec.msgpack.decode(parts[1])
    del header[key]
    with pytest.raises(BadMessage, match=key):
        wire.decode([parts[0], msgspec.msgpack.encode(header), *parts[2:]])


@pytest.mark.parametrize(
    "topic", [b"hpm1/door", b"hpm1/door/mask/", b"hpm1/do or/mask", b"hpm1/door/dance", b"hpm1//mask", b"\xff", b""]
)
def test_refused_topics(topic: bytes) -> None:
    with pytest.raises(BadMessage):
        wire.decode([topic, *encoded(a_parsing())[1:]])


def test_another_version_is_named() -> None:
    with pytest.raises(BadMessage, match="version hpm2; this program reads hpm1"):
        wire.decode([b"hpm2/door/mask", *encoded(a_parsing())[1:]])


def test_too_few_and_too_many_parts() -> None:
    parts = encoded(a_parsing())
    for wrong in (parts[:1], parts[:3], [*parts, b""]):
        with pytest.raises(BadMessage, match="parts"):
            wire.decode(wrong)


def test_ids_that_no_class_or_person_has() -> None:
    parts = encoded(a_parsing(), "raw")
    for index in (2, 3):
        with pytest.raises(BadMessage, match="must stay below"):
            decoded([*parts[:index], b"\xff" * 54, *parts[index + 1 :]])


def test_a_nested_header_does_not_end_the_program() -> None:
    parts = encoded(a_parsing())
    header = b"\xde\x00\x01\xa1x" + b"\x91" * 60_000 + b"\xc0"
    with pytest.raises(BadMessage):
        wire.decode([parts[0], header, *parts[2:]])


MIB = 2**20


def _endless(pixels: int) -> bytes:
    """Zeros without a word on how many."""
    return zstandard.ZstdCompressor(write_content_size=False).compress(bytes(pixels))


def _wide_window() -> bytes:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return stream.compress(bytes(54)) + stream.flush()


@pytest.mark.parametrize(
    "body",
    [
        zstandard.compress(bytes(64 * MIB)),
        _endless(64 * MIB),
        _wide_window(),
        zstandard.compress(bytes(53)),
        zstandard.compress(bytes(55)),
        _endless(53),
        zstandard.compress(bytes(54)) + b"more",
        zstandard.compress(bytes(54))[:-1],
        b"",
    ],
    ids=["bomb", "silent-bomb", "window", "short", "long", "silent-short", "tail", "cut", "empty"],
)
def test_compressed_maps_that_are_not_what_they_should_be(body: bytes) -> None:
    parts = encoded(a_parsing())
    tracemalloc.start()
    try:
        with pytest.raises(BadMessage):
            decoded([*parts[:2], body, parts[3]])
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


def test_a_compressed_map_need_not_say_its_size() -> None:
    parts = encoded(a_parsing())
    assert not decoded([*parts[:2], _endless(54), parts[3]]).labels.any()


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((9, 6), np.uint8),
        np.zeros((6, 9, 3), np.uint8),
        np.zeros((6, 9), np.uint16),
        np.zeros((4000, 4000), np.uint8),
    ],
    ids=["turned", "colour", "deep", "large"],
)
def test_pngs_that_are_not_what_they_should_be(picture: np.ndarray[Any, Any]) -> None:
    parts = encoded(a_parsing(), "png")
    body = cv2.imencode(".png", picture)[1].tobytes()
    with pytest.raises(BadMessage, match="no grey PNG of 6x9"):
        decoded([*parts[:2], body, parts[3]])


@pytest.mark.parametrize(
    "classes",
    [
        (),
        (LabelClass("None", "00000"),),
        (LabelClass("None", "00000g"),),
        (LabelClass("None", "000000", twin="Nobody"),),
        (LabelClass("one", "000000"), LabelClass("One", "000000")),
    ],
    ids=["none", "short-colour", "no-colour", "no-twin", "same-name"],
)
def test_refused_schemas(classes: tuple[LabelClass, ...]) -> None:
    parts = wire.encode("door", headers.Schema.of(FACES, run=RUN, published_unix_s=1.0))
    key = headers.LabelSetKey.of(LabelSet("faces", classes))
    with pytest.raises(BadMessage):
        wire.decode(with_header(parts, classes=classes, label_set=key))


def test_classes_of_another_label_set() -> None:
    parts = wire.encode("door", headers.Schema.of(FACES, run=RUN, published_unix_s=1.0))
    with pytest.raises(BadMessage, match="not the classes"):
        wire.decode(with_header(parts, classes=LIP.classes))


@pytest.mark.parametrize(
    "parsing",
    [
        replace(a_parsing(), people=(Person(1, 0.5, Box(0, 0, 1281, 1)),)),
        replace(a_parsing(), people=(Person(-1, 0.5, Box(0, 0, 1, 1)),)),
        replace(a_parsing(), people=(Person(2**70, 0.5, Box(0, 0, 1, 1)),)),
        replace(a_parsing(), pts_s=float("nan")),
        replace(a_parsing(), people=a_parsing().people * 256),
    ],
    ids=["box", "negative-id", "huge-id", "nan", "crowd"],
)
def test_what_readers_would_refuse_is_not_sent(parsing: Parsing) -> None:
    with pytest.raises(SinkError, match="no subscriber would take this mask"):
        encoded(parsing)


def test_a_map_that_is_too_large_is_not_sent() -> None:
    with pytest.raises(SinkError, match="4097x4096"):
        encoded(a_parsing(size=Size(4097, 4096)))


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="no encoding 'jpeg'; there are: zstd, raw, png"):
        encoded(a_parsing(), "jpeg")
    for stream in ("", "a/b", "é", "x" * 65, "\udcff"):
        with pytest.raises(ConfigError, match="a name has 1 to 64 letters"):
            wire.topic(stream, "mask")
