"""Several publishers, all or only fresh parsings, and `async for`."""

import asyncio
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import CIHP, Parsing, Size
from streamer import ConfigError, Publisher, Subscription, subscribe
from tests.support.waiting import eventually


def a_parsing(index: int, age_s: float = 0.0) -> Parsing:
    ids = np.zeros((4, 5), np.uint8)
    return Parsing(ids, ids, (), CIHP, index, 0.0, time.monotonic() - age_s, Size(40, 50), 0.01, index)


def joined(publisher: Publisher, subscription: Subscription, stream: str) -> None:
    """Publishes until the subscription hears this publisher."""
    heard = threading.Event()

    def ask() -> None:
        for name, _ in subscription.named():
            if name == stream:
                heard.set()
                return

    thread = threading.Thread(target=ask)
    thread.start()
    assert eventually(lambda: publisher.publish(a_parsing(0)) or heard.is_set())
    thread.join()


def test_all_that_came_in_order_where_that_is_wanted(tmp_path: Path) -> None:
    with Publisher(f"ipc://{tmp_path}/sock") as publisher:
        with subscribe(publisher.address, latest=False, timeout_s=120) as heard:
            joined(publisher, heard, "live")
            for index in range(1, 31):
                publisher.publish(a_parsing(index))
            publisher.close("over")
            indices = [parsing.frame_index for parsing in heard if parsing.frame_index]
    assert indices == list(range(1, 31))
    assert (heard.overtaken, heard.missed, heard.end_reason) == (0, 0, "over")


def test_what_is_overtaken_is_counted(tmp_path: Path) -> None:
    with Publisher(f"ipc://{tmp_path}/sock") as publisher:
        with subscribe(publisher.address, timeout_s=120) as heard:
            joined(publisher, heard, "live")
            before = heard.overtaken
            for index in range(1, 11):
                publisher.publish(a_parsing(index))
            publisher.close("over")
            assert eventually(lambda: heard.end_reason == "over")
            assert [parsing.frame_index for parsing in heard][-1] == 10
    assert heard.overtaken - before >= 9
    assert heard.missed == 0


def test_what_is_too_old_is_left_out(tmp_path: Path) -> None:
    with Publisher(f"ipc://{tmp_path}/sock") as publisher:
        with subscribe(publisher.address, latest=False, max_age_s=60, timeout_s=120) as heard:
            joined(publisher, heard, "live")
            publisher.publish(a_parsing(1, age_s=100))
            publisher.publish(a_parsing(2))
            publisher.close()
            assert [parsing.frame_index for parsing in heard if parsing.frame_index] == [2]
    with pytest.raises(ConfigError, match="max_age_s must be above 0"):
        subscribe(publisher.address, max_age_s=0)


def test_several_publishers_at_once(tmp_path: Path) -> None:
    """Two of them call their stream by the same name."""
    names = ("door", "yard", "yard")
    publishers = [Publisher(f"ipc://{tmp_path}/{number}", stream=name) for number, name in enumerate(names)]
    addresses = [each.address for each in publishers]
    with subscribe(addresses, latest=False, timeout_s=120) as heard:
        for publisher, name in zip(publishers, names):
            joined(publisher, heard, name)
        got = set()
        for number, publisher in enumerate(publishers):
            publisher.publish(a_parsing(10 + number))
            publisher.close(f"end of {number}")
        got = {(name, parsing.frame_index) for name, parsing in heard.named() if parsing.frame_index}
    assert got == {("door", 10), ("yard", 11), ("yard", 12)}
    assert heard.missed == 0
    with pytest.raises(ConfigError, match="no address"):
        subscribe([])


def test_a_loop_of_asyncio(tmp_path: Path) -> None:
    async def indices(publisher: Publisher, heard: Subscription) -> list[int]:
        found = []
        async for parsing in heard:
            found.append(parsing.frame_index)
            if parsing.frame_index == 3:
                publisher.close("over")
            else:
                publisher.publish(replace(a_parsing(parsing.frame_index + 1)))
        return found

    with Publisher(f"ipc://{tmp_path}/sock") as publisher:
        publisher.publish(a_parsing(1))
        with subscribe(publisher.address, timeout_s=120) as heard:
            joined(publisher, heard, "live")
            publisher.publish(a_parsing(2))
            assert asyncio.run(indices(publisher, heard))[-1] == 3
