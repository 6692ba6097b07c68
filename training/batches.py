"""Batches on their way to the network, made while it works on the one before."""

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.losses import Truth
from training.scenes.painter import SIZES, Painter
from training.scenes.stock import Stock
from training.targets import targets_of

_AHEAD = 3
"""Batches that are made before they are asked for."""


@dataclass(frozen=True, slots=True)
class Batch:
    image: Tensor
    """float32 (n, 3, H, W), RGB, 0-255."""
    truth: Truth

    def to(self, device: torch.device) -> "Batch":
        truth = self.truth
        moved = (truth.labels, truth.persons, truth.centre, truth.centre_known, truth.offset)
        return Batch(self.image.to(device), Truth(*(each.to(device) for each in moved)))


def make_batch(stock: Stock, seed: int, index: int, pixels: int) -> Batch:
    """The batch of some number: of it and the seed alone, so that training goes on where it was left.

    Args:
        stock: what scenes are made of.
        seed, index: which batch.
        pixels: of all its pictures together, about.
    """
    size = SIZES[int(np.random.default_rng([seed, index]).integers(len(SIZES)))]
    count = max(1, round(pixels / (size.height * size.width)))
    pictures, targets = [], []
    for place in range(count):
        rng = np.random.default_rng([seed, index, place])
        scene = Painter(stock, size, rng).scene()
        pictures.append(scene.bgr)
        targets.append(targets_of(scene, rng))
    rgb = np.stack(pictures)[..., ::-1].astype(np.float32)
    image = torch.from_numpy(rgb).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    truth = Truth(
        labels=torch.from_numpy(np.stack([each.labels for each in targets])).long(),
        persons=torch.from_numpy(np.stack([each.persons for each in targets])).long(),
        centre=torch.from_numpy(np.stack([each.centre for each in targets])),
        centre_known=torch.from_numpy(np.stack([each.centre_known for each in targets])),
        offset=torch.from_numpy(np.stack([each.offset for each in targets])),
    )
    return Batch(image, truth)


def batches(stock: Stock, seed: int, first: int, pixels: int, makers: int = 1) -> Generator[Batch]:
    """Batches from some number on, without end; close the iterator to end the threads that make them."""
    with ThreadPoolExecutor(makers) as pool:
        coming: deque[Future[Batch]] = deque()
        index = first
        while True:
            while len(coming) < _AHEAD * makers:
                coming.append(pool.submit(make_batch, stock, seed, index, pixels))
                index += 1
            yield coming.popleft().result()
