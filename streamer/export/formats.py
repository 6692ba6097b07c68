"""The formats that parsings are exported to, by name."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

from streamer.errors import ConfigError, SinkError
from streamer.export.coco import write_coco
from streamer.export.label_studio import write_label_studio
from streamer.export.maps import write_npz, write_pngs
from streamer.export.table import write_csv
from streamer.export.transparent import write_webm
from streamer.masks.sidecar import Sidecar
from streamer.media.paths import check_target, partial_name

Write = Callable[[Sidecar, Path], None]
FORMATS: dict[str, Write] = {
    "coco": write_coco,
    "png": write_pngs,
    "csv": write_csv,
    "npz": write_npz,
    "label-studio": write_label_studio,
    "webm-alpha": write_webm,
}
"""What writes each; `png` writes a folder, the others a file of any name."""


def export(sidecar: Sidecar, out: Path, to: str, *, force: bool = False) -> None:
    """Writes the parsings of a sidecar for another tool. What is half written is never at `out`.

    Args:
        to: one of `FORMATS`.
        force: overwrite `out`.

    Raises:
        ConfigError: no such format, or no parsings.
        SinkError: it cannot be written, or is there already.
        BadMessage: the sidecar is damaged.
    """
    if to not in FORMATS:
        raise ConfigError(f"no format {to!r}; there are: {', '.join(FORMATS)}")
    if not sidecar.masks:
        raise ConfigError(f"{sidecar.path} has no parsings")
    if to == "png":
        _check_folder(out, force=force)
    else:
        check_target(out, force)
    with _complete(out) as partial:
        FORMATS[to](sidecar, partial)


def _check_folder(out: Path, *, force: bool) -> None:
    if not out.parent.is_dir():
        raise SinkError(f"no folder {out.parent} to write {out.name} into")
    if out.exists() and not (force and out.is_dir()):
        raise SinkError(f"{out} exists; --force overwrites a folder")


@contextmanager
def _complete(out: Path) -> Iterator[Path]:
    partial = partial_name(out)
    try:
        yield partial
        if partial.is_dir() and out.is_dir():
            rmtree(out)
        partial.replace(out)
    except OSError as exc:
        raise SinkError(f"cannot write {out}: {exc.strerror or exc}") from exc
    finally:
        if partial.is_dir():
            rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)
