"""The inside of the process for stills: decodes a picture, parses it, and encodes what was seen."""

import ctypes
import pickle
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import msgspec
import numpy as np
import zstandard

from pipeline import PARSERS, BadPicture, Parser, ParserSettings, Parsing, PipelineError, load_parser
from pipeline.drawing.look import Look
from pipeline.drawing.selection import On
from pipeline.drawing.treatment import CUTS, Effect, Knowledge, colour_of, treated
from pipeline.exports.parts import full_size
from pipeline.faces.cover import FaceCover
from pipeline.faces.estimator import FaceEstimator
from pipeline.faces.finder import FaceFinder
from pipeline.m2fp.weights import WEIGHTS
from pipeline.parsing.input_size import STILL_ZOOM
from pipeline.types import Frame
from streamer.log import show_steps
from streamer.processes.framing import ChannelClosed
from streamer.processes.parent import Parent
from streamer.stills.answers import described, jpeg, label_rows, maps, needs_picture, numbered, shown
from streamer.stills.messages import (
    Answered,
    Asked,
    Describe,
    Described,
    Loaded,
    Mask,
    Masked,
    Parse,
    Parsed,
    Refused,
    Show,
    Shown,
    StillSettings,
    Trouble,
)
from streamer.stills.upright import Unreadable, upright

SIZES_KEPT = 4
"""Networks compiled for so many input sizes stay in memory; each takes some 25 MB."""
WARM_SIZE = (720, 1280)
"""A picture of this size is parsed before the process is ready."""


def serve(parent: Parent) -> None:
    """Answers until the parent wants no more. See `streamer.processes.parent`."""
    show_steps()
    with suppress(ChannelClosed):
        settings = cast(StillSettings, pickle.loads(parent.receive()))
        desk = Desk(settings)
        loaded = _attempt(desk.load)
        _send(parent, loaded)
        if not isinstance(loaded, Loaded):
            return
        while True:
            asked = cast(Asked, pickle.loads(parent.receive()))
            _send(parent, _attempt(lambda: desk.answer(asked)))  # noqa: B023  (called before the next round)


class Desk:
    """Answers one wish after the other, none of which depends on those before it."""

    def __init__(self, settings: StillSettings) -> None:
        self._settings = settings
        self._parsers: dict[tuple[str, tuple[int, int] | None], Parser] = {}
        self._finder: FaceFinder | None = None
        self._coverer: FaceCover | None = None
        self._estimator: FaceEstimator | None = None

    def load(self) -> Loaded:
        """Loads the default parser, and looks at a picture with it. Raises PipelineError."""
        reached = [("imports", time.time())]
        parser = self._parser(self._settings.parsers[0], None)
        warm = Frame.still(np.zeros((*WARM_SIZE, 3), np.uint8))
        parser.network_alone(parser.zoomed(warm.size, STILL_ZOOM).input_size)
        reached.append(("network", time.time()))
        self._guesses(parser)  # refuses to start without the networks for that
        parser.still(warm)
        give_back_memory()
        rows = parser_rows(self._settings.parsers), label_rows()
        return Loaded(*rows, (*reached, ("picture", time.time())))

    def answer(self, asked: Asked) -> Answered:
        """Raises Unreadable and PipelineError."""
        if isinstance(asked, Parse):
            return self._parse(asked)
        if isinstance(asked, Mask):
            return self._mask(asked)
        parsing, picture = unpacked(asked.kept)
        if isinstance(asked, Describe):
            began_s = time.perf_counter()
            return Described(described(parsing, asked.detail, picture), time.perf_counter() - began_s)
        return self._show(asked, parsing)

    def _parse(self, asked: Parse) -> Parsed:
        began_s = time.perf_counter()
        picture = upright(asked.body, self._settings.limits, first_frame=asked.first_frame, whole=bool(asked.effect))
        decoded_s = time.perf_counter()
        parser, frame = self._parser(asked.parser, asked.size), Frame.still(picture.bgr)
        parsing = parser.still(frame)
        if asked.faces:
            parsing = self._faces(parser)(frame, parsing)
            guesses = self._guesses(parser)
            parsing = guesses.still(frame, parsing) if guesses else parsing
        parsed_s = time.perf_counter()
        parsing = numbered(full_size(parsing, picture.size))
        covered = None
        if asked.effect:
            effects = _effects(asked.effect)
            on = On.read(asked.on)
            on.ids(parsing.label_set)
            hides_faces = Look(effect=asked.effect, on=asked.on).hides_faces(parsing.label_set)
            known = self._cover(parser)(frame, parsing).parsing if hides_faces else parsing
            covered = jpeg(treated(picture.bgr, Knowledge(known), effects, on))
        about = {
            "width": picture.size.width,
            "height": picture.size.height,
            "format": picture.format,
            "orientation": picture.orientation,
        }
        answer = described(parsing, asked.detail, about)
        kept = packed(parsing, about)
        network_s = min(parsing.inferred_s, parsed_s - decoded_s)
        return Parsed(
            answer,
            kept,
            covered,
            decode_s=decoded_s - began_s,
            network_s=network_s,
            people_s=parsed_s - decoded_s - network_s,
            encode_s=time.perf_counter() - parsed_s,
        )

    def _mask(self, asked: Mask) -> Masked:
        picture = upright(asked.body, self._settings.limits)
        parsing = self._parser(asked.parser, asked.size).still(Frame.still(picture.bgr))
        parsing = numbered(full_size(parsing, picture.size))
        size = {"width": picture.size.width, "height": picture.size.height}
        head = {
            "picture": size,
            "frame_size": size,
            "map": {"width": parsing.map_size.width, "height": parsing.map_size.height},
            "label_set": parsing.label_set.name,
            "people": [
                {"id": each.track_id, "score": round(each.score, 3), "box": each.box} for each in parsing.people
            ],
        }
        return Masked(head, maps(parsing, level=1))

    def _faces(self, parser: Parser) -> FaceFinder:
        if self._finder is None:
            self._finder = FaceFinder(parser.settings.run_options)
        return self._finder

    def _guesses(self, parser: Parser) -> FaceEstimator | None:
        if self._estimator is None and self._settings.face_model:
            self._estimator = FaceEstimator(self._settings.face_model, parser.settings.run_options)
        return self._estimator

    def _cover(self, parser: Parser) -> FaceCover:
        """For effects that hide faces: also those that the parser does not see."""
        if self._coverer is None:
            self._coverer = FaceCover(parser.settings.run_options)
        return self._coverer

    def _show(self, asked: Show, parsing: Parsing) -> Shown:
        if not needs_picture(asked):
            return shown(parsing, parsing.label_set.palette[:1], asked)
        picture = upright(asked.body, self._settings.limits, first_frame=True, whole=True)
        return shown(parsing, picture.bgr, asked)

    def _parser(self, name: str, size: tuple[int, int] | None) -> Parser:
        """The parser of this name; one for each size that was asked for, of which few are kept."""
        key = (name, size)
        if key not in self._parsers:
            sized = [each for each in self._parsers if each[1] is not None]
            if size is not None and len(sized) >= SIZES_KEPT:
                del self._parsers[sized[0]]
            given = ParserSettings(name, size=size, precision=self._settings.precision, threads=self._settings.threads)
            self._parsers[key] = load_parser(given)
            self._parsers[key].max_sizes = SIZES_KEPT
        return self._parsers[key]


