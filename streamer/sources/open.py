"""Where frames come from.

A source is opened by `open_source`, which returns only when the first frame is in hand: whatever can be wrong
with a file or an address is told there. It is read once, by iterating, and closes itself at the end; `with`
closes it earlier. Frames are upright (a phone's rotation is undone) and in the order of the source, `index`
counts from 0 without gaps unless frames were lost, and `pts_s` is the source's own time, so that it repeats
or jumps where the source's does. A frame's size may differ from the last one's.

What is live comes in its own time: whoever does not read as fast is left behind, in memory of the system's, and
loses frames or the connection in the end. Its `pts_s` never runs back, and is that of its arrival where it has none of
its own or that jumps. When it ends, iterating ends; when it falls silent, is cut off or breaks, that is SourceLost. The
two cannot always be told apart: over RTSP and plain TCP a connection that is closed is an end. `reconnect.py` takes
either for a reason to connect again. What a web server gives a length of is a recording, and is not live.
"""

from collections.abc import Callable
from functools import partial
from glob import glob, has_magic
from pathlib import Path
from threading import Event

from streamer.errors import CannotOpen, ConfigError
from streamer.media.images import is_animated, is_picture, list_pictures, natural_order
from streamer.sources.devices.screen import open_screen
from streamer.sources.devices.webcam import open_camera
from streamer.sources.file_tracks import Kept, Parts
from streamer.sources.images import Animation, Pictures
from streamer.sources.network import TIMEOUTS, Access, Timeouts, open_address
from streamer.sources.pattern import TestPattern
from streamer.sources.pipe import is_pipe, open_pipe
from streamer.sources.playback import Looped, Paced, Stopped, patient
from streamer.sources.source import Source
from streamer.sources.timing.playout import HELD_S, Latency, Playing
from streamer.sources.uri import comes_by_itself, is_address, is_camera, is_screen
from streamer.sources.video import open_file

ANY_ACCESS = Access()


def open_source(
    uri: str | Path,
    *,
    audio: bool = False,
    tracks: Kept = "sound",
    video_track: int | None = None,
    deinterlace: bool = False,
    hdr: bool = False,
    realtime: bool = False,
    loop: bool = False,
    timeouts: Timeouts = TIMEOUTS,
    stopped: Stopped | None = None,
    latency_s: Latency = "auto",
    ready: Callable[[], bool] | None = None,
    held_s: float = HELD_S,
    access: Access = ANY_ACCESS,
) -> Source:
    """Opens whatever gives frames.

    Args:
        uri: a video file; a picture, also an animated one; a folder of pictures or a glob such as `frames/*.png`, in
            the order of their names; `test:`, a moving pattern, with `size=HxW,rate=R,frames=N` after the colon in
            any part; a webcam, as `webcam:0`, `0`, `/dev/video0` or `webcam:0,size=HxW,rate=R,format=mjpeg`; the
            screen, as `screen:` or `screen:size=HxW,left=X,top=Y,rate=R`; or the address of a stream: RTSP (over TCP),
            RTMP, HTTP(S) with HLS, MJPEG or a file, MPEG-TS as `tcp://…` (`?listen=1` waits for the sender), `udp://…`
            or, where FFmpeg has it, `srt://…`; a named pipe; or `-`, standard input.
        audio: read the packets of sound too, into `Source.audio`.
        tracks: which tracks of a file are read with `audio`: its "sound"; the "first" track of sound; or "all", also
            subtitles, data and other videos, into `Source.extras`.
        video_track: number of the video track to read, from 1; None is the default one, or without one the largest.
        deinterlace: make whole pictures of a file's that are two fields, of two moments; of what is live, always.
        hdr: give HDR with 10 bits; `Frame.bgr` is as an ordinary display shows it, as are otherwise the pictures.
        realtime: give each frame of a recording when it is due, as a camera would, and no earlier; that is then
            its `captured_s`. The pictures of what is live are then given steadily, however they arrive; otherwise
            each as soon as it is there.
        loop: give a recording over and over, without its sound.
        timeouts: of what comes over a network.
        stopped: ends every wait for what is live or in real time, and with it the frames, or opening, by CannotOpen.
        latency_s: seconds that live pictures are kept back in real time; auto is as many as their arrival makes
            necessary, which is none where they come steadily.
        access: the transport of RTSP, and how often a web server is asked that gives one JPEG a request.
        ready, held_s: while the first says no, pictures in real time that are due wait, if live for so long at most.

    Raises:
        CannotOpen: there is no such thing, it cannot be read, or it has no frames; in real time: its disk hangs.
        ConfigError: a `test:` pattern or a webcam with settings that cannot be, or something live that is to be looped.
    """
    stopped = stopped or Event()
    kept: Kept = tracks if audio and not loop else "none"
    playing = Playing(latency_s, ready, held_s) if realtime else None
    again = partial(_opened, str(uri), Parts(kept, video_track, deinterlace, hdr), timeouts, stopped, playing, access)
    source = again()
    if loop and source.info.live:
        source.close()
        raise ConfigError(f"{source.info.name} is live and cannot be looped")
    if loop:
        source = Looped(source, again)
    if realtime and not source.info.live:
        source = Paced(source, stopped, ready)
    return source


def _opened(
    text: str, parts: Parts, timeouts: Timeouts, stopped: Stopped, playing: Playing | None, access: Access
) -> Source:
    if text.startswith("test:"):
        return TestPattern(text)
    if is_address(text):
        return open_address(text, parts, timeouts, stopped, playing, access)
    if is_screen(text):
        return open_screen(text, timeouts, stopped, playing)
    if not text:
        raise CannotOpen("cannot open a source without a name")  # and not the current folder
    opening = partial(_on_disk, text, parts, timeouts, stopped, playing)
    if playing is None or is_camera(text):
        return opening()
    # Who waits for a film's end waits for its disk; a stream has others to serve.
    return patient(Path(text), opening, partial(is_pipe, text))


def _on_disk(text: str, parts: Parts, timeouts: Timeouts, stopped: Stopped, playing: Playing | None) -> Source:
    path = Path(text)
    if _is_folder(path):
        return Pictures(text, list_pictures(path))
    if is_pipe(text):
        return open_pipe(text, parts, timeouts, stopped, playing)
    if comes_by_itself(text):
        return open_camera(text, timeouts, stopped, playing)
    if has_magic(text) and not path.exists():
        found = sorted(filter(is_picture, map(Path, glob(text))), key=natural_order)  # noqa: PTH207  (absolute ones too)
        return Pictures(text, found)
    if is_picture(path):
        return Animation(path) if is_animated(path) else Pictures(text, [path])
    return open_file(path, parts)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as exc:  # of a name that there cannot be
        raise CannotOpen(f"cannot open {path}: {exc.strerror}") from exc


def sample(name: str) -> Path:
    """A clip that comes with the program: `people.mp4`, `portrait.mp4` or `street.mp4`."""
    here = Path(__file__).parent.parent
    installed = here / "samples" / name
    return installed if installed.exists() else here.parent / "sample_videos" / name  # in a checkout
