"""Publisher and subscription, each against plain ZeroMQ sockets and both against each other."""

import itertools
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
import zmq

from pipeline import CIHP, Box, LabelSet, Parsing, Person, Size
from pipeline.labels import LabelClass
from streamer.errors import CannotOpen, ConfigError, SinkError, SourceLost
from streamer.masks import headers, wire
from streamer.zeromq.subscriber import Publisher, Subscription, subscribe
from tests.support.paths import ROOT

SIZE = Size(4, 5)
FREE_PORT = "tcp://127.0.0.1:*"
PATIENCE_S = 120.0
"""For what happens in milliseconds; only a failure waits as long."""
FIRST, SECOND = UUID(int=1), UUID(int=2)
A_SECOND_LATER = itertools.count(int(time.monotonic()))
"""The clock that publishers are given here: each look is a second after the one before, so a heartbeat is due."""
FACES = LabelSet("faces", (LabelClass("None", "000000"), LabelClass("Face", "ff0000")))


def a_parsing(frame_index: int, label_set: LabelSet = CIHP, size: Size = SIZE) -> Parsing:
    ids = np.random.default_rng(frame_index).integers(0, 2, size, np.uint8)
    person = Person(3, 0.5, Box(0, 0, 640, 480))
    return Parsing(
        ids, ids, (person,), label_set, frame_index, 0.0, time.monotonic(), Size(480, 640), 0.01, frame_index
    )


