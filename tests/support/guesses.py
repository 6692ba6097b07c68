"""Made-up networks for age and gender: a face's blue says how old, its red how male, so that tests know the answers."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from pipeline.faces.download import AGE, GENDER
from pipeline.faces.onnx_bytes import Node, model_bytes
from pipeline.faces.weights import CYDRAL, HSE

HSE_MEANS = (103.939, 116.779, 123.68)


def use_made_up(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Puts them where the real ones would be, and has their hashes expected."""
    monkeypatch.setenv("M2FP_STREAMER_CACHE", str(folder))
    made = {
        (HSE, "faceres.onnx"): network(224, np.array([[0.0], [0], [0.1]]), HSE_MEANS[2] * 0.1 - 12.8, AGE, GENDER),
    }
    for (weights, name), content in made.items():
        weights.folder.mkdir(parents=True)
        (weights.folder / name).write_bytes(content)
        monkeypatch.setitem(weights.files, name, hashlib.sha256(content).hexdigest())  # type: ignore[misc]


def network(side: int, male: np.ndarray, male_bias: float, age: str, gender: str) -> bytes:
    """Of a plain face: its age is a quarter of its blue; p(male) is a half where its red is 128."""
    years = np.arange(1, 101)
    # logits -(year - age)^2 less what all have in common: linear in the age, which is linear in the mean blue
    slope, offset = 0.25, 0.25 * HSE_MEANS[0]
    ages = np.stack([2 * slope * years, 0 * years, 0 * years])
    tensors = {
        "male": male.astype(np.float32),
        "male_bias": np.array([male_bias], np.float32),
        "ages": ages.astype(np.float32),
        "age_bias": (2 * offset * years - years**2).astype(np.float32),
    }
    nodes = [
        Node("ReduceMean", ("input",), "mean", {"axes": (2, 3), "keepdims": 0}),
        Node("MatMul", ("mean", "male"), "m", {}),
        Node("Add", ("m", "male_bias"), "mb", {}),
        Node("Sigmoid", ("mb",), gender, {}),
        Node("MatMul", ("mean", "ages"), "a", {}),
        Node("Add", ("a", "age_bias"), "ab", {}),
        Node("Softmax", ("ab",), age, {"axis": 1}),
    ]
    return model_bytes(nodes, tensors, {"input": (1, 3, side, side)}, {gender: (1, 1), age: (1, 100)})


def use_made_up_cydral(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """As `use_made_up`: the age is all in year 30, p(male) in the red as above."""
    monkeypatch.setenv("M2FP_STREAMER_CACHE", str(folder))
    red = (122.781998 - 128) / 256
    ages = np.full(81, -50.0)
    ages[30] = 50
    made = {
        "age-v1.onnx": _classes(64, np.zeros((3, 81)), ages),
        "gender-v1.onnx": _classes(32, np.array([[0.0, 25.6], [0, 0], [0, 0]]), np.array([0, red * 25.6])),
    }
    CYDRAL.folder.mkdir(parents=True)
    for name, content in made.items():
        (CYDRAL.folder / name).write_bytes(content)
        monkeypatch.setitem(CYDRAL.files, name, hashlib.sha256(content).hexdigest())  # type: ignore[misc]


def _classes(side: int, weights: np.ndarray, bias: np.ndarray) -> bytes:
    tensors = {"weights": weights.astype(np.float32), "bias": bias.astype(np.float32)}
    nodes = [
        Node("ReduceMean", ("images",), "mean", {"axes": (2, 3), "keepdims": 0}),
        Node("MatMul", ("mean", "weights"), "product", {}),
        Node("Add", ("product", "bias"), "sum", {}),
        Node("Softmax", ("sum",), "probabilities", {"axis": 1}),
    ]
    return model_bytes(nodes, tensors, {"images": (1, 3, side, side)}, {"probabilities": (1, len(bias))})
