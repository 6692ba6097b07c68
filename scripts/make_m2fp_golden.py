"""What ModelScope's own classes answer, for the tests to compare with: the files in tests/golden.

python scripts/make_m2fp_golden.py [FOLDER]
"""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import torch
from modelscope_m2fp import build, made_up_weights
from numpy.typing import NDArray

GOLDEN = Path(__file__).parent.parent / "tests" / "golden"

INPUT = (64, 96)
MULTI = {"content": (0, 0, 90, 60), "frame": (75, 117)}
"""At the top left of the input, and enlarged."""
SINGLE = {"content": (31, 0, 64, 64), "frame": (131, 67)}
"""In the middle."""


def make_names(path: Path) -> None:
    """Name and shape of each tensor of the single-person network."""
    tensors = _network("single_configuration.json").state_dict()
    path.write_text("".join(f"{name} {tuple(tensor.shape)}\n" for name, tensor in tensors.items()))


def make_network(path: Path) -> None:
    """The multi-person network with made-up weights, on the picture that is in the file already."""
    with np.load(path) as old:
        image = old["image"]
    network = _network("configuration.json")
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    network.load_state_dict({name: torch.from_numpy(values) for name, values in made_up_weights(shapes).items()})
    planes = torch.from_numpy(image.astype(np.float32))
    with torch.inference_mode():
        answer = network.forward({"batched_inputs": [{"image": planes}]})["outputs"]
        features = network.backbone(((planes - network.pixel_mean) / network.pixel_std)[None])
        mask_features, scale0, _ = network.sem_seg_head.pixel_decoder.forward_features(features)
    np.savez_compressed(
        path,
        image=image,
        pred_logits=answer["pred_logits"][0].numpy(),
        pred_masks=answer["pred_masks"][0].numpy(),
        res5=features["res5"][0].numpy(),
        mask_features=mask_features[0].numpy(),
        scale0=scale0[0].numpy(),
    )


def make_post(path: Path) -> None:
    """The step that finds parts and persons, of the scores and masks that are in the file already."""
    with np.load(path) as old:
        given = {name: old[name] for name in ("mask_cls", "mask_pred")}
    found = _network("configuration.json").instance_parsing_inference(*map(torch.from_numpy, given.values()))
    answer = {
        "part_label": [each["category_id"] for each in found["part_outputs"]],
        "part_score": np.array([each["score"] for each in found["part_outputs"]], np.float32),
        "part_area": [int((each["mask"] > 0).sum()) for each in found["part_outputs"]],
        "human_score": np.array([each["score"] for each in found["human_outputs"]], np.float32),
        "human_area": [int((each["mask"] > 0).sum()) for each in found["human_outputs"]],
    }
    np.savez_compressed(path, **given, **answer)


def make_masks(path: Path) -> None:
    """All that comes after the network, of made-up blots, with frames that lie in the input in different ways."""
    random = np.random.default_rng(4)
    blots = [cv2.GaussianBlur(random.normal(size=(16, 24)), None, 1.5) for _ in range(100)]
    masks = np.array([30 * blot - random.uniform(0, 3) for blot in blots], np.float16)
    given: dict[str, Any] = {"masks": masks, "input": INPUT}
    for name, classes, window in (("multi", 21, MULTI), ("single", 20, SINGLE)):
        logits = random.normal(size=(100, classes + 1)).astype(np.float32)
        logits[np.arange(100), random.integers(0, classes + 1, 100)] += 4
        given |= {f"{name}_logits": logits} | {f"{name}_{key}": value for key, value in window.items()}
    pairs, instances = _multi(given)
    seen, labels = _single(given)
    np.savez_compressed(
        path,
        **given,
        multi_labels=[label for label, _ in pairs],
        multi_scores=np.array([score for _, score in pairs], np.float32),
        multi_masks=np.packbits(instances, axis=-1),
        single_labels=[label for label, _ in seen],
        single_scores=np.array([score for _, score in seen], np.float32),
        single_map=labels,
    )


def _multi(given: dict[str, Any]) -> tuple[list[tuple[int, float]], NDArray[np.bool_]]:
    """Labels and scores, and masks (n, H, W), in ModelScope's order."""
    height, width = MULTI["frame"]
    left, top, right, bottom = MULTI["content"]
    fields = {"height": height, "width": width}
    found = _read("configuration.json", given, "multi", fields, (bottom - top, right - left))["parsing"]
    every = found["part_outputs"] + found["human_outputs"]
    masks = np.stack([(each["mask"] > 0).numpy() for each in every])
    return [(each["category_id"], each["score"]) for each in every], masks


def _single(given: dict[str, Any]) -> tuple[list[tuple[int, float]], NDArray[np.uint8]]:
    """Labels and scores, and the map of classes (H, W) that the masks are cut from."""
    height, width = SINGLE["frame"]
    fields = {"height": height, "width": width, "crop_box": SINGLE["content"]}
    planes = _read("single_configuration.json", given, "single", fields, INPUT)["sem_seg"]
    labels = planes.argmax(dim=0).numpy().astype(np.uint8)
    sure = planes.sigmoid().numpy().astype(np.float64)
    # The pipeline's own rule, one too many in the divisor included.
    every = [(int(label), sure[label][labels == label]) for label in np.unique(labels)]
    return [(label, inside.sum() / (inside.size + 1)) for label, inside in every], labels


def _read(
    configuration: str, given: dict[str, Any], name: str, fields: dict[str, Any], image_size: tuple[int, int]
) -> dict[str, Any]:
    outputs = {
        "pred_logits": torch.from_numpy(given[f"{name}_logits"])[None],
        "pred_masks": torch.from_numpy(given["masks"].astype(np.float32))[None],
    }
    images = SimpleNamespace(tensor=torch.empty(1, 3, *INPUT), image_sizes=[image_size])
    answer = {"outputs": outputs, "batched_inputs": [fields], "images": images}
    result: dict[str, Any] = _network(configuration).postprocess(answer)["eval_result"][0]
    return result


def _network(configuration: str) -> Any:
    return build(GOLDEN / configuration)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if sys.argv[1:] else GOLDEN
    make_names(folder / "state_dict_names.txt")
    for size in ("96x128", "160x96"):
        make_network(folder / f"golden_{size}.npz")
    make_post(folder / "golden_post.npz")
    make_masks(folder / "golden_masks.npz")
