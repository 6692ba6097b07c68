"""Whether packets of sound that are copied can be decoded: nobody else would find out before they are heard."""

from contextlib import suppress
from typing import Any

import av
from av.audio.stream import AudioStream

from streamer.media.failures import WRITING_FAILS
from streamer.recording.encoder import Packet
from streamer.recording.transcode import decoder_of, is_corrupt

_PLAIN = "pcm_"
"""Codecs whose names begin so take all bytes for sound."""


class SoundCheck:
    """Decodes the packets of one track, in their order, and forgets what is heard."""

    def __init__(self, sound: AudioStream) -> None:
        self._decoder: Any = None
        if not sound.codec_context.name.startswith(_PLAIN):
            with suppress(*WRITING_FAILS):  # that nothing here decodes such sound is no fault of it
                self._decoder = decoder_of(sound)
        self._heard = False

    def is_damaged(self, packet: Packet) -> bool:
        """Whether a packet cannot be decoded. One before the first that can be is not blamed: it may build on what was
        cut off, or such sound is beyond the decoder."""
        if self._decoder is None:
            return False
        try:
            frames = self._decoder.decode(packet)
        except av.error.FFmpegError:
            return self._heard
        self._heard = self._heard or bool(frames)
        return is_corrupt(packet, frames)
