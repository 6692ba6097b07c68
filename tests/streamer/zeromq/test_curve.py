"""Keys: who gets masks and who does not, over real sockets."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq

from streamer.errors import CannotOpen, ConfigError
from streamer.zeromq.curve import KeyPair, new_keys, read_key, read_public_key
from streamer.zeromq.publisher import Publisher
from streamer.zeromq.subscriber import Subscription, subscribe
from tests.streamer.zeromq.test_pubsub import FREE_PORT, a_parsing

SILENT_S = 0.7
HEARD_S = 120.0


class Keys:
    """A publisher's keys, a subscriber's, and the folder of those who are admitted."""

    def __init__(self, folder: Path) -> None:
        self.server, self.server_pub = new_keys("server", folder)
        self.client, self.client_pub = new_keys("client", folder)
        self.allowed = folder / "allowed"
        self.allowed.mkdir()

    def admit(self, public: Path) -> None:
        (self.allowed / public.name).write_bytes(public.read_bytes())


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


@contextmanager
def publishing(publisher: Publisher) -> Iterator[str]:
    """A publisher that says something again and again, in a thread of its own."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.02):
            publisher.publish(a_parsing(1))
            publisher.tick(time.monotonic())

    with publisher:
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield publisher.address
        finally:
            stop.set()
            thread.join()


def hears(subscription: Subscription) -> bool:
    with subscription:
        try:
            return next(iter(subscription)).frame_index == 1
        except CannotOpen:
            return False


def test_who_is_admitted_hears(keys: Keys) -> None:
    keys.admit(keys.client_pub)
    with publishing(Publisher(FREE_PORT, key=keys.server, allow=keys.allowed)) as address:
        assert hears(subscribe(address, key=keys.client, server_key=keys.server_pub, timeout_s=HEARD_S))


def test_who_is_admitted_later_hears_without_a_restart(keys: Keys, caplog: pytest.LogCaptureFixture) -> None:
    with publishing(Publisher(FREE_PORT, key=keys.server, allow=keys.allowed)) as address:
        assert not hears(subscribe(address, key=keys.client, server_key=keys.server_pub, timeout_s=SILENT_S))
        keys.admit(keys.client_pub)
        assert hears(subscribe(address, key=keys.client, server_key=keys.server_pub, timeout_s=HEARD_S))
    assert "refused a subscriber from 127.0.0.1: its key is not in" in caplog.text


@pytest.mark.parametrize("way", ["no key", "another server's key", "a key that is not admitted"])
def test_others_hear_nothing_and_are_told(
    way: str, keys: Keys, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys.admit(keys.client_pub)
    (tmp_path / "other").mkdir()
    other, other_pub = new_keys("other", tmp_path / "other")
    with publishing(Publisher(FREE_PORT, key=keys.server, allow=keys.allowed)) as address:
        subscription = {
            "no key": lambda: subscribe(address, timeout_s=SILENT_S),
            "another server's key": lambda: subscribe(
                address, key=keys.client, server_key=other_pub, timeout_s=SILENT_S
            ),
            "a key that is not admitted": lambda: subscribe(
                address, key=other, server_key=keys.server_pub, timeout_s=SILENT_S
            ),
        }[way]()
        assert not hears(subscription)
        lines = [each.getMessage() for each in caplog.records]
        assert f"{address} refuses this subscriber, or has another key than the one expected" in lines


def test_a_subscriber_with_keys_takes_nothing_from_a_publisher_without(keys: Keys) -> None:
    with publishing(Publisher(FREE_PORT)) as address:
        assert not hears(subscribe(address, key=keys.client, server_key=keys.server_pub, timeout_s=SILENT_S))


def test_nothing_can_be_read_on_the_way(keys: Keys) -> None:
    keys.admit(keys.client_pub)
    with zmq.Context() as context, context.socket(zmq.SUB) as plain:
        plain.linger = 0
        plain.subscribe(b"")
        with publishing(Publisher(FREE_PORT, key=keys.server, allow=keys.allowed)) as address:
            plain.connect(address)
            assert not plain.poll(int(SILENT_S * 1000))


def test_keys_allow_an_address_that_others_can_reach(keys: Keys) -> None:
    with pytest.raises(ConfigError, match="can be reached from other machines"):
        Publisher("tcp://0.0.0.0:*")
    Publisher("tcp://0.0.0.0:*", key=keys.server, allow=keys.allowed).close()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such mode")
def test_a_secret_is_for_its_owner_only(keys: Keys) -> None:
    assert keys.server.stat().st_mode & 0o777 == 0o600
    keys.server.chmod(0o640)
    with pytest.raises(ConfigError, match=r"server\.key can be read by others; chmod 600"):
        Publisher(FREE_PORT, key=keys.server, allow=keys.allowed)


def test_a_key_is_never_overwritten(keys: Keys) -> None:
    before = keys.server.read_text()
    with pytest.raises(ConfigError, match="exists"):
        new_keys("server", keys.server.parent)
    assert keys.server.read_text() == before


def test_a_pair_whose_other_half_is_there_is_not_made(keys: Keys) -> None:
    keys.server.unlink()
    with pytest.raises(ConfigError, match=r"server\.pub exists"):
        new_keys("server", keys.server.parent)
    assert not keys.server.exists()


def test_a_secret_stays_out_of_what_is_shown(keys: Keys) -> None:
    pair = read_key(keys.server)
    assert pair.secret.decode() not in repr(pair)
    assert pair.secret.decode() not in keys.server_pub.read_text()
    assert pair == KeyPair(read_public_key(keys.server_pub), pair.secret)
    assert zmq.curve_public(pair.secret) == pair.public


@pytest.mark.parametrize("name", ["../server", "a/b", "", 'quo"te', "new\nline", "a:b", ".hidden"])
def test_a_name_makes_a_file_on_every_system(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must have 1 to 64 letters"):
        new_keys(name, tmp_path)


def test_what_does_not_fit_together_is_refused(keys: Keys, tmp_path: Path) -> None:
    (tmp_path / "torn.pub").write_text('curve\n    public-key = "short"\n')
    for wrong, says in (
        (lambda: Publisher(FREE_PORT, key=keys.server), "belong together"),
        (lambda: Publisher(FREE_PORT, allow=keys.allowed), "belong together"),
        (lambda: subscribe(FREE_PORT, key=keys.client), "belong together"),
        (lambda: Publisher(FREE_PORT, key=keys.server_pub, allow=keys.allowed), "has no secret key"),
        (lambda: Publisher(FREE_PORT, key=keys.server, allow=tmp_path / "none"), "no folder"),
        (lambda: Publisher(FREE_PORT, key=keys.server, allow=tmp_path), r"torn\.pub is not a key file"),
        (lambda: subscribe(FREE_PORT, key=keys.client, server_key=tmp_path / "none.pub"), "not a key file"),
    ):
        with pytest.raises(ConfigError, match=says):
            wrong()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such addresses")
def test_a_path_is_for_its_owner_only(tmp_path: Path) -> None:
    with Publisher(f"ipc://{tmp_path / 'masks'}"):
        assert (tmp_path / "masks").stat().st_mode & 0o777 == 0o600
