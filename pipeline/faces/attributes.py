"""The networks that take a face for an age and a gender: see docs/faces.md for what that is worth."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.errors import BadPicture
from pipeline.faces.chips import aligned, square
from pipeline.faces.weights import weights_of
from pipeline.geometry import Size
from pipeline.network.options import RunOptions
from pipeline.network.runtime import Network, Scaling, compile_network
from pipeline.pictures import AnyPicture, as_frame
from pipeline.types import Face, Picture

HSE_SIDE_PX = 224
CYDRAL_SIDES_PX = (64, 32)
"""Of the chips for age and for gender."""
_HSE = Scaling((103.939, 116.779, 123.68))
_CYDRAL = Scaling((122.781998, 117.000999, 104.297997), 256.0)
_HSE_YEARS = np.arange(1, 101, dtype=np.float32)
_CYDRAL_YEARS = np.array([0.25, *range(1, 81)], np.float32)


@dataclass(frozen=True, slots=True)
class Guess:
    """What one look at a face gives."""

    age_years: float
    p_male: float


class FaceAttributes:
    """Guesses ages and genders of faces. For one thread at a time."""

    def __init__(self, model: str = "hse", *, options: RunOptions | None = None) -> None:
        """
        Args:
            model: hse or cydral.
            options: the runtime and the number of threads count; one thread by default. The networks run in f32: in
                bf16 ages would move by up to two years.

        Raises:
            UnknownName: no such model.
            WeightsError: its networks were not pulled, or are damaged.
        """
        self._files = weights_of(model).checked()
        self._options = replace(options or RunOptions(threads=1), precision="f32", in_flight=1)
        self._guess = self._by_hse if model == "hse" else self._by_cydral
        self._networks: tuple[Network, ...] = ()

    def __call__(self, picture: AnyPicture, face: Face) -> Guess:
        """The guess for a face of a picture.

        Raises:
            BadPicture: see `pipeline.pictures.as_frame`; or the face has no pixels.
            WeightsError, RuntimeUnavailable: see `compile_network`.
        """
        if not face.box.area:
            raise BadPicture(f"a face has pixels, not {face.box}")
        return self._guess(as_frame(picture).bgr, face)

    def _by_hse(self, bgr: Picture, face: Face) -> Guess:
        if not self._networks:
            size = Size(HSE_SIDE_PX, HSE_SIDE_PX)
            (file,) = self._files
            self._networks = (compile_network(file, size, self._options, planes="bgr", scaling=_HSE),)
        (network,) = self._networks
        male, ages = network.start(square(bgr, face.box, HSE_SIDE_PX)).result().outputs
        return Guess(float(ages @ _HSE_YEARS), float(male[0]))

    def _by_cydral(self, bgr: Picture, face: Face) -> Guess:
        if not self._networks:
            self._networks = tuple(
                compile_network(file, Size(side, side), self._options, scaling=_CYDRAL)
                for file, side in zip(self._files, CYDRAL_SIDES_PX, strict=True)
            )
        ages, genders = (
            network.start(aligned(bgr, face, side)).result().outputs[0]
            for network, side in zip(self._networks, CYDRAL_SIDES_PX, strict=True)
        )
        return Guess(float(ages @ _CYDRAL_YEARS), float(genders[1]))
