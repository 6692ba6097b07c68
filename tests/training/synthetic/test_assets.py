"""Assets are used only as their manifest lists them."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.mannequin import base_mesh, write_assets, write_manifest
from training.synthetic.assets import Assets, BadAssets


def test_assets_are_read(tmp_path: Path) -> None:
    assets = Assets(write_assets(tmp_path / "assets"))
    assert assets.base.vertices.shape == base_mesh()["V"].shape
    assert assets.there(["short03", "long01"]) == ["short03"]
    assert assets.wear("short03").kind == "hair"


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    folder = write_assets(tmp_path / "assets")
    (folder / "wear" / "short03.npz").unlink()
    with pytest.raises(BadAssets, match=r"missing in .*wear/short03\.npz"):
        Assets(folder)


def test_what_differs_is_named(tmp_path: Path) -> None:
    folder = write_assets(tmp_path / "assets")
    with (folder / "wear" / "short03.npz").open("ab") as file:
        file.write(b"more")
    with pytest.raises(BadAssets, match=r"SHA-256: wear/short03\.npz"):
        Assets(folder)


def test_a_folder_without_a_manifest_is_no_assets(tmp_path: Path) -> None:
    with pytest.raises(BadAssets, match=r"MANIFEST\.json; --assets names"):
        Assets(tmp_path)


@pytest.mark.parametrize("text", ["{", '{"file": 1}', '[{"file": "base.npz"}]', "7"])
def test_a_manifest_that_lists_nothing_is_refused(tmp_path: Path, text: str) -> None:
    folder = write_assets(tmp_path / "assets")
    (folder / "MANIFEST.json").write_text(text)
    with pytest.raises(BadAssets, match="no list of files"):
        Assets(folder)


def test_a_manifest_without_the_base_mesh_is_refused(tmp_path: Path) -> None:
    folder = write_assets(tmp_path / "assets")
    (folder / "MANIFEST.json").write_text(json.dumps([]))
    with pytest.raises(BadAssets, match=r"does not list base\.npz"):
        Assets(folder)


def test_arrays_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    folder = write_assets(tmp_path / "assets")
    base = base_mesh()
    np.savez(folder / "base.npz", **(base | {"W": base["W"][:, :5]}))
    write_manifest(folder, ["base.npz"])
    with pytest.raises(BadAssets, match="weights has the shape"):
        _ = Assets(folder).base


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    folder = write_assets(tmp_path / "assets")
    (folder / "base.npz").write_bytes(b"no archive")
    write_manifest(folder, ["base.npz"])
    with pytest.raises(BadAssets, match=r"cannot read .*base\.npz"):
        _ = Assets(folder).base
