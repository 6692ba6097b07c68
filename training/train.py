"""Training: steps, the average of the weights, checkpoints, and what is written down on the way."""

import math
import pickle
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.errors import WeightsError
from pipeline.labels import CIHP
from pipeline.types import Picture
from training.batches import Batch, batches
from training.losses import Losses, Weights
from training.network.lite_net import LiteNet, Shape
from training.pack import Photo
from training.parsing import Answers
from training.scenes.stock import Faults, Stock, harder

_PARTS = {"step", "seconds", "settings", "network", "average", "optimizer", "faults"}
"""Of a checkpoint."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a network is trained."""

    budget_s: float
    """Seconds of training in all, over any number of resumptions; the learning rate comes to zero with them."""
    shape: Shape = field(default_factory=Shape)
    losses: Weights = field(default_factory=Weights)
    batch_pixels: int = 8 * 288 * 288
    rate: float = 1e-3
    """The highest learning rate, of the decoder."""
    encoder_share: float = 0.3
    """Of it, the encoder's: it knows much already."""
    warm_steps: int = 400
    """Steps until the rate is reached."""
    decay: float = 1e-3
    """Of weights, by AdamW."""
    average: float = 0.999
    """How much of the average of the weights stays in a step."""
    frozen_stages: int = 2
    """Of the encoder, which stay as they are. They know edges already, and would be the half of a step."""
    seed: int = 1
    batch_makers: int = 1
    """Threads that make batches."""


@dataclass(frozen=True, slots=True)
class Report:
    """A step that was made."""

    step: int
    seconds: float
    """Of training, so far."""
    took_s: float
    """This step, the wait for its batch included."""
    pictures: int
    """In the step's batch."""
    losses: dict[str, float]


class Trainer:
    """A network in training. `seconds` counts the time in `run`, resumptions included."""

    def __init__(self, stock: Stock, settings: Settings, device: torch.device) -> None:
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.device = device
        self.step = 0
        self.seconds = 0.0
        self.network = LiteNet(settings.shape).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = LiteNet(settings.shape).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.begin_from(self.network)
        self.stock = stock
        self._faults: Faults | None = None
        self._losses = Losses(class_weights(stock.photos), settings.losses, device)
        known = {id(each) for each in self.network.encoder.parameters()}
        learning = [each for each in self.network.parameters() if each.requires_grad]
        self._optimizer = torch.optim.AdamW(
            [
                {"params": [each for each in learning if id(each) not in known], "share": 1.0},
                {"params": [each for each in learning if id(each) in known], "share": settings.encoder_share},
            ],
            lr=settings.rate,
            weight_decay=settings.decay,
        )

    def begin_from(self, network: LiteNet) -> None:
        """Takes over a network's weights, before the first step."""
        self.network.load_state_dict(network.state_dict())
        self.average.load_state_dict(network.state_dict())
        self.average.requires_grad_(False)
        self.network.encoder.freeze(self.settings.frozen_stages)

    def mend(self, faults: Faults) -> None:
        """From the next step on, draws what the network does wrong more often."""
        self._faults = faults

    def run(self, clock: Callable[[], float]) -> Generator[Report]:
        """Steps until the time is spent; close the iterator to end earlier, between two steps."""
        began = clock() - self.seconds
        while self.seconds < self.settings.budget_s:
            mended = self._faults
            stock = self.stock if mended is None else harder(self.stock, mended)
            made = batches(stock, self.settings.seed, self.step, self.settings.batch_pixels, self.settings.batch_makers)
            with closing(made):
                while self.seconds < self.settings.budget_s and self._faults is mended:
                    started = clock()
                    batch = next(made)
                    losses = self._learn(batch.to(self.device))
                    self.step += 1
                    self.seconds = clock() - began
                    yield Report(self.step, self.seconds, clock() - started, len(batch.image), losses)

    def rate(self) -> float:
        """The learning rate now: up in a line, then down along half a cosine."""
        warm = min(1.0, (self.step + 1) / self.settings.warm_steps)
        done = min(1.0, self.seconds / self.settings.budget_s)
        return self.settings.rate * warm * 0.5 * (1 + math.cos(math.pi * done))

    def _learn(self, batch: Batch) -> dict[str, float]:
        for group in self._optimizer.param_groups:
            group["lr"] = self.rate() * group["share"]
        with halved(self.device):
            scores, people = self.network(batch.image)
        losses = self._losses(scores, people, batch.truth)
        self._optimizer.zero_grad()
        losses["total"].backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self._optimizer.step()
        self._keep_average()
        return {name: value.item() for name, value in losses.items()}

    @torch.no_grad()
    def _keep_average(self) -> None:
        kept = min(self.settings.average, (1 + self.step) / (10 + self.step))
        for mean, now in zip(self.average.parameters(), self.network.parameters()):
            mean.lerp_(now, 1 - kept)

    def save(self, path: Path) -> None:
        """Writes all that `load` needs, whole or not at all."""
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "settings": asdict(self.settings),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "faults": self._faults and {name: torch.from_numpy(each) for name, each in asdict(self._faults).items()},
        }
        written = path.with_suffix(".part")
        torch.save(state, written)
        written.replace(path)

    def load(self, path: Path) -> None:
        """Goes on where `save` was called.

        Raises:
            WeightsError: the file cannot be read, or is of a network of another shape, with other stages frozen, or
                of another pack.
        """
        state = read_checkpoint(path, self.device)
        ours = asdict(self.settings)
        for name in ("shape", "frozen_stages"):
            if state["settings"][name] != ours[name]:
                raise WeightsError(f"{path.name} is of {name} {state['settings'][name]}, not {ours[name]}")
        faults = state["faults"] and Faults(**{name: each.cpu().numpy() for name, each in state["faults"].items()})
        if faults and (len(faults.mistaken), len(faults.missed)) != (len(self.stock.nobody), len(self.stock.photos)):
            raise WeightsError(
                f"{path.name} is of a pack of {len(faults.missed)} pictures, {len(faults.mistaken)} of them without"
                f" people, not {len(self.stock.photos)} and {len(self.stock.nobody)}: give the pack it was begun with"
            )
        self._faults = faults
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]

    def answers(self) -> Answers:
        """The average network, as `measure` calls it."""
        return torch_answers(self.average, self.device)


