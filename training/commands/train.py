"""Trains the bundled network: from a pack of labelled pictures to a network file.

    python -m training train --pack PACK --out OUT --minutes 90 --start pipeline/lite/lite.onnx

With --narrow what it starts from is first made as narrow as the bundled network.

Ctrl-C ends it after the step at hand; the same line with --resume goes on from there.
"""

import os
import signal
import sys
import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.errors import PipelineError
from pipeline.geometry import Size
from pipeline.parsing.parser import Parser, load_parser
from pipeline.types import Frame, Parsing, Picture
from training.batches import make_batch
from training.log import Log, plot
from training.measure import Figures, measure, validation_crowds
from training.network.calibrate import add_shifts, scenes_for, shifts
from training.network.encoder import load_pretrained
from training.network.export import add_int8_ranges, export
from training.network.lite_net import NARROW, LiteNet, Shape
from training.network.narrow import narrowed
from training.network.weights import load_onnx
from training.pack import PERSON, Pack, Photo, read_pack
from training.parsing import parser_with
from training.scenes.compose import Scene
from training.scenes.stock import Faults, Stock, stock_of
from training.threads import Pace
from training.train import Settings, Trainer, read_checkpoint

CHECKPOINT = "checkpoint.pt"
CHECKPOINT_EVERY_S = 180.0
LOG_EVERY_S = 30.0
STRIP_SIZE = Size(256, 128)
"""Of what is looked at beside a person to see whether somebody else is there; one size, so that it is quick."""
FAULTS_TIMES = 0.9
"""So many times the usual rows and columns of the pictures that are looked at for faults."""
SPECK = 0.004
"""Of a strip: so little of somebody is a mistake of the parser's."""
NARROWING_BATCHES, NARROWING_PIXELS, NARROWING_SEED = 24, 8 * 288 * 288, 77
"""What is seen before channels are taken away, and of which scenes."""
INT8_EVERY = 5
"""So many of the scenes that shifts are found on tell between what limits tensors lie."""
# Each step asks for the same large blocks of memory: kept, and not given back to the system and zeroed again, they
# make a step a fifth shorter. The C library reads this when a program starts.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "17179869184"}

Parse = Callable[[Frame], Parsing]


def main(arguments: Sequence[str]) -> int:
    if sys.platform == "linux" and not KEEP_MEMORY.keys() <= os.environ.keys():
        command = [sys.executable, "-m", "training", "train", *arguments]
        os.execve(sys.executable, command, os.environ | KEEP_MEMORY)
    options = _options(arguments)
    console = Console()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    stop = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        _train(options, console, stop)
    except PipelineError as exc:
        console.print(f"[red]{exc}")
        return 1
    return 130 if stop.is_set() else 0


def _options(arguments: Sequence[str]) -> Namespace:
    parser = ArgumentParser(
        prog="python -m training train", description="From a pack of labelled pictures to a network file."
    )
    parser.add_argument("--pack", type=Path, required=True, help="folder of parts with img/ and lab/")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint, the log and lite.onnx")
    parser.add_argument("--minutes", type=float, required=True, help="of training, resumptions included")
    parser.add_argument("--start", type=Path, help="network file whose weights to begin with")
    parser.add_argument("--encoder", type=Path, help="EfficientNet-Lite0's weights to begin with: a .pth file")
    parser.add_argument("--narrow", action="store_true", help="first make what --start names as narrow as the bundled")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in OUT")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="processor threads")
    parser.add_argument("--rate", type=float, default=1e-3, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=1, help="another one draws other scenes")
    parser.add_argument("--validate-every", type=float, default=10.0, metavar="MINUTES")
    parser.add_argument(
        "--mend-every",
        type=float,
        default=10.0,
        metavar="MINUTES",
        help="look so often what is taken for somebody or missed, and draw it more often",
    )
    options = parser.parse_args(arguments)
    if options.narrow and options.start is None:
        parser.error("--narrow: give the network to make narrower with --start")
    return options


