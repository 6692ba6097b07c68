"""People, part by part: functions of pictures. Nothing here waits, listens or prints.

A public name is loaded when it is first used: `import pipeline` alone loads none of the libraries behind them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.drawing.look import Look
    from pipeline.drawing.overlay import blend
    from pipeline.errors import BadPicture, ExportMismatch, PipelineError, RuntimeUnavailable, UnknownName, WeightsError
    from pipeline.evaluation.evaluate import Evaluation, Labelled, evaluate
    from pipeline.evaluation.flicker import Steadiness, steadiness
    from pipeline.faces.detector import FaceDetector
    from pipeline.geometry import Box, Size
    from pipeline.labels import CIHP, LIP, PART_GROUPS, LabelSet, label_set
    from pipeline.m2fp.model import pull_weights
    from pipeline.parsing.parser import Parser, load_parser
    from pipeline.parsing.settings import PARSERS, ParserSettings
    from pipeline.types import Face, Frame, Parsing, Person

__all__ = [
    "CIHP",
    "LIP",
    "PARSERS",
    "PART_GROUPS",
    "BadPicture",
    "Box",
    "Evaluation",
    "ExportMismatch",
    "Face",
    "FaceDetector",
    "Frame",
    "LabelSet",
    "Labelled",
    "Look",
    "Parser",
    "ParserSettings",
    "Parsing",
    "Person",
    "PipelineError",
    "RuntimeUnavailable",
    "Size",
    "Steadiness",
    "UnknownName",
    "WeightsError",
    "blend",
    "evaluate",
    "label_set",
    "load_parser",
    "pull_weights",
    "steadiness",
]

_HOMES = {
    "pipeline.drawing.look": ("Look",),
    "pipeline.drawing.overlay": ("blend",),
    "pipeline.errors": (
        "BadPicture",
        "ExportMismatch",
        "PipelineError",
        "RuntimeUnavailable",
        "UnknownName",
        "WeightsError",
    ),
    "pipeline.evaluation.evaluate": ("Evaluation", "Labelled", "evaluate"),
    "pipeline.evaluation.flicker": ("Steadiness", "steadiness"),
    "pipeline.faces.detector": ("FaceDetector",),
    "pipeline.geometry": ("Box", "Size"),
    "pipeline.labels": ("CIHP", "LIP", "LabelSet", "PART_GROUPS", "label_set"),
    "pipeline.m2fp.model": ("pull_weights",),
    "pipeline.parsing.parser": ("Parser", "load_parser"),
    "pipeline.parsing.settings": ("PARSERS", "ParserSettings"),
    "pipeline.types": ("Face", "Frame", "Parsing", "Person"),
}
"""The modules that define the public names; the imports above tell type checkers the same."""

if not TYPE_CHECKING:  # a type checker that sees these would accept every name

    def __getattr__(name: str) -> object:
        for module, names in _HOMES.items():
            if name in names:
                found = globals()[name] = getattr(import_module(module), name)
                return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
