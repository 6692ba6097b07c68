"""Several publishers at one address."""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import zmq

from pipeline import CIHP, Parsing, Size
from streamer.errors import CannotOpen, ConfigError, SinkError
from streamer.masks import headers, wire
from streamer.zeromq.curve import new_keys
from streamer.zeromq.publisher import Publisher
from streamer.zeromq.relay import Relay
from streamer.zeromq.subscriber import subscribe
from tests.support.waiting import PATIENCE_S, eventually

SILENT_S = 0.7
FREE_PORT = "tcp://127.0.0.1:*"


def a_parsing(index: int) -> Parsing:
    maps = np.zeros((4, 5), np.uint8)
    return Parsing(maps, maps, (), CIHP, index, 0.0, time.monotonic(), Size(480, 640), 0.01, index)


class Passing:
    """A relay in a thread of its own."""

    def __init__(self, **given: Path | bool) -> None:
        self.wanted: frozenset[str] = frozenset()
        self._given = given
        self._stop, self._there = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with Relay(FREE_PORT, **self._given) as relay:  # type: ignore[arg-type]
            self.address = relay.address
            self._there.set()
            while not self._stop.is_set():
                relay.listen_to(self.wanted)
                relay.step(0.01)

    def __enter__(self) -> "Passing":
        self._thread.start()
        assert self._there.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)


@contextmanager
def publishing(*streams: str, again: bool = True) -> Iterator[list[str]]:
    """The addresses of publishers: each says one parsing, or more and more."""
    stop, there, addresses = threading.Event(), threading.Event(), []

    def run() -> None:
        publishers = [Publisher(FREE_PORT, stream=each) for each in streams]
        addresses.extend(each.address for each in publishers)
        for index in itertools.count(1):
            for each in publishers:
                if again or index == 1:
                    each.publish(a_parsing(index))
                each.tick(time.monotonic())
            there.set()
            if stop.wait(0.02):
                break
        for each in publishers:
            each.close("it is over", headers.Totals(captured=7))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert there.wait(PATIENCE_S)
        yield addresses
    finally:
        stop.set()
        thread.join(PATIENCE_S)


def test_a_subscriber_of_one_address_hears_all_and_each_stream_by_its_name() -> None:
    with publishing("door", "yard") as addresses, Passing() as relay:
        relay.wanted = frozenset(addresses)
        for stream in ("door", "yard"):
            with subscribe(relay.address, stream=stream, timeout_s=PATIENCE_S) as heard:
                assert next(heard.named())[0] == stream
        # As somebody who asks for all.
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            socket.subscribe(wire.PROTOCOL.encode())
            socket.connect(relay.address)
            streams: set[bytes] = set()
            while len(streams) < 2:
                assert socket.poll(PATIENCE_S * 1000)
                streams.add(socket.recv_multipart()[0].split(b"/")[1])
        assert streams == {b"door", b"yard"}


def test_who_comes_late_is_told_by_the_publisher_what_it_said_before() -> None:
    """Also of a stream that another subscriber has already."""
    with publishing("door", again=False) as addresses, Passing() as relay:
        relay.wanted = frozenset(addresses)
        for _ in range(2):
            with subscribe(relay.address, timeout_s=PATIENCE_S) as first, subscribe(relay.address) as second:
                for each in (first, second):
                    assert next(iter(each)).frame_index == 1


def test_a_publisher_may_come_later_go_and_have_another_in_its_place() -> None:
    with Passing() as relay, subscribe(relay.address, stream="door", follow=True, timeout_s=PATIENCE_S) as heard:
        parsings = iter(heard)
        for _ in range(2):
            with publishing("door") as addresses:
                relay.wanted = frozenset(addresses)
                next(parsings)
            assert eventually(lambda: heard.end_reason == "it is over")
            relay.wanted = frozenset()


def test_the_end_is_passed_on() -> None:
    with Passing() as relay, subscribe(relay.address, timeout_s=PATIENCE_S) as heard:
        with publishing("door") as addresses:
            relay.wanted = frozenset(addresses)
            next(iter(heard))
        assert list(heard)[1:] == []  # it ends
        assert heard.end_totals == headers.Totals(captured=7)


def test_keys_are_those_of_the_address(tmp_path: Path) -> None:
    (tmp_path / "allowed").mkdir()
    server, server_pub = new_keys("server", tmp_path)
    friend, friend_pub = new_keys("friend", tmp_path)
    stranger, _ = new_keys("stranger", tmp_path)
    friend_pub.rename(tmp_path / "allowed" / friend_pub.name)
    with publishing("door") as addresses, Passing(key=server, allow=tmp_path / "allowed") as relay:
        relay.wanted = frozenset(addresses)
        with subscribe(relay.address, key=friend, server_key=server_pub, timeout_s=PATIENCE_S) as admitted:
            assert next(iter(admitted)).frame_index
            for given in ({"key": stranger, "server_key": server_pub}, {}):
                with pytest.raises(CannotOpen, match="nothing heard"):
                    next(iter(subscribe(relay.address, timeout_s=SILENT_S, **given)))
            assert next(iter(admitted)).frame_index


def test_where_it_cannot_listen_is_told() -> None:
    with pytest.raises(ConfigError, match="can be reached from other machines"):
        Relay("tcp://0.0.0.0:*")
    with Relay(FREE_PORT) as first, pytest.raises(SinkError, match="another program listens there"):
        Relay(first.address)