def _train(options: Namespace, console: Console, stop: threading.Event) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with console.status("reading the pack"):
        pack = read_pack(options.pack)
        stock = looked_through(pack)
        start = _start(options, stock, device)
    settings = Settings(
        budget_s=options.minutes * 60,
        shape=start.shape,
        frozen_stages=_frozen_stages(options, device),
        rate=options.rate,
        seed=options.seed,
        batch_makers=1 if device.type == "cpu" else options.threads,
    )
    console.print(
        f"{len(pack.training)} photos to train on, {len(pack.validation)} kept for validation,"
        f" {len(stock.backgrounds)} backgrounds"
    )
    trainer = Trainer(stock, settings, device)
    checkpoint = options.out / CHECKPOINT
    if options.resume:
        trainer.load(checkpoint)
    else:
        trainer.begin_from(start)
    crowds = validation_crowds(pack.validation)
    log = Log(options.out / "log.jsonl")
    if not options.resume:
        _validate(trainer, pack, crowds, log, console)
    if not options.resume and options.start:  # what begins with nothing does nothing right yet
        _mend(trainer, log, console, stop)
    often = (
        (options.validate_every * 60, lambda: _validate(trainer, pack, crowds, log, console)),
        (options.mend_every * 60, lambda: _mend(trainer, log, console, stop)),
    )
    _steps(trainer, options, log, console, stop, often)
    trainer.save(checkpoint)
    if not stop.is_set():
        _validate(trainer, pack, crowds, log, console)
        with console.status("calibrating"):
            seen = scenes_for(stock)
            add_shifts(trainer.average, shifts(trainer.answers(), seen))
        _validate(trainer, pack, crowds, log, console)
        export(trainer.average.cpu(), options.out / "lite.onnx")
        add_int8_ranges(options.out / "lite.onnx", [scene.bgr for scene in seen[::INT8_EVERY]])
        console.print(f"wrote {options.out / 'lite.onnx'}")
    plot(log.entries(), options.out / "log.png")


def looked_through(pack: Pack) -> Stock:
    """What scenes of a pack's training pictures are made of."""
    looker = load_parser(size=STRIP_SIZE)
    return stock_of(pack.training, annotated_share=3.0, is_empty=lambda strip: _shows_nobody(strip, looker))


def _frozen_stages(options: Namespace, device: torch.device) -> int:
    """An encoder that begins with nothing learns all of itself; one that goes on goes on as it was."""
    if options.resume:
        return int(read_checkpoint(options.out / CHECKPOINT, device)["settings"]["frozen_stages"])
    return 2 if options.start or options.encoder else 0


def _start(options: Namespace, stock: Stock, device: torch.device) -> LiteNet:
    """What is trained first; of a run that goes on, the shape alone counts."""
    torch.manual_seed(0)
    if options.resume:
        network = LiteNet(Shape(**read_checkpoint(options.out / CHECKPOINT, device)["settings"]["shape"]))
    elif options.start is not None:
        network = load_onnx(options.start)
    else:
        network = LiteNet(Shape())
        if options.encoder is not None:
            load_pretrained(network.encoder, options.encoder)
    if options.narrow and not options.resume:
        seen = (make_batch(stock, NARROWING_SEED, index, NARROWING_PIXELS) for index in range(NARROWING_BATCHES))
        network = narrowed(network, NARROW, (batch.image for batch in seen))
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def _shows_nobody(strip: Picture, parser: Parser) -> bool:
    """Whether a strip of background is one, as far as the bundled parser can tell."""
    instances = parser(Frame.still(strip)).instances
    return bool(np.count_nonzero(instances) <= SPECK * instances.size)


def _mend(trainer: Trainer, log: Log, console: Console, stop: threading.Event) -> None:
    parse = parser_with(trainer.answers(), FAULTS_TIMES, sensitivity="high", once=True)
    with console.status("looking what is taken for somebody, and who is missed"):
        faults = faults_of(trainer.stock, parse, stop.is_set)
    if faults is None:
        return
    trainer.mend(faults)
    mistaken, asked = faults.mistaken, trainer.stock.ordinary > 0
    missed = float(faults.missed[asked].mean()) if asked.any() else 0.0
    above = float((mistaken > 0.01).mean()) if len(mistaken) else 0.0
    log.add(step=trainer.step, seconds=trainer.seconds, mistaken_pictures=above, missed_share=missed)
    console.print(
        f"{trainer.seconds / 60:5.1f} min: {above:.1%} of {len(mistaken)} pictures without people are in part taken for"
        f" somebody; of those in {np.count_nonzero(asked)} ordinary ones {missed:.1%} are missed"
    )


