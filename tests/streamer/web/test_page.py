"""The page, driven in a real browser."""

import base64
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import axe_playwright_python
import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from streamer.web import pages
from streamer.web.jobs.store import Kind
from streamer.web.problems import KINDS
from tests.support.browser import Watched, chromium, opened
from tests.support.media import Clip
from tests.support.paths import ROOT
from tests.support.served import Served, served
from tests.support.service import portrait, street
from tests.support.waiting import eventually

FOLDER = ROOT / "streamer" / "web" / "page"
JOBS = ROOT / "streamer" / "web" / "jobs"
SHOTS = os.environ.get("PAGE_SCREENSHOTS")
"""A folder to keep screenshots in."""
DEVICES = [(1280, 900), (390, 800)]


TABLES = ("labels", "problems")
"""Words that are found by names of the service's."""


def test_both_languages_say_the_same_things() -> None:
    english, chinese = (json.loads((FOLDER / "i18n" / f"{name}.json").read_text()) for name in ("en", "zh"))
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        if key not in TABLES:
            assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", chinese[key])), key


def test_every_sentence_is_there_and_used() -> None:
    sources = "".join(path.read_text() for path in (*FOLDER.glob("*.js"), *FOLDER.glob("views/*.js")))
    named = set(re.findall(r'words\.t\("(\w+)"', sources))
    known = json.loads((FOLDER / "i18n" / "en.json").read_text()).keys()
    assert named <= known
    unused = {key for key in known - set(TABLES) if f'"{key}"' not in sources and f"{key}:" not in sources}
    # The names of states and kinds come with a job, those of genders with a face.
    states = {"queued", "running", "done", "failed", "cancelled", "masks", "all", "background", "recording", "clip"}
    kinds = {f"job_{kind}" for kind in get_args(Kind) if kind != "video"}
    assert kinds <= known
    assert unused <= states | kinds | {"male", "female", "unsure"}


def test_every_class_has_a_chinese_name() -> None:
    from pipeline.labels import LABEL_SETS

    names = json.loads((FOLDER / "i18n" / "zh.json").read_text())["labels"]
    assert {each.name for label_set in LABEL_SETS.values() for each in label_set.classes} == names.keys()


def test_every_problem_is_told_in_chinese() -> None:
    told = json.loads((FOLDER / "i18n" / "zh.json").read_text())["problems"]
    of_jobs = set(re.findall(r'"type": "([a-z]+-[a-z]+)"', "".join(path.read_text() for path in JOBS.glob("*.py"))))
    assert told.keys() == KINDS.keys() | of_jobs
    assert of_jobs - KINDS.keys() == {"cannot-start", "cannot-render", "crashed-thrice"}
    assert all(re.search(r"[\u4e00-\u9fff]", text) for text in told.values())


def test_the_page_is_small() -> None:
    sent = [each for name, each in pages.files().items() if name.endswith((".js", ".css", ".html", ".json"))]
    assert sum(len(each.packed) for each in sent) < 100_000


def test_scripts_of_others_have_their_licences() -> None:
    vendor = FOLDER / "vendor"
    assert {path.name for path in vendor.iterdir()} == {
        "README.md", "preact-htm.js", "uplot.js", "uplot.css", "LICENSE-preact", "LICENSE-htm", "LICENSE-uplot"
    }  # fmt: skip


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("page") / "log", "--workers", "1", "--deadline", "2min") as found:
        assert found.ready()
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    path.write_bytes(street(3.0))
    return path


@pytest.fixture
def page(browser: Browser, running: Served) -> Iterator[Watched]:
    with opened(browser, running.address, locale="en-US") as watched:
        yield watched
        assert watched.complaints == []  # a violation of the content's policy is one
        assert watched.hosts() == {"127.0.0.1"}


def _send(page: Page, photo: Path) -> None:
    page.locator("input[type=file]").set_input_files(photo)
    expect(page.get_by_role("status")).to_contain_text("people")


def _pixels(page: Page, canvas: str = "canvas.top") -> np.ndarray:
    """What a canvas shows."""
    url = page.locator(canvas).evaluate("canvas => canvas.toDataURL('image/png')")
    found = cv2.imdecode(np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8), cv2.IMREAD_COLOR)
    assert found is not None
    return found


@pytest.mark.browser
@pytest.mark.process
def test_a_picture_is_chosen_and_hiding_a_part_asks_for_nothing(page: Watched, photo: Path) -> None:
    _send(page.page, photo)
    asked, original = len(page.requests), _pixels(page.page, "canvas:not(.top)")
    assert eventually(lambda: np.abs(_pixels(page.page).astype(int) - original).max() > 60)
    page.page.get_by_role("button", name="Hide all").click()
    page.page.get_by_label("Outlines").uncheck()
    page.page.get_by_label("Numbers").uncheck()
    page.page.get_by_label("Faces").uncheck()
    assert eventually(lambda: np.array_equal(_pixels(page.page), original))
    page.page.get_by_role("button", name="Show all").click()
    hair = page.page.locator("li", has_text="Hair").get_by_role("checkbox")
    assert eventually(lambda: not np.array_equal(_pixels(page.page), original))
    whole = _pixels(page.page)
    hair.uncheck()
    assert eventually(lambda: not np.array_equal(_pixels(page.page), whole))
    less = _pixels(page.page)
    assert 0 < np.count_nonzero((whole != less).any(2)) < np.count_nonzero((whole != original).any(2))
    page.page.get_by_label("Opacity").fill("0")
    assert eventually(lambda: np.array_equal(_pixels(page.page), original))
    page.page.locator("li", has_text="Person 1").get_by_role("checkbox").uncheck()
    assert len(page.requests) == asked