def read_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """What `Trainer.save` wrote, its `settings` as a dictionary.

    Raises:
        WeightsError: the file cannot be read, or is no checkpoint.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as exc:
        raise WeightsError(f"cannot read {path}: {exc}") from exc
    if not isinstance(state, dict) or not state.keys() >= _PARTS:
        raise WeightsError(f"{path} is no checkpoint of `python -m training train`")
    return state


def halved(device: torch.device) -> torch.autocast:
    """Half precision where that is quicker: a processor without instructions for it takes twenty times as long."""
    quicker = device.type != "cpu" or "AVX512" in torch.backends.cpu.get_cpu_capability()
    return torch.autocast(device.type, torch.bfloat16, enabled=quicker)


def torch_answers(network: LiteNet, device: torch.device) -> Answers:
    """A network as `measure` calls it."""

    def answer(bgr: Picture) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        image = torch.from_numpy(np.ascontiguousarray(bgr[..., ::-1])).to(device).permute(2, 0, 1)[None].float()
        with torch.no_grad(), halved(device):
            scores, people = network(image.contiguous(memory_format=torch.channels_last))
        return scores[0].float().cpu().numpy(), people[0].float().cpu().numpy()

    return answer


def class_weights(photos: Sequence[Photo]) -> NDArray[np.float32]:
    """Of each class in the loss of cells: rare ones count more, by the fourth root of their rarity."""
    pixels = np.sum([photo.classes[: len(CIHP)] for photo in photos], axis=0).astype(np.float64)
    worn = np.maximum(pixels[1:], 1.0)
    weights = np.ones(len(CIHP), np.float32)
    weights[1:] = np.clip((worn.mean() / worn) ** 0.25, 0.8, 2.5)
    return weights
