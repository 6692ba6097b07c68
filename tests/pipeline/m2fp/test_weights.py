"""Finding weights, fetching them, and converting them once: on made-up networks of three tensors."""

import hashlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from pipeline import RuntimeUnavailable, UnknownName, WeightsError
from pipeline.m2fp.checkpoint import Shapes, read_safetensors, write_safetensors
from pipeline.m2fp.config import M2fpConfig
from pipeline.m2fp.download import fetch_from_modelscope, pull
from pipeline.m2fp.weights import WEIGHTS, Folder, find, import_weights
from pipeline.network.cache import cache_folder
from tests.pipeline.m2fp.test_checkpoint import SIX, dictionary, plain, tensor, written

CONFIGURATION = {
    "model": {
        "type": "m2fp",
        "backbone": {
            "out_features": ["res2", "res3", "res4", "res5"],
            "depth": 50,
            "num_groups": 1,
            "width_per_group": 64,
            "stem_out_channels": 128,
            "res2_out_channels": 256,
            "stride_in_1x1": False,
            "res4_dilation": 1,
            "res5_dilation": 1,
            "res5_multi_grid": [1, 1, 1],
        },
        "encoder": {
            "transformer_in_features": ["res3", "res4", "res5"],
            "transformer_nheads": 8,
            "transformer_dim_feedforward": 1024,
            "transformer_enc_layers": 6,
            "conv_dim": 256,
            "mask_dim": 256,
            "common_stride": 4,
        },
        "decoder": {
            "num_classes": 2,
            "hidden_dim": 256,
            "num_queries": 100,
            "nheads": 8,
            "dim_feedforward": 2048,
            "dec_layers": 9,
            "pre_norm": False,
            "mask_dim": 256,
            "enforce_input_project": False,
        },
        "classes": ["Background", "Hat"],
    }
}


