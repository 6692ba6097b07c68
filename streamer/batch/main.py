"""The inside of a process that renders files, one after the other."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pipeline import Parser, ParserSettings, PipelineError, load_parser
from streamer.batch.messages import Asked, Ended, Failed, Going, Stopped
from streamer.errors import StreamerError
from streamer.log import show_steps
from streamer.offline import Progress, redraw_file, render_file
from streamer.processes.framing import ChannelClosed
from streamer.segments.messages import Asker, packed, unpacked
from streamer.segments.split import Split

EVERY_S = 0.5


class _Unwanted(Exception):
    """Raised in the middle of a file that is not wanted any more: nothing of it stays but its masks."""


def serve(parent: Asker) -> None:
    """Renders until the parent wants no more. See `streamer.processes.parent`."""
    show_steps()

    def ask(message: object) -> Any:
        parent.send(packed(message))
        return unpacked(parent.receive())

    with suppress(ChannelClosed):
        settings: ParserSettings = unpacked(parent.receive())
        parser: Parser | None = None
        asked: Asked = unpacked(parent.receive())
        while True:
            try:
                parser = parser or load_parser(settings)
                ended: object = _rendered(asked, parser, ask)
            except (PipelineError, StreamerError) as exc:
                ended = Failed(str(exc))
            except _Unwanted:
                ended = Stopped()
            asked = ask(ended)


def _rendered(asked: Asked, parser: Parser, ask: Callable[[object], Any]) -> Ended:
    work, settings, told_s = asked.work, asked.settings, 0.0
    parsed, network_s = 0, 0.0

    def tell(so_far: Progress) -> bool:
        nonlocal told_s, parsed, network_s
        parsed += so_far.network_s > 0
        network_s += so_far.network_s
        if time.monotonic() - told_s >= EVERY_S:
            told_s = time.monotonic()
            if not ask(Going(so_far.done, so_far.total, network_s / max(1, parsed))):
                raise _Unwanted
        return True

    if work.redraws:
        assert work.masks is not None
        return Ended(redraw_file(work.source, work.out, work.masks, settings, tell))
    if asked.splits == 1:
        rendered = render_file(work.source, work.out, settings, tell, parser, masks=work.masks)
    else:
        with Split(settings.parser, asked.splits) as by:
            rendered = render_file(work.source, work.out, settings, tell, parser, masks=work.masks, by=by)
    return Ended(rendered, network_s / max(1, parsed))
