"""M2FP in torch: the tensors of ModelScope's class, and its answers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pipeline import CIHP, WeightsError
from pipeline.m2fp.config import MULTI_PERSON, SINGLE_PERSON, M2fpConfig, configuration, read_configuration
from pipeline.m2fp.network import M2fp, build_m2fp, tensor_shapes
from pipeline.m2fp.resnet import ResNet
from tests.support.weights_made_up import GOLDEN, SMALL, golden, network, weights, write_model

SAME = 1e-4
"""Of logits up to 30, float32 through 130 layers: what the order of sums makes of them on another processor."""
BATCH = 1e-4
"""As above: a batch of two is summed in another order than one."""


@pytest.fixture(scope="module")
def full() -> M2fp:
    return network(MULTI_PERSON)


@pytest.fixture(scope="module")
def small() -> M2fp:
    return network(SMALL)


def pictures(count: int, height: int, width: int) -> torch.Tensor:
    made = np.random.default_rng(1).integers(0, 256, (count, 3, height, width))
    return torch.from_numpy(made.astype(np.float32))


def run(model: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.inference_mode():
        logits, masks = model(images)
    return logits, masks


def listed() -> dict[str, tuple[int, ...]]:
    """Name and shape of each tensor of ModelScope's class, as configured for one person."""
    lines = (GOLDEN / "state_dict_names.txt").read_text().splitlines()
    pairs = (line.split(" ", 1) for line in lines)
    return {name: tuple(int(side) for side in shape.strip("()").split(",") if side.strip()) for name, shape in pairs}


def test_tensors_are_named_and_shaped_as_in_modelscopes_class() -> None:
    single = listed()
    assert len(single) == 928
    assert tensor_shapes(SINGLE_PERSON) == single
    head = "sem_seg_head.predictor.class_embed"
    assert tensor_shapes(MULTI_PERSON) == single | {f"{head}.weight": (22, 256), f"{head}.bias": (22,)}


def test_the_network_has_the_tensors_that_are_foretold(small: M2fp) -> None:
    assert {name: tuple(tensor.shape) for name, tensor in small.state_dict().items()} == tensor_shapes(SMALL)
    assert not any(parameter.requires_grad for parameter in small.parameters())
    assert not any(module.training for module in small.modules())


@pytest.mark.parametrize("name", ["golden_96x128", "golden_160x96"])
def test_answers_are_modelscopes(full: M2fp, name: str) -> None:
    expected = golden(name)
    images = torch.from_numpy(expected["image"].astype(np.float32))[None]
    # From the picture on, so that what fails first is where a difference begins.
    with torch.inference_mode():
        features = full.backbone((images - full.mean) / full.std)
        decoder = full.sem_seg_head.pixel_decoder
        levels, fine = decoder(features)
        steps = {"res5": features["res5"], "scale0": levels[0], "mask_features": decoder.mask_features(fine)}
    steps["pred_logits"], steps["pred_masks"] = run(full, images)
    for step, found in steps.items():
        np.testing.assert_allclose(found[0].numpy(), expected[step], rtol=0, atol=SAME, err_msg=step)


@pytest.mark.parametrize(("depth", "tensors"), [(50, 622), (101, 928), (152, 1234)])
def test_depth_is_one_number_away(depth: int, tensors: int) -> None:
    """Each block has three convolutions, with six tensors each."""
    assert len(tensor_shapes(replace(SINGLE_PERSON, depth=depth))) == tensors


def test_a_depth_that_does_not_exist_is_refused() -> None:
    with pytest.raises(WeightsError, match="no ResNet of depth 34; there are: 50, 101, 152"):
        build_m2fp(replace(SMALL, depth=34))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (32, 160), (96, 32), (160, 224)], ids=str)
