"""The window of a live stream: what is drawn, words on it, and keys."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from pipeline.types import Picture
from pipeline.yuv import Yuv420
from streamer.live.sinks.controls import Controls
from streamer.live.sinks.sink import Drawn
from streamer.live.sinks.snapshots import Save, Saved, displayed
from streamer.live.sinks.window import CLOSED, ESCAPE, QUIT, Window
from streamer.live.sinks.words import Tone, Word, with_words

KEYS = {
    "q": "quit",
    "Esc": "leave help or full screen, else quit",
    "h": "this help",
    "f": "full screen",
    "space": "pause the picture",
    "o": "opacity of the colours",
    "l": "legend",
    "s": "save a snapshot",
    "c": "save a clip of the last seconds",
}
HELP_KEYS = "h?"
ASKED_EVERY_S = 0.25
"""Interval at which the stream is asked for its words."""
SAVED_FOR_S = 3.0
"""Time for which the name of a saved file is shown."""
GROUND_SIZE = (360, 640)
"""(height, width) of what is shown before there is a picture."""


class Viewer:
    """A window as a sink."""

    def __init__(
        self,
        window: Window,
        controls: Controls,
        words: Callable[[], Sequence[Word]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            words: what there is to say of the stream now.
            clock: monotonic seconds.
        """
        self._window, self._controls = window, controls
        self._ask, self._clock = words, clock
        self._picture: Picture | Yuv420 | None = None
        self._told: Sequence[Word] = ()
        self._asked_s = float("-inf")
        self._saved: Word | None = None
        self._saved_until_s = 0.0
        self._paused = self._helps = False
        self._shown: tuple[Sequence[Word], bool] | None = None

    def write(self, item: Drawn) -> None:
        if self._picture is None:
            self._window.refit()
        if not self._paused or self._picture is None:
            self._picture = item.picture
            self._show(self._words())

    def tick(self) -> bool:
        """Obeys the keys, and shows new words on the picture that is there."""
        for key in self._window.pressed():
            if key == CLOSED:
                return False
            self._obey(key)
        words = self._words()
        if (words, self._helps) != self._shown and (words or self._shown):
            self._show(words)
        return True

    def close(self, ending: str) -> None:
        self._window.close()

    def _obey(self, key: str) -> None:
        if key == QUIT or (key == ESCAPE and not self._left()):
            self._controls.stop()
        elif key in HELP_KEYS:
            self._helps = not self._helps
        match key:
            case "f":
                self._window.full_screen = not self._window.full_screen
            case " ":
                self._paused = not self._paused
            case "o":
                self._controls.next_opacity()
            case "l":
                self._controls.toggle_legend()
            case "s":
                self._note(self._controls.saver.snapshot_here())
            case "c":
                self._note(self._controls.saver.clip_here())

    def _left(self) -> bool:
        """Leaves help or full screen; False if there was neither."""
        if self._helps:
            self._helps = False
        elif self._window.full_screen:
            self._window.full_screen = False
        else:
            return False
        return True

    def _note(self, save: Save) -> None:
        done = isinstance(save, Saved)
        self._saved = Word(f"saved {save.path}", Tone.GOOD) if isinstance(save, Saved) else Word(save.why, Tone.WARNING)
        self._saved_until_s = self._clock() + (SAVED_FOR_S if done else 2 * SAVED_FOR_S)

    def _words(self) -> Sequence[Word]:
        now_s = self._clock()
        if now_s - self._asked_s >= ASKED_EVERY_S:
            self._told, self._asked_s = tuple(self._ask()), now_s
        own = [Word("paused")] if self._paused else []
        if self._saved is not None and now_s < self._saved_until_s:
            own.append(self._saved)
        return (*self._told, *own)

    def _show(self, words: Sequence[Word]) -> None:
        picture = np.zeros((*GROUND_SIZE, 3), np.uint8) if self._picture is None else self._picture
        panel = [Word(f"{key}: {meaning}") for key, meaning in KEYS.items()] if self._helps else []
        # Made for a window that takes it: one that is busy leaves pictures out.
        self._window.show(lambda: with_words(displayed(picture), words, panel))
        self._shown = (words, self._helps)
