"""The picture of the code: each file imports only from files above it in this list."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

LAYERS = [
    "pipeline.errors",
    "pipeline.labels",
    "pipeline.yuv",
    "pipeline.types",
    "pipeline.canvas",
    "pipeline.edges",
    "pipeline.fit",
    "pipeline.overlay",
    "pipeline.appearance",
    "pipeline.people",
    "pipeline.outfits",
    "pipeline.flow",
    "pipeline.motion",
    "pipeline.steady",
    "pipeline.runtime",
    "pipeline.quantize",
    "pipeline.model",
    "pipeline.closer",
    "pipeline.lite",
    "pipeline.lite.decode",
    "pipeline.lite.model",
    "pipeline.m2fp",
    "pipeline.m2fp.config",
    "pipeline.m2fp.resnet",
    "pipeline.m2fp.deformable",
    "pipeline.m2fp.pixel_decoder",
    "pipeline.m2fp.query_decoder",
    "pipeline.m2fp.network",
    "pipeline.m2fp.pickled",
    "pipeline.m2fp.checkpoint",
    "pipeline.m2fp.weights",
    "pipeline.m2fp.sampling",
    "pipeline.m2fp.graph",
    "pipeline.m2fp.quantize",
    "pipeline.m2fp.agreement",
    "pipeline.m2fp.export",
    "pipeline.m2fp.queries",
    "pipeline.m2fp.masks",
    "pipeline.m2fp.instances",
    "pipeline.m2fp.decode",
    "pipeline.m2fp.model",
    "pipeline.zoom",
    "pipeline.parser",
    "pipeline.confusion",
    "pipeline.person_ap",
    "pipeline.evaluate",
    "pipeline.garments",
    "pipeline.switches",
    "pipeline.flicker",
    "pipeline.lite.training",
    "pipeline.lite.training.pack",
    "pipeline.lite.training.augment",
    "pipeline.lite.training.compose",
    "pipeline.lite.training.scenes",
    "pipeline.lite.training.encoder",
    "pipeline.lite.training.network",
    "pipeline.lite.training.weights",
    "pipeline.lite.training.narrow",
    "pipeline.lite.training.targets",
    "pipeline.lite.training.losses",
    "pipeline.lite.training.batches",
    "pipeline.lite.training.measure",
    "pipeline.lite.training.relabel",
    "pipeline.lite.training.calibrate",
    "pipeline.lite.training.threads",
    "pipeline.lite.training.train",
    "pipeline.lite.training.export",
    "pipeline.lite.training.log",
    "pipeline",
    "streamer.errors",
    "streamer.ring",
    "streamer.child",
    "streamer.inference",
    "streamer.worker",
    "streamer.headers",
    "streamer.wire",
    "streamer.ipc",
    "streamer.publisher",
    "streamer.pubsub",
    "streamer.pictures",
    "streamer.pattern",
    "streamer.clocks",
    "streamer.playing",
    "streamer.sound",
    "streamer.vitals",
    "streamer.crossing",
    "streamer.demux",
    "streamer.feed",
    "streamer.remote",
    "streamer.video",
    "streamer.live",
    "streamer.source",
    "streamer.sources",
    "streamer.naming",
    "streamer.encoding",
    "streamer.encoder",
    "streamer.recode",
    "streamer.videofile",
    "streamer.sinks",
    "streamer.recorder",
    "streamer.segments",
    "streamer.recent",
    "streamer.live_recorder",
    "streamer.offline",
    "streamer.bench",
    "streamer.config",
    "streamer.stats",
    "streamer.newest",
    "streamer.sync",
    "streamer.control",
    "streamer.repeats",
    "streamer.window",
    "streamer.outlets",
    "streamer.saving",
    "streamer.reconnect",
    "streamer.capture",
    "streamer.parse",
    "streamer.render",
    "streamer.advice",
    "streamer.doctor",
    "streamer.opencv",
    "streamer.stream",
    "streamer",
    "streamer.cli.console",
    "streamer.cli.options",
    "streamer.cli.files",
    "streamer.cli.live",
    "streamer.cli.evaluate",
    "streamer.cli.measure",
    "streamer.cli.doctor",
    "streamer.cli.models",
    "streamer.cli",
]

# Slow to import or not always there: only in the rooms that need them, and no room of ours brings them in by itself.
HEAVY = {
    "openvino": ("pipeline.runtime", "pipeline.quantize", "pipeline.m2fp.graph"),
    "onnxruntime": ("pipeline.runtime", "pipeline.lite.training"),
    "onnx": ("pipeline.lite.training",),
    "torch": ("pipeline.m2fp", "pipeline.lite.training"),
    "numba": ("pipeline.m2fp.sampling",),
    "llvmlite": ("pipeline.m2fp.sampling",),
    "modelscope": (),
    "modelscope_hub": ("pipeline.m2fp.weights",),
    "fastapi": (),
    "ray": (),
}


def _files() -> dict[str, Path]:
    found = {}
    for package in ("pipeline", "streamer"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively"
            module = str(node.module)
            whole = [f"{module}.{alias.name}" for alias in node.names]
            names |= {name if name in LAYERS and module != "pipeline" else module for name in whole}
    return names


def test_the_list_is_complete() -> None:
    assert set(_files()) == set(LAYERS)


@pytest.mark.parametrize("module", LAYERS)
def test_imports_point_upwards(module: str) -> None:
    above = LAYERS[: LAYERS.index(module)]
    ours = {name for name in _imports(_files()[module]) if name.split(".")[0] in ("pipeline", "streamer")}
    assert ours <= set(above), f"{module} imports {ours - set(above)}, which stand below it"


@pytest.mark.parametrize("module", [name for name in LAYERS if name.startswith("streamer")])
def test_streamer_uses_only_public_names_of_pipeline(module: str) -> None:
    assert not [name for name in _imports(_files()[module]) if name.startswith("pipeline.")]


@pytest.mark.parametrize("module", LAYERS)
def test_heavy_packages_stay_in_their_room(module: str) -> None:
    for name in _imports(_files()[module]):
        homes = HEAVY.get(name.split(".")[0], (module,))
        assert module.startswith(homes), f"{module} imports {name}, which belongs to {homes}"


@pytest.mark.parametrize("package", ["pipeline", "streamer", "streamer.cli"])
def test_importing_brings_nothing_heavy(package: str) -> None:
    code = f"import sys, {package}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not set(HEAVY) & set(loaded.stdout.split())


def test_the_process_of_a_connection_needs_nothing_else_of_ours() -> None:
    """It would be there when a camera has long answered."""
    names = _imports(_files()["streamer.demux"]) | _imports(_files()["streamer.crossing"])
    assert {name for name in names if name.split(".")[0] in ("pipeline", "streamer")} == {"streamer.crossing"}


def test_files_stay_small() -> None:
    lengths = {name: len(path.read_text().splitlines()) for name, path in _files().items()}
    assert {name: length for name, length in lengths.items() if length > 300} == {}


def test_broad_excepts_stand_only_at_the_boundaries() -> None:
    # The command line, a stream's threads, the inference process, and the thread that reads a subscription.
    allowed = {"streamer.cli", "streamer.stream", "streamer.inference", "streamer.pubsub"}
    found = set()
    for name, path in _files().items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                caught = ast.unparse(node.type) if node.type else "everything"
                reraises = any(isinstance(each, ast.Raise) and each.exc is None for each in node.body)
                if caught in ("Exception", "everything") or (caught == "BaseException" and not reraises):
                    found.add(name)
    assert found <= allowed


def test_public_names_are_what_init_lists() -> None:
    import pipeline
    import streamer

    for package in (pipeline, streamer):
        assert sorted(package.__all__) == sorted(set(package.__all__))
        assert all(hasattr(package, name) for name in package.__all__)
