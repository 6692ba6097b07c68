"""Pictures become packets, each at its time; what a file of them needs to know goes along."""

import io
import os
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, cast

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Stream
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from pipeline import Size
from pipeline.hdr import HDR
from pipeline.types import Picture
from pipeline.yuv import DEEP_FORMAT, TRUE_COLOURS, Yuv420
from streamer.errors import SinkError
from streamer.media.about import About
from streamer.media.circles import break_circle
from streamer.media.failures import WRITING_FAILS
from streamer.media.fields import FieldOrder
from streamer.media.priority import same_priority
from streamer.media.tags import SourceInfo, VideoTags
from streamer.media.tones import hdr_of
from streamer.recording.codecs import Codec, Encoding

FULL_RANGE, EIGHT = 2, 8
_INTERLACED = 1 << 18 | 1 << 29
"""FFmpeg's flags of encoders for fields: of their transform and of their motion."""
HELD_BACK = 2
"""Frames of a file that wait, in case that they are the last."""
LASTS_S = 1.0
"""What is live may end with any picture, which then lasts as long as the rate says, but no longer than this or than the
longest pause before: the mean rate of a file with a pause of an hour says nothing of the others."""
KEY_EVERY_S = 2
"""A file can be played from so many places, and a clip begin there."""

Packet = Any
"""An `av.Packet` of pictures or of sound."""


@dataclass(frozen=True, slots=True)
class Tracks:
    """The tracks of a recording, as a file of them has to know them."""

    add_pictures: Callable[[OutputContainer], VideoStream]
    """Into a file that has not been begun; of what is not live, into one only. Raises OSError or ValueError."""
    sounds: tuple[AudioStream, ...]
    """As in `PacketQueue.streams`."""
    codec: str
    size: Size
    """As stored."""
    tags: VideoTags
    alpha: bool = False
    """Whether the pictures have transparency."""
    about: About = field(default_factory=About)
    extras: tuple[Stream, ...] = ()
    """As in `PacketQueue.streams`: what is neither pictures nor sound."""


