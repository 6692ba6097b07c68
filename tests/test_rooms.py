"""The plan of the house: which rooms there are, and what each may use. `docs/architecture.md` explains it."""

import ast
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.support.paths import ROOT

# A room is a folder, or a file at a package's root. Everybody may use the ground floor of their own package, and
# `streamer` all of `pipeline`.
GROUND = {
    "pipeline": {"errors", "geometry", "labels", "hdr", "yuv", "types", "pictures", "id_boxes"},
    "streamer": {"errors", "interrupts", "log", "units", "settings", "version"},
    "training": set(),
}
SEEING = {"pipeline.network", "pipeline.people", "pipeline.model"}
USES = {
    "pipeline.network": set(),
    "pipeline.people": {"pipeline.network"},
    "pipeline.motion": {"pipeline.network", "pipeline.people"},
    "pipeline.drawing": set(),
    "pipeline.model": {"pipeline.network", "pipeline.people"},
    "pipeline.lite": SEEING,
    "pipeline.m2fp": SEEING,
    "pipeline.faces": {"pipeline.network"},
    "pipeline.parsing": SEEING | {"pipeline.motion", "pipeline.faces", "pipeline.lite", "pipeline.m2fp"},
    "pipeline.evaluation": set(),
    "pipeline.exports": set(),
    "training": SEEING | {"pipeline.lite", "pipeline.parsing", "pipeline.evaluation"},
    "streamer.alerts": set(),
    "streamer.media": set(),
    "streamer.processes": set(),
    "streamer.masks": set(),
    "streamer.sources": {"streamer.media", "streamer.processes"},
    "streamer.recording": {"streamer.media"},
    "streamer.inference": {"streamer.processes"},
    "streamer.stills": {"streamer.processes"},
    "streamer.zeromq": {"streamer.masks"},
    "streamer.parsings": {"streamer.media", "streamer.processes", "streamer.masks", "streamer.sources"},
    "streamer.segments": {"streamer.processes", "streamer.parsings"},
    "streamer.export": {"streamer.media", "streamer.masks"},
    "streamer.offline": {
        "streamer.media",
        "streamer.masks",
        "streamer.sources",
        "streamer.recording",
        "streamer.parsings",
    },
    "streamer.batch": {
        "streamer.processes",
        "streamer.media",
        "streamer.sources",
        "streamer.parsings",
        "streamer.offline",
        "streamer.segments",
    },
    "streamer.cluster": {"streamer.processes", "streamer.segments"},
    "streamer.live": {
        "streamer.parsings",
        "streamer.media",
        "streamer.processes",
        "streamer.sources",
        "streamer.recording",
        "streamer.inference",
        "streamer.masks",
        "streamer.zeromq",
    },
    "streamer.diagnose": {"streamer.media", "streamer.sources", "streamer.recording", "streamer.live"},
    "streamer.fleets": {
        "streamer.media",
        "streamer.processes",
        "streamer.sources",
        "streamer.segments",
        "streamer.zeromq",
        "streamer.cluster",
        "streamer.live",
        "streamer.diagnose",
    },
    "streamer.profile": {"streamer.diagnose", "streamer.sources"},
    "streamer.web": {
        "streamer.stills",
        "streamer.sources",
        "streamer.diagnose",
        "streamer.processes",
        "streamer.offline",
        "streamer.live",
        "streamer.recording",
    },
    "streamer.cli": {
        "streamer.alerts",
        "streamer.media",
        "streamer.processes",
        "streamer.sources",
        "streamer.recording",
        "streamer.masks",
        "streamer.parsings",
        "streamer.export",
        "streamer.zeromq",
        "streamer.offline",
        "streamer.segments",
        "streamer.batch",
        "streamer.cluster",
        "streamer.live",
        "streamer.diagnose",
        "streamer.fleets",
        "streamer.profile",
        "streamer.web",
    },
    "streamer.__main__": {"streamer.cli"},
}
DOORS = {"pipeline", "streamer"}
"""Their `__init__` lists the public names, from every room."""

# Slow to import or not always there: only in the rooms that need them, and no room of ours brings them in by itself.
HEAVY = {
    "openvino": ("pipeline.network.runtime", "pipeline.network.quantize", "pipeline.m2fp.graph"),
    "onnxruntime": ("pipeline.network.runtime", "training"),
    "onnx": ("training",),
    "torch": ("pipeline.m2fp", "training"),
    "numba": ("pipeline.m2fp.sampling", "training.synthetic.rendering"),
    "llvmlite": ("pipeline.m2fp.sampling",),
    "modelscope": (),
    "modelscope_hub": ("pipeline.m2fp.download",),
    "PIL": ("streamer.stills.upright", "streamer.stills.answers"),
    "fastapi": ("streamer.web",),
    "prometheus_client": ("streamer.web.metrics", "streamer.web.costs"),
    "psutil": ("streamer.diagnose.sampler",),
    "pydantic": ("streamer.web.models",),
    "starlette": ("streamer.web",),
    "uvicorn": ("streamer.web.server",),
    "ray": ("streamer.cluster",),
    "mss": ("streamer.sources.devices.screen",),
}
# What waits stays out of what computes.
WAITING = {"threading", "socket", "subprocess", "multiprocessing", "concurrent", "asyncio", "zmq"}
MAY_WAIT = {
    "pipeline.m2fp.sampling": {"threading", "concurrent"},  # the look-up runs on several cores
    "pipeline.yuv": {"threading"},  # PyAV's converter is for one thread at a time
    "pipeline.drawing.mixing": {"threading"},  # each thread has memory of its own
}
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_FILES_IN_A_ROOM = 18


