"""Live streams in a browser, and those that nobody looks at."""

import base64
import io
import json
import re
import signal
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from websockets.sync.client import ClientConnection, connect

from pipeline import CIHP, Look
from streamer import StreamConfig
from streamer.errors import ConfigError
from streamer.live.config import RecordSettings
from streamer.web.settings import LiveSettings
from streamer.web.streams.host import stream_config
from streamer.web.streams.live import MAX_CREDIT, Live, Viewer
from streamer.web.streams.messages import packed, unpacked
from tests.support.browser import Watched, chromium, opened
from tests.support.paths import PEOPLE, STREET
from tests.support.served import Answer, Served, served
from tests.support.service import portrait
from tests.support.waiting import eventually, within

HOST = "streamer.web.streams.host"


def test_messages_are_read_as_they_were_written() -> None:
    assert unpacked(packed({"a": [1]}, b"xyz")) == ({"a": [1]}, b"xyz")
    for broken in (b"", b"\0\0\0\x09{}", b"\0\0"):
        with pytest.raises(ValueError):
            unpacked(broken)


def test_a_viewer_gets_the_newest_for_its_credit_and_nothing_without() -> None:
    live = Live.__new__(Live)
    quick, slow = Viewer(credit=2), Viewer(credit=0)
    live.viewers = {quick, slow}
    for count in range(3):
        live._hand_out({"count": count}, b"picture")
    assert quick.newest == packed({"count": 1}, b"picture")  # two credits, two pictures
    assert (quick.credit, slow.newest) == (0, None)
    live._wanted = _Flag()  # type: ignore[assignment]
    live.give(slow, 99)
    assert slow.credit == MAX_CREDIT
    live._hand_out({"count": 9, "ended": "over"}, b"")
    assert unpacked(quick.newest)[0]["ended"] == "over"


def test_who_takes_masks_alone_gets_no_picture_and_nobody_else_misses_one() -> None:
    live = Live.__new__(Live)
    pictures, masks = Viewer(credit=2), Viewer(pictures=False, credit=3)
    live.viewers = {pictures, masks}
    live._hand_out({"count": 1, "frame": 7, "jpeg": 4, "masks": 2}, b"JPEGmm")
    assert pictures.newest == packed({"count": 1, "frame": 7, "jpeg": 4, "masks": 2}, b"JPEGmm")
    assert masks.newest == packed({"count": 1, "frame": 7, "jpeg": 0, "masks": 2}, b"mm")
    # One that was fetched for masks alone: whoever takes pictures keeps credit and picture.
    live._hand_out({"count": 2, "frame": 8, "jpeg": 0, "masks": 2}, b"nn")
    assert unpacked(pictures.newest)[0]["count"] == 1
    assert masks.newest == packed({"count": 2, "frame": 8, "jpeg": 0, "masks": 2}, b"nn")
    live._hand_out({"count": 3, "frame": 9, "jpeg": 0, "masks": 0}, b"")
    assert unpacked(masks.newest)[0]["count"] == 3
    assert (pictures.credit, masks.credit) == (1, 0)


class _Flag:
    def set(self) -> None:
        pass


def test_a_stream_writes_and_sends_nothing_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "door.toml"
    file.write_text(
        'source = "test:"\nrecord = "door.mp4"\npublish = "tcp://127.0.0.1:5556"\nwindow = true\nopacity = 0.3\n'
    )
    config = stream_config({"file": str(file), "name": "door"})
    assert (config.record.file, config.publish.address, config.window.show) == (None, None, False)
    assert config.look.opacity == 0.3


def test_cameras_are_known_by_their_files(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "door.toml").write_text('source = "test:"\n')
    with pytest.raises(ConfigError, match="two cameras of one name"):
        LiveSettings((str(tmp_path / "a" / "door.toml"), str(tmp_path / "b" / "door.toml")))
    with pytest.raises(ConfigError, match="no file"):
        LiveSettings(("nowhere.toml",))


