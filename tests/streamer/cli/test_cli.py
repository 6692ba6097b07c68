"""The command line as a user meets it: real processes, exit statuses, one line for what goes wrong."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import fields
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline import Evaluation, load_parser
from streamer.sources.open import sample
from streamer.zeromq.curve import new_keys
from streamer.zeromq.subscriber import subscribe
from tests.support.media import Clip, pictures_of, pts_of, quarters
from tests.support.waiting import eventually

pytestmark = pytest.mark.process

COMMAND = [sys.executable, "-c", "from streamer.cli import main; main()"]


def run(*arguments: object, cwd: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | {"NO_COLOR": "1"} | settings,
    )


@pytest.mark.parametrize(("options", "clip", "frames"), [((), "people", 112), (("--clip", "street"), "street", 80)])
def test_demo_writes_a_video_and_says_where(options: tuple[str, ...], clip: str, frames: int, tmp_path: Path) -> None:
    done = run("demo", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.match(rf"demo\.mp4: {frames} frames in [\d.]+ s, [\d.]+ frames/s\n$", done.stdout)
    assert pts_of(tmp_path / "demo.mp4") == pts_of(sample(f"{clip}.mp4"))


def test_render_one_and_several(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mkv"):
        Clip().make(tmp_path / name)
    (tmp_path / "c.mp4").write_text("no video")
    assert (
        run("render", "a.mp4", "out.mp4", "--codec", "h265", "--crf", 30, "--legend", "left", cwd=tmp_path).returncode
        == 0
    )
    assert len(pts_of(tmp_path / "out.mp4")) == 12
    done = run("render", "a.mp4", "b.mkv", "c.mp4", "all", cwd=tmp_path)
    assert done.returncode == 1
    assert {path.name for path in (tmp_path / "all").iterdir()} == {"a.mp4", "b.mkv"}
    assert "c.mp4 is not a video" in done.stderr
    assert "1 of 3 could not be rendered" in done.stderr


def test_masks_are_kept_drawn_again_and_played(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mkv"):
        Clip().make(tmp_path / name)
    assert run("render", "a.mp4", "b.mkv", "out", "--masks", "masks", cwd=tmp_path).returncode == 0
    assert {path.name for path in (tmp_path / "masks").iterdir()} == {"a.mp4.hpm", "b.mkv.hpm"}
    assert run("render", "a.mp4", "b.mkv", "again", "--from", "masks", cwd=tmp_path).returncode == 0
    for name in ("a.mp4", "b.mkv"):
        assert pictures_of(tmp_path / "again" / name)[3].tobytes() == pictures_of(tmp_path / "out" / name)[3].tobytes()
    done = run("render", "a.mp4", "c.mp4", "--from", "masks/a.mp4.hpm", "--size", "64x96", cwd=tmp_path)
    assert "--from parses nothing, so leave out what is for parsing: --size" in done.stderr
    done = run("render", "a.mp4", "c.mp4", "--from", "masks/b.mkv.hpm", cwd=tmp_path)
    assert "b.mkv.hpm is of another video: of b.mkv (" in done.stderr
    done = run("replay", "masks/a.mp4.hpm", "--speed", "inf", "--json", cwd=tmp_path)
    assert [json.loads(line)["frame"] for line in done.stdout.splitlines()] == list(range(12))
    for unused in ("--insecure", "--key=a.key", "--allow=friends"):
        done = run("replay", "masks/a.mp4.hpm", unused, cwd=tmp_path)
        assert "nothing is published: set publish, or leave it out" in done.stderr


@pytest.mark.parametrize("keyed", [False, True])
def test_replayed_masks_reach_subscribers(keyed: bool, tmp_path: Path) -> None:
    (tmp_path / "allow").mkdir()
    (secret, public), (own, _) = new_keys("player", tmp_path), new_keys("reader", tmp_path / "allow")
    keys = ["--key", secret, "--allow", tmp_path / "allow"] if keyed else []
    Clip(ticks=range(0, 50 * 512, 512)).make(tmp_path / "a.mp4")
    assert run("render", "a.mp4", "out.mp4", "--masks", "a.hpm", cwd=tmp_path).returncode == 0
    address = f"ipc://{tmp_path}/socket"
    theirs = {"key": own, "server_key": public} if keyed else {}
    with subscribe(address, timeout_s=60.0, **theirs) as heard:
        command = [*COMMAND, "replay", "a.hpm", "--publish", address, "--speed", "0.5", *keys]
        player = subprocess.Popen(command, cwd=tmp_path)
        try:
            frames = [parsing.frame_index for parsing in heard]
        finally:
            assert player.wait(120) == 0
    assert frames[-1] == 49
    assert frames == sorted(set(frames))


def test_render_a_folder(tmp_path: Path) -> None:
    """Pictures and videos in one go; what fails or is skipped does not end the rest, and is told at the end."""
    inside = tmp_path / "in"
    (inside / "deep").mkdir(parents=True)
    Clip().make(inside / "a.avi")
    picture = np.full((96, 128, 3), 90, np.uint8)
    for name in ("b.png", "deep/c.png"):
        assert cv2.imwrite(str(inside / name), picture)
    (inside / "broken.jpg").write_text("no picture")
    (inside / "._b.png").write_text("what a Mac keeps")
    (inside / "notes.txt").write_text("notes")
    done = run("render", "in", "out", "--recursive", "--size", "64x96", cwd=tmp_path)
    assert done.returncode == 1
    written = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")}
    assert written == {"a.mp4", "b.png", "deep/c.png"}
    assert "skipped 2, neither pictures nor videos by their names: in/._b.png, in/notes.txt" in done.stdout
    first, last = done.stderr.splitlines()
    assert first.startswith("error: ")
    assert "broken.jpg" in first
    assert last == "error: 1 of 4 could not be rendered: in/broken.jpg"
    (inside / "broken.jpg").unlink()
    again = run("render", "in", "out", "--recursive", "--size", "64x96", "--force", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")


def test_a_second_look_is_asked_for_with_refine(tmp_path: Path) -> None:
    still = tmp_path / "street.png"
    assert cv2.imwrite(str(still), pictures_of(sample("street.mp4"))[0])
    for name, more in (("once.png", []), ("twice.png", ["--refine"])):
        options = ["--size", "288x384", "--precision", "f32"]
        done = run("render", still, tmp_path / name, *options, *more, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    once, twice = (cv2.imread(str(tmp_path / name)) for name in ("once.png", "twice.png"))
    assert once is not None
    assert twice is not None
    assert (once != twice).any()


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ("render nothing.mp4 out.mp4", 1, "cannot open nothing.mp4: No such file or directory"),
        ("render in.mp4 in.mp4 --force", 1, "in.mp4 is the source itself"),
        ("render in.mp4 there.mp4", 1, "there.mp4 exists; --force overwrites it"),
        ("render in.mp4 no/out.mp4", 1, "no folder no to write out.mp4 into"),
        ("render https://127.0.0.1:9/a.mp4 out.mp4", 1, "https://127.0.0.1:9/a.mp4"),
        ("render in.mp4 out.mp4 --parser big", 1, "no parser 'big'; there are: lite"),
        ("render in.mp4 out.mp4 --runtime cuda", 1, "no runtime 'cuda'; there are: openvino, onnx"),
        ("render in.mp4 out.mp4 --precision int4", 1, "no precision 'int4'; there are: auto, f32, bf16"),
        ("render in.mp4 out.mp4 --codec mp3", 1, "no codec 'mp3'; there are: h264"),
        ("render in.mp4 out.mp4 --codec hevc", 1, "there are: h264, h265, vp9, av1, prores; did you mean h265?"),
        ("render in.mp4 out.mp4 --codec libx264", 1, "did you mean h264?"),
        ("render in.mp4 out.mp4 --precision fp32", 1, "there are: auto, f32, bf16, int8; did you mean f32?"),
        ("render in.mp4 out.mp4 --precision fp16", 1, "did you mean bf16?"),
        ("render in.mp4 out.mp4 --parser m2pf", 1, "did you mean m2fp?"),
        ("render in.mp4 out.mp4 --hide Hat,Nose", 1, "no class or group in label set cihp 'Nose'"),
        ("run test: --segment 10min", 1, "segment_s is for a recording, and nothing is recorded: set record"),
        ("run test: --keep-free 1GB", 1, "keep_free_bytes is for a recording"),
        ("run test: --clip-seconds 5 --no-window", 1, "there is none: add --window"),
        ("run test: --mask-ttl soon", 2, "'--mask-ttl': 'soon' is not a time; write it as 250ms, 30s, 10min or 1h"),
        ("run test: --mask-ttl 0", 1, "mask_ttl_s must be above 0, not 0"),
        ("render in.mp4 out.mp4 --crf 99", 1, "crf of h264 is between 0 and 51, not 99"),
        ("render in.mp4 out.mp4 --size 100x100", 1, "the nearest is 96x96"),
        ("render in.mp4 out.mp4 --hide Nose", 1, "no class or group in label set cihp 'Nose'"),
        ("render in.mp4 out.mp4 --size big", 2, "'big' is not a size; write it as HEIGHTxWIDTH, as in 256x448"),
        ("render in.mp4 out.mp4 --opacity 2", 1, "opacity is between 0 and 1, not 2"),
        ("render in.mp4 out.mp4 --parse-every 0", 1, "parse_every is at least 1, not 0"),
        ("render in.mp4", 1, "name what to read and, last, what to write"),
        (
            "render in.mp4 out.mp4 --size 99999x99999",
            1,
            "size 99999x99999: at most 16777216 pixels are possible, as 4096x4096 has",
        ),
        ("render in.mp4 out.webm", 1, ".webm does not take h264 at 64x96, but vp9 and av1; .mp4 and .mkv and .mov do"),
        ("run test: --record no/out.mp4", 1, "no folder no to write out.mp4 into"),
        ("run in.mp4 --record in.mp4 --force", 1, "in.mp4 is the source itself"),
        ("run tcp://127.0.0.1:9 --record there.mp4", 1, "there.mp4 exists; --force overwrites it"),
        ("run test: --publish tcp://0.0.0.0:5556", 1, "or allow it by --insecure"),
        ("fly", 2, "No such command"),
        ("evaluate lite --images . --labels nowhere", 1, "no folder nowhere"),
        ("evaluate lite --images . --labels . --instances nowhere", 1, "no folder nowhere"),
        ("evaluate lite --video nothing.mp4", 1, "cannot open nothing.mp4"),
        ("evaluate lite", 2, "name --images with --labels or --instances, --nobody, or a --video"),
        ("evaluate lite --images . --video in.mp4", 2, "--images needs --labels, --instances or both"),
        ("evaluate lite --instances . --video in.mp4", 2, "--labels and --instances go with --images"),
        ("evaluate lite --nobody nowhere", 1, "no folder nowhere"),
        ("bench --source nothing.mp4", 1, "cannot open nothing.mp4"),
        ("models pull m2fp", 1, "about 723 MB from ModelScope"),
        ("models pull m2fp-single", 1, "non-commercial use only; `streamer models pull m2fp-single --accept-license`"),
        ("models pull big --accept-license", 1, "no weights 'big'; there are: m2fp, m2fp-single, faces, faces-cydral"),
        ("models pull", 2, "Missing argument"),
    ],
)
def test_what_cannot_be_is_one_clear_line(tmp_path: Path, arguments: str, status: int, says: str) -> None:
    Clip().make(tmp_path / "in.mp4")
    (tmp_path / "there.mp4").write_text("precious")
    done = run(*arguments.split(), cwd=tmp_path)
    assert done.returncode == status
    assert says in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
    if status == 1:
        *before, error = done.stderr.splitlines()
        assert error.startswith("error: ")
        # What is found out when a stream runs comes after its first line.
        told = ("goes to", "the source is there") if arguments.startswith("run ") else ()
        assert all(any(part in line for part in told) for line in before)
    assert {path.name for path in tmp_path.iterdir()} == {"in.mp4", "there.mp4"}
    assert (tmp_path / "there.mp4").read_text() == "precious"


def test_a_folder_that_stays_empty_is_not_left_behind(tmp_path: Path) -> None:
    done = run("render", "no.mp4", "nothing.mp4", "out", cwd=tmp_path)
    assert done.returncode == 1
    assert "2 of 2 could not be rendered" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_where(tmp_path: Path) -> None:
    done = run("render", "nothing.mp4", "out.mp4", cwd=tmp_path, STREAMER_DEBUG="1")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.parametrize("arguments", ["doctor rtsp://127.0.0.1:{}/1", "watch tcp://127.0.0.1:{} --timeout 60"])
def test_ctrl_c_ends_what_waits_for_somebody_silent(tmp_path: Path, arguments: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(120)
        command = [*COMMAND, *arguments.format(silent.getsockname()[1]).split()]
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            connection, _ = silent.accept()
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=120) == (b"", b"")
            connection.close()
    assert process.returncode == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_leaves_a_playable_file(tmp_path: Path, number: int) -> None:
    ticks = range(0, 512 * 3000, 512)
    Clip(size=(240, 320), ticks=ticks).make(tmp_path / "long.mp4", repeat(quarters(240, 320)))
    with subprocess.Popen(
        [*COMMAND, "render", "long.mp4", "out.mp4"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        partial = tmp_path / ".out.partial.mp4"
        assert eventually(lambda: partial.exists() and partial.stat().st_size > 0)
        process.send_signal(number)
        out, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "stopped before the end" in out
    assert errors == ""
    assert 0 < len(pts_of(tmp_path / "out.mp4")) < 3000
    assert not partial.exists()


def test_the_second_ctrl_c_leaves_at_once(tmp_path: Path) -> None:
    code = """
