"""Readings: the network and its decoding, before tracking. This is the part of a parsing that takes the time.

In a live stream it runs in another process than the rest of the parsing, which remembers people from frame to frame.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from pipeline.geometry import Size
from pipeline.labels import LabelSet
from pipeline.model import Decoded, Model
from pipeline.network.letterbox import Letterbox, network_size, shown
from pipeline.network.runtime import Answer, Network, Run
from pipeline.parsing.input_size import STILL_ZOOM, larger, still_times
from pipeline.parsing.memory import Memory
from pipeline.parsing.refine import Cutout, cutouts, how_close, merge
from pipeline.parsing.settings import SENSITIVITIES, ParserSettings
from pipeline.people.appearance import Appearance, appearances
from pipeline.people.garments import Garments
from pipeline.types import Frame, LabelMap, Person, Picture

MAX_SIZES = 8
"""Networks compiled for this many input sizes stay in memory by default; a folder of pictures has more than one
shape."""

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Reading:
    """The decoded outputs of a network for one picture, before tracking."""

    labels: LabelMap
    instances: LabelMap
    people: tuple[Person, ...]
    looks: tuple[Appearance, ...]
    """The descriptor of each person."""
    garments: Garments | None
    """As in `Decoded`."""
    fit: Letterbox
    """The transform of the frame into the network's input."""
    seconds: float
    """Time in the network."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A frame on its way through the network."""

    frame: Frame
    fit: Letterbox
    small: Picture
    run: Run


@dataclass(frozen=True, slots=True)
class Averaged:
    """A frame whose answer is averaged with those before: what its reading is depends on no other frame any more."""

    frame: Frame
    fit: Letterbox
    small: Picture
    answer: Answer