def test_cameras_of_a_fleet_are_known_by_their_tables(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.toml"
    fleet.write_text(
        'opacity = 0.3\nrecord = "{camera}.mp4"\n[camera.door]\nsource = "test:"\n'
        '[camera.yard]\nsource = "test:rate=5"\nopacity = 0.9\npublish = "tcp://127.0.0.1:5556"\n'
    )
    (tmp_path / "gate.toml").write_text('source = "test:"\n')
    cameras = LiveSettings((str(fleet), str(tmp_path / "gate.toml"))).cameras
    assert [(name, each.file.name, each.in_fleet) for name, each in cameras.items()] == [
        ("door", "fleet.toml", True),
        ("yard", "fleet.toml", True),
        ("gate", "gate.toml", False),
    ]
    door, yard = (stream_config({"file": str(fleet), "camera": name, "name": name}) for name in ("door", "yard"))
    assert [(each.source.uri, each.look.opacity) for each in (door, yard)] == [("test:", 0.3), ("test:rate=5", 0.9)]
    assert (door.record.file, yard.record.file, yard.publish.address) == (None, None, None)
    fleet.write_text('[camera.yard]\nsource = "test:"\n')
    with pytest.raises(ConfigError, match="door is not in its file any more"):
        stream_config({"file": str(fleet), "camera": "door", "name": "door"})


def test_a_browser_sees_a_camera_and_nothing_of_it_goes_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "door.toml"
    file.write_text(
        'source = "test:"\nrecord = "door.mp4"\nsegment = "10min"\nkeep_free = "1GB"\nforce = true\nwindow = true\n'
        'masks = "door.hpm"\npublish = "tcp://127.0.0.1:5556"\nkey = "door.key"\nallow = "subscribers"\n'
        'virtual_camera = "/dev/video9"\nclip_seconds = "5s"\nopacity = 0.3\n'
    )
    config = stream_config({"file": str(file), "name": "door"})
    plain = StreamConfig("test:", stream="door", look=Look(opacity=0.3), record=RecordSettings(clip_seconds=5.0))
    assert config == plain


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("camera = 3", "there is no camera"),
        ("[camera.'a b']\nsource = 'test:'", "is no name of a camera"),
        ("[camera.door", "is not TOML"),
        ("[camera.gate]\nsource = 'test:'", "two cameras of one name: gate, gate"),
    ],
)
def test_a_file_of_cameras_that_cannot_be_is_told_at_once(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "fleet.toml").write_text(text)
    (tmp_path / "gate.toml").write_text('source = "test:"\n')
    with pytest.raises(ConfigError, match=message):
        LiveSettings((str(tmp_path / "fleet.toml"), str(tmp_path / "gate.toml")))


CANARY = "canary-password"


@contextmanager
def _cameras(tmp_path: Path) -> Iterator[Served]:
    settings = {
        "street": f'source = "{STREET}"\nloop = true\nsize = [192, 256]\nclip_seconds = "3s"\n',
        "covered": f'source = "{PEOPLE}"\nloop = true\nsize = [192, 256]\neffect = ["fill=red"]\nclip_seconds = "3s"\n',
        "absent": f'source = "rtsp://user:{CANARY}@127.0.0.1:9/none"\n',
    }
    # One as a file of its own, the others as a fleet.
    (tmp_path / "street.toml").write_text(settings.pop("street"))
    (tmp_path / "fleet.toml").write_text("".join(f"[camera.{name}]\n{text}" for name, text in settings.items()))
    files = ",".join(str(tmp_path / name) for name in ("street.toml", "fleet.toml"))
    with served(tmp_path / "log", "--workers", "1", "--sources", files) as running:
        assert running.ready()
        yield running


def _start(running: Served, source: str) -> dict[str, Any]:
    answer = running.ask("POST", "/api/v1/streams", json.dumps({"source": source}).encode(), 120.0,
                         **{"Content-Type": "application/json"})  # fmt: skip
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.json()
    return found


def _pictures(running: Served, stream: dict[str, Any], count: int) -> list[tuple[dict[str, Any], bytes]]:
    found = []
    with connect(f"ws://127.0.0.1:{running.port}/api/v1/streams/{stream['id']}/live", max_size=None) as socket:
        socket.send(json.dumps({"credit": 2}))
        while len(found) < count:
            head, body = unpacked(socket.recv(120))  # type: ignore[arg-type]
            assert not head.get("ended"), head
            if body:
                found.append((head, body))
                socket.send(json.dumps({"credit": 1}))
    return found


def _decoded(body: bytes) -> np.ndarray:
    found = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    assert found is not None
    return found


