"""A headless Chromium, Debian's, and what it complains about."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright

PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Watched:
    """A page, what went wrong on it, and what it asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, page: Page) -> "Watched":
        watched = cls(page)
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        page.on("console", lambda message: watched.hear(message.type, message.text))
        page.on("request", lambda request: watched.requests.append(request.url))
        return watched

    def hear(self, kind: str, text: str) -> None:
        # A refusal that a test asks for is no fault of the page.
        if kind == "error" and "Failed to load resource" not in text:
            self.complaints.append(text)

    def hosts(self) -> set[str]:
        """The hosts that it asked."""
        return {urlsplit(each).hostname or "" for each in self.requests if each.startswith("http")}


_NO_SPARE = "--disable-features=SpareRendererForSitePerProcess"
"""Else it starts a process for the next page whenever it likes, and a test is blamed for it."""


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", "--disable-dev-shm-usage", _NO_SPARE, *arguments],
        )
        try:
            _begin(browser)
            yield browser
        finally:
            browser.close()


def _begin(browser: Browser) -> None:
    """Has Playwright start the thread by which it reads and writes files, so that no test is blamed for it."""
    # Not by a screenshot: a busy machine's Chromium has been "unable to capture" the first one.
    context = browser.new_context()
    with tempfile.TemporaryDirectory() as folder:
        context.storage_state(path=f"{folder}/empty.json")
    context.close()


@contextmanager
def opened(browser: Browser, address: str, **context: Any) -> Iterator[Watched]:
    """A page in a context of its own."""
    made = browser.new_context(**context)
    try:
        watched = Watched.of(made.new_page())
        watched.page.goto(address)
        yield watched
    finally:
        made.close()