@pytest.mark.browser
@pytest.mark.process
def test_faces_are_framed_counted_and_hidden(page: Watched, tmp_path: Path) -> None:
    photo = tmp_path / "portrait.jpg"
    photo.write_bytes(portrait())
    page.page.locator("input[type=file]").set_input_files(photo)
    expect(page.page.get_by_role("status")).to_contain_text("person")
    boxes = page.page.get_by_label("Faces (1)")
    expect(boxes).to_be_checked()
    asked, framed = len(page.requests), _pixels(page.page)
    boxes.uncheck()
    assert eventually(lambda: not np.array_equal(_pixels(page.page), framed))
    changed = (framed != _pixels(page.page)).any(2)
    amber = np.abs(framed[changed].astype(int) - (0, 191, 255)).max(1) < 40
    assert changed.sum() > 100
    assert amber.mean() > 0.3
    assert len(page.requests) == asked


@pytest.mark.browser
@pytest.mark.process
def test_the_slider_goes_by_keys(page: Watched, photo: Path) -> None:
    _send(page.page, photo)
    slider = page.page.get_by_label("Original and result")
    slider.focus()
    page.page.keyboard.press("Home")
    top = page.page.locator("canvas.top")
    assert "100%" not in top.evaluate("e => e.style.clipPath")
    for _ in range(3):
        page.page.keyboard.press("ArrowRight")
    assert slider.input_value() == "3"
    assert "3%" in top.evaluate("e => e.style.clipPath")
    page.page.keyboard.press("End")
    assert "100%" in top.evaluate("e => e.style.clipPath")


@pytest.mark.browser
@pytest.mark.process
@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted(page: Watched, photo: Path, way: str) -> None:
    page.page.get_by_role("button", name="Choose a picture").wait_for()
    data = base64.b64encode(photo.read_bytes()).decode()
    page.page.evaluate(
        """([data, way]) => {
          const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], "a.jpg", { type: "image/jpeg" }));
          if (way === "drop") {
            const zone = document.querySelector(".drop");
            zone.dispatchEvent(new DragEvent("dragover", { dataTransfer: transfer, bubbles: true, cancelable: true }));
            zone.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
          } else window.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer }));
        }""",
        [data, way],
    )
    expect(page.page.get_by_role("status")).to_contain_text("people")


@pytest.mark.browser
@pytest.mark.process
def test_downloads_open(page: Watched, photo: Path, tmp_path: Path) -> None:
    _send(page.page, photo)
    shape = cv2.imread(str(photo)).shape
    for name in ("Overlay", "Cut-out", "Label map", "JSON", "COCO"):
        with page.page.expect_download() as download:
            page.page.locator("section", has_text="Download").get_by_role("link", name=name, exact=True).click()
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        if path.suffix == ".json":
            assert json.loads(path.read_text())
        elif name != "Label map":
            assert cv2.imread(str(path)).shape == shape
        else:
            assert cv2.imread(str(path)) is not None


@pytest.mark.browser
@pytest.mark.process
def test_an_effect_covers_people(page: Watched, photo: Path) -> None:
    _send(page.page, photo)
    before = _pixels(page.page, "canvas:not(.top)")
    page.page.get_by_label("Effect").select_option("fill")
    page.page.get_by_label("on", exact=True).select_option("everybody")
    page.page.wait_for_function(
        "() => !document.querySelector('.status').textContent.includes('Parsing')", polling="raf"
    )
    page.page.wait_for_function(
        """() => { const c = document.querySelector('canvas:not(.top)'); if (!c) return false;
          const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let grey = 0;
          for (let i = 0; i < d.length; i += 4)
            grey += Math.abs(d[i] - 64) + Math.abs(d[i + 1] - 64) + Math.abs(d[i + 2] - 64) < 12;
          return grey > 2000; }"""
    )
    assert np.abs(_pixels(page.page, "canvas:not(.top)").astype(int) - before).max() > 100


@pytest.mark.browser
@pytest.mark.process
def test_what_goes_wrong_is_said(page: Watched, tmp_path: Path) -> None:
    path = tmp_path / "no.jpg"
    path.write_bytes(b"no picture")
    page.page.locator("input[type=file]").set_input_files(path)
    expect(page.page.get_by_role("status")).to_contain_text("this is no picture")
    # What was said is said in the language that is chosen after it, too.
    page.page.get_by_role("button", name="中文").click()
    chinese = "出错了: 这不是图片。支持 JPEG、PNG 和 WebP。（this is no picture"
    expect(page.page.get_by_role("status")).to_contain_text(chinese)
    page.page.locator("input[type=file]").set_input_files(path)
    expect(page.page.get_by_role("status")).to_contain_text(chinese)


