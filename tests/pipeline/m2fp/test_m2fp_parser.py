"""M2FP from a checkpoint to parsings, pictures and videos: the whole way, with a network that means nothing."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline import CIHP, LIP, Frame, Parser, PipelineError, RuntimeUnavailable, Size, WeightsError, load_parser
from pipeline.m2fp import graph
from pipeline.m2fp.export import probe
from pipeline.m2fp.masks import MIN_SCORE
from pipeline.m2fp.model import label_set_of
from pipeline.model import ClassMask
from streamer import Stream, StreamConfig
from streamer.cli import main
from streamer.cli.console import MAX_LINES, complain
from tests.support.media import Clip, pictures_of, pts_of, quarters
from tests.support.waiting import eventually
from tests.support.weights_made_up import (
    SMALL,
    SMALL_SINGLE,
    Tensors,
    configuration,
    network,
    weights_that_see,
    write_model,
)

pytestmark = pytest.mark.slow

SIZE = Size(64, 96)
SAME_LABELS = 0.999
"""Share of cells: threads shared out differently sum in another order, and where two classes are nearly level either
may win."""
ROUNDED_LABELS = {"bf16": 0.9, "int8": 0.85}
"""The same of numbers rounded to 8 bits, with queries that mean nothing and are often level: 0.98 and 0.97 here."""
COMMAND = [sys.executable, "-c", "from streamer.cli import main; main()"]


@dataclass(frozen=True)
class Models:
    """Checkpoints as ModelScope makes them, of small networks."""

    multi: Path
    single: Path
    cache: Path


@pytest.fixture(scope="module", autouse=True)
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    place = tmp_path_factory.mktemp("models")
    graph.operation(os.cpu_count() or 1)  # its threads stay as long as the process
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("M2FP_STREAMER_CACHE", str(place / "cache"))
        yield Models(
            write_model(place / "multi", SMALL, weights_that_see(SMALL)),
            write_model(place / "single", SMALL_SINGLE, weights_that_see(SMALL_SINGLE)),
            place / "cache",
        )
    shutil.rmtree(place)  # 700 MB


@pytest.fixture(scope="module")
def exact(models: Models) -> Parser:
    """Once it is made, other processes find its graph in the cache."""
    parser = load_parser("m2fp", model_dir=models.multi, size=SIZE, precision="f32")
    parser.network(SIZE)
    return parser


@pytest.fixture(scope="module")
def single(models: Models) -> Parser:
    return load_parser("m2fp-single", model_dir=models.single, size=SIZE, precision="f32")


@pytest.fixture(scope="module")
def people() -> list[Frame]:
    """Four pictures of people."""
    planes = [each[0].transpose(1, 2, 0)[..., ::-1].astype(np.uint8) for each in probe(Size(96, 128))]
    return [
        Frame(np.ascontiguousarray(bgr), index=at, pts_s=at / 10, captured_s=float(at)) for at, bgr in enumerate(planes)
    ]


def test_a_frame_becomes_a_parsing(exact: Parser, people: list[Frame]) -> None:
    frame = people[1]
    parsing = exact(frame)
    assert exact.label_set is parsing.label_set is CIHP
    assert (parsing.frame_index, parsing.pts_s, parsing.frame_size) == (1, 0.1, Size(96, 128))
    # 96x128 into 64x96: 64 of 96 rows, and 85.3 of 128 columns.
    assert parsing.map_size == parsing.instances.shape == Size(64, 85)
    assert len(np.unique(parsing.labels)) > 3
    assert parsing.labels.max() < len(CIHP)
    assert len(parsing.people) >= 1
    assert set(np.unique(parsing.instances)) - {0} == set(range(1, len(parsing.people) + 1))
    for person in parsing.people:
        assert SMALL.score_least <= person.score <= 1
        assert 0 <= person.box.left < person.box.right <= 128
        assert 0 <= person.box.top < person.box.bottom <= 96
    assert parsing.inferred_s > 0


def test_pictures_matter(exact: Parser, people: list[Frame]) -> None:
    maps = [exact(frame).labels for frame in people]
    assert not any(np.array_equal(one, other) for one, other in pairwise(maps))


def test_masks_are_of_the_frames_size_and_made_when_asked_for(exact: Parser, people: list[Frame]) -> None:
    asked = exact.masks(people[0])
    assert iter(asked) is asked
    masks = list(asked)
    assert len(masks) > 3
    for each in masks:
        assert isinstance(each, ClassMask)
        assert each.label in SMALL.classes[1:]
        assert MIN_SCORE <= each.score <= 1
        assert each.mask.shape == (96, 128)
        assert each.mask.dtype == np.bool_
    # Parts first, then whole persons.
    whole = [each.label == "Human" for each in masks]
    assert any(whole)
    assert whole == sorted(whole)


def test_lite_has_no_such_masks() -> None:
    with pytest.raises(PipelineError, match="lite returns no ModelScope masks; only m2fp and m2fp-single do"):
        load_parser("lite").masks(Frame.still(np.zeros((64, 64, 3), np.uint8)))


def test_a_single_person_is_shown_in_the_middle_and_not_enlarged(single: Parser, people: list[Frame]) -> None:
    fit = single.fit_for(Size(30, 40))
    assert (fit.content_size, fit.top, fit.left) == (Size(30, 40), 17, 28)
    small = Frame.still(np.ascontiguousarray(people[0].bgr[:30, :40]))
    parsing = single(small)
    assert parsing.label_set is LIP
    assert parsing.map_size == Size(30, 40)
    assert len(parsing.people) == 1
    assert np.array_equal(parsing.instances > 0, parsing.labels > 0)
    box = parsing.people[0].box
    assert box.right <= 40
    assert box.bottom <= 30


def test_masks_of_a_single_person_are_one_for_each_class(single: Parser, people: list[Frame]) -> None:
    masks = list(single.masks(people[0]))
    ids = [LIP.id_of(each.label) for each in masks]
    assert ids == sorted(set(ids))
    np.testing.assert_array_equal(np.sum([each.mask for each in masks], axis=0), 1)


@pytest.mark.parametrize(
    ("name", "frame", "size"),
    [
        ("m2fp", Size(480, 640), Size(480, 640)),
        ("m2fp", Size(1080, 1920), Size(416, 736)),
        ("m2fp-single", Size(1000, 750), Size(512, 384)),
    ],
    ids=str,
)
def test_the_default_size_is_about_what_it_was_trained_for(models: Models, name: str, frame: Size, size: Size) -> None:
    folder = models.multi if name == "m2fp" else models.single
    assert load_parser(name, model_dir=folder).fit_for(frame).input_size == size


def same_share(one: Parser, other: Parser, frames: list[Frame]) -> float:
    """Of the cells, those that two parsers give the same label."""
    return float(np.mean([one(frame).labels == other(frame).labels for frame in frames]))


def test_bf16_agrees_or_is_refused(models: Models, exact: Parser, people: list[Frame]) -> None:
    import openvino

    parser = load_parser("m2fp", model_dir=models.multi, size=SIZE, precision="bf16")
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        with pytest.raises(RuntimeUnavailable, match="does not support bf16"):
            parser(people[0])
        return
    assert parser.network(SIZE).precision == "bf16"
    assert ROUNDED_LABELS["bf16"] <= same_share(parser, exact, people) < 1


def test_int8_agrees_and_is_another_graph(models: Models, exact: Parser, people: list[Frame]) -> None:
    parser = load_parser("m2fp", model_dir=models.multi, size=SIZE, precision="int8")
    assert parser.network(SIZE).precision == "int8"
    assert ROUNDED_LABELS["int8"] <= same_share(parser, exact, people) < 1
    assert {path.name.split("-")[1] for path in (models.cache / "exported").glob("64x96-*")} == {"float", "int8"}


def test_frames_begun_ahead_are_parsed_as_one_by_one(models: Models, exact: Parser, people: list[Frame]) -> None:
    ahead = load_parser("m2fp", model_dir=models.multi, size=SIZE, precision="f32", in_flight=2)
    frames = [replace(frame, index=index) for index, frame in enumerate(people + people[::-1])]
    begun = [ahead.start(frame) for frame in frames]
    for frame, pending in zip(frames, begun):
        parsing = pending.result()
        assert parsing.frame_index == frame.index
        assert np.mean(parsing.labels == exact(frame).labels) >= SAME_LABELS


def test_another_runtime_is_refused_at_the_first_frame(models: Models, people: list[Frame]) -> None:
    parser = load_parser("m2fp", model_dir=models.multi, size=SIZE, runtime="onnx")
    with pytest.raises(RuntimeUnavailable, match="M2FP runs on runtime openvino only, not on onnx: its sampling is a"):
        parser(people[0])


def test_lite_takes_no_folder(models: Models) -> None:
    with pytest.raises(
        WeightsError, match=r"lite is bundled with its weights; model_dir .*multi is for m2fp or m2fp-single"
    ):
        load_parser("lite", model_dir=models.multi)


def test_without_weights_it_is_said_at_once_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("M2FP_STREAMER_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"no weights of m2fp in .*`streamer models pull m2fp --accept-license`"):
        load_parser("m2fp")


def test_label_sets_are_known_by_their_parts() -> None:
    assert label_set_of(SMALL) is CIHP
    assert label_set_of(SMALL_SINGLE) is LIP
    names = tuple(name.upper() for name in CIHP.names)
    other = label_set_of(replace(SMALL, classes=(*names, "HUMAN")))
    assert other.names == names
    assert (other.palette == CIHP.palette).all()
    with pytest.raises(
        WeightsError, match="the configuration names 19 parts; only 20 are supported, as in CIHP and LIP"
    ):
        label_set_of(replace(SMALL, classes=names[:19], parts=19))


ELSEWHERE = """
import sys, threading
sys.modules["torch"] = None
from pathlib import Path
import numpy as np
from pipeline import Frame, load_parser
parser = load_parser("m2fp", model_dir=Path(sys.argv[1]), size=(64, 96), precision="f32", threads=3)
parsing = parser(Frame.still(np.load(sys.argv[2])))
np.save(sys.argv[3], parsing.labels)
print(sum(thread.name.startswith("sampling") for thread in threading.enumerate()))
"""


@pytest.mark.process
def test_another_process_needs_no_torch_and_has_the_threads_asked_for(
    models: Models, exact: Parser, people: list[Frame], tmp_path: Path
) -> None:
    expected = exact(people[0]).labels
    before = set((models.cache / "exported").iterdir())
    np.save(tmp_path / "frame.npy", people[0].bgr)
    files = [models.multi, tmp_path / "frame.npy", tmp_path / "labels.npy"]
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, *map(str, files)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "2\n"  # beside the one that asks
    assert np.mean(np.load(tmp_path / "labels.npy") == expected) >= SAME_LABELS
    assert set((models.cache / "exported").iterdir()) == before


COLOURED = 10.0
"""Of a pixel, on average over a picture, how far colours half drawn over it move it; an encoder moves it by 2."""


def recolouring(one: Path, other: Path) -> list[float]:
    """By how much each picture of a video differs from the first of another, of which all are the same."""
    first = pictures_of(other)[0]
    return [float(np.abs(np.subtract(picture, first, dtype=np.int16)).mean()) for picture in pictures_of(one)]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Twelve times the same picture."""
    return Clip(size=(96, 128)).make(tmp_path / "in.mp4", repeat(quarters(96, 128)))