@pytest.mark.process
def test_a_camera_is_seen_recorded_clipped_and_ended(tmp_path: Path) -> None:
    with _cameras(tmp_path) as running:
        assert running.ask("GET", "/api/v1/sources").json() == ["street", "covered", "absent"]
        stream = _start(running, "street")
        assert _start(running, "street")["id"] == stream["id"]
        path = f"/api/v1/streams/{stream['id']}"
        pictures = _pictures(running, stream, 8)
        figures = running.ask("GET", "/metrics").body.decode()
        assert 'm2fp_stream_up{stream="street"} 1.0' in figures
        assert 'm2fp_stream_up{stream="covered"} 0.0' in figures
        shown = re.search(r'm2fp_stream_frames_total\{event="shown",stream="street"\} (\S+)', figures)
        assert shown is not None
        assert float(shown[1]) >= len(pictures)
        assert 'm2fp_stream_mask_age_seconds{quantile="0.95",stream="street"}' in figures
        counts = [head["count"] for head, _ in pictures]
        assert counts == sorted(set(counts))
        assert eventually(lambda: bool(_pictures(running, stream, 1)[0][0]["map"]), 120)
        head, body = _pictures(running, stream, 1)[0]
        assert _decoded(body[: head["jpeg"]]).shape[1] == head["picture"]["width"]
        assert len(body) == head["jpeg"] + head["masks"]
        _masks_alone(running, path)
        recording = running.ask("POST", f"{path}/recording").json()
        assert running.ask("POST", f"{path}/recording").status == 409
        _pictures(running, stream, 10)
        (listed,) = _saved(running)
        assert (listed["file"], listed["kind"], listed["source"]) == (recording["file"], "recording", "street")
        assert listed["writing"]
        link = recording["link"]
        assert running.ask("DELETE", link).status == 409
        assert running.ask("DELETE", f"{path}/recording").json()["file"] == recording["file"]
        assert eventually(lambda: running.ask("GET", link).status == 200 and _plays(running, link, tmp_path), 60)
        clips: list[Any] = []
        assert eventually(lambda: _clipped(running, path, clips), 60)
        assert eventually(lambda: not any(each["writing"] for each in _saved(running)), 60)
        refused = running.ask("DELETE", f"{path}/recording")
        assert (refused.status, refused.json()["detail"]) == (409, "it is not recording")
        # Which of them was written to last depends on when the next picture came, which ends the recording.
        files = {each["kind"]: each for each in _saved(running)}
        assert {kind: each["link"] for kind, each in files.items()} == {"recording": link, "clip": clips[0]["link"]}
        assert files["recording"]["size_bytes"] == len(running.ask("GET", link).body)
        assert running.ask("DELETE", link).status == 204
        assert running.ask("GET", link).status == running.ask("DELETE", link).status == 404
        assert [each["kind"] for each in _saved(running)] == ["clip"]
        assert running.ask("PATCH", f"{path}/look", b'{"opacity": 2}').status == 422
        assert (
            running.ask("PATCH", f"{path}/look", b'{"opacity": 0.9}', **{"Content-Type": "application/json"}).status
            == 200
        )
        assert _decoded(running.ask("GET", f"{path}/frame.jpg").body).ndim == 3
        (host,) = running.children(HOST)
        assert running.ask("DELETE", path).status == 204
        assert eventually(lambda: not host.is_running())
        assert running.ask("GET", path).status == 404
        for name in ("../jobs.sqlite", "..%2fjobs.sqlite", "clip-x.mp4", "jobs.sqlite"):
            for method in ("GET", "DELETE"):
                assert running.ask(method, f"/api/v1/recordings/{name}").status in (404, 405)


def _masks_alone(running: Served, path: str) -> None:
    with connect(f"ws://127.0.0.1:{running.port}{path}/masks", max_size=None) as socket:
        head: dict[str, Any] = {}
        while not head.get("map"):  # a busy machine has pictures whose masks are too old to be shown
            socket.send(json.dumps({"credit": 1}))
            head, body = unpacked(socket.recv(60))  # type: ignore[arg-type]
    assert (head["jpeg"], head["masks"]) == (0, len(body))
    maps = zlib.decompress(body, -zlib.MAX_WBITS)
    assert len(maps) == 2 * head["map"]["width"] * head["map"]["height"]
    size = head["map"]["width"], head["map"]["height"]
    assert eventually(lambda: _classes(running.ask("GET", f"{path}/parsing.png"), size) > 1, 120)


def _classes(answer: Answer, size: tuple[int, int]) -> int:
    """How many classes are in a map; none where there was no map."""
    if answer.status == 409:
        return 0
    labels = Image.open(io.BytesIO(answer.body))
    assert (labels.mode, labels.size) == ("P", size)
    return len(set(labels.tobytes()))


