"""M2FP in torch: a backbone, a pixel decoder, a query decoder.

Written from the papers (M2FP, arXiv 2301.00394; Mask2Former, arXiv 2112.01527; Deformable DETR, arXiv
2010.04159). Tensors are named as in ModelScope's checkpoints, so that those load as they are.
"""

import torch
from torch import Tensor, nn

from pipeline.m2fp.config import M2fpConfig
from pipeline.m2fp.pixel_decoder import PixelDecoder
from pipeline.m2fp.query_decoder import QueryDecoder
from pipeline.m2fp.resnet import ResNet, frozen

MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)


class Head(nn.Module):
    def __init__(self, config: M2fpConfig) -> None:
        super().__init__()
        self.pixel_decoder = PixelDecoder(config)
        self.predictor = QueryDecoder(config)


class M2fp(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(self, config: M2fpConfig) -> None:
        super().__init__()
        self.backbone = ResNet(
            config.depth, config.stem_channels, config.res4_dilation, config.res5_dilation, config.res5_multi_grid
        )
        self.sem_seg_head = Head(config)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(STD)[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Queries' classes and masks.

        Args:
            images: float32 (N, 3, H, W), RGB, 0-255; H and W are multiples of 32.

        Returns:
            pred_logits (N, Q, C + 1), the last class being "no object", and pred_masks (N, Q, H/4, W/4), logits.
        """
        features = self.backbone((images - self.mean) / self.std)
        levels, fine = self.sem_seg_head.pixel_decoder(features)
        logits, masks = self.sem_seg_head.predictor(levels, fine, self.sem_seg_head.pixel_decoder.mask_features)
        return logits, masks


def build_m2fp(config: M2fpConfig) -> M2fp:
    """The network, for inference, with weights of no meaning. Raises WeightsError for a depth that does not exist."""
    network = M2fp(config)
    frozen(network)
    return network


def tensor_shapes(config: M2fpConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of each tensor that a checkpoint must have; takes no memory."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in M2fp(config).state_dict().items()}