def until(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        threading.Event().wait(0.005)


class Sockets:
    """Plain sockets that are closed after the test."""

    def __init__(self) -> None:
        self.context = zmq.Context()
        self._made: list[zmq.Socket[bytes]] = []

    def make(self, kind: int) -> zmq.Socket[bytes]:
        socket = self.context.socket(kind)
        socket.setsockopt(zmq.RCVTIMEO, int(PATIENCE_S * 1000))
        self._made.append(socket)
        return socket


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    sockets = Sockets()
    yield sockets
    sockets.context.destroy(linger=0)


class Listener:
    """A plain socket that gets what a publisher sends."""

    def __init__(self, sockets: Sockets, publisher: Publisher, room: int = 1000) -> None:
        self.socket = sockets.make(zmq.SUB)
        self.socket.setsockopt(zmq.RCVHWM, room)
        self.socket.subscribe(b"hpm1/")
        self.socket.connect(publisher.address)

        def heard() -> bool:
            publisher.tick(next(A_SECOND_LATER))
            return bool(self.socket.poll(1))

        until(heard)
        # Its wish may have come after the publisher looked for wishes: it looks once more, without a heartbeat.
        publisher.tick(0)

    def get(self) -> headers.Header:
        return wire.decode(self.socket.recv_multipart()).header

    def get_until(self, kind: type[headers.Header]) -> list[headers.Header]:
        """What comes, but for heartbeats, up to the first of this kind."""
        got: list[headers.Header] = []
        while not got or type(got[-1]) is not kind:
            header = self.get()
            got += [header] if type(header) is not headers.Heartbeat else []
        return got

    def mask(self) -> headers.Mask:
        header = self.get_until(headers.Mask)[-1]
        assert isinstance(header, headers.Mask)
        return header

    def end(self) -> headers.End:
        header = self.get_until(headers.End)[-1]
        assert isinstance(header, headers.End)
        return header


class Station:
    """A plain socket that sends whatever a test likes."""

    def __init__(self, sockets: Sockets) -> None:
        self.socket = sockets.make(zmq.XPUB)
        # Who asks for the same before the one before has left is told, too.
        self.socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        self.socket.bind(FREE_PORT)
        self.address = self.socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def await_subscriber(self) -> bytes:
        """What is asked for next; those who leave are passed over."""
        request = self.socket.recv()
        return request if request.startswith(b"\x01") else self.await_subscriber()

    def mask(self, seq: int, run: UUID = FIRST, stream: str = "live", **parts: Any) -> None:
        parsing = a_parsing(frame_index=parts.pop("frame_index", seq), **parts)
        self.send(wire.encode_parsing(stream, parsing, run=run, seq=seq, published_unix_s=0.0, unix_offset_s=0.0))

    def heartbeat(self, run: UUID = FIRST) -> None:
        self.send(wire.encode("live", headers.Heartbeat(v=1, run=run, published_unix_s=0.0)))

    def schema(self, label_set: LabelSet, run: UUID = FIRST) -> None:
        self.send(wire.encode("live", headers.Schema.of(label_set, run=run, published_unix_s=0.0)))

    def end(self, run: UUID = FIRST, reason: str = "done") -> None:
        self.send(wire.encode("live", headers.End(v=1, run=run, published_unix_s=0.0, reason=reason)))

    def send(self, parts: list[bytes]) -> None:
        self.socket.send_multipart(parts)


@pytest.fixture
def station(sockets: Sockets) -> Station:
    return Station(sockets)


@contextmanager
def heard(station: Station, **options: Any) -> Iterator[Subscription]:
    """A subscription that the station has heard of."""
    with subscribe(station.address, **options) as subscription:
        station.await_subscriber()
        yield subscription


@contextmanager
def on_air(*parsings: Parsing, **options: Any) -> Iterator[str]:
    """The address of a publisher that sent these parsings and stays, in a thread of its own."""
    addresses: queue.Queue[str] = queue.Queue(1)
    stop = threading.Event()

    def run() -> None:
        with Publisher(FREE_PORT, **options) as publisher:
            for parsing in parsings:
                publisher.publish(parsing)
            addresses.put(publisher.address)
            while not stop.wait(0.01):
                publisher.tick(time.monotonic())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield addresses.get(timeout=PATIENCE_S)
    finally:
        stop.set()
        thread.join(PATIENCE_S)


# The publisher


def test_a_late_joiner_gets_the_schema_and_the_last_mask(sockets: Sockets) -> None:
    with Publisher(FREE_PORT, parser="lite") as publisher:
        for index in (10, 11, 12):
            publisher.publish(a_parsing(index, FACES))
        for _ in range(2):
            schema, mask = Listener(sockets, publisher).get_until(headers.Mask)
            assert isinstance(schema, headers.Schema)
            assert schema.read() == FACES
            assert isinstance(mask, headers.Mask)
            assert (mask.seq, mask.frame, mask.parser, mask.run) == (3, 12, "lite", publisher.run)


def test_the_schema_comes_before_the_first_mask_and_when_it_changes(sockets: Sockets) -> None:
    with Publisher(FREE_PORT) as publisher:
        listener = Listener(sockets, publisher)
        for label_set in (CIHP, CIHP, FACES):
            publisher.publish(a_parsing(1, label_set))
        publisher.close()
        kinds = [type(header) for header in listener.get_until(headers.End)]
    assert kinds == [headers.Schema, headers.Mask, headers.Mask, headers.Schema, headers.Mask, headers.End]


def test_a_heartbeat_a_second(sockets: Sockets) -> None:
    with Publisher(FREE_PORT) as publisher:
        listener = Listener(sockets, publisher)
        publisher.publish(a_parsing(1))
        start_s = next(A_SECOND_LATER)
        for passed_s in (0.0, 0.2, 0.9, 1.1, 1.3, 2.2):
            publisher.tick(start_s + passed_s)
        publisher.publish(a_parsing(2))
        listener.mask()
        assert [type(listener.get()) for _ in range(4)] == [headers.Heartbeat] * 3 + [headers.Mask]


def test_the_end_says_why(sockets: Sockets) -> None:
    with Publisher(FREE_PORT) as publisher:
        listener = Listener(sockets, publisher)
        publisher.close("the film is over")
        publisher.close("closed twice")
    assert listener.end().reason == "the film is over"
    assert not listener.socket.poll(50)


def test_the_end_after_a_failure_names_its_kind_and_not_its_text(sockets: Sockets) -> None:
    publisher = Publisher(FREE_PORT)
    listener = Listener(sockets, publisher)
    with pytest.raises(ValueError, match="secret"), publisher:
        raise ValueError("rtsp://me:secret@camera")
    assert listener.end().reason == "the publisher failed: ValueError"


def test_one_subscriber_that_does_not_read_costs_the_others_nothing(sockets: Sockets) -> None:
    sent = itertools.count(1)
    with Publisher(FREE_PORT, encoding="raw") as publisher:
        stuck = Listener(sockets, publisher, room=1)
        reading = Listener(sockets, publisher)

        def next_mask() -> headers.Mask:
            publisher.publish(a_parsing(1, size=Size(1000, 1000)))
            mask = reading.mask()
            assert mask.seq == next(sent)
            return mask

        for times in (1, 2):
            while publisher.dropped < times:
                assert next_mask().dropped == 0
            assert publisher.dropped == times
            assert next_mask().dropped == 1
            while stuck.socket.poll(100):
                stuck.get()


def test_publishing_is_enough_to_answer_those_who_join(sockets: Sockets) -> None:
    with Publisher(FREE_PORT) as publisher:
        publisher.publish(a_parsing(1))
        socket = sockets.make(zmq.SUB)
        socket.subscribe(b"hpm1/live/schema")
        socket.connect(publisher.address)

        def answered() -> bool:
            publisher.publish(a_parsing(2))
            return bool(socket.poll(1))

        until(answered)


def test_the_end_comes_after_what_is_still_on_its_way(sockets: Sockets) -> None:
    with Publisher(FREE_PORT, encoding="raw") as publisher:
        listener = Listener(sockets, publisher)
        publisher.publish(a_parsing(1, size=Size(2500, 2500)))
    assert [type(header) for header in listener.get_until(headers.End)] == [headers.Schema, headers.Mask, headers.End]


def test_a_parsing_that_cannot_be_sent_leaves_no_gap(sockets: Sockets) -> None:
    with Publisher(FREE_PORT) as publisher:
        listener = Listener(sockets, publisher)
        publisher.publish(a_parsing(1))
        with pytest.raises(SinkError, match="not inside a frame"):
            publisher.publish(replace(a_parsing(2), people=(Person(1, 0.5, Box(0, 0, 641, 1)),)))
        publisher.publish(a_parsing(3))
        assert [listener.mask().seq for _ in range(2)] == [1, 2]


def test_a_busy_port() -> None:
    with (
        Publisher(FREE_PORT) as publisher,
        pytest.raises(SinkError, match=f"cannot listen on {publisher.address}.*another program listens there"),
    ):
        Publisher(publisher.address)


def test_a_host_that_is_not_here() -> None:
    with pytest.raises(SinkError, match=r"cannot listen on tcp://192\.0\.2\.7:5556"):
        Publisher("tcp://192.0.2.7:5556", insecure=True)


@pytest.mark.parametrize(
    "address",
    [
        "tcp://*:*",
        "tcp://0.0.0.0:*",
        "tcp://[::]:*",
        "tcp://192.168.1.7:5556",
        "tcp://camera.example:1",
        "tcp://eth0:1",
    ],
)
def test_others_can_connect_only_where_that_was_asked_for(address: str) -> None:
    with pytest.raises(ConfigError, match="can be reached from other machines"):
        Publisher(address)


def test_insecure_listens_everywhere() -> None:
    with Publisher("tcp://0.0.0.0:*", insecure=True) as publisher:
        assert publisher.address.startswith("tcp://0.0.0.0:")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:*", "tcp://localhost:*", "tcp://127.3.2.1:*"])
def test_loopback_addresses(address: str, sockets: Sockets) -> None:
    with Publisher(address) as publisher:
        Listener(sockets, publisher)


def test_a_path_in_the_file_system(tmp_path: Path, sockets: Sockets) -> None:
    with Publisher(f"ipc://{tmp_path}/masks") as publisher:
        Listener(sockets, publisher)


@pytest.mark.parametrize("gone", ["path", "folder"])
def test_a_path_that_is_deleted_is_there_again(
    tmp_path: Path, sockets: Sockets, caplog: pytest.LogCaptureFixture, gone: str
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    path = folder / "masks"
    with Publisher(f"ipc://{path}") as publisher:
        before = Listener(sockets, publisher)
        publisher.publish(a_parsing(1))
        path.unlink()
        if gone == "folder":
            folder.rmdir()
            for _ in range(3):
                publisher.tick(next(A_SECOND_LATER))
            folder.mkdir()
        after = Listener(sockets, publisher)
        publisher.publish(a_parsing(2))
        assert [before.mask().seq for _ in range(3)] == [1, 1, 2]  # the last one again, for the newcomer
        assert [after.mask().seq for _ in range(2)] == [1, 2]
        told = [record.getMessage() for record in caplog.records]
        assert told[-1] == f"listening on ipc://{path} again, whose path was gone"
        missing = f"do not find this publisher, whose path is gone: cannot listen on ipc://{path}: No such file or"
        assert [missing in each for each in told] == ([True] if gone == "folder" else []) + [False]
    assert not path.exists()


KILLED = """
import sys, time
from streamer.zeromq.subscriber import Publisher
with Publisher(sys.argv[1]) as publisher:
    print("up", flush=True)
    while not publisher.tick(time.monotonic()):
        pass
"""


@pytest.mark.process
def test_a_path_that_a_killed_publisher_left_is_taken(tmp_path: Path, sockets: Sockets) -> None:
    address = f"ipc://{tmp_path}/masks"
    socket = sockets.make(zmq.SUB)
    socket.subscribe(b"hpm1/")
    with a_program(KILLED, address) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "up\n"
        socket.connect(address)
        first = wire.decode(socket.recv_multipart()).header.run
        program.kill()
    assert (tmp_path / "masks").is_socket()
    with Publisher(address) as publisher:

        def heard_anew() -> bool:
            publisher.tick(next(A_SECOND_LATER))
            return bool(socket.poll(1)) and wire.decode(socket.recv_multipart()).header.run != first

        until(heard_anew)


def test_a_path_that_a_publisher_listens_at_stays_its_own(tmp_path: Path, sockets: Sockets) -> None:
    address = f"ipc://{tmp_path}/masks"
    with Publisher(address) as publisher:
        listener = Listener(sockets, publisher)
        with pytest.raises(SinkError, match=f"cannot listen on {address}: another program listens there"):
            Publisher(address)
        publisher.publish(a_parsing(1))
        assert listener.mask().seq == 1
        Listener(sockets, publisher)


def test_a_path_that_another_took_meanwhile_stays_the_others(
    tmp_path: Path, sockets: Sockets, caplog: pytest.LogCaptureFixture
) -> None:
    address, path = f"ipc://{tmp_path}/masks", tmp_path / "masks"
    with Publisher(address) as first:
        listener = Listener(sockets, first)
        path.unlink()
        with Publisher(address) as second:
            for _ in range(3):
                first.tick(next(A_SECOND_LATER))
            (told,) = [record.getMessage() for record in caplog.records]
            assert told.endswith(f"cannot listen on {address}: another program listens there")
            first.publish(a_parsing(1))
            assert listener.mask().run == first.run
            first.close()
            assert path.exists()
            other = Listener(sockets, second)
            second.publish(a_parsing(1))
            assert other.mask().run == second.run


def test_a_file_of_that_name_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "door.mp4").write_text("precious")
    with pytest.raises(SinkError, match=r"/door\.mp4: what is there is no socket; name another path"):
        Publisher(f"ipc://{tmp_path}/door.mp4")
    assert (tmp_path / "door.mp4").read_text() == "precious"


@pytest.mark.parametrize(
    ("path", "says"), [("nowhere/masks", "No such file or directory"), ("x" * 120, "too long"), ("", "no socket")]
)
def test_paths_that_cannot_be(tmp_path: Path, path: str, says: str) -> None:
    with pytest.raises(SinkError, match=f"cannot listen on ipc://{tmp_path}/{path}: .*{says}"):
        Publisher(f"ipc://{tmp_path}/{path}")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has sockets without a file")
def test_an_address_without_a_file(sockets: Sockets) -> None:
    with Publisher("ipc://@masks-of-a-test") as publisher:
        Listener(sockets, publisher)
        with pytest.raises(SinkError, match="another program listens there"):
            Publisher(publisher.address)


@pytest.mark.parametrize(
    "address", ["", "5556", "http://127.0.0.1:80", "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "inproc://x", "ipc://"]
)
def test_what_is_no_address(address: str) -> None:
    for use in (Publisher, subscribe):
        with pytest.raises(ConfigError, match="is not an address; use tcp://HOST:PORT or ipc://PATH"):
            use(address)


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="no encoding 'gif'"):
        Publisher(FREE_PORT, encoding="gif")
    for use in (Publisher, subscribe):
        with pytest.raises(ConfigError, match="stream 'a/b'"):
            use("tcp://127.0.0.1:5556", stream="a/b")


# The subscription


def test_the_loop_as_it_stands() -> None:
    sent = [a_parsing(index, FACES) for index in range(3)]
    with on_air(*sent) as address:
        for got in subscribe(address):
            parsing = got
            break
    assert parsing.frame_index == 2
    assert parsing.people == sent[2].people
    assert parsing.label_set == FACES
    assert parsing.captured_s == pytest.approx(sent[2].captured_s, abs=0.01)
    np.testing.assert_array_equal(parsing.labels, sent[2].labels)


def test_a_loop_that_is_left_leaves_no_thread() -> None:
    threads = set(threading.enumerate())
    with on_air(a_parsing(1)) as address:
        aired = set(threading.enumerate())
        for _ in subscribe(address):
            assert set(threading.enumerate()) > aired
            break
        assert set(threading.enumerate()) == aired
        with pytest.raises(ZeroDivisionError):
            all(1 / 0 for _ in subscribe(address))
        assert set(threading.enumerate()) == aired
    assert set(threading.enumerate()) == threads


def test_a_subscription_that_is_not_used_starts_nothing() -> None:
    threads = set(threading.enumerate())
    subscribe("tcp://127.0.0.1:5556")
    assert set(threading.enumerate()) == threads


def test_two_loops_over_one_subscription(station: Station) -> None:
    with heard(station) as subscription:
        for index in (1, 2):
            station.mask(index)
            assert next(iter(subscription)).frame_index == index
        with pytest.raises(ConfigError, match="open already"):
            subscription.__enter__()


def test_a_slow_reader_gets_the_newest(station: Station) -> None:
    with heard(station) as subscription:
        for seq in range(1, 200):
            station.mask(seq)
        station.end()
        until(lambda: subscription.end_reason)
        assert [each.frame_index for each in subscription] == [199]
        assert subscription.missed == 0


def test_gaps_are_counted(station: Station) -> None:
    with heard(station) as subscription:
        for seq in (5, 6, 9, 10, 10, 8, 14):
            station.mask(seq)
        station.end()
        assert [each.frame_index for each in subscription][-1] == 14
        assert subscription.missed == 2 + 3


def test_a_mask_that_comes_again_is_not_given_again(station: Station) -> None:
    with heard(station) as subscription:
        station.mask(1)
        assert next(iter(subscription)).frame_index == 1
        station.mask(1)
        station.end()
        assert list(subscription) == []


def test_a_publisher_that_starts_again(station: Station) -> None:
    with heard(station) as subscription:
        station.mask(50)
        assert next(iter(subscription)).frame_index == 50
        station.mask(3, run=SECOND)
        assert next(iter(subscription)).frame_index == 3
        station.mask(5, run=SECOND)
        assert next(iter(subscription)).frame_index == 5
        assert subscription.missed == 1


def test_the_end_ends_the_loop_unless_it_is_followed(station: Station) -> None:
    with heard(station) as subscription:
        station.end(reason="lens cap")
        station.mask(1)
        assert [each.frame_index for each in subscription] in ([], [1])
        assert subscription.end_reason == "lens cap"
    with heard(station, follow=True) as subscription:
        station.end(reason="lens cap")
        until(lambda: subscription.end_reason)
        station.mask(1, run=SECOND)
        assert next(iter(subscription)).frame_index == 1


def test_bad_messages_are_counted(station: Station) -> None:
    with heard(station) as subscription:
        station.send([b"hpm1/live/mask", b"junk"])
        good = wire.encode_parsing(
            "live", a_parsing(1), run=FIRST, seq=1, published_unix_s=0.0, unix_offset_s=0.0, encoding="raw"
        )
        station.send([*good[:3], b"\xff" * 20])
        station.mask(2)
        station.end()
        assert [each.frame_index for each in subscription] == [2]
        assert subscription.bad_messages == 2


def test_a_mask_waits_for_its_schema(station: Station) -> None:
    with heard(station) as subscription:
        station.mask(1, label_set=FACES)
        station.schema(FACES)
        station.mask(1, label_set=FACES)
        assert next(iter(subscription)).label_set == FACES
        assert (subscription.missed, subscription.bad_messages) == (0, 0)


def test_only_one_stream_is_heard(station: Station) -> None:
    with heard(station) as subscription:
        station.mask(1, stream="door", frame_index=10)
        station.mask(9, stream="garden", frame_index=20)
        station.send(wire.encode("door", headers.End(v=1, run=FIRST, published_unix_s=0.0, reason="dusk")))
        assert [each.frame_index for each in subscription] == [10]
        assert subscription.missed == 0
    with subscribe(station.address, stream="garden"):
        assert station.await_subscriber() == b"\x01hpm1/garden/"


def test_nobody_there() -> None:
    with pytest.raises(CannotOpen, match=r"nothing heard from tcp://127\.0\.0\.1:9 in .* does a publisher run there"):
        next(iter(subscribe("tcp://127.0.0.1:9", timeout_s=0.1)))


def test_silence_after_a_heartbeat(station: Station) -> None:
    with heard(station, timeout_s=3.0) as subscription:
        threading.Event().wait(0.3)
        began_s = time.monotonic()
        station.heartbeat()
        with pytest.raises(SourceLost, match="not even a heartbeat"):
            next(iter(subscription))
        # The heartbeat set the clock back, or it would have been 2.7.
        assert time.monotonic() - began_s >= 3.0


def test_what_the_thread_dies_of_is_raised_in_the_loop() -> None:
    with pytest.raises(ConfigError, match="cannot connect to ipc://xxx"):
        next(iter(subscribe("ipc://" + "x" * 300)))


def test_closing_ends_the_loop(station: Station) -> None:
    with heard(station) as subscription:
        station.mask(1)
        for _ in subscription:
            subscription.close()


# Programs

LOOP = """
import sys
from streamer.zeromq.subscriber import subscribe
for parsing in subscribe(sys.argv[1]):
    print(parsing.frame_index, flush=True)
"""
KEPT = """
import sys
from streamer.zeromq.subscriber import subscribe
kept = iter(subscribe(sys.argv[1]))
print(next(kept).frame_index, flush=True)
"""


def a_program(code: str, address: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, address]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


@pytest.mark.process
def test_ctrl_c_ends_a_program_that_waits() -> None:
    with on_air(a_parsing(7)) as address, a_program(LOOP, address) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "7\n"
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=PATIENCE_S)
        assert program.returncode == -signal.SIGINT
        assert errors.strip().endswith("KeyboardInterrupt")


@pytest.mark.process
def test_an_iterator_that_was_kept_does_not_keep_the_program() -> None:
    with on_air(a_parsing(7)) as address, a_program(KEPT, address) as program:
        out, errors = program.communicate(timeout=PATIENCE_S)
        assert (out, errors, program.returncode) == ("7\n", "", 0)
