"""What a stream says that is stopped while pictures of its camera wait."""

from fractions import Fraction
from types import SimpleNamespace
from typing import cast

import pytest

from pipeline import Size
from streamer.live.capture import TOLD_BEHIND_S, tell_behind
from streamer.media.tags import SourceInfo
from streamer.sources.source import Delivery, Source


@pytest.mark.parametrize(
    ("live", "behind_s", "told"),
    [(True, 8.2, True), (True, TOLD_BEHIND_S / 2, False), (True, 0.0, False), (False, 8.2, False)],
)
def test_what_was_received_and_not_shown_is_told(
    live: bool, behind_s: float, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    info = SourceInfo("door", Size(720, 1280), Fraction(25), None, None, live=live)
    tell_behind(cast(Source, SimpleNamespace(info=info, delivery=Delivery(behind_s=behind_s))))
    assert [each.getMessage() for each in caplog.records] == (
        ["door: stopped 8.2 s behind, for this machine is too slow; what came in that time is left out"] if told else []
    )