def _saved(running: Served) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = running.ask("GET", "/api/v1/recordings").json()
    return found


def _plays(running: Served, link: str, tmp_path: Path) -> bool:
    path = tmp_path / "played.mp4"
    path.write_bytes(running.ask("GET", link).body)
    try:
        with av.open(str(path)) as clip:
            return sum(1 for _ in clip.decode(video=0)) > 0
    except av.FFmpegError:
        return False


@pytest.mark.process
def test_a_camera_with_an_effect_gives_only_covered_pictures(tmp_path: Path) -> None:
    """On every address: the picture is covered before anything leaves the stream's process."""

    def covered(bgr: np.ndarray) -> bool:
        red = (bgr[..., 2] > 150) & (bgr[..., 1] < 90) & (bgr[..., 0] < 90)
        return bool(red.mean() > 0.1)  # the people, or all where they are not known; as it is, under a hundredth

    with _cameras(tmp_path) as running:
        stream = _start(running, "covered")
        path = f"/api/v1/streams/{stream['id']}"
        assert all(covered(_decoded(body[: head["jpeg"]])) for head, body in _pictures(running, stream, 15))
        for drawn in ("true", "false"):
            running.ask(
                "PATCH", f"{path}/look", b'{"opacity": 0, "outline": false}', **{"Content-Type": "application/json"}
            )
            assert covered(_decoded(running.ask("GET", f"{path}/frame.jpg?drawn={drawn}").body))
        recording = running.ask("POST", f"{path}/recording").json()
        _pictures(running, stream, 10)
        assert running.ask("DELETE", f"{path}/recording").status == 200
        clip: list[Any] = []
        assert eventually(lambda: _clipped(running, path, clip), 60)
        assert eventually(lambda: not any(each["writing"] for each in _saved(running)), 60)
        assert {each["link"] for each in _saved(running)} == {recording["link"], clip[0]["link"]}
        for each in _saved(running):
            (tmp_path / each["file"]).write_bytes(running.ask("GET", each["link"]).body)
            with av.open(str(tmp_path / each["file"])) as film:
                pictures = [frame.to_ndarray(format="bgr24") for frame in film.decode(video=0)]
            assert pictures
            assert all(covered(picture) for picture in pictures)


def _clipped(running: Served, path: str, found: list[Any]) -> bool:
    answer = running.ask("POST", f"{path}/clip")
    if answer.status == 201:
        found.append(answer.json())
    return answer.status == 201


@pytest.mark.process
def test_a_camera_that_is_not_there_is_ended_and_its_password_is_nowhere(tmp_path: Path) -> None:
    with _cameras(tmp_path) as running:
        stream = _start(running, "absent")
        path = f"/api/v1/streams/{stream['id']}"
        bodies = [
            running.ask("GET", where).body for where in (path, "/api/v1/streams", f"{path}/frame.jpg", "/metrics")
        ]
        with within(60):
            assert running.ask("DELETE", path).status == 204
        for source in ("nobody", "/etc/passwd", "rtsp://127.0.0.1:9/x", "http://169.254.169.254/"):
            answer = running.ask("POST", "/api/v1/streams", json.dumps({"source": source}).encode(),
                                 **{"Content-Type": "application/json"})  # fmt: skip
            assert answer.status == 404
        assert not any(CANARY.encode() in body for body in bodies)
        assert CANARY not in running.log.read_text()


@pytest.mark.process
def test_a_killed_stream_goes_on_with_a_new_process(tmp_path: Path) -> None:
    with _cameras(tmp_path) as running:
        stream = _start(running, "street")
        path = f"/api/v1/streams/{stream['id']}"
        with connect(f"ws://127.0.0.1:{running.port}{path}/live", max_size=None) as socket:
            socket.send(json.dumps({"credit": 2}))
            before = _next_picture(socket)
            (host,) = running.children(HOST)
            other = _start(running, "covered")
            (beside,) = (each for each in running.children(HOST) if each.pid != host.pid)
            host.kill()
            assert eventually(lambda: running.ask("GET", path).json()["restarts"] == 1, 60)
            assert _next_picture(socket, told := []) > before
            assert any("its process ended with" in str(head.get("restarting")) for head in told)
        again = running.ask("GET", path).json()
        assert (again["id"], again["state"], again["ended"]) == (stream["id"], "running", None)
        assert 'm2fp_worker_restarts_total{kind="stream"} 1.0' in running.ask("GET", "/metrics").body.decode()
        assert running.ask("GET", f"/api/v1/streams/{other['id']}").json()["restarts"] == 0
        assert _pictures(running, other, 2)
        assert running.ask("GET", "/healthz").status == 200
        (new,) = (each for each in running.children(HOST) if each.pid not in (host.pid, beside.pid))
        new.send_signal(signal.SIGABRT)
        assert eventually(lambda: "Fatal Python error: Aborted" in _last_words(running), 60)
        assert running.ask("DELETE", path).status == 204