def _files() -> dict[str, Path]:
    found = {}
    for package in GROUND:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


FILES = _files()


def _room(module: str) -> str:
    package, *rest = module.split(".")
    return package if package == "training" or not rest else f"{package}.{rest[0]}"


def _names(module: str) -> set[str]:
    """Modules that a file imports, ours and others', wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports relatively"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in FILES else str(node.module) for name in whole}
    return names


def _imports(module: str) -> set[str]:
    return {name for name in _names(module) if name in FILES}


@pytest.mark.parametrize("module", [each for each in FILES if each not in DOORS])
def test_a_file_uses_only_what_its_room_may(module: str) -> None:
    own = _room(module)
    package = own.split(".")[0]
    allowed = {own, *USES.get(own, set()), *(f"{package}.{each}" for each in GROUND[package])}
    if package == "training":
        allowed |= {f"pipeline.{each}" for each in GROUND["pipeline"]} | {"pipeline"}
    if package == "streamer":
        allowed |= {name for name in map(_room, FILES) if name.split(".")[0] == "pipeline"}
    assert not {name for name in _imports(module) if _room(name) not in allowed}


def test_every_room_is_in_the_plan() -> None:
    ground = {f"{package}.{each}" for package, names in GROUND.items() for each in names}
    assert {_room(module) for module in FILES} - DOORS - ground == set(USES)


def test_nothing_goes_round() -> None:
    TopologicalSorter({module: _imports(module) for module in FILES if module not in DOORS}).prepare()
    TopologicalSorter(USES).prepare()


def test_rooms_re_export_nothing() -> None:
    """An import says where a thing is, and a child process loads only what it names."""
    doors = DOORS | {"streamer.cli"}
    for module, path in FILES.items():
        if path.name == "__init__.py" and module not in doors:
            (docstring,) = ast.parse(path.read_text()).body
            assert isinstance(docstring, ast.Expr), module


@pytest.mark.parametrize("module", FILES)
def test_heavy_packages_stay_in_their_room(module: str) -> None:
    for name in _names(module):
        homes = HEAVY.get(name.split(".")[0], (module,))
        assert module.startswith(homes), f"{module} imports {name}, which belongs to {homes}"


@pytest.mark.parametrize("module", [each for each in FILES if each.startswith("pipeline")])
def test_pipeline_waits_for_nothing(module: str) -> None:
    waiting = {name.split(".")[0] for name in _names(module)} & WAITING
    assert waiting <= MAY_WAIT.get(module, set())


def test_synthetic_people_are_made_without_a_network() -> None:
    """Of the training they know the codes of a pack alone; what trains knows them only as a part of one."""
    ours = {each for each in FILES if each.startswith("training.synthetic")}
    for module, names in ((module, _imports(module)) for module in FILES if module.startswith("training")):
        if module in ours:
            assert {name for name in names if name.startswith("training")} <= ours | {"training.pack"}
        elif module != "training.commands.synthesize":
            assert not names & ours


def test_masks_know_no_socket() -> None:
    rooms = [each for each in FILES if _room(each) == "streamer.masks"]
    assert not {name.split(".")[0] for each in rooms for name in _names(each)} & {"zmq", "socket"}


@pytest.mark.process
@pytest.mark.parametrize("package", ["pipeline", "streamer", "streamer.cli"])
def test_importing_brings_nothing_heavy(package: str) -> None:
    code = f"import sys, {package}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not set(HEAVY) & set(loaded.stdout.split())


@pytest.mark.process
def test_the_web_process_takes_and_gives_bytes() -> None:
    """What decodes and computes is in other processes, so that a picture can end one of these and no more."""
    code = "import sys, streamer.cli.serve, streamer.web.server; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    # Prometheus' library is loaded when somebody scrapes.
    kept_out = {"numpy", "cv2", "av", "PIL", "openvino", "rich", "prometheus_client"}
    assert not kept_out & set(loaded.stdout.split())


def test_the_process_of_a_connection_needs_nothing_else_of_ours() -> None:
    """It would be there when a camera has long answered."""
    need = {"streamer.processes.parent", "streamer.processes.framing"}
    need |= {f"streamer.sources.demuxer.{each}" for each in ("protocol", "jpegs")}
    assert {name for module in ("streamer.sources.demuxer.main", *need) for name in _imports(module)} == need


def test_files_rooms_and_functions_stay_small() -> None:
    lengths = {name: len(path.read_text().splitlines()) for name, path in FILES.items()}
    assert {name: length for name, length in lengths.items() if length > MAX_FILE_LINES} == {}
    folders = {path.parent for path in FILES.values()}
    counts = {folder: len([path for path in folder.glob("*.py") if path.name[0] != "_"]) for folder in folders}
    assert {str(folder): count for folder, count in counts.items() if count > MAX_FILES_IN_A_ROOM} == {}
    long = {}
    for name, path in FILES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    long[f"{name}.{node.name}"] = lines
    assert long == {}


def test_broad_excepts_stand_only_at_the_boundaries() -> None:
    # The command line, a stream's threads, the inference process, and the threads that read a subscription and write
    # files. Of the service: a request, and a picture in the process for stills.
    allowed = {
        "streamer.cli",
        "streamer.live.stream",
        "streamer.inference.main",
        "streamer.zeromq.subscriber",
        "streamer.web.gate",
        "streamer.stills.main",
        "streamer.media.disk",
    }
    found = set()
    for name, path in FILES.items():
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


def test_the_wheel_has_every_room() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {path.parent.relative_to(ROOT) for path in FILES.values()}
    packages = {str(folder).replace("/", ".") for folder in folders if folder.parts[0] != "training"}
    assert set(listed) == packages | {"streamer.samples"}