class Reader:
    """Reads pictures with the networks of one model. For one thread at a time."""

    def __init__(self, model: Model, settings: ParserSettings) -> None:
        self.model = model
        self.settings = settings
        self._options = settings.run_options
        self._size = settings.input_size
        self._background = SENSITIVITIES[settings.sensitivity]
        self._networks: dict[Size, Network] = {}
        self._any: Network | None = None
        self._fits: dict[tuple[Size, Size | None], Letterbox] = {}
        self.memory = Memory()
        self._pixel_aspect = 1.0
        self.max_sizes = MAX_SIZES
        """Networks compiled for this many input sizes stay in memory."""

    @property
    def label_set(self) -> LabelSet:
        return self.model.label_set

    @property
    def size_is_given(self) -> bool:
        """Whether all frames of a size are looked at in the same one, whoever is seen in them."""
        return self._size is not None or not self.model.compiles_at_once

    def infer(self, small: Picture, fit: Letterbox, pts_s: float) -> Reading:
        """Reads a picture that `fit.shrink` made.

        Args:
            small: the network's input.
            fit: how the frame went into it.
            pts_s: the frame's time; answers before it are averaged in, if it is later than the last one's.
        """
        answer = self._result(self.network(fit.input_size).start(small))
        return self._reading(self._decoded(answer, fit, small, pts_s), fit, small, answer.seconds)

    def begin(self, frame: Frame) -> Begun:
        """Starts to read the next frame of a stream, at the size that is due as far as is known now."""
        return self.begin_at(frame, self.memory.zoom.times(frame.pts_s))

    def begin_at(self, frame: Frame, times: float) -> Begun:
        """Starts to read a frame at a multiple of the usual rows and columns. Needs no memory, and changes none."""
        self.see(frame)
        fit = self.zoomed(frame.size, times)
        small = fit.shrink(frame.picture)
        return Begun(frame, fit, small, self.network(fit.input_size).start(small))

    def read(self, begun: Begun) -> Reading:
        """The reading of a frame, larger where people turn out to be small; in the order of the frames.

        The frames before it alone decide on the size: one that was begun at another size is begun again, so that it
        does not matter how far ahead of the readings frames are begun, nor where.
        """
        frame, fit, small = begun.frame, begun.fit, begun.small
        answer = self._result(begun.run)
        seconds = answer.seconds
        due = self.zoomed(frame.size, self.memory.zoom.times(frame.pts_s))
        if due.input_size != fit.input_size:  # it was begun before that was known
            fit, small, answer = self._seen(frame, due)
            seconds += answer.seconds
        afar = self._decoded(answer, fit, small, frame.pts_s)
        if self.size_is_given:
            return self._refined(frame, afar, fit, small, seconds)
        wanted = self.zoomed(frame.size, self.memory.zoom.seen(afar.people, self.fit_for(frame.size), frame.pts_s))
        if wanted.input_size.area > fit.input_size.area:
            fit, small, answer = self._seen(frame, wanted)
            seconds += answer.seconds
            afar = self._decoded(answer, fit, small, frame.pts_s)
        return self._refined(frame, afar, fit, small, seconds)

    def average(self, begun: Begun) -> Averaged:
        """The first part of `read` where the size is given: what has to be done in the order of the frames."""
        answer = self._averaged(self._result(begun.run), begun.small, begun.frame.pts_s)
        return Averaged(begun.frame, begun.fit, begun.small, answer)

    def decode(self, averaged: Averaged) -> Reading:
        """The rest of `read`, in any order. Needs no memory, and changes none."""
        frame, fit, small, answer = averaged.frame, averaged.fit, averaged.small, averaged.answer
        return self._refined(frame, self.model.decode(answer, fit, small), fit, small, answer.seconds)

    def read_alone(self, frame: Frame) -> Reading:
        """The reading of a picture that belongs to no stream: nothing of those before it counts, nor changes."""
        self.see(frame)
        both_ways = self.model.both_ways
        fit = self.zoomed(frame.size, STILL_ZOOM)
        small, answer = self._seen_alone(frame, fit)
        decoded, seconds = self.model.decode(answer, fit, None if both_ways else small), answer.seconds
        wanted = self.zoomed(frame.size, still_times(decoded.people, self.fit_for(frame.size)))
        is_seen_again = wanted.input_size.area < fit.input_size.area
        if is_seen_again:
            fit = wanted
            small, answer = self._seen_alone(frame, fit)
            seconds += answer.seconds
        if both_ways is not None:
            mirrored = self._result(self.network_alone(fit.input_size).start(np.ascontiguousarray(small[:, ::-1])))
            answer = both_ways(answer, mirrored)
            seconds += mirrored.seconds
        if is_seen_again or both_ways is not None:
            decoded = self.model.decode(answer, fit, small)
        return self._refined(frame, decoded, fit, small, seconds)

    def reset(self) -> None:
        """Forgets people and averages: the frames to come are of another stream."""
        self.memory = Memory()

    def save(self) -> bytes:
        """The memory after the frames so far; see `load`."""
        return self.memory.save()

    def load(self, saved: bytes) -> None:
        """Goes on behind the frames after which the memory was saved, by a parser of the same settings.

        Raises PipelineError for bytes that `save` of this version did not make.
        """
        self.memory = Memory.load(saved)

    def load_averages(self, saved: bytes) -> None:
        """Of a saved memory what `average` needs; raises as `load`."""
        self.memory = replace(self.memory, smoother=Memory.load(saved).smoother)

    def load_people(self, saved: bytes) -> None:
        """Of a saved memory all but what `average` needs; raises as `load`."""
        self.memory = replace(Memory.load(saved), smoother=self.memory.smoother)

    def see(self, frame: Frame) -> None:
        """The letterboxes to come are for frames with pixels of this shape."""
        if frame.pixel_aspect != self._pixel_aspect:
            self._pixel_aspect = frame.pixel_aspect
            self._fits.clear()

    def zoomed(self, frame_size: Size, times: float) -> Letterbox:
        """The letterbox of frames of this size at a multiple of the usual rows and columns.

        The usual one, if the input size was given, or the network takes long to compile for another one.
        """
        usual = self.fit_for(frame_size)
        if times == 1 or self._size is not None or not self.model.compiles_at_once:
            return usual
        return self.fit_for(frame_size, larger(usual, times))

    def fit_for(self, frame_size: Size, input_size: Size | None = None) -> Letterbox:
        """The letterbox of frames of this size, into the usual input size or another one."""
        key = (frame_size, input_size)
        if key not in self._fits:
            _make_room(self._fits, MAX_SIZES)
            seen = shown(frame_size, self._pixel_aspect)
            chosen = input_size or self._size or network_size(seen, self.model.pixels)
            self._fits[key] = self.model.fit(frame_size, chosen, self._pixel_aspect)
        return self._fits[key]

    def network(self, input_size: Size) -> Network:
        """The network for this input size; compiled when first asked for."""
        # The one used last stands last: where there is no room, the one that was not used for longest goes.
        network = self._networks.pop(input_size, None)
        if network is None:
            _make_room(self._networks, self.max_sizes)
            network = self.model.compile(input_size, self._options)
        self._networks[input_size] = network
        return network

    def network_alone(self, input_size: Size) -> Network:
        """The network for pictures by themselves, which come in all shapes: to compile one for each takes longer than
        ten of them. One for this input size where the size was given, or the network must know it."""
        if self.model.compile_any is None or self._size is not None:
            return self.network(input_size)
        if self._any is None:
            self._any = self.model.compile_any(self._options)
        return self._any

    def keep_network(self, input_size: Size, network: Network) -> None:
        """Uses a network that was compiled elsewhere, as by another thread, for this input size."""
        _make_room(self._networks, self.max_sizes)
        self._networks[input_size] = network

    def release_networks(self, kept: Collection[Size]) -> None:
        """Gives back the memory of the networks for other input sizes than these, 30 MB each."""
        for input_size in self._networks.keys() - set(kept):
            del self._networks[input_size]

    def _seen(self, frame: Frame, fit: Letterbox) -> tuple[Letterbox, Picture, Answer]:
        small = fit.shrink(frame.picture)
        return fit, small, self._result(self.network(fit.input_size).start(small))

    def _seen_alone(self, frame: Frame, fit: Letterbox) -> tuple[Picture, Answer]:
        small = fit.shrink(frame.picture)
        return small, self._result(self.network_alone(fit.input_size).start(small))

    def _decoded(self, answer: Answer, fit: Letterbox, small: Picture, pts_s: float) -> Decoded:
        """Decodes an answer after averaging it with those before it."""
        return self.model.decode(self._averaged(answer, small, pts_s), fit, small)

    def _averaged(self, answer: Answer, small: Picture, pts_s: float) -> Answer:
        if not self.model.smoothed:
            return answer
        scores, others = answer.outputs
        return replace(answer, outputs=self.memory.smoother(scores, others, small, pts_s))

    def _result(self, run: Run) -> Answer:
        """The answer of a run, with the background's logit as the sensitivity asks for it."""
        answer = run.result()
        if not self._background:
            return answer
        scores, *others = answer.outputs
        scores = scores.copy()
        scores[0] += self._background
        return replace(answer, outputs=(scores, *others))

    def _reading(self, decoded: Decoded, fit: Letterbox, picture: Picture, seconds: float) -> Reading:
        labels, instances, people, garments = decoded
        looks = appearances(picture, labels, instances, len(people), self.label_set, fit)
        return Reading(labels, instances, people, tuple(looks), garments, fit, seconds)

    def _refined(self, frame: Frame, afar: Decoded, fit: Letterbox, small: Picture, seconds: float) -> Reading:
        """With a second look at small people, if that was asked for."""
        times = how_close(afar.people, fit) if self.settings.refine else 1
        if times == 1:
            return self._reading(afar, fit, small, seconds)
        size = fit.input_size
        closer = self.model.fit(frame.size, Size(size.height * times, size.width * times), frame.pixel_aspect)
        picture = closer.shrink(frame.picture)
        seen: list[tuple[Cutout, Decoded]] = []
        for cutout in cutouts(afar.people, fit, closer):
            part = cutout.of(picture)
            answer = self._result(self.network(cutout.shape).start(part))
            seen.append((cutout, self.model.decode(answer, Letterbox.into(cutout.shape, cutout.shape), part)))
            seconds += answer.seconds
        return self._reading(merge(afar, fit, closer, seen), closer, picture, seconds)


def _make_room(kept: dict[K, V], most: int) -> None:
    while len(kept) >= most:
        del kept[next(iter(kept))]