@pytest.mark.process
@pytest.mark.usefixtures("exact")
def test_render(models: Models, video: Path) -> None:
    options = ["--parser", "m2fp", "--model-dir", str(models.multi), "--size", "64x96", "--precision", "f32"]
    command = [*COMMAND, "render", "in.mp4", "out.mp4", *options]
    done = subprocess.run(command, cwd=video.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    out = video.parent / "out.mp4"
    assert pts_of(out) == pts_of(video)
    assert min(recolouring(out, video)) > COLOURED


@pytest.mark.process
@pytest.mark.usefixtures("exact")
def test_a_stream(models: Models, video: Path) -> None:
    """Through the inference process, which is told of the folder."""
    out = video.parent / "out.mp4"
    model_dir = str(models.multi)
    config = StreamConfig(
        str(video), parser="m2fp", model_dir=model_dir, size=SIZE, precision="f32", loop=True, record=str(out)
    )
    with Stream(config) as stream:
        assert eventually(lambda: stream.stats.parsed >= 5, 60)
        stream.stop()
    assert stream.stats.worker_restarts == 0
    assert stream.newest is not None
    assert stream.newest.label_set == CIHP
    assert stream.newest.map_size == Size(64, 85)
    assert max(recolouring(out, video)) > COLOURED


# What goes wrong with checkpoints.

NAME = "sem_seg_head.predictor.query_feat.weight"


class Evil:
    """Unpickled in the usual way, it writes a file."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._target),)


def truncated(path: Path, tensors: Tensors) -> None:
    os.truncate(path, path.stat().st_size // 2)


def renamed(path: Path, tensors: Tensors) -> None:
    write_model(path.parent, SMALL, {f"{name}s" if name == NAME else name: each for name, each in tensors.items()})


def all_renamed(path: Path, tensors: Tensors) -> None:
    write_model(path.parent, SMALL, {f"module.{name}": tensor for name, tensor in tensors.items()})


def reshaped(path: Path, tensors: Tensors) -> None:
    write_model(path.parent, SMALL, tensors | {NAME: tensors[NAME][:10]})


def a_list(path: Path, tensors: Tensors) -> None:
    torch.save([torch.zeros(3)], path)


def no_model(path: Path, tensors: Tensors) -> None:
    torch.save({"state_dict": {NAME: torch.zeros(3)}}, path)


def evil(path: Path, tensors: Tensors) -> None:
    torch.save({"model": Evil(path.parent / "done")}, path)


def evil_tensor(path: Path, tensors: Tensors) -> None:
    torch.save({"model": {NAME: Evil(path.parent / "done")}}, path)


BAD: list[tuple[Callable[[Path, Tensors], None], str]] = [
    (truncated, "pytorch_model.pt is cut short or damaged: it begins as a zip and does not end as one"),
    (renamed, f"1 tensors missing, 1 extra, 0 misshapen missing: {NAME} (20, 64) extra: {NAME}s (20, 64)"),
    (all_renamed, " more, which STREAMER_DEBUG=1 shows"),
    (reshaped, f"0 tensors missing, 0 extra, 1 misshapen misshapen: {NAME} (10, 64), not (20, 64)"),
    (a_list, "pytorch_model.pt holds a thing of type list, not a dict with a key 'model'"),
    (no_model, "pytorch_model.pt has no key 'model'; it has: 'state_dict'"),
    (evil, "mkdir"),
    (evil_tensor, "mkdir"),
]


@pytest.fixture
def bad(
    models: Models, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A folder whose checkpoint went through the function that the test names."""
    monkeypatch.setenv("M2FP_STREAMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    Clip(size=(96, 128)).make(tmp_path / "in.mp4")
    folder = tmp_path / "bad"
    shutil.copytree(models.multi, folder)
    request.param(folder / "pytorch_model.pt", weights_that_see(SMALL))
    yield folder
    shutil.rmtree(folder)
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)


@pytest.mark.parametrize(("bad", "says"), BAD, ids=[each.__name__ for each, _ in BAD], indirect=["bad"])
def test_a_bad_checkpoint_is_one_clear_line(
    bad: Path, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["render", "in.mp4", "out.mp4", "--parser", "m2fp", "--model-dir", "bad", "--size", "64x96"]
    monkeypatch.setattr(sys, "argv", ["streamer", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 1
    out, errors = capsys.readouterr()
    assert out == ""
    *told, error = errors.splitlines()
    assert all(line.startswith("M2FP's graph for 64x96 is made") for line in told)
    assert error.startswith("error: ")
    assert says in error
    assert len(error) < 600
    assert not (bad / "done").exists()
    assert {path.name for path in bad.parent.iterdir()} <= {"in.mp4", "bad", "cache"}
    assert not list((bad.parent / "cache").glob("exported/*"))


@pytest.mark.process
@pytest.mark.parametrize("bad", [reshaped], indirect=True)
def test_a_bad_checkpoint_is_one_clear_line_of_a_stream_too(bad: Path) -> None:
    """It is found out in the inference process."""
    arguments = ["run", "in.mp4", "--record", "out.mp4", "--parser", "m2fp", "--model-dir", "bad", "--size", "64x96"]
    done = subprocess.run([*COMMAND, *arguments], cwd=bad.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    *_, error = done.stderr.splitlines()  # before it: what the stream would have done, that a graph is made
    assert error.startswith("error: ")
    assert f"1 misshapen misshapen: {NAME} (10, 64), not (20, 64)" in error


def test_of_a_long_complaint_the_beginning_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for count, rest in ((MAX_LINES, ""), (MAX_LINES + 3, " ... and 3 more, which STREAMER_DEBUG=1 shows")):
        complain("\n".join(["these are wrong:", *(f"  line {index}" for index in range(count))]))
        shown = " ".join(f"line {index}" for index in range(MAX_LINES))
        assert capsys.readouterr().err == f"error: these are wrong: {shown}{rest}\n"


def test_a_folder_with_another_configuration_is_refused_at_once(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "other", SMALL, {})
    asked = configuration(SMALL)
    asked["model"]["decoder"]["pre_norm"] = True
    (folder / "configuration.json").write_text(json.dumps(asked))
    with pytest.raises(WeightsError, match=r"asks for decoder\.pre_norm = True; this network has False"):
        load_parser("m2fp", model_dir=folder)


def test_colours_of_a_picture_are_red_green_and_blue_to_the_network(exact: Parser, people: list[Frame]) -> None:
    """As the network in torch sees them."""
    small = exact.fit_for(people[0].size).shrink(people[0].picture)
    outputs = exact.network(SIZE).start(small).result().outputs
    with torch.inference_mode():
        planes = torch.from_numpy(np.ascontiguousarray(small[..., ::-1].transpose(2, 0, 1)))[None].float()
        logits, masks = network(SMALL, weights_that_see(SMALL))(planes)
    np.testing.assert_allclose(outputs[0], logits[0].numpy(), rtol=0, atol=1e-3)
    np.testing.assert_allclose(outputs[1], masks[0].numpy(), rtol=0, atol=1e-3)