import signal, os
from streamer.cli.console import stop_on_interrupt
with stop_on_interrupt() as asked:
    os.kill(os.getpid(), signal.SIGINT)
    print(asked())
    os.kill(os.getpid(), signal.SIGINT)
    print("still here")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "True\n"
    assert "KeyboardInterrupt" in done.stderr


def test_models(tmp_path: Path) -> None:
    cache = {"M2FP_STREAMER_CACHE": str(tmp_path / "cache")}
    rows = json.loads(run("models", "--json", cwd=tmp_path, **cache).stdout)
    assert [(row["name"], row["classes"], row["ready"]) for row in rows] == [
        ("lite", 20, True),
        ("m2fp", 21, False),
        ("m2fp-single", 20, False),
        ("faces", 0, False),
        ("faces-cydral", 0, False),
    ]
    assert "non-commercial use only" in rows[1]["licence"]
    assert "given for research" in rows[3]["licence"]
    shown = run("models", cwd=tmp_path, **cache).stdout
    assert re.search(r"^lite +ready .*\n +Apache-2.0; bundled$", shown, re.MULTILINE)
    assert re.search(r"^m2fp-single +weights missing .*\n.*`streamer models pull m2fp-single`$", shown, re.MULTILINE)
    for name in ("configuration.json", "model.safetensors"):
        (tmp_path / "cache" / "m2fp").mkdir(parents=True, exist_ok=True)
        (tmp_path / "cache" / "m2fp" / name).touch()
    assert str(tmp_path / "cache" / "m2fp") in run("models", cwd=tmp_path, **cache).stdout