def test_any_multiples_of_32_will_do(small: M2fp, height: int, width: int) -> None:
    logits, masks = run(small, pictures(1, height, width))
    assert logits.shape == (1, SMALL.queries, len(SMALL.classes) + 1)
    assert masks.shape == (1, SMALL.queries, height // 4, width // 4)
    assert logits.isfinite().all()
    assert masks.isfinite().all()


def test_pictures_of_a_batch_do_not_see_each_other(small: M2fp) -> None:
    images = pictures(2, 64, 96)
    logits, masks = run(small, images)
    assert not torch.allclose(masks[0], masks[1], atol=0.1)
    for index in range(2):
        alone_logits, alone_masks = run(small, images[index : index + 1])
        torch.testing.assert_close(logits[index], alone_logits[0], rtol=0, atol=BATCH)
        torch.testing.assert_close(masks[index], alone_masks[0], rtol=0, atol=BATCH)


def test_a_query_without_a_mask_looks_everywhere() -> None:
    """As one whose mask is everywhere does; a softmax over nothing would be NaN, and spread to all queries."""
    answers = []
    for everywhere in (-5.0, 5.0):
        tensors = weights(SMALL)
        # All masks are this constant: the last layer of their embedding has only a bias, and so have the features.
        last, features = "sem_seg_head.predictor.mask_embed.layers.2", "sem_seg_head.pixel_decoder.mask_features"
        tensors[f"{last}.weight"] = np.zeros_like(tensors[f"{last}.weight"])
        tensors[f"{last}.bias"] = np.full(SMALL.width, everywhere / SMALL.width, np.float32)
        tensors[f"{features}.weight"] = np.zeros_like(tensors[f"{features}.weight"])
        tensors[f"{features}.bias"] = np.ones(SMALL.width, np.float32)
        logits, masks = run(network(SMALL, tensors), pictures(1, 64, 64))
        torch.testing.assert_close(masks, torch.full_like(masks, everywhere))
        answers.append(logits)
    assert answers[0].isfinite().all()
    torch.testing.assert_close(*answers)


def test_a_query_looks_where_its_mask_is() -> None:
    """Not elsewhere: masks that change only in sign change what queries see."""
    tensors = weights(SMALL)
    last = "sem_seg_head.predictor.mask_embed.layers.2"
    turned = tensors | {f"{last}.{each}": -tensors[f"{last}.{each}"] for each in ("weight", "bias")}
    images = pictures(1, 64, 64)
    assert not torch.allclose(run(network(SMALL), images)[0], run(network(SMALL, turned), images)[0], atol=0.01)


@pytest.mark.parametrize(
    ("res4", "res5", "strides"),
    [(1, 1, (4, 8, 16, 32)), (1, 2, (4, 8, 16, 16)), (2, 2, (4, 8, 8, 8)), (2, 1, (4, 8, 8, 16))],
    ids=["none", "res5", "both", "res4"],
)
def test_dilation_keeps_the_stride_of_the_stage_before(res4: int, res5: int, strides: tuple[int, ...]) -> None:
    grid = (1, 2, 4)
    backbone = ResNet(50, 32, res4, res5, grid).eval()
    with torch.inference_mode():
        features = backbone(torch.zeros(1, 3, 64, 96))
    assert tuple(64 // each.shape[2] for each in features.values()) == strides
    assert tuple(96 // each.shape[3] for each in features.values()) == strides
    assert [each.shape[1] for each in features.values()] == [256, 512, 1024, 2048]
    dilations = [block.conv2.dilation[0] for block in backbone.get_submodule("res5").children()]
    assert dilations == [res5 * step for step in grid]
    assert {block.conv2.dilation[0] for block in backbone.get_submodule("res4").children()} == {res4}


def test_a_dilated_network_answers_at_a_quarter_too() -> None:
    config = replace(SMALL, res5_dilation=2)
    assert tensor_shapes(config) == tensor_shapes(SMALL)
    assert run(network(config), pictures(1, 64, 96))[1].shape == (1, SMALL.queries, 16, 24)


def test_the_stride_is_in_the_middle_convolution() -> None:
    """As in ModelScope's (`stride_in_1x1` false), which the tensors' shapes do not tell."""
    first = build_m2fp(SMALL).backbone.get_submodule("res3.0")
    assert [first.get_submodule(name).stride for name in ("conv1", "conv2", "conv3")] == [(1, 1), (2, 2), (1, 1)]


@pytest.mark.parametrize("config", [SMALL, MULTI_PERSON, SINGLE_PERSON, replace(SMALL, res5_multi_grid=(1, 2, 4))])
def test_a_configuration_comes_back_as_it_was_written(tmp_path: Path, config: M2fpConfig) -> None:
    """Of the folders that the tests make; else they would test another network than they say."""
    folder = write_model(tmp_path, config, {})
    assert read_configuration(folder / "configuration.json") == config


def test_the_reference_configurations_are_the_two_models() -> None:
    assert read_configuration(GOLDEN / "configuration.json") == MULTI_PERSON
    single = read_configuration(GOLDEN / "single_configuration.json")
    assert single == SINGLE_PERSON
    assert MULTI_PERSON.classes[: MULTI_PERSON.parts] == CIHP.names
    assert configuration(SMALL)["model"]["classes"] == MULTI_PERSON.classes
