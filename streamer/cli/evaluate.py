"""The command that measures the accuracy of a parser on labelled pictures, and its flicker on video."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import reduce
from operator import add
from pathlib import Path
from typing import Annotated

import typer

from pipeline import PARSERS, Evaluation, Parser, ParserSettings, Steadiness, load_parser, steadiness
from pipeline import evaluate as evaluate_parser
from streamer.cli.console import say, watched
from streamer.cli.options import Given, Json, with_options
from streamer.media.images import labelled_pictures
from streamer.settings import made
from streamer.sources.open import open_source

FALSE_ALARMS = (
    "person_free_pictures",
    "person_free_foreground",
    "person_free_capped",
    "person_free_wrong",
    "ms_per_picture",
)
"""What is said of `--nobody`, of the fields of an `Evaluation`."""


@with_options(ParserSettings, without={"name", "in_flight"})
def evaluate(
    given: Given,
    parser: Annotated[str, typer.Argument(help=f"One of: {', '.join(PARSERS)}.")],
    images: Annotated[Path | None, typer.Option(help="A folder of pictures.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="A folder of PNGs of class ids, 255 for unknown, named as the pictures.")
    ] = None,
    instances: Annotated[
        Path | None,
        typer.Option(
            help="A folder of PNGs of persons' numbers, 0 for nobody, 255 for unknown, named as the pictures. "
            "Without --labels, only outlines and persons are measured."
        ),
    ] = None,
    nobody: Annotated[
        Path | None, typer.Option(help="A folder of pictures without people, to measure false alarms on.")
    ] = None,
    video: Annotated[
        list[Path] | None, typer.Option(help="A video to measure flicker on; needs no truth; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure a parser on labelled pictures, and its flicker.

    Labels and persons are measured on pictures whose truth is known; false alarms on pictures without people; flicker
    on any video.
    """
    if images is not None and labels is None and instances is None:
        raise typer.BadParameter("--images needs --labels, --instances or both; pictures without people go to --nobody")
    if images is None and (labels is not None or instances is not None):
        raise typer.BadParameter("--labels and --instances go with --images")
    if images is None and nobody is None and not video:
        raise typer.BadParameter("name --images with --labels or --instances, --nobody, or a --video")
    loaded = load_parser(made(ParserSettings, {**given, "parser": parser}))
    result: dict[str, object] = {}
    if images is not None:
        evaluation = _on_pictures(loaded, images, labels, instances)
        result |= asdict(evaluation)
        if not as_json:
            _say_evaluation(evaluation, with_classes=labels is not None)
    if nobody is not None:
        empty = _on_pictures(loaded, nobody, None, None)
        result["nobody"] = {name: getattr(empty, name) for name in FALSE_ALARMS}
        if not as_json:
            _say_false_alarms(empty)
    if video:
        counted = [_on_video(loaded, path) for path in video]
        together = reduce(add, counted)
        result["videos"] = [{"name": path.name, **_figures(each)} for path, each in zip(video, counted)]
        result["all_videos"] = _figures(together)
        if not as_json:
            for path, each in zip(video, counted):
                _say_steadiness(path.name, each)
            if len(video) > 1:
                _say_steadiness("all videos", together)
    if as_json:
        say(json.dumps(result, indent=2))


def _on_pictures(parser: Parser, images: Path, labels: Path | None, instances: Path | None) -> Evaluation:
    pictures = watched(labelled_pictures(images, labels, instances), "evaluating", "pictures")
    return evaluate_parser(parser.still, parser.label_set, pictures)


def _on_video(parser: Parser, path: Path) -> Steadiness:
    parser.reset()
    with open_source(path) as source:
        frames = watched(source, path.name, "frames", source.info.expected_frames)
        return steadiness(parser, parser.label_set, frames)


def _figures(counted: Steadiness) -> dict[str, object]:
    return asdict(counted) | {
        "label_flips_per_pixel_s": counted.label_flips_per_pixel_s,
        "garment_flips_per_person_s": counted.garment_flips_per_person_s,
        "number_switches_per_person_min": counted.number_switches_per_person_min,
    }


def _say_evaluation(result: Evaluation, with_classes: bool) -> None:
    if with_classes:
        _say_classes(result)
    say(f"{'person IoU':14} {result.person_iou:.3f}")
    say(f"{'hardly seen':14} {result.hardly_seen:.1%} of the {result.person_pictures} pictures with people")
    if result.person_free_pictures:
        _say_false_alarms(result)
    if result.persons:
        found = result.persons
        say(f"{'persons':14} precision {found.precision:.3f}, recall {found.recall:.3f}, AP {found.ap:.3f} at IoU 0.5")
        say(f"{'':14} {found.found} found where {found.people} are")
    for group in result.seen:
        say(
            f"{f'height {group.min_height:g}+':14} {group.seen:.3f} of the pixels of {group.people} persons seen,"
            f" {group.hardly_seen:.1%} of them hardly"
        )
    say(f"{result.pictures} pictures, {result.ms_per_picture:.1f} ms a picture")


def _say_classes(result: Evaluation) -> None:
    _say_shares(result.per_class)
    say(f"{'mIoU':14} {result.miou:.3f}  over the {len(result.per_class)} classes present")
    say(f"{'pixel accuracy':14} {result.pixel_accuracy:.3f}")
    _say_shares(result.merged)
    say(f"{'merged mIoU':14} {result.merged_miou:.3f}  over {len(result.merged)} of six merged classes")
    for pair, share in result.swapped.items():
        say(f"{pair:14} {share:.3f}  left and right exchanged")


def _say_false_alarms(result: Evaluation) -> None:
    share, capped = result.person_free_foreground, result.person_free_capped
    say(f"{'foreground':14} {share:.3%} of the {result.person_free_pictures} pictures without anybody")
    say(f"{'':14} {capped:.3%} with each capped at 2%; {result.person_free_wrong:.1%} of the pictures above 1%")


def _say_shares(shares: Mapping[str, float]) -> None:
    for name, share in shares.items():
        say(f"{name:14} {share:.3f}")


def _say_steadiness(name: str, counted: Steadiness) -> None:
    say(f"{name}: {counted.frames} frames, {counted.person_s:.1f} person seconds")
    say(f"{'label flips':14} {counted.label_flips_per_pixel_s:.3f} per foreground pixel and second")
    say(f"{'garment flips':14} {counted.garment_flips_per_person_s:.3f} per person and second")
    say(f"{'id switches':14} {counted.number_switches_per_person_min:.3f} per person and minute")