def _effects(texts: tuple[str, ...]) -> list[Effect]:
    """Effects that somebody outside named. Raises PipelineError, also for one that would read a file."""
    effects = [Effect.read(each) for each in texts]
    for each in effects:
        if each.kind == "background" and colour_of(each.value) is None:
            raise PipelineError("a background is a colour here: write background=#rrggbb")
        if each.kind in CUTS:
            raise PipelineError("a JPEG holds no transparency, which cut needs; the view `cutout` is a PNG")
    return effects


def parser_rows(served: tuple[str, ...]) -> bytes:
    """The parsers as JSON: which are served here, and what each tells apart."""
    rows = []
    for name in PARSERS:
        source = WEIGHTS.get(name)
        model = load_parser(name).model if source is None else source
        rows.append(
            {
                "name": name,
                "about": model.about,
                "label_set": model.label_set.name,
                "licence": "Apache-2.0" if source is None else f"{source.licence}, non-commercial use only",
                "weights": source is None or source.ready,
                "served": name in served,
                "default": name == served[0],
            }
        )
    return msgspec.json.encode(rows)


def packed(parsing: Parsing, picture: dict[str, object]) -> bytes:
    """A parsing and what is said of its picture as bytes, that only this process reads again."""
    return zstandard.ZstdCompressor(level=1).compress(pickle.dumps((parsing, picture), pickle.HIGHEST_PROTOCOL))


def unpacked(kept: bytes) -> tuple[Parsing, dict[str, object]]:
    """What `packed` was given. Only for bytes that came from a process of ours."""
    return cast("tuple[Parsing, dict[str, object]]", pickle.loads(zstandard.ZstdDecompressor().decompress(kept)))


def give_back_memory() -> None:
    """Returns to the system what loading a network took and freed again; glibc keeps it otherwise."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _send(parent: Parent, value: object) -> None:
    parent.send(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))


def _attempt(work: Callable[[], Loaded | Answered]) -> Loaded | Answered:
    try:
        return work()
    except Unreadable as exc:
        return Refused(exc.kind, exc.detail)
    except BadPicture as exc:
        return Refused("not-a-picture", str(exc))
    except PipelineError as exc:
        return Refused("validation", str(exc))
    except Exception as exc:  # noqa: BLE001  # the boundary of the process: told to whoever asked
        return Trouble(f"{type(exc).__name__}: {exc}", traceback.format_exc())
