"""M2FP as ModelScope runs it and as it is run here: milliseconds, memory, agreement.

    python -m benchmarks.m2fp [--size 480x640 ...] [--threads 2] [--model-dir DIR]

Both have the same weights, made up unless --model-dir names real ones, and see the same pictures in turn in one
process: ModelScope's own classes in eager float32, and this project's network at each precision. The times are of
the network alone, from a picture in memory to its logits. Needs the modelscope package; see the README, "reference".
"""

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pipeline import Parser, Size, load_parser
from pipeline.m2fp.checkpoint import read_safetensors, write_safetensors
from pipeline.m2fp.config import read_configuration
from pipeline.m2fp.decode import decode
from pipeline.m2fp.export import Agreement, Outputs
from pipeline.m2fp.weights import CONFIGURATION, SAFETENSORS, find, import_weights
from pipeline.network.letterbox import Letterbox
from scripts.modelscope_m2fp import build, made_up_weights
from streamer import open_source

ROOT = Path(__file__).parent.parent
GOLDEN_CONFIGURATION = ROOT / "tests" / "golden" / CONFIGURATION
SIZES = ("256x448", "480x640", "640x864")
PRECISIONS = ("f32", "bf16", "int8")
PICTURES = 3
BAR = 8.0

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Row:
    """One way to run the network at one size."""

    ms: NDArray[np.float64]
    ratios: NDArray[np.float64]
    agreement: str
    same_label: float

    def __str__(self) -> str:
        low, middle, high = np.percentile(self.ratios, (0, 50, 100))
        return (
            f"{np.median(self.ms):8.1f} ms {middle:6.2f} times ({low:.2f}-{high:.2f})   same label"
            f" {self.same_label:.1%}; {self.agreement}"
        )


def pictures(size: Size) -> list[Picture]:
    """People, in the shape of the input: uint8 (H, W, 3), BGR."""
    found = []
    for clip, index in (("street.mp4", 0), ("street.mp4", 40), ("portrait.mp4", 0))[:PICTURES]:
        with open_source(str(ROOT / "sample_videos" / clip)) as source:
            frame = next(each for each in source if each.index == index)
        found.append(np.asarray(cv2.resize(frame.bgr, size[::-1], interpolation=cv2.INTER_AREA), np.uint8))
    return found


def modelscope(folder: Path) -> Any:
    network = build(folder / CONFIGURATION)
    tensors = {name: torch.from_numpy(each) for name, each in read_safetensors(folder / SAFETENSORS).items()}
    network.load_state_dict(tensors)
    return network


def answer_of(network: Any, picture: Picture) -> Outputs:
    image = torch.from_numpy(np.ascontiguousarray(picture[..., ::-1].transpose(2, 0, 1))).float()
    with torch.inference_mode():
        outputs = network.forward({"batched_inputs": [{"image": image}]})["outputs"]
    return outputs["pred_logits"][0].numpy(), outputs["pred_masks"][0].numpy()


def timed(work: Callable[[], object]) -> float:
    """Milliseconds of the second of two runs: the first finds the caches and threads as the other way left them."""
    work()
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1e3


def compare(folder: Path, size: Size, threads: int, precisions: Sequence[str], rounds: int) -> dict[str, Row]:
    seen = pictures(size)
    reference = modelscope(folder)
    torch.set_num_threads(threads)
    ours = {name: parser(folder, size, name, threads).network(size) for name in precisions}
    config, fit = read_configuration(folder / CONFIGURATION), Letterbox.into(size, size)
    wanted = [answer_of(reference, picture) for picture in seen]
    labels = [decode(*each, fit, config).labels for each in wanted]
    ms: dict[str, list[float]] = {name: [] for name in ("ModelScope", *precisions)}
    for turn in range(rounds):
        picture = seen[turn % len(seen)]
        ms["ModelScope"].append(timed(lambda: answer_of(reference, picture)))  # noqa: B023
        for name, network in ours.items():
            ms[name].append(timed(lambda: network.start(picture).result()))  # noqa: B023
    rows = {"ModelScope": Row(np.array(ms["ModelScope"]), np.ones(rounds), "", 1.0)}
    for name, network in ours.items():
        found = [network.start(picture).result().outputs for picture in seen]
        agreements = [Agreement.between((one[0], one[1]), other) for one, other in zip(found, wanted)]
        worst = min(agreements, key=lambda each: each.correlation)
        same = [(decode(*one, fit, config).labels == other).mean() for one, other in zip(found, labels)]
        taken = np.array(ms[name])
        rows[name] = Row(taken, rows["ModelScope"].ms / taken, str(worst), float(np.mean(same)))
    return rows


def parser(folder: Path, size: Size | None, precision: str, threads: int | None) -> Parser:
    return load_parser("m2fp", model_dir=folder, size=size, precision=precision, threads=threads)


