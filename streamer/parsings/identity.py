"""What a sidecar's parsings are of and were made by, found out from a source and a parser."""

from pathlib import Path

from pipeline import Parser, ParserSettings
from pipeline.geometry import Size
from streamer.errors import ConfigError
from streamer.masks.origin import MAX_NAME, Origin, ParserKey, SourceKey
from streamer.masks.sidecar import Sidecar
from streamer.media.digest import digest_of
from streamer.media.images import list_pictures
from streamer.sources.uri import is_address, without_password


def source_key(uri: str | Path) -> SourceKey:
    """Identifies a source by what is in it, where it is a file or a folder of pictures; else by its address.

    Raises CannotOpen.
    """
    path = Path(uri)
    if not is_address(str(uri)) and path.is_file():
        return SourceKey(_fitting(path.name), digest_of([path]))
    if not is_address(str(uri)) and path.is_dir():
        return SourceKey(_fitting(path.resolve().name), digest_of(list_pictures(path)))
    return SourceKey(_fitting(without_password(str(uri))))


def parser_key(parser: Parser, frame_size: Size, *, stills: bool) -> ParserKey:
    """Identifies a parser. Compiles its network for frames of this size, to know what `auto` means here.

    Args:
        stills: they belong to no stream, and each is parsed by itself.

    Raises WeightsError, RuntimeUnavailable, ExportMismatch.
    """
    settings = parser.settings
    compiled = parser.network_alone if stills else parser.network
    return ParserKey(
        name=settings.name,
        weights=parser.model.weights(),
        runtime=settings.runtime,
        precision=compiled(parser.fit_for(frame_size).input_size).precision,
        size="auto" if settings.input_size is None else str(settings.input_size),
        refine=settings.refine,
        sensitivity=settings.sensitivity,
        faces=settings.faces,
        age_gender=settings.face_model if settings.age_gender else "",
        reading=parser.model.reading,
    )


def live_origin(uri: str, settings: ParserSettings) -> Origin:
    """The origin of what a live stream parses, whose network is in another process: the weights are not looked at.

    Raises CannotOpen for a file that cannot be read.
    """
    parser = ParserKey(
        name=settings.name,
        weights="",
        runtime=settings.runtime,
        precision=settings.precision,
        size="auto" if settings.input_size is None else str(settings.input_size),
        refine=settings.refine,
        sensitivity=settings.sensitivity,
        faces=settings.faces,
        age_gender=settings.face_model if settings.age_gender else "",
    )
    return Origin(source=source_key(uri), parser=parser, live=True)


def check_origin(sidecar: Sidecar, wanted: Origin) -> None:
    """Raises ConfigError where a sidecar is of another source, or was made in another way; with each difference."""
    if sidecar.origin is None:
        raise ConfigError(f"{sidecar.path} does not say what it is of; name another file")
    differences = sidecar.origin.differences(wanted)
    if differences:
        raise ConfigError(f"{sidecar.path} is of another run: {'; '.join(differences)}")


def check_source(sidecar: Sidecar, uri: str | Path, video_track: int | None = None) -> None:
    """Raises ConfigError where a sidecar is not of this source. One of a camera may be of any recording."""
    origin, key = sidecar.origin, source_key(uri)
    if origin is None:
        raise ConfigError(f"{sidecar.path} does not say which video it is of, so it cannot be drawn on {key.name}")
    if origin.live and not origin.source.digest and key.digest:
        return
    if origin.source != key and (origin.source.digest or key.digest or origin.source.name != key.name):
        raise ConfigError(f"{sidecar.path} is of another video: of {origin.source}, not of {key}")
    if origin.video_track != (video_track or 0):
        own = f"track {origin.video_track}" if origin.video_track else "the track that is taken where none is named"
        raise ConfigError(f"{sidecar.path} is of another video track of {origin.source}: of {own}")


def _fitting(name: str) -> str:
    return name[-MAX_NAME:].encode(errors="replace").decode()
