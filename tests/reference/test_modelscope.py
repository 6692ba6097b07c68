"""Against ModelScope's own classes, where the modelscope package is installed; CI installs it.

mmcv-full, which takes twenty minutes to build, is used for the sampling where it is there.
"""

import importlib.util
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("modelscope")

from pipeline.m2fp.config import read_configuration  # noqa: E402
from pipeline.m2fp.network import build_m2fp  # noqa: E402
from tests.support.paths import ROOT  # noqa: E402

AGREE = 1e-4
"""Of logits up to 10: the same sums in another order, a hundred layers deep."""


@pytest.fixture(scope="module")
def theirs() -> Any:
    """scripts/modelscope_m2fp.py, which knows how to make their classes."""
    spec = importlib.util.spec_from_file_location("modelscope_m2fp", ROOT / "scripts" / "modelscope_m2fp.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["configuration.json", "single_configuration.json"])
@pytest.mark.parametrize("depth", [50, 101])
def test_their_classes_and_ours_answer_alike(theirs: Any, name: str, depth: int) -> None:
    path = ROOT / "tests" / "golden" / name
    whole = json.loads(path.read_text())
    whole["model"]["backbone"]["depth"] = depth
    network = theirs.build(whole)
    shapes = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    weights = {key: torch.from_numpy(np.array(value)) for key, value in theirs.made_up_weights(shapes).items()}
    network.load_state_dict(weights)
    ours = build_m2fp(replace(read_configuration(path), depth=depth))
    ours.load_state_dict(weights)  # strict: the same names and shapes
    image = torch.from_numpy(np.random.default_rng(depth).integers(0, 256, (3, 96, 64)).astype(np.float32))
    with torch.inference_mode():
        wanted = network.forward({"batched_inputs": [{"image": image}]})["outputs"]
        logits, masks = ours(image[None])
    np.testing.assert_allclose(logits, wanted["pred_logits"], rtol=0, atol=AGREE)
    np.testing.assert_allclose(masks, wanted["pred_masks"], rtol=0, atol=AGREE)