def peak_of(how: str, folder: Path, frame_size: Size) -> str:
    """The most memory of a process that parses frames of this size."""
    if how == "ModelScope":
        command = [sys.executable, "-m", "benchmarks.m2fp", "--measure", str(frame_size), "--model-dir", str(folder)]
    else:  # without torch, which this file imports and a parser does not need
        command = [sys.executable, "-c", OURS, how, str(folder), *map(str, (*frame_size, *input_for(frame_size)))]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode == -signal.SIGKILL:
        return f"more than this machine has at {frame_size}"
    done.check_returncode()
    return f"{json.loads(done.stdout):.0f} MB at {frame_size}"


OURS = """
import json, resource, sys, numpy
from pathlib import Path
from pipeline import Frame, load_parser
how, folder, height, width, *size = sys.argv[1:]
parser = load_parser("m2fp", model_dir=Path(folder), size=tuple(map(int, size)), precision=how)
frame = Frame.still(numpy.random.default_rng(0).integers(0, 256, (int(height), int(width), 3), numpy.uint8))
for _ in range(3):
    parser(frame)
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
"""
"""Run in a process of its own."""


def input_for(frame_size: Size) -> Size:
    """480 rows, in the frame's shape."""
    return Size(480, round(480 * frame_size.width / frame_size.height / 32) * 32)


def measure(folder: Path, frame_size: Size) -> None:
    """ModelScope's classes on two frames, in a process of its own, as their pipeline calls them."""
    network, size = modelscope(folder), input_for(frame_size)
    image = torch.from_numpy(np.ascontiguousarray(pictures(size)[0][..., ::-1].transpose(2, 0, 1))).float()
    batch = [{"image": image, "height": frame_size.height, "width": frame_size.width}]
    with torch.inference_mode():
        for _ in range(2):
            network.postprocess(network.forward({"batched_inputs": batch}))
    print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def started(folder: Path) -> float:
    """Seconds from the start of Python to the first parsing, with the graph made before."""
    code = (
        "import sys, numpy; from pathlib import Path; from pipeline import Frame, load_parser;"
        "load_parser('m2fp', model_dir=Path(sys.argv[1]), size=(480, 640))"
        "(Frame.still(numpy.zeros((480, 640, 3), numpy.uint8)))"
    )
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)
    return time.perf_counter() - began


def made_up(folder: Path) -> Path:
    """A folder with made-up weights of ModelScope's multi-person network."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIGURATION).write_bytes(GOLDEN_CONFIGURATION.read_bytes())
    if not (folder / SAFETENSORS).is_file():
        state = build(folder / CONFIGURATION).state_dict()
        weights = made_up_weights({name: tuple(tensor.shape) for name, tensor in state.items()})
        whole = {name: np.int64(0) for name, tensor in state.items() if tensor.dtype == torch.int64}
        write_safetensors(folder / SAFETENSORS, weights | {name: np.array(each) for name, each in whole.items()})
    return folder


def read_size(text: str) -> Size:
    height, width = text.split("x")
    return Size(int(height), int(width))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--size", action="append", help=f"HxW, repeatable; {', '.join(SIZES)} by default")
    arguments.add_argument("--precision", action="append", choices=PRECISIONS, help="repeatable; all by default")
    arguments.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--model-dir", type=Path, help="real weights, as ModelScope makes the folder")
    arguments.add_argument("--no-memory", action="store_true")
    arguments.add_argument("--only-memory", action="store_true")
    arguments.add_argument("--measure", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.measure:
        measure(given.model_dir, read_size(given.measure))
        return
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.setdefault("M2FP_STREAMER_CACHE", scratch)
        cache = Path(os.environ["M2FP_STREAMER_CACHE"])
        folder = import_weights(find("m2fp", given.model_dir)) if given.model_dir else made_up(cache / "made-up")
        precisions = given.precision or PRECISIONS
        print(f"torch {torch.__version__}, {given.threads} threads, {'real' if given.model_dir else 'made-up'} weights")
        for size in () if given.only_memory else given.size or SIZES:
            print(f"{size}, median of {given.rounds} rounds")
            rows = compare(folder, read_size(size), given.threads, precisions, given.rounds)
            for name, row in rows.items():
                print(f"  {name:10} {row}")
        if not given.no_memory:
            for name in ("ModelScope", *precisions):
                # Once before, so that making the graph is not counted.
                _, *peaks = (peak_of(name, folder, Size(height, height * 16 // 9)) for height in (1080, 1080, 2160))
                print(f"peak memory, {name:10} {', '.join(peaks)}")
            print(f"start to first parsing: {min(started(folder) for _ in range(2)):.2f} s")


if __name__ == "__main__":
    main()
