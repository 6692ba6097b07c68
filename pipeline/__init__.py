"""People, part by part: functions of pictures. Nothing here waits, listens or prints."""

from pipeline.drawing.overlay import Look, blend, draw
from pipeline.errors import (
    BadPicture,
    ExportMismatch,
    PipelineError,
    RuntimeUnavailable,
    UnknownName,
    WeightsError,
)
from pipeline.evaluation.evaluate import Evaluation, Labelled, evaluate
from pipeline.evaluation.flicker import Flicker, Steadiness, steadiness
from pipeline.evaluation.person_ap import PersonFigures
from pipeline.geometry import Box, Size
from pipeline.labels import CIHP, CIHP_HUMAN, LABEL_SETS, LIP, LabelClass, LabelSet, label_set
from pipeline.m2fp.download import Pulled
from pipeline.m2fp.model import pull_weights
from pipeline.m2fp.weights import SOURCES as WEIGHTS
from pipeline.m2fp.weights import WeightsSource
from pipeline.model import ClassMask, Model
from pipeline.motion.carry import Motion, between, carry
from pipeline.motion.flow import Flow, Follower, Grey, is_cut
from pipeline.network.letterbox import Letterbox, network_size
from pipeline.network.options import PRECISIONS, RUNTIMES, RunOptions
from pipeline.parsing.input_size import ZOOM_STEPS, Zoom
from pipeline.parsing.parser import Parser, Pending, load_parser
from pipeline.parsing.reading import Reading
from pipeline.parsing.settings import PARSERS, ParserSettings
from pipeline.people.tracking import PersonTracker
from pipeline.types import Frame, LabelMap, Parsing, Person, Picture
from pipeline.yuv import TRUE_COLOURS, YUV_FORMATS, Yuv420

__all__ = [
    "CIHP",
    "CIHP_HUMAN",
    "LABEL_SETS",
    "LIP",
    "PARSERS",
    "PRECISIONS",
    "RUNTIMES",
    "TRUE_COLOURS",
    "WEIGHTS",
    "YUV_FORMATS",
    "ZOOM_STEPS",
    "BadPicture",
    "Box",
    "ClassMask",
    "Evaluation",
    "ExportMismatch",
    "Flicker",
    "Flow",
    "Follower",
    "Frame",
    "Grey",
    "LabelClass",
    "LabelMap",
    "LabelSet",
    "Labelled",
    "Letterbox",
    "Look",
    "Model",
    "Motion",
    "Parser",
    "ParserSettings",
    "Parsing",
    "Pending",
    "Person",
    "PersonFigures",
    "PersonTracker",
    "Picture",
    "PipelineError",
    "Pulled",
    "Reading",
    "RunOptions",
    "RuntimeUnavailable",
    "Size",
    "Steadiness",
    "UnknownName",
    "WeightsError",
    "WeightsSource",
    "Yuv420",
    "Zoom",
    "between",
    "blend",
    "carry",
    "draw",
    "evaluate",
    "is_cut",
    "label_set",
    "load_parser",
    "network_size",
    "pull_weights",
    "steadiness",
]