def shapes(config: M2fpConfig) -> Shapes:
    return {"w": (2, 3), "b": (6,), "depth": (config.depth // 50, 3)}


def checkpoint(path: Path, **replaced: bytes) -> Path:
    model = {"w": tensor(), "b": tensor((6,), (1,)), "depth": tensor((1, 3), (1, 1))} | replaced
    content = dictionary({"model": dictionary(model), "optimizer": tensor(key="1")})
    return written(path, content, {"0": SIX.tobytes(), "1": bytes(40_000)})


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("M2FP_STREAMER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    """A folder as ModelScope makes it."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "configuration.json").write_text(json.dumps(CONFIGURATION))
    checkpoint(folder / "pytorch_model.pt")
    return folder


@dataclass
class ModelScope:
    """Stands in for ModelScope: what it has, and what it was asked for."""

    configuration: str = json.dumps(CONFIGURATION)
    replaced: dict[str, bytes] = field(default_factory=dict)
    fails: bool = False
    asked: list[str] = field(default_factory=list)

    def __call__(self, model_id: str, folder: Path) -> None:
        self.asked.append(model_id)
        (folder / "configuration.json").write_text(self.configuration)
        if self.fails:
            (folder / "pytorch_model.pt.incomplete").write_bytes(b"PK")
            raise WeightsError("no network")
        checkpoint(folder / "pytorch_model.pt", **self.replaced)


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    assert cache_folder() == cache
    for unset in (
        lambda: monkeypatch.setenv("M2FP_STREAMER_CACHE", ""),
        lambda: monkeypatch.delenv("M2FP_STREAMER_CACHE"),
    ):
        unset()
        assert cache_folder().name == "m2fp-streamer"
        assert cache_folder().is_absolute()


def test_sources() -> None:
    assert {name: len(source.label_set) for name, source in WEIGHTS.items()} == {"m2fp": 21, "m2fp-single": 20}
    for name, source in WEIGHTS.items():
        assert source.name == name
        assert not source.ready


def test_find_says_how_to_get_them(tmp_path: Path, cache: Path, model_dir: Path) -> None:
    with pytest.raises(WeightsError, match=r"streamer models pull m2fp-single --accept-license.*--model-dir") as caught:
        find("m2fp-single")
    assert str(cache / "m2fp-single") in str(caught.value)
    with pytest.raises(UnknownName, match="no weights 'm2f'; there are: m2fp, m2fp-single"):
        find("m2f")
    (model_dir / "configuration.json").unlink()
    for folder in (tmp_path / "none", model_dir, model_dir / "pytorch_model.pt"):
        with pytest.raises(WeightsError, match=r"pull m2fp --accept-license") as caught:
            find("m2fp", folder)
        for each in (str(folder), "--model-dir", "configuration.json", "pytorch_model.pt", "model.safetensors"):
            assert each in str(caught.value)


def test_find(model_dir: Path) -> None:
    assert find("m2fp", model_dir) == Folder(model_dir, model_dir / "pytorch_model.pt")
    write_safetensors(model_dir / "model.safetensors", {"w": SIX})
    assert find("m2fp", model_dir) == Folder(model_dir, model_dir / "model.safetensors")
    pulled = pull("m2fp", shapes=shapes, accept_license=True, fetch=ModelScope())
    assert find("m2fp") == pulled.folder
    assert WEIGHTS["m2fp"].ready
    assert not WEIGHTS["m2fp-single"].ready


def test_import_converts_once(model_dir: Path, cache: Path) -> None:
    made = import_weights(find("m2fp", model_dir))
    assert made.is_relative_to(cache)
    assert {each.name for each in made.iterdir()} == {"configuration.json", "model.safetensors"}
    assert set(read_safetensors(made / "model.safetensors")) == {"w", "b", "depth"}
    assert json.loads((made / "configuration.json").read_text()) == CONFIGURATION
    marker = {"converted": np.zeros(1, np.float32)}
    write_safetensors(made / "model.safetensors", marker)
    assert import_weights(find("m2fp", model_dir)) == made
    assert set(read_safetensors(made / "model.safetensors")) == set(marker)
    (model_dir / "configuration.json").write_text("{}")
    assert (import_weights(find("m2fp", model_dir)) / "configuration.json").read_text() == "{}"


def test_import_of_what_needs_none(model_dir: Path, cache: Path) -> None:
    write_safetensors(model_dir / "model.safetensors", {"w": SIX})
    assert import_weights(find("m2fp", model_dir)) == model_dir
    assert not cache.exists()


def test_a_changed_checkpoint_is_converted_again_and_takes_the_place(model_dir: Path, tmp_path: Path) -> None:
    made = import_weights(find("m2fp", model_dir))
    stat = (model_dir / "pytorch_model.pt").stat()
    os.utime(model_dir / "pytorch_model.pt", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    touched = import_weights(find("m2fp", model_dir))
    checkpoint(model_dir / "pytorch_model.pt", more=tensor())
    os.utime(model_dir / "pytorch_model.pt", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    grown = import_weights(find("m2fp", model_dir))
    assert len({made, touched, grown}) == 3
    assert list(made.parent.iterdir()) == [grown]
    assert "more" in read_safetensors(grown / "model.safetensors")
    (tmp_path / "link").symlink_to(model_dir)
    assert import_weights(find("m2fp", tmp_path / "link")) == grown
    other = tmp_path / "other"
    other.mkdir()
    for each in model_dir.iterdir():
        (other / each.name).write_bytes(each.read_bytes())
    beside = import_weights(find("m2fp", other))
    assert set(made.parent.iterdir()) == {grown, beside}


def test_import_of_what_is_no_checkpoint_keeps_nothing(model_dir: Path, cache: Path) -> None:
    (model_dir / "pytorch_model.pt").write_bytes(b"no")
    with pytest.raises(WeightsError, match="no zip"):
        import_weights(find("m2fp", model_dir))
    assert not list(cache.rglob("*.safetensors*"))


def test_a_cache_that_cannot_be(model_dir: Path, cache: Path) -> None:
    cache.write_text("a file")
    with pytest.raises(WeightsError, match=r"set \$M2FP_STREAMER_CACHE to another folder"):
        import_weights(find("m2fp", model_dir))
    with pytest.raises(WeightsError, match=r"set \$M2FP_STREAMER_CACHE to another folder"):
        pull("m2fp", shapes=shapes, accept_license=True, fetch=ModelScope())


def test_nothing_is_fetched_without_the_licence(cache: Path) -> None:
    modelscope = ModelScope()
    with pytest.raises(WeightsError, match="streamer models pull m2fp --accept-license") as caught:
        pull("m2fp", shapes=shapes, accept_license=False, fetch=modelscope)
    for each in ("723 MB", "CC BY-NC 4.0", "non-commercial use only", "damo/cv_resnet101_image-multiple-human-parsing"):
        assert each in str(caught.value)
    with pytest.raises(UnknownName):
        pull("m2f", shapes=shapes, accept_license=True, fetch=modelscope)
    assert modelscope.asked == []
    assert not cache.exists()


def test_pull(cache: Path) -> None:
    modelscope = ModelScope()
    pulled = pull("m2fp", shapes=shapes, accept_license=True, fetch=modelscope)
    assert modelscope.asked == [WEIGHTS["m2fp"].model_id]
    assert {each.name for each in (cache / "m2fp").rglob("*")} == {"configuration.json", "model.safetensors"}
    assert pulled.folder == Folder(cache / "m2fp", cache / "m2fp" / "model.safetensors")
    assert pulled.size_bytes == pulled.folder.weights.stat().st_size < 1000
    assert pulled.freed_bytes > 40_000
    np.testing.assert_array_equal(read_safetensors(pulled.folder.weights)["b"], SIX)
    assert import_weights(pulled.folder) == cache / "m2fp"


def test_pull_again(cache: Path) -> None:
    modelscope = ModelScope()
    pulled = pull("m2fp", shapes=shapes, accept_license=True, fetch=modelscope)
    (cache / "m2fp" / "download").mkdir()
    (cache / "m2fp" / "download" / "pytorch_model.pt").write_bytes(bytes(100))
    assert pull("m2fp", shapes=shapes, accept_license=True, fetch=modelscope).freed_bytes == 100
    assert not (cache / "m2fp" / "download").exists()
    assert len(modelscope.asked) == 1
    pulled.folder.weights.write_bytes(pulled.folder.weights.read_bytes()[:-1])
    assert pull("m2fp", shapes=shapes, accept_license=True, fetch=modelscope).size_bytes == pulled.size_bytes
    assert len(modelscope.asked) == 2


def test_a_pull_that_stopped_goes_on(cache: Path) -> None:
    with pytest.raises(WeightsError, match="no network"):
        pull("m2fp", shapes=shapes, accept_license=True, fetch=ModelScope(fails=True))
    assert (cache / "m2fp" / "download" / "pytorch_model.pt.incomplete").exists()
    assert not WEIGHTS["m2fp"].ready
    pull("m2fp", shapes=shapes, accept_license=True, fetch=ModelScope())
    assert WEIGHTS["m2fp"].ready


@pytest.mark.parametrize(
    ("modelscope", "says"),
    [
        (ModelScope(replaced={"b": tensor(), "more": tensor()}), r"0 tensors missing, 1 extra, 1 misshapen"),
        (ModelScope(replaced={"b": plain("x")}), r"'b' is a thing of type str"),
        (ModelScope(configuration="{}"), "no 'model'"),
        (
            ModelScope(configuration=json.dumps(CONFIGURATION).replace("50", "101")),
            r"misshapen: depth \(1, 3\), not \(2, 3\)",
        ),
    ],
)
def test_what_does_not_fit_is_not_kept(modelscope: ModelScope, says: str) -> None:
    with pytest.raises(WeightsError, match=says):
        pull("m2fp", shapes=shapes, accept_license=True, fetch=modelscope)
    assert not WEIGHTS["m2fp"].ready


def test_a_model_without_weights() -> None:
    def fetch(model_id: str, folder: Path) -> None:
        (folder / "configuration.json").write_text(json.dumps(CONFIGURATION))

    with pytest.raises(WeightsError, match=r"ModelScope's damo/cv_resnet101_\S+ has no pytorch_model\.pt"):
        pull("m2fp", shapes=shapes, accept_license=True, fetch=fetch)


def test_without_the_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "modelscope_hub", None)
    with pytest.raises(RuntimeUnavailable, match=r"pip install .*\[m2fp\]"):
        fetch_from_modelscope("damo/none", tmp_path)


@contextmanager
def hub(files: dict[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """A server that answers as ModelScope does; yields its address and the ranges that it was asked for."""
    ranges: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path.endswith("/damo/some/repo/files"):
                rows = [
                    {"Path": name, "Type": "blob", "Size": len(data), "Sha256": hashlib.sha256(data).hexdigest()}
                    for name, data in files.items()
                ]
                self._answer(200, json.dumps({"Code": 200, "Success": True, "Data": {"Files": rows}}).encode())
            elif url.path.endswith("/damo/some/repo"):
                data = files[parse_qs(url.query)["FilePath"][0]]
                ranges.append(self.headers.get("Range", ""))
                first = int((ranges[-1] or "bytes=0-").removeprefix("bytes=").partition("-")[0])
                self._answer(206 if ranges[-1] else 200, data[first:], f"bytes {first}-{len(data) - 1}/{len(data)}")
            else:
                self._answer(404, b'{"Code": 404, "Message": "no such model"}')

        def _answer(self, status: int, body: bytes, content_range: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if status == 206:
                self.send_header("Content-Range", content_range)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Not on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", ranges
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.process
def test_modelscopes_own_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is needed is fetched, a stopped download goes on, and what fails is a WeightsError."""
    pytest.importorskip("modelscope_hub")
    monkeypatch.setattr("tqdm.std.tqdm.monitor_interval", 0)  # its thread would stay
    for name in ("HOME", "MODELSCOPE_CACHE", "MODELSCOPE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    weights = np.random.default_rng(0).bytes(10_000)
    files = {"configuration.json": b"{}", "pytorch_model.pt": weights, "README.md": b"no", "demo/big.bin": b"no"}
    folder = tmp_path / "download"
    folder.mkdir()
    (folder / "pytorch_model.pt.incomplete").write_bytes(weights[:4000])
    with hub(files) as (address, ranges):
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", address)
        fetch_from_modelscope("damo/some", folder)
        assert {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()} == {
            name: files[name] for name in ("configuration.json", "pytorch_model.pt")
        }
        assert sorted(ranges) == ["", "bytes=4000-"]
        with pytest.raises(WeightsError, match=r"cannot fetch damo/none from ModelScope.*what arrived is kept"):
            fetch_from_modelscope("damo/none", folder)