def _labelled(folder: Path) -> tuple[Path, Path, Path]:
    """Pictures with what the parser itself says of them, so that it scores 1 but for two classes exchanged."""
    images, labels, instances = folder / "images", folder / "labels", folder / "instances"
    for each in (images, labels, instances):
        each.mkdir()
    parser = load_parser("lite", precision="f32")
    from streamer import open_source

    with open_source(sample("portrait.mp4")) as source:
        for frame, _ in zip(source, range(3)):
            cv2.imwrite(str(images / f"{frame.index}.png"), frame.bgr)
            parsing = parser.still(frame.bgr)  # as it is in the file: YUV is shrunk otherwise, by a hair
            ids, persons = (
                cv2.resize(each, frame.size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
                for each in (parsing.labels, parsing.instances)
            )
            ids[:5] = 255
            cv2.imwrite(str(labels / f"{frame.index}.png"), ids)
            cv2.imwrite(str(instances / f"{frame.index}.png"), persons)
    return images, labels, instances


def test_evaluate(tmp_path: Path) -> None:
    images, labels, instances = _labelled(tmp_path)
    options = ("evaluate", "lite", "--images", images, "--labels", labels, "--precision", "f32")
    result = json.loads(run(*options, "--json", cwd=tmp_path).stdout)
    assert set(result) == {field.name for field in fields(Evaluation)}
    assert result["pictures"] == 3
    for figure in ("miou", "pixel_accuracy", "person_iou", "merged_miou"):
        assert result[figure] == pytest.approx(1, abs=1e-6)
    assert result["persons"] is None
    assert result["ms_per_picture"] > 0
    wrong = cv2.imread(str(labels / "0.png"), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(labels / "0.png"), np.where(wrong == 2, 13, wrong).astype(np.uint8))
    worse = json.loads(run(*options, "--json", cwd=tmp_path).stdout)
    assert worse["per_class"]["Hair"] < 0.9
    assert worse["merged"]["hair"] < 0.9
    shown = run(*options, "--instances", instances, cwd=tmp_path).stdout
    assert re.search(r"^mIoU +0\.\d+", shown, re.MULTILINE)
    assert re.search(r"^person IoU +1\.000$", shown, re.MULTILINE)
    assert re.search(r"^hair +0\.\d+$", shown, re.MULTILINE)
    assert re.search(r"^arms +0\.000 +left and right exchanged$", shown, re.MULTILINE)
    assert re.search(r"^persons +precision 1\.000, recall 1\.000, AP 1\.000 at IoU 0\.5$", shown, re.MULTILINE)
    (instances / "2.png").unlink()
    missing = run(*options, "--instances", instances, cwd=tmp_path)
    assert missing.returncode == 1
    assert "1 pictures have no instance map of the same stem" in missing.stderr


def test_evaluate_says_what_is_seen_where_nobody_is(tmp_path: Path) -> None:
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "a.png"), np.zeros((64, 96), np.uint8))
    shown = run("evaluate", "lite", "--images", "images", "--labels", "labels", cwd=tmp_path).stdout
    assert re.search(r"^foreground +\d+\.\d+% of the 1 pictures without anybody$", shown, re.MULTILINE)


