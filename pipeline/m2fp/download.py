"""Downloading M2FP's weights from ModelScope into the cache."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import RuntimeUnavailable, WeightsError, installs
from pipeline.m2fp.checkpoint import Shapes, check_tensors, read_checkpoint, read_safetensors, write_safetensors
from pipeline.m2fp.config import M2fpConfig, read_configuration
from pipeline.m2fp.weights import (
    CHECKPOINT,
    CONFIGURATION,
    SAFETENSORS,
    Folder,
    WeightsSource,
    copy_file,
    source_of,
)
from pipeline.network.cache import disk_errors


@dataclass(frozen=True, slots=True)
class Pulled:
    """Weights that are now in the cache."""

    folder: Folder
    size_bytes: int
    """Size of the weights."""
    freed_bytes: int
    """Size of the deleted download; 0 if nothing had to be fetched."""


Fetch = Callable[[str, Path], None]
"""Fetches `configuration.json` and `pytorch_model.pt` of a ModelScope id into a folder, from where it was stopped."""


def fetch_from_modelscope(model_id: str, folder: Path) -> None:
    """Fetches with ModelScope's own client, which shows how far it is and checks what came.

    Raises:
        RuntimeUnavailable: the client is not installed.
        WeightsError: the network or ModelScope failed; what has come stays for the next time.
    """
    try:
        from modelscope_hub import HubApi, HubError
    except ImportError as exc:
        raise RuntimeUnavailable(f"ModelScope's client is not installed; {installs('m2fp')} adds it") from exc
    try:
        HubApi().download_repo(model_id, "model", local_dir=folder, allow_patterns=[CONFIGURATION, CHECKPOINT])
    except (HubError, OSError) as exc:
        why = " ".join(str(exc).split())
        raise WeightsError(
            f"cannot fetch {model_id} from ModelScope: {why}; what arrived is kept, and the same command resumes there"
        ) from exc


def pull(
    name: str,
    *,
    shapes: Callable[[M2fpConfig], Shapes],
    accept_license: bool,
    fetch: Fetch = fetch_from_modelscope,
) -> Pulled:
    """Brings weights into the cache: fetched, stripped of all but the tensors, checked, and the download deleted.

    Args:
        name: one of `WEIGHTS`.
        shapes: names and shapes of the tensors of the network with such a configuration.
        accept_license: that the weights are for non-commercial use only.
        fetch: does the fetching.

    Raises:
        UnknownName: no such source.
        WeightsError: the licence was not accepted; they cannot be fetched, read or written; they do not fit.
        RuntimeUnavailable: what fetches is not installed.
    """
    source = source_of(name)
    if not accept_license:
        raise WeightsError(f"{source.terms}; `streamer models pull {name} --accept-license` fetches them")
    folder = Folder(source.folder, source.folder / SAFETENSORS)
    download = source.folder / "download"
    if not _is_whole(folder, shapes):
        with disk_errors(download):
            download.mkdir(parents=True, exist_ok=True)
        fetch(source.model_id, download)
        _convert(source, download, folder, shapes)
    with disk_errors(source.folder):
        freed = sum(file.stat().st_size for file in download.rglob("*") if file.is_file())
        if download.exists():  # also one that an earlier pull had no time to delete
            shutil.rmtree(download)
        return Pulled(folder, folder.weights.stat().st_size, freed)


def _convert(source: WeightsSource, download: Path, into: Folder, shapes: Callable[[M2fpConfig], Shapes]) -> None:
    for each in (CONFIGURATION, CHECKPOINT):
        if not (download / each).is_file():
            raise WeightsError(f"ModelScope's {source.model_id} has no {each}")
    wanted = shapes(read_configuration(download / CONFIGURATION))
    tensors = read_checkpoint(download / CHECKPOINT)
    check_tensors(tensors, wanted, str(download / CHECKPOINT))
    write_safetensors(into.weights, tensors)
    with disk_errors(into.path):
        copy_file(download / CONFIGURATION, into.path / CONFIGURATION)
    _check(into, shapes)


def _check(folder: Folder, shapes: Callable[[M2fpConfig], Shapes]) -> None:
    wanted = shapes(read_configuration(folder.path / CONFIGURATION))
    check_tensors(read_safetensors(folder.weights), wanted, str(folder.weights))


def _is_whole(folder: Folder, shapes: Callable[[M2fpConfig], Shapes]) -> bool:
    try:
        _check(folder, shapes)
    except WeightsError:
        return False
    return True