def _next_picture(socket: ClientConnection, told: list[dict[str, Any]] | None = None) -> int:
    """The number of the next picture but two, which may have been on their way; and what came before it."""
    pictures = []
    while len(pictures) < 3:
        head, body = unpacked(socket.recv(60))  # type: ignore[arg-type]
        assert not head.get("ended"), head
        if told is not None:
            told.append(head)
        if body:
            pictures.append(head["count"])
            socket.send(json.dumps({"credit": 1}))
    return int(pictures[-1])


def _last_words(running: Served) -> str:
    """What processes of streams said before they died, as the log has it."""
    lines = [line for line in running.log.read_text().splitlines() if '"stream-died"' in line]
    return "".join(json.loads(line)["last_words"] for line in lines)


@pytest.mark.browser
@pytest.mark.process
def test_live_in_a_browser(tmp_path: Path) -> None:
    with (
        _cameras(tmp_path) as running,
        chromium() as browser,
        opened(browser, running.address, locale="en-US") as watched,
    ):
        page = watched.page
        sent: list[Any] = []
        hear = lambda frame: sent.append(frame)  # noqa: E731, PLW0108  (a built-in method cannot be listened with)
        page.on("websocket", lambda socket: socket.on("framesent", hear))
        page.get_by_role("tab", name="Live").click()
        page.get_by_role("button", name="Start").click()
        page.wait_for_function("() => Number(document.querySelector('#live')?.dataset.shown) > 20")
        expect(page.get_by_role("status").first).to_contain_text("shown")
        page.locator("li", has_text="Coat").wait_for()
        hidden = page.evaluate("document.querySelector('#live').toDataURL('image/jpeg')")
        assert _decoded(base64.b64decode(hidden.partition(",")[2])).shape[1] > 300
        _hidden_it_asks_for_nothing(page, sent)
        _records_and_removes(page, running)
        page.get_by_role("button", name="Record", exact=True).click()
        page.get_by_text("being written").wait_for()
        (host,) = running.children(HOST)
        host.kill()
        expect(page.get_by_role("status").first).to_contain_text("Starting again")
        page.wait_for_function("() => Number(document.querySelector('#live').dataset.shown) > "
                               f"{_shown(page)} + 8", timeout=60_000)  # fmt: skip
        expect(page.get_by_role("status").first).to_contain_text("shown")
        # What was recorded ended with the process: there is nothing to stop, and its file has a name.
        page.get_by_text(re.compile(r"The recording recording-street-\S+\.mp4 ended by itself")).wait_for()
        page.get_by_role("button", name="Record", exact=True).wait_for()
        assert "null" not in page.locator("body").inner_text()
        page.get_by_role("button", name="Stop").click()
        assert eventually(lambda: running.ask("GET", "/api/v1/streams").json() == [])
        assert watched.complaints == []


def _records_and_removes(page: Page, running: Served) -> None:
    """A recording and a clip, from the buttons to the list, and out of it."""
    page.get_by_role("button", name="Record", exact=True).click()
    page.get_by_text("being written").wait_for()
    page.wait_for_function(f"() => Number(document.querySelector('#live').dataset.shown) > {_shown(page) + 8}")
    page.get_by_role("button", name="Stop recording").click()
    files = page.locator("li.file")
    files.get_by_text("MB").wait_for()
    with page.expect_download() as download:
        files.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == _saved(running)[0]["file"]
    assert Path(download.value.path()).read_bytes()[4:8] == b"ftyp"
    files.get_by_role("button", name="Watch").click()
    page.wait_for_function("() => document.querySelector('li.file video').videoWidth > 0")
    files.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Save a clip").click()
    page.get_by_text("Clip, street").wait_for()
    for left in (1, 0):
        files.first.get_by_role("button", name="Delete", exact=True).click()
        files.first.get_by_role("button", name="Delete for good").click()
        expect(files).to_have_count(left)
    assert _saved(running) == []