def test_evaluate_on_outlines_and_on_pictures_without_people(tmp_path: Path) -> None:
    images, _, instances = _labelled(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    cv2.imwrite(str(empty / "a.png"), np.zeros((64, 96, 3), np.uint8))
    options = ("evaluate", "lite", "--images", images, "--instances", instances, "--precision", "f32")
    result = json.loads(run(*options, "--nobody", empty, "--json", cwd=tmp_path).stdout)
    assert result["person_iou"] == pytest.approx(1, abs=1e-6)
    assert (result["person_pictures"], result["hardly_seen"]) == (3, 0)
    assert result["persons"]["recall"] == 1
    assert result["seen"][0]["seen"] == pytest.approx(1, abs=1e-6)
    assert result["nobody"]["person_free_pictures"] == 1
    assert result["nobody"]["person_free_foreground"] == pytest.approx(0, abs=0.01)
    shown = run(*options, cwd=tmp_path).stdout
    assert "mIoU" not in shown
    assert re.search(r"^hardly seen +0\.0% of the 3 pictures with people$", shown, re.MULTILINE)
    assert re.search(
        r"^height 0\.\d+\+ +1\.000 of the pixels of 3 persons seen, 0\.0% of them hardly$", shown, re.MULTILINE
    )


def test_evaluate_on_video(tmp_path: Path) -> None:
    # The same shot for a quarter of a second, twice: the second is as the first, and nothing changes in either, but
    # that from the second frame on it is known what somebody wears.
    from streamer import open_source

    with open_source(sample("portrait.mp4")) as source:
        shot = cv2.resize(next(iter(source)).bgr, (128, 128), interpolation=cv2.INTER_AREA)
    for name in ("a.mp4", "b.mp4"):
        Clip(size=(128, 128), codec="ffv1", pixels="bgr0", ticks=range(0, 6 * 512, 512)).make(
            (tmp_path / name).with_suffix(".mkv"), repeat(shot)
        )
    videos = ("--video", "a.mkv", "--video", "b.mkv", "--precision", "f32")
    result = json.loads(run("evaluate", "lite", *videos, "--json", cwd=tmp_path).stdout)
    assert set(result) == {"videos", "all_videos"}
    one, other = result["videos"]
    assert (one.pop("name"), other.pop("name")) == ("a.mkv", "b.mkv")
    assert one == other
    assert one["frames"] == 6
    assert one["seconds"] == pytest.approx(5 * 512 / 12_800, abs=0.002)  # Matroska counts milliseconds
    assert one["person_s"] >= one["seconds"]
    assert one["label_flips"] < 0.2 * one["pixel_s"] / one["seconds"]
    assert (one["garment_flips"], one["number_switches"]) == (0, 0)
    assert result["all_videos"]["frames"] == 12
    shown = run("evaluate", "lite", *videos, cwd=tmp_path).stdout
    assert re.search(r"^a\.mkv: 6 frames, .*\nlabel flips +\d.*\ngarment flips +0\.000 ", shown, re.MULTILINE)
    assert re.search(r"^all videos: 12 frames, (.*\n)+id switches +0\.000 per person and minute$", shown, re.MULTILINE)


def test_evaluate_on_pictures_and_video(tmp_path: Path) -> None:
    images, labels, _ = _labelled(tmp_path)
    pictures = ("--images", images, "--labels", labels)
    result = json.loads(run("evaluate", "lite", *pictures, "--video", images, "--json", cwd=tmp_path).stdout)
    assert set(result) == {field.name for field in fields(Evaluation)} | {"videos", "all_videos"}
    assert result["videos"][0]["name"] == "images"
    figures = result["all_videos"]
    assert figures["label_flips_per_pixel_s"] == pytest.approx(figures["label_flips"] / figures["pixel_s"])
    assert figures["garment_flips_per_person_s"] == pytest.approx(figures["garment_flips"] / figures["person_s"])
    assert figures["number_switches_per_person_min"] == pytest.approx(
        60 * figures["number_switches"] / figures["person_s"]
    )


def test_bench_and_evaluate_take_a_second_look_where_there_is_one(tmp_path: Path) -> None:
    said = run("bench", "--parser", "m2fp", "--refine", cwd=tmp_path).stderr
    assert "m2fp cannot refine small people; only lite can" in said
    images, labels, _ = _labelled(tmp_path)
    options = ("evaluate", "lite", "--images", images, "--labels", labels, "--size", "64x96", "--precision", "f32")
    once, twice = (json.loads(run(*options, *more, "--json", cwd=tmp_path).stdout) for more in ((), ("--refine",)))
    assert once["pixel_accuracy"] != twice["pixel_accuracy"]


def test_bench(tmp_path: Path) -> None:
    options = ("--runtime", "openvino", "--precision", "f32", "--threads", 1, "--size", "96x128", "--seconds", 0.1)
    result = json.loads(run("bench", *options, "--json", cwd=tmp_path).stdout)
    assert result["machine"]["cores"] >= 1
    (row,) = result["results"]
    assert row["input_size"] == [96, 128]
    assert 0 < row["network_ms"] <= row["median_ms"] <= row["p95_ms"]
    shown = run("bench", *options, "--runtime", "onnx", "--precision", "bf16", cwd=tmp_path).stdout
    assert "96x128" in shown
    assert "needs runtime openvino" in shown or "does not support bf16" in shown


def test_nobody_is_told_that_the_program_runs(tmp_path: Path) -> None:
    """OpenVINO's own reporting stays off."""
    code = "import sys; from pipeline import *; import numpy as np\n"
    code += "load_parser()(Frame.still(np.zeros((64, 64, 3), np.uint8)))\n"
    code += "print('openvino' in sys.modules, 'openvino_telemetry' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"CI": ""},
    )
    assert done.stdout == "True False\n"


@pytest.mark.parametrize("arguments", [["--help"], ["render", "--help"], ["models", "--help"]])
def test_help_is_light(tmp_path: Path, arguments: list[str]) -> None:
    """Not a timing: what makes help slow is the runtimes, and they are not loaded for it."""
    code = f"import sys; sys.argv = ['streamer', *{arguments}]\nfrom streamer.cli import app\n"
    code += "try: app()\nexcept SystemExit: print('openvino' in sys.modules, 'onnxruntime' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "False False"
    assert "Usage" in done.stdout