def faults_of(stock: Stock, parse: Parse, stopped: Callable[[], bool] = lambda: False) -> Faults | None:
    """What a network does wrong on what it is trained on: all without people, and ordinary pictures.

    None if it is stopped before it has looked at all of them, which takes a minute.
    """
    faults = Faults(np.zeros(len(stock.nobody)), np.zeros(len(stock.photos)))
    for index, bgr in enumerate(stock.nobody):
        if stopped():
            return None
        faults.mistaken[index] = _somebody_share(bgr, parse)
    for index in np.flatnonzero(stock.ordinary).tolist():
        if stopped():
            return None
        faults.missed[index] = _missed_share(stock.photos[index], parse)
    return faults


def _somebody_share(bgr: Picture, parse: Parse) -> float:
    instances = parse(Frame.still(bgr)).instances
    return np.count_nonzero(instances) / instances.size


def _missed_share(photo: Photo, parse: Parse) -> float:
    """The share of the pixels of a photo's people that a parser takes for nobody's."""
    seen = parse(Frame.still(photo.bgr)).instances != 0
    people = cv2.resize(PERSON[photo.labels].view(np.uint8), seen.shape[::-1], interpolation=cv2.INTER_NEAREST) != 0
    return 1.0 - int(np.count_nonzero(seen & people)) / max(1, int(np.count_nonzero(people)))


def _steps(
    trainer: Trainer,
    options: Namespace,
    log: Log,
    console: Console,
    stop: threading.Event,
    often: Sequence[tuple[float, Callable[[], None]]],
) -> None:
    """Trains until the time is spent or `stop` is set, and does what is done every so many seconds."""
    saved = logged = trainer.seconds
    done = [trainer.seconds] * len(often)
    pace = Pace(options.threads)
    means: list[dict[str, float]] = []
    pictures = 0
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress, closing(trainer.run(time.monotonic)) as reports:
        task = progress.add_task("training", total=trainer.settings.budget_s)
        for report in reports:
            torch.set_num_threads(pace.after(report.took_s, report.pictures))
            means.append(report.losses)
            pictures += report.pictures
            progress.update(task, completed=report.seconds)
            if report.seconds - logged >= LOG_EVERY_S:
                line = {name: float(np.mean([each[name] for each in means])) for name in means[0]}
                per_s = pictures / (report.seconds - logged)
                log.add(step=report.step, seconds=report.seconds, rate=trainer.rate(), pictures_per_s=per_s, **line)
                progress.update(task, description=f"loss {line['total']:.3f}, {per_s:.0f} pictures/s")
                means, pictures, logged = [], 0, report.seconds
            if report.seconds - saved >= CHECKPOINT_EVERY_S:
                trainer.save(options.out / CHECKPOINT)
                saved = report.seconds
            for place, (every_s, do) in enumerate(often):
                if report.seconds - done[place] >= every_s and not stop.is_set():
                    do()
                    done[place] = report.seconds
            if stop.is_set():
                break


def _validate(trainer: Trainer, pack: Pack, crowds: list[Scene], log: Log, console: Console) -> None:
    figures = measure(parser_with(trainer.answers()), pack.validation, crowds)
    log.add(step=trainer.step, seconds=trainer.seconds, **_curves(figures), photos=asdict(figures.photos))
    plot(log.entries(), log.path.with_suffix(".png"))
    console.print(_line(trainer, figures))


def _curves(figures: Figures) -> dict[str, float]:
    """What `log.plot` draws."""
    curves = {"miou": figures.photos.miou, "person_iou": figures.photos.person_iou}
    return curves | ({"crowd_miou": figures.crowds.miou} if figures.crowds else {})


def _line(trainer: Trainer, figures: Figures) -> str:
    photos, crowds = figures.photos, figures.crowds
    line = (
        f"{trainer.seconds / 60:5.1f} min: mIoU {photos.miou:.3f}, merged {photos.merged_miou:.3f},"
        f" persons {photos.person_iou:.3f}, swaps {'/'.join(f'{each:.3f}' for each in photos.swapped.values())}"
    )
    if crowds and crowds.persons:
        line += f", crowds {crowds.miou:.3f} P {crowds.persons.precision:.2f} R {crowds.persons.recall:.2f}"
    return f"{line}, empty {photos.person_free_foreground:.2%}"