def _shown(page: Page) -> int:
    """The pictures that a page has drawn."""
    return int(page.evaluate("Number(document.querySelector('#live').dataset.shown)"))


def _turned(page: Page, hidden: bool) -> int:
    """Hides a page, or shows it again; the pictures that it has drawn."""
    script = """(hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
      return Number(document.querySelector("#live").dataset.shown);
    }"""
    return int(page.evaluate(script, hidden))


def _hidden_it_asks_for_nothing(page: Page, sent: list[Any]) -> None:
    shown = _turned(page, hidden=True)
    # The two pictures that it had asked for still come.
    page.wait_for_function(f"() => Number(document.querySelector('#live').dataset.shown) === {shown + 2}")
    asked = len(sent)
    assert _turned(page, hidden=False) == shown + 2
    page.wait_for_function(f"() => Number(document.querySelector('#live').dataset.shown) > {shown + 8}")
    assert json.loads(sent[asked]) == {"credit": 2}


def _film_of(picture: np.ndarray, path: Path) -> Path:
    """A film for Chromium's fake camera, of one picture."""
    height, width = picture.shape[:2]
    frame = cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).tobytes()
    path.write_bytes(f"YUV4MPEG2 W{width} H{height} F15:1 Ip A1:1 C420jpeg\n".encode() + (b"FRAME\n" + frame) * 15)
    return path


def _coloured(picture: np.ndarray) -> np.ndarray:
    """Where a picture has a class's own colour."""
    palette = CIHP.palette[1:].astype(np.int16)
    return np.asarray(np.abs(picture[:, :, None].astype(np.int16) - palette).max(3).min(2) <= 3)


@pytest.mark.browser
@pytest.mark.process
def test_the_browsers_own_camera(tmp_path: Path) -> None:
    film = _film_of(cv2.resize(_decoded(portrait()), (640, 360)), tmp_path / "camera.y4m")
    fake = (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    )
    with served(tmp_path / "log", "--workers", "1") as running, chromium(*fake) as browser:
        assert running.ready()
        with opened(browser, running.address, locale="en-US", permissions=["camera"]) as watched:
            page = watched.page
            page.get_by_role("tab", name="Live").click()
            page.evaluate("performance.now = () => 0")  # masks of a busy machine would be too old to be drawn
            page.get_by_role("button", name="My camera").click()
            page.wait_for_function("() => Number(document.querySelector('#live')?.dataset.shown) > 5")
            page.get_by_label("Opacity").fill("1")
            page.get_by_label("Outlines").uncheck()
            shot = cv2.imencode(".jpg", cv2.resize(_decoded(portrait()), (640, 360)))[1].tobytes()
            answer = running.ask("POST", "/api/v1/parse?view=labels&size=256x448", shot, 120.0)
            labels = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_COLOR)
            assert labels is not None
            seen = cv2.resize((labels != CIHP.palette[0]).any(2).astype(np.uint8), (640, 360), interpolation=0) > 0

            def overlap() -> float:
                url = page.locator("#live").evaluate("canvas => canvas.toDataURL('image/png')")
                drawn = _coloured(_decoded(base64.b64decode(url.partition(",")[2])))
                return float((drawn & seen).sum() / (drawn | seen).sum())

            assert eventually(lambda: overlap() > 0.9, 120), overlap()
            _hidden_its_camera_is_not_parsed(watched)
            assert watched.complaints == []


def _hidden_its_camera_is_not_parsed(watched: Watched) -> None:
    parsed = lambda: sum("/parse?" in each for each in watched.requests)  # noqa: E731
    _turned(watched.page, hidden=True)
    # The one picture that is on its way still comes; then the page looks every 200 ms whether it is shown again.
    watched.page.evaluate(
        """() => {
          window.looks = 0;
          const own = setTimeout;
          window.setTimeout = (work, ms, ...more) => { window.looks += ms === 200; return own(work, ms, ...more); };
        }"""
    )
    watched.page.wait_for_function("() => window.looks > 1")
    before = parsed()
    watched.page.wait_for_function("() => window.looks > 8")
    assert parsed() == before
    _turned(watched.page, hidden=False)
    assert eventually(lambda: watched.page.evaluate("true") and parsed() > before, 120)
