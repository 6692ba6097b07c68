"""The shapes of answers, for the documentation of the API. Boxes are left, top, right, bottom, half-open, in pixels of
the upright picture; times are in seconds."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from streamer.web import examples

Box = tuple[int, int, int, int]


def _like(*found: Any) -> ConfigDict:
    """The settings of a shape that has examples."""
    return ConfigDict(json_schema_extra={"examples": [*found]})


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PngMask(Strict):
    encoding: Literal["png"]
    box: Box
    data: str = Field(description="A PNG of one bit a pixel, of the box's size, in base64.")


class RleMask(Strict):
    encoding: Literal["rle"]
    size: tuple[int, int] = Field(description="Height and width of the picture.")
    counts: str = Field(description="COCO's compressed run lengths, of the whole picture.")


class PolygonMask(Strict):
    encoding: Literal["polygon"]
    polygons: list[list[float]] = Field(description="Outer outlines, each as x, y, x, y, …")


class PartAnswer(Strict):
    label: str
    label_id: int
    area_px: int = Field(description="Pixels of the picture.")
    share: float = Field(description="Share of the picture, in [0, 1].")
    box: Box
    mask: PngMask | RleMask | PolygonMask | None = None


class PersonAnswer(Strict):
    person_id: int = Field(description="From 1, the largest first, within this answer and nothing else.")
    score: float
    box: Box
    parts: list[PartAnswer]


class FaceAnswer(Strict):
    box: Box = Field(description="From the forehead to the chin, the part of it that is in the picture.")
    points: list[tuple[float, float]] = Field(
        description="Eyes, tip of the nose, corners of the mouth; left ones first."
    )
    score: float
    person_id: int | None = Field(description="Whose it is; null for a face of nobody in `people`.")
    age: float | None = Field(
        default=None,
        description="A guess, in years, of large faces, if the service was started with --age-gender.",
    )
    age_range: tuple[float, float] | None = Field(default=None, description="Two thirds of people are within it.")
    p_male: float | None = Field(default=None, description="The network's confidence in male; .7 divides best.")
    gender: Literal["male", "female", "unsure"] | None = Field(
        default=None, description="A guess; null for faces that look younger than 15."
    )
    looks: int | None = Field(default=None, description="Looks that were averaged.")


class PictureInfo(Strict):
    width: int
    height: int
    format: str
    orientation: int = Field(description="The camera's tag; width and height are those of the upright picture.")


class MapInfo(Strict):
    width: int
    height: int


class PartTotal(Strict):
    label: str
    label_id: int
    people: int
    area_px: int
    share: float


class LabelsAnswer(Strict):
    encoding: Literal["png-indexed", "png-grey"]
    url: str | None = None
    data: str | None = Field(default=None, description="The PNG in base64, of the map's size.")


class Links(Strict):
    picture: str
    overlay: str
    cutout: str
    labels: str
    instances: str
    maps: str
    coco: str


class Timings(Strict):
    upload_s: float = Field(description="From the headers to the end of the body.")
    queued_s: float
    decode_s: float
    network_s: float = Field(description="The network alone.")
    people_s: float = Field(description="To make its input, and to read people and parts from its answer.")
    encode_s: float
    total_s: float = Field(description="From the end of the body to the answer.")


class ParseAnswer(Strict):
    model_config = _like(examples.PARSED)

    id: str | None = Field(description="Of the results that `links` lead to; null where nothing is kept.")
    parser: str
    cached: bool
    timings: Timings
    links: Links | None
    picture: PictureInfo
    map: MapInfo = Field(description="The maps cover the whole picture with so many cells.")
    label_set: str
    people: list[PersonAnswer]
    unassigned: list[PartAnswer] = Field(description="What is seen of a class and belongs to nobody.")
    parts: list[PartTotal]
    faces: list[FaceAnswer] | None = Field(default=None, description="The surest first; where they were asked for.")
    labels: LabelsAnswer | None = None


class ResourceUsage(Strict):
    cpu_percent: float | None = Field(description="Of one core, all processes; null within the first two seconds.")
    memory_mb: float | None = Field(description="Of all processes, what they share counted once where it is known.")
    timestamp: float = Field(description="Unix time of the sample.")


class FacesAnswer(Strict):
    model_config = _like(examples.FACES)

    id: str | None
    parser: str
    cached: bool
    timings: Timings
    links: Links | None
    picture: PictureInfo
    faces: list[FaceAnswer]
    resource_usage: ResourceUsage


class ProblemAnswer(BaseModel):
    """RFC 9457, as application/problem+json."""

    model_config = _like(examples.PROBLEM)

    type: str = Field(examples=["/problems/not-a-picture"])
    title: str
    status: int
    detail: str
    request_id: str
    retry_after_s: int | None = None
    errors: list[dict[str, Any]] | None = None


class ParserRow(Strict):
    name: str
    about: str
    label_set: str
    licence: str
    weights: bool = Field(description="Whether its weights are on the server.")
    served: bool = Field(description="Whether requests may name it.")
    default: bool


class LabelRow(Strict):
    id: int
    name: str
    colour: str
    twin: str | None


class Readiness(Strict):
    ready: bool
    unloaded: bool = Field(description="Whether the network was given back: the next picture waits until it is loaded.")
    reasons: list[str]


class JobProgress(Strict):
    done: int
    total: int | None


class JobAnswer(Strict):
    model_config = _like(examples.JOB, examples.LATER)

    id: str
    kind: Literal["video", "picture", "batch"]
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    position: int | None = Field(description="Among the videos, or the pictures, that wait; 1 is next.")
    attempt: int
    created: str
    started: str | None
    ended: str | None
    progress: JobProgress | None = Field(description="In frames of a video, or pictures of a batch.")
    problem: dict[str, str] | None
    request: dict[str, Any]
    links: dict[str, str]


class StreamFigures(Strict):
    captured: int
    parsed: int
    shown: int
    dropped: dict[str, int] = Field(description="Frames that were not shown, by why.")
    captured_hz: float
    parsed_hz: float
    reconnects: int
    offline_s: float | None = Field(description="Time since the camera was lost; null while it is there.")
    last_loss: str | None
    mask_age_p50_s: float
    mask_age_p95_s: float
    worker_restarts: int


class StreamAnswer(Strict):
    model_config = _like(examples.STREAM)

    id: str
    source: str
    state: Literal["starting", "running", "restarting", "ended"] = Field(
        description="restarting: its process died, and another is started; viewers and links stay."
    )
    restarts: int = Field(description="How often its process was started again.")
    last_death: str | None = Field(description="Why it was, the last time.")
    viewers: int
    ended: str | None = Field(description="Why it ended; null while it runs.")
    recording: str | None = Field(default=None, description="The file that is being written.")
    recording_trouble: str | None = None
    stats: StreamFigures | None = None
    links: dict[str, str]


class SavedAnswer(Strict):
    file: str = Field(description="Its name.")
    link: str


class _Recording(Strict):
    file: str
    kind: Literal["recording", "clip"]
    source: str = Field(description="The camera's name, without what file names do not have.")
    size_bytes: int


class RecordingAnswer(_Recording):
    model_config = _like(examples.RECORDING)

    changed: str = Field(description="When it was last written to.")
    writing: bool = Field(description="Whether it is still being written.")
    link: str


class RemovedAnswer(_Recording):
    model_config = _like(examples.REMOVED)

    removed: str = Field(description="When it was.")


class ProcessCost(Strict):
    role: str = Field(description="web, stills N, stream or job.")
    rss_mb: float
    pss_mb: float | None = Field(description="Memory with what is shared divided; null where it cannot be known.")


class CostSample(Strict):
    unix_s: float
    processes: list[ProcessCost]
    cores: dict[str, float] = Field(description="Processor time by role, in cores.")


class Stage(Strict):
    count: int
    mean_s: float


class QueueFigures(Strict):
    waiting: int
    refused: int
    cache_bytes: int
    cache_hits: int
    cache_misses: int


class CostsAnswer(Strict):
    model_config = _like(examples.COSTS)

    samples: list[CostSample] = Field(description="Once a second.")
    stages: dict[str, Stage]
    queue: QueueFigures


class StreamWanted(Strict):
    source: str = Field(max_length=2048, description="The name of a camera, of /sources.", examples=["door"])
    parser: str | None = None


class LookWanted(Strict):
    opacity: float | None = Field(default=None, ge=0, le=1)
    outline: bool | None = None
    tags: bool | None = None
    hide: list[str] | None = Field(default=None, max_length=64)