class Encoder:
    """Encodes one picture after the other."""

    def __init__(
        self,
        info: SourceInfo,
        sounds: tuple[AudioStream, ...],
        encoding: Encoding,
        *,
        live: bool,
        alpha: bool = False,
        has_aspect: bool = False,
    ) -> None:
        """
        Args:
            sounds: what the source has beside its pictures; it is not encoded here.
            live: hold nothing back, so that a kill loses nothing; else look ahead, for smaller files.
            alpha: pictures are uint8 (H, W, 4), BGRA; the encoding is one of `transparent`.
            has_aspect: the files say which shape the pixels have; where neither they nor the codec do, pixels become
                square.

        Raises:
            SinkError: the encoder of what is live does not take such pictures.
        """
        # Turned pictures are stored as the source stores them, but mirrored ones as they are shown: not every kind of
        # file can say it, and few players heed it.
        self._tags, self._live, self._encoding, self._alpha = info.tags.unmirrored, live, encoding, alpha
        # What is live may become several files, and clips: what is said of the times of one is true of none.
        self._about = replace(info.about, chapters=(), covers=()) if live else info.about
        self._fields = self._tags.fields if encoding.details.has_fields and not live else None
        self._field_order = FieldOrder(self._fields) if self._fields is not None else None
        self._rate = info.rate or Fraction(30)
        self._size = self._tags.stored_size(info.frame_size)
        self._aspect = Fraction(1)
        """The factor by which pictures are made wider, so that their pixels are square."""
        if not (has_aspect or encoding.details.has_aspect):
            self._aspect, self._size = self._tags.pixel_aspect, self._tags.square_size(self._size)
            self._tags = replace(self._tags, pixel_aspect=Fraction(1))
        self._to_yuv = VideoReformatter()
        self._step = max(1, round(1 / (self._rate * info.tags.time_base)))
        self._longest = max(1, round(LASTS_S / info.tags.time_base))
        """The longest time from one picture to the next, or `LASTS_S`."""
        self._first_ticks = self._key_ticks = 0
        self._last_ticks: int | None = None
        self._last_duration = self._step
        self._durations: dict[int, int] = {}
        """How long the pictures that are still in the encoder are shown, by their times."""
        self._ahead: deque[av.VideoFrame] = deque()
        """The newest frames: they are encoded otherwise when they are the last."""
        self._held: list[Packet] = []
        self._first_dts: int | None = None
        self._sounds = sounds
        if live:
            self._begin()

    @property
    def tracks(self) -> Tracks:
        """What files of these pictures have to know. Made when asked for: kept here, it would hold its encoder."""
        add = self._copied if self._live else self._add_pictures
        return Tracks(add, self._sounds, self._encoding.codec, self._size, self._tags, self._alpha, self._about)

    def encode(
        self, picture: Picture | Yuv420, pts_s: float, duration_s: float | None = None, *, key: bool = False
    ) -> list[Packet]:
        """The packets that are ready, not necessarily this picture's. Raises SinkError.

        Args:
            duration_s: seconds for which it is shown, if it is the last; None is as long as the rate says.
            key: begin anew with this picture.
        """
        ticks = self._tags.start_ticks + round(pts_s / self._tags.time_base)
        # Encoders and containers refuse a time that does not grow, and cameras repeat theirs.
        if self._last_ticks is None:
            self._first_ticks = ticks
        else:
            ticks = max(ticks, self._last_ticks + 1)
            self._durations[self._last_ticks] = ticks - self._last_ticks
            self._longest = max(self._longest, ticks - self._last_ticks)
        self._last_duration = self._ticks_until_end(ticks, duration_s) if duration_s else self._step
        frame = self._encodable(picture)
        frame.pts, frame.time_base = ticks, self._tags.time_base
        if self._field_order is not None:
            frame = self._field_order.of(frame)
            frame.pts, frame.time_base = ticks, self._tags.time_base
        if self._live:
            # By time: what a camera says of its rate may be far off, and so then would be counted pictures.
            due = self._last_ticks is None or (ticks - self._key_ticks) * self._tags.time_base >= KEY_EVERY_S
            self._key_ticks = ticks if key or due else self._key_ticks
            frame.pict_type = PictureType.I if key or due else PictureType.NONE
        self._last_ticks = ticks
        if self._live:
            return self._encoded(frame)
        self._ahead.append(frame)
        return self._timed(self._encoded(self._ahead.popleft()) if len(self._ahead) > HELD_BACK else [])

    def finish(self) -> list[Packet]:
        """What was held back; after that there is no more. Raises SinkError."""
        if self._live:
            return self._encoded(None)
        packets: list[Packet] = []
        for frame in self._ahead:
            # Nothing is predicted from the last but one and the last: so its packet is the last, too. FFmpeg lets an
            # mp4 end with the last packet, whatever its time, and would lose the last picture, or end too late.
            frame.pict_type = PictureType.NONE if frame.pts == self._first_ticks else PictureType.P
            packets += self._timed(self._encoded(frame))
        self._ahead.clear()
        packets += self._timed(self._encoded(None)) + self._held
        if self._held and self._last_ticks is not None:
            self._durations[self._last_ticks] = self._last_duration
            for packet in self._held:
                packet.duration = self._durations.pop(packet.pts, self._step)
            # The times of decoding lag behind by the same at both ends, so that they add up to the track's length.
            delay = self._first_ticks - (self._first_dts or 0)
            packets[-1].dts = max(packets[-1].dts, packets[-1].pts - delay)
        return packets

    def _ticks_until_end(self, ticks: int, duration_s: float) -> int:
        """How long a picture is shown that may be the last. Matroska's milliseconds cut off what a rate of 23.976 has
        beyond them: then the whole lasts as long as its pictures at that rate."""
        time_base = self._tags.time_base
        said = max(1, round(duration_s / time_base))
        count = round((ticks - self._first_ticks) * time_base * self._rate) + 1
        at_rate = self._first_ticks + round(count / (self._rate * time_base)) - ticks
        return at_rate if abs(at_rate - said) <= 1 else said

    def _timed(self, packets: list[Packet]) -> list[Packet]:
        """Those that are known to last until the next picture; the last one waits for what comes."""
        if packets and self._first_dts is None:
            self._first_dts = packets[0].dts
        self._held += packets
        ready = []
        while len(self._held) > 1 and self._held[0].pts in self._durations:
            self._held[0].duration = self._durations.pop(self._held[0].pts)
            ready.append(self._held.pop(0))
        return ready

    def _encoded(self, frame: av.VideoFrame | None) -> list[Packet]:
        try:
            with nullcontext() if self._stream.codec_context.is_open else same_priority():
                packets = self._stream.encode(frame)
        except WRITING_FAILS as exc:
            raise SinkError(f"cannot encode a picture: {getattr(exc, 'strerror', None) or exc}") from exc
        if self._live:
            for packet in packets:
                packet.duration = min(self._step, self._longest)
        return packets

    def _begin(self) -> None:
        """Begins a file in memory that will have no packets: only then is there what other files know pictures by."""
        container = av.open(io.BytesIO(), "w", format="nut")
        try:
            self._add_pictures(container)
            with same_priority():
                container.start_encoding()
        except WRITING_FAILS as exc:
            size, codec = self._size, self._encoding.codec
            raise SinkError(f"cannot encode {size.height}x{size.width} as {codec}: {exc}") from exc
        finally:
            break_circle(container)

    def _copied(self, container: OutputContainer) -> VideoStream:
        stream = container.add_stream_from_template(self._stream)
        stream.time_base = self._tags.time_base
        return self._named(stream)

    def _named(self, stream: VideoStream) -> VideoStream:
        stream.metadata.update(self._about.video)
        if self._about.disposition:
            stream.disposition = self._about.disposition  # type: ignore[assignment]
        if self._tags.rotation:
            stream.set_display_rotation(self._tags.rotation)
        return stream

    def _add_pictures(self, container: OutputContainer) -> VideoStream:
        tags = self._tags
        codec, options = (
            self._encoding.details,
            self._encoding.options(live=self._live, alpha=self._alpha, light=tags.light, fields=self._fields),
        )
        os.environ.setdefault("SVT_LOG", "1")  # or the encoder of av1 tells all about itself on stderr
        stream = self._stream = cast(VideoStream, container.add_stream(codec.encoder, self._rate, options))
        context = stream.codec_context
        # Two colour samples a side share one of brightness: an odd row or column is repeated to make it even.
        context.height, context.width = (side + side % 2 for side in self._size)
        context.pix_fmt = self._pixels = codec.alpha if self._alpha else _pixels(codec, tags)
        context.time_base = stream.time_base = tags.time_base
        context.gop_size = max(1, round(KEY_EVERY_S * self._rate))
        context.sample_aspect_ratio = tags.pixel_aspect
        context.colorspace, context.color_range = tags.matrix, tags.colour_range
        context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        if self._fields is not None:
            context.flags |= _INTERLACED
        return self._named(stream)

    def _encodable(self, picture: Picture | Yuv420) -> av.VideoFrame:
        tags = self._tags
        if isinstance(picture, Yuv420):
            # As the source has it, to the last bit: what is not drawn on is not converted.
            same = picture.video.format.name == self._pixels and self._has_range_of(picture)
            if (same or self._pixels == DEEP_FORMAT) and tags.stored_size(Size(*picture.shape)) == self._size:
                return tags.stored_planes(picture.video if same else picture.deepened())
            picture = picture.pixels
        if tags.transfer in HDR and self._pixels == DEEP_FORMAT:
            return hdr_of(self._fitted(tags.stored(picture)), tags.transfer, tags.matrix)
        kind = "bgra" if self._alpha else "bgr24"
        return self._to_yuv.reformat(
            av.VideoFrame.from_ndarray(self._fitted(tags.stored(picture)), format=kind),
            format=self._pixels,
            interpolation=TRUE_COLOURS,
            dst_colorspace=tags.matrix,
            dst_color_range=tags.colour_range or None,
        )

    def _has_range_of(self, picture: Yuv420) -> bool:
        """Of one with transparency FFmpeg has no name for the form that uses all levels, as it has of others."""
        return picture.alpha is None or picture.is_full_range == (self._tags.colour_range == FULL_RANGE)

    def _fitted(self, bgr: Picture) -> Picture:
        """Of the file's size: a picture of another one is scaled into it, its shape kept, on black."""
        height, width = bgr.shape[:2]
        if (height, width) != self._size:
            scale = min(self._size.height / height, self._size.width / (width * self._aspect))
            high, wide = max(1, round(height * scale)), max(1, round(width * self._aspect * Fraction(scale)))
            is_larger = high > height or wide > width
            scaled = cv2.resize(bgr, (wide, high), interpolation=cv2.INTER_LINEAR if is_larger else cv2.INTER_AREA)
            height, width = high, wide
            top, left = (self._size.height - height) // 2, (self._size.width - width) // 2
            bgr = np.zeros((*self._size, bgr.shape[2]), np.uint8)
            bgr[top : top + height, left : left + width] = scaled
        if self._size.height % 2 or self._size.width % 2:
            below, beside = (side % 2 for side in self._size)
            bgr = np.asarray(cv2.copyMakeBorder(bgr, 0, below, 0, beside, cv2.BORDER_REPLICATE), np.uint8)
        return bgr


def _pixels(codec: Codec, tags: VideoTags) -> str:
    """The kind of pixels to encode. FFmpeg has a name of its own for those that use all 256 levels, and would
    convert them, at the loss of a level of colour, for an encoder that was told of the other kind."""
    if tags.bits > EIGHT and codec.deep:
        return codec.deep
    known = [each.name for each in av.Codec(codec.encoder, "w").video_formats or ()]
    return "yuvj420p" if tags.colour_range == FULL_RANGE and "yuvj420p" in known else codec.pixels
