"""People, part by part: functions of pictures. Nothing here waits, listens or prints."""

from pipeline.errors import (
    BadPicture,
    ExportMismatch,
    PipelineError,
    RuntimeUnavailable,
    UnknownName,
    WeightsError,
)
from pipeline.evaluate import Evaluation, Labelled, evaluate
from pipeline.labels import CIHP, CIHP_HUMAN, LABEL_SETS, LIP, LabelClass, LabelSet, label_set
from pipeline.overlay import Look, blend
from pipeline.parser import MODELS, Model, Parser, Pending, load_parser
from pipeline.people import PersonTracker
from pipeline.runtime import PRECISIONS, RUNTIMES, RunOptions
from pipeline.types import Box, Frame, LabelMap, Parsing, Person, Picture, Size

__all__ = [
    "CIHP",
    "CIHP_HUMAN",
    "LABEL_SETS",
    "LIP",
    "MODELS",
    "PRECISIONS",
    "RUNTIMES",
    "BadPicture",
    "Box",
    "Evaluation",
    "ExportMismatch",
    "Frame",
    "LabelClass",
    "LabelMap",
    "LabelSet",
    "Labelled",
    "Look",
    "Model",
    "Parser",
    "Parsing",
    "Pending",
    "Person",
    "PersonTracker",
    "Picture",
    "PipelineError",
    "RunOptions",
    "RuntimeUnavailable",
    "Size",
    "UnknownName",
    "WeightsError",
    "blend",
    "evaluate",
    "label_set",
    "load_parser",
]