@pytest.mark.browser
@pytest.mark.process
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", DEVICES)
def test_nothing_scrolls_sideways(
    browser: Browser, running: Served, photo: Path, size: tuple[int, int], scheme: Any, language: str
) -> None:
    locale = {"en": "en-US", "zh": "zh-CN"}[language]
    viewport: Any = {"width": size[0], "height": size[1]}
    with opened(browser, running.address, locale=locale, color_scheme=scheme, viewport=viewport) as watched:
        page = watched.page
        page.locator("input[type=file]").set_input_files(photo)
        page.locator("canvas.top").wait_for()
        for width in {size[0], 360 if size[0] == 390 else size[0]}:
            page.set_viewport_size({"width": width, "height": size[1]})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.documentElement.lang") == {"en": "en", "zh": "zh-CN"}[language]
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 26)"
        assert dark == (scheme == "dark")
        if SHOTS:
            page.set_viewport_size(viewport)
            page.screenshot(path=f"{SHOTS}/picture-{size[0]}-{scheme}-{language}.png", full_page=True)
        assert watched.complaints == []


@pytest.mark.browser
@pytest.mark.process
def test_a_video_is_sent_and_done(page: Watched, tmp_path: Path) -> None:
    clip = Clip(size=(96, 128)).make(tmp_path / "clip.mp4")
    page.page.get_by_role("tab", name="Jobs").click()
    page.page.locator("input[type=file]").set_input_files(clip)
    done = page.page.locator("section", has_text="done").get_by_role("link", name="Video")
    done.wait_for(timeout=240_000)
    with page.page.expect_download() as download:
        done.click()
    download.value.save_as(tmp_path / "got.mp4")
    assert (tmp_path / "got.mp4").read_bytes()[4:8] == b"ftyp"
    if SHOTS:
        page.page.screenshot(path=f"{SHOTS}/jobs.png")
    page.page.get_by_role("button", name="Forget").click()
    expect(page.page.locator("body")).to_contain_text("No jobs.")


@pytest.mark.browser
@pytest.mark.process
def test_costs_have_points(page: Watched) -> None:
    page.page.get_by_role("tab", name="Costs").click()
    page.page.locator(".u-over").first.wait_for()
    expect(page.page.locator("section", has_text="Memory")).to_contain_text("stills 0")
    drawn = """() => { const c = document.querySelector('.uplot canvas');
      const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let blue = 0;
      for (let i = 0; i < d.length; i += 4) blue += d[i + 2] > 120 && d[i] < 60 && d[i + 3] > 200;
      return blue > 100; }"""
    page.page.wait_for_function(drawn)
    if SHOTS:
        page.page.screenshot(path=f"{SHOTS}/costs.png", full_page=True)


def _violations(page: Page) -> list[str]:
    """What axe-core finds."""
    page.evaluate((Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text())
    found = page.evaluate("axe.run().then((found) => found.violations)")
    return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]


@pytest.mark.browser
@pytest.mark.process
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_it(browser: Browser, running: Served, photo: Path, scheme: Any) -> None:
    with opened(browser, running.address, locale="en-US", color_scheme=scheme, bypass_csp=True) as watched:
        watched.page.get_by_role("button", name="Choose a picture").wait_for()
        assert _violations(watched.page) == []
        _send(watched.page, photo)
        watched.page.locator("canvas.top").wait_for()
        assert _violations(watched.page) == []
        for tab in ("Live", "Jobs", "Costs"):
            watched.page.get_by_role("tab", name=tab).click()
            watched.page.locator("#view section").first.wait_for()
            assert _violations(watched.page) == []
        watched.page.goto(f"{running.address}/docs")
        watched.page.locator("section").first.wait_for()
        assert _violations(watched.page) == []


@pytest.mark.browser
@pytest.mark.process
def test_the_api_is_described_without_another_host(browser: Browser, running: Served) -> None:
    with opened(browser, f"{running.address}/docs") as watched:
        expect(watched.page.locator("body")).to_contain_text("/api/v1/parse/batch")
        expect(watched.page.locator("body")).to_contain_text("How each part's mask is written.")
        if SHOTS:
            watched.page.screenshot(path=f"{SHOTS}/docs.png")
        assert watched.complaints == []
        assert watched.hosts() == {"127.0.0.1"}


@pytest.mark.browser
@pytest.mark.process
def test_a_token_is_taken_from_the_fragment_or_asked_for(browser: Browser, photo: Path, tmp_path: Path) -> None:
    with served(tmp_path / "log", "--token", "auto", "--deadline", "2min") as running:
        assert running.ready()
        with opened(browser, running.address) as watched:
            watched.page.get_by_label("This service asks for its token.").fill(str(running.token))
            watched.page.get_by_role("button", name="Enter").click()
            _send(watched.page, photo)
        with opened(browser, f"{running.address}/#token={running.token}") as watched:
            _send(watched.page, photo)
            assert watched.page.url == f"{running.address}/"
            assert str(running.token) not in "".join(watched.requests)
            assert watched.page.evaluate("document.cookie") == ""
