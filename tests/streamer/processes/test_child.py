"""Child processes and the channel to them, with real processes and a hostile neighbour on the loopback interface."""

import re
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.processes.child import Child, exit_text
from streamer.processes.framing import LOOPBACK, Channel, ChannelClosed
from streamer.processes.handshake import MAX_CALLERS, SECRET_BYTES, Listener
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.process

WAIT_S = 0.05


def always() -> bool:
    return True


def never() -> bool:
    return False


@contextmanager
def echo(first: bytes = b"first") -> Iterator[Child]:
    child = Child("the echo", "tests.support.echo", first, wait_s=WAIT_S)
    try:
        yield child
    finally:
        child.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as listener:
        yield listener


def pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server((LOOPBACK, 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
        return near, far


def call(listener: Listener) -> socket.socket:
    return socket.create_connection((LOOPBACK, listener.port), PATIENCE_S)


def secret_of(listener: Listener) -> bytes:
    return bytes.fromhex(listener.directions.split()[1].decode())


def reply_of(listener: Listener) -> bytes:
    return bytes.fromhex(listener.directions.split()[2].decode())


def test_messages_come_back_whole_and_in_order() -> None:
    large = bytes(range(256)) * 40_000
    with echo() as child:
        assert child.receive(always) == b"first"
        for message in (b"", b"x", large, large[1:], b"last"):
            assert child.send(message, always)
            assert child.receive(always) == message


def test_nothing_is_waited_for_when_nobody_wants_to() -> None:
    with echo() as child:
        assert child.receive(always) == b"first"
        assert child.receive(never) is None
        # It is there after a refused wait, too.
        assert child.send(b"more", always)
        assert child.receive(always) == b"more"


def test_to_start_is_not_to_wait_and_a_process_that_never_comes_is_not_waited_for() -> None:
    with echo() as child:
        psutil.Process(child.pid).suspend()
        assert child.receive(never) is None
        psutil.Process(child.pid).resume()
        assert child.receive(always) == b"first"


@pytest.mark.parametrize("connected", [False, True], ids=["before it connects", "when it is connected"])
def test_its_death_closes_the_channel(connected: bool) -> None:
    with echo() as child:
        if connected:
            assert child.receive(always) == b"first"
        else:
            psutil.Process(child.pid).suspend()
        psutil.Process(child.pid).kill()
        with pytest.raises(ChannelClosed):
            # Its first words may still come.
            while child.receive(always):
                pass
        assert "-9" in exit_text(child.close())


def test_it_leaves_by_itself_when_the_channel_closes() -> None:
    with echo() as child:
        assert child.receive(always) == b"first"
        assert child.close() == 0
        assert child.close() == 0


def test_its_command_line_holds_no_secret() -> None:
    with echo(b"password") as child:
        line = " ".join(psutil.Process(child.pid).cmdline())
        assert "password" not in line
        assert not re.search("[0-9a-f]{64}", line)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "exit code 0"),
        (1, "exit code 1"),
        (-11, "exit code -11 (Segmentation fault)"),
        (0xC0000005, "exit code 0xC0000005"),
    ],
)
def test_an_exit_code_says_what_it_means(code: int, text: str) -> None:
    assert exit_text(code) == text


def test_who_shows_the_secret_is_let_in_and_the_port_is_closed(listener: Listener) -> None:
    port, reply = listener.port, reply_of(listener)
    with call(listener) as child:
        child.sendall(secret_of(listener)[:5])
        assert listener.accept(WAIT_S) is None
        child.sendall(secret_of(listener)[5:])
        end = listener.accept(PATIENCE_S)
        assert end is not None
        with end:
            assert child.recv(SECRET_BYTES) == reply
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, port), PATIENCE_S)


@pytest.mark.parametrize("shown", [bytes(SECRET_BYTES), b"GET / HTTP/1.1\r\n" * 9, b""], ids=["guess", "web", "none"])
def test_others_are_hung_up_on(listener: Listener, shown: bytes) -> None:
    with call(listener) as stranger, call(listener) as child:
        stranger.sendall(shown)
        stranger.shutdown(socket.SHUT_WR)
        assert listener.accept(WAIT_S) is None
        with suppress(ConnectionResetError):
            assert stranger.recv(1) == b""
        child.sendall(secret_of(listener))
        end = listener.accept(PATIENCE_S)
        assert end is not None
        end.close()


def test_a_crowd_that_says_nothing_does_not_keep_the_child_out(listener: Listener) -> None:
    with ExitStack() as crowd:
        for _ in range(2 * MAX_CALLERS):
            crowd.enter_context(call(listener))
            assert listener.accept(WAIT_S / 10) is None
        child = crowd.enter_context(call(listener))
        child.sendall(secret_of(listener))
        end = listener.accept(PATIENCE_S)
        assert end is not None
        end.close()


def test_a_child_tells_nothing_to_whoever_has_its_dead_parents_port() -> None:
    with Listener() as listener, socket.create_server((LOOPBACK, 0)) as impostor:
        _, *secrets = listener.directions.split()
        directions = b" ".join((str(impostor.getsockname()[1]).encode(), *secrets)) + b"\n"
        command = [sys.executable, "-c", "from streamer.processes.parent import run; run('tests.support.echo', 0.0)"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT) as child:
            assert child.stdin is not None
            with child.stdin as stdin:
                stdin.write(directions + b"what a camera sees")
            impostor.settimeout(PATIENCE_S)
            end, _ = impostor.accept()
            with end:
                end.settimeout(PATIENCE_S)
                end.sendall(bytes(SECRET_BYTES))
                heard = b""
                while piece := end.recv(1024):
                    heard += piece
            assert child.wait(PATIENCE_S) == 0
    assert heard == bytes.fromhex(secrets[0].decode())


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(1, 64))
def test_pieces_of_any_size_are_put_together(messages: list[bytes], piece: int) -> None:
    near, far = pair()
    with far:
        channel = Channel(near, WAIT_S)
        sent = b"".join(struct.pack(">Q", len(each)) + each for each in messages)
        for start in range(0, len(sent), piece):
            far.sendall(sent[start : start + piece])
        received = [channel.receive(always) for _ in messages]
        channel.close()
    assert received == messages


def test_a_message_that_stops_in_the_middle_is_gone_on_with() -> None:
    near, far = pair()
    with far:
        channel = Channel(near, WAIT_S)
        far.sendall(struct.pack(">Q", 4) + b"on")
        assert channel.receive(never) is None
        far.sendall(b"ce")
        assert channel.receive(always) == b"once"
        far.sendall(b"\0")
        far.close()
        with pytest.raises(ChannelClosed):
            channel.receive(always)
        channel.close()


def test_a_message_that_nobody_takes_is_given_up() -> None:
    near, far = pair()
    with far:
        channel = Channel(near, WAIT_S)
        assert not channel.send(bytes(1 << 26), never)
        channel.close()
