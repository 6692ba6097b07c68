"""Conditions, and messages to a file, an address of the web, a broker of MQTT."""

import json
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from scripts.print_messages import parsing
from streamer import Publisher
from streamer.alerts.conditions import Condition
from streamer.alerts.targets import open_target
from streamer.errors import ConfigError, SinkError
from tests.support.media import free_port
from tests.support.waiting import eventually


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("person.present", [False, True, False, False, True]),
        ("person.absent", [True, False, False, True, False]),
        ("person.appeared", [False, True, True, False, True]),
        ("person.left", [False, False, True, True, False]),
        ("people >= 2", [False, False, False, False, True]),
    ],
)
def test_conditions_are_met_when_they_become_true(text: str, met: list[bool]) -> None:
    condition = Condition(text)
    assert [condition.is_met(people) for people in ((), (1,), (2,), (), (2, 3))] == met


@pytest.mark.parametrize("text", ["", "person", "people>=0", "person.present()", "people>=many"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is no condition; there are: person\.present"):
        Condition(text)


@pytest.mark.parametrize(
    ("kind", "url"), [("post", "x"), ("mqtt", "host/topic"), ("mqtt", "mqtt://host"), ("webhook", "ftp://host/")]
)
def test_what_is_no_target_is_refused(kind: str, url: str) -> None:
    with pytest.raises(ConfigError, match=r"mqtt, webhook, jsonl|is no address for"):
        open_target(kind, url)


def test_lines_of_a_file(tmp_path: Path) -> None:
    for number in range(2):
        target = open_target("jsonl", str(tmp_path / "log.jsonl"))
        target.send({"frame": number})
        target.close()
    assert [json.loads(each) for each in (tmp_path / "log.jsonl").read_text().splitlines()] == [
        {"frame": 0},
        {"frame": 1},
    ]
    with pytest.raises(SinkError, match="cannot write"):
        open_target("jsonl", str(tmp_path))


def test_a_webhook_and_one_that_does_not_answer(caplog: pytest.LogCaptureFixture) -> None:
    got = []

    class Server(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    target = open_target("webhook", f"http://127.0.0.1:{server.server_port}/hook")
    target.send({"frame": 1})
    server.shutdown()
    thread.join()
    server.server_close()
    assert got == [{"frame": 1}]
    target.send({"frame": 2})
    target.send({"frame": 3})
    target.close()
    assert caplog.text.count("took no message") == 1


@pytest.mark.process
def test_a_broker_of_mqtt(tmp_path: Path) -> None:
    client = pytest.importorskip("paho.mqtt.client", reason="needs paho-mqtt")
    if not shutil.which("mosquitto"):
        pytest.skip("needs Debian's mosquitto")
    port = free_port()
    (tmp_path / "conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    broker = subprocess.Popen(["mosquitto", "-c", str(tmp_path / "conf")], stderr=subprocess.DEVNULL)
    got = []
    reader = client.Client(client.CallbackAPIVersion.VERSION2)
    reader.on_message = lambda *told: got.append(json.loads(told[2].payload))
    reader.on_connect = lambda *_: reader.subscribe("home/door", qos=1)
    try:

        def answers() -> bool:
            try:
                return reader.connect("127.0.0.1", port) == 0
            except OSError:
                return False

        assert eventually(answers)
        reader.loop_start()
        target = open_target("mqtt", f"mqtt://127.0.0.1:{port}/home/door")

        def heard() -> bool:
            target.send({"event": "person.present"})
            return bool(got)

        assert eventually(heard)
        target.close()
        reader.disconnect()
        reader.loop_stop()
    finally:
        broker.terminate()
        broker.wait(120)
    assert got[0] == {"event": "person.present"}


@pytest.mark.process
def test_watch_sends_what_is_asked_for(tmp_path: Path) -> None:
    log, printed = tmp_path / "log.jsonl", tmp_path / "printed"
    with Publisher(f"ipc://{tmp_path}/sock") as publisher, printed.open("w") as out:
        command = ["watch", publisher.address, "--to", "jsonl", "--url", str(log), "--when", "person.present"]
        watching = subprocess.Popen([sys.executable, "-m", "streamer", *command], stdout=out)

        def heard() -> bool:
            publisher.publish(parsing())
            return log.is_file() and bool(log.read_text())

        assert eventually(heard, 60)
        for _ in range(5):
            publisher.publish(parsing())
        publisher.close("over")
        assert watching.wait(120) == 0
    (line,) = map(json.loads, log.read_text().splitlines())
    assert (line["event"], line["people"][0]["id"]) == ("person.present", 7)
    assert "the publisher ended: over" in printed.read_text()


def test_no_broker_is_said() -> None:
    pytest.importorskip("paho.mqtt.client", reason="needs paho-mqtt")
    with pytest.raises(SinkError, match="no broker of MQTT answers at"):
        open_target("mqtt", f"mqtt://127.0.0.1:{free_port()}/home")
