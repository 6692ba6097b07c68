"""Checkpoints as torch writes them, and as they come out of a broken download or from somebody who means harm."""

import contextlib
import os
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from pipeline import WeightsError
from pipeline.m2fp import pickled
from pipeline.m2fp.checkpoint import check_tensors, read_checkpoint, read_safetensors, write_safetensors
from pipeline.network.cache import replacing

# A pickle in parts, so that one can be made without torch, and as no pickler would make it.
MARK, TUPLE, REDUCE, BUILD, STOP, PERSISTENT = b"(", b"t", b"R", b"b", b".", b"Q"


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def plain(value: object) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def called(function: bytes, *arguments: bytes) -> bytes:
    return function + MARK + b"".join(arguments) + TUPLE + REDUCE


def dictionary(items: dict[str, bytes]) -> bytes:
    return b"}" + MARK + b"".join(plain(key) + value for key, value in items.items()) + b"u"


def tensor(
    size: Any = (2, 3), stride: Any = (3, 1), key: str = "0", offset: int = 0, kind: str = "FloatStorage"
) -> bytes:
    storage = MARK + plain("storage") + named("torch", kind) + plain(key) + plain("cpu") + plain(6) + TUPLE + PERSISTENT
    hooks = called(named("collections", "OrderedDict"))
    rebuild = named("torch._utils", "_rebuild_tensor_v2")
    return called(rebuild, storage, plain(offset), plain(size), plain(stride), plain(False), hooks)


SIX = np.arange(6, dtype=np.float32)
GOOD = dictionary({"model": dictionary({"w": tensor()})})


def written(
    path: Path, content: bytes = GOOD, storages: dict[str, bytes] | None = None, compression: int = zipfile.ZIP_STORED
) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + content + STOP)
        archive.writestr("archive/byteorder", b"little")
        for key, data in ({"0": SIX.tobytes()} if storages is None else storages).items():
            archive.writestr(f"archive/data/{key}", data)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.process
def test_a_tensor_without_torch(tmp_path: Path) -> None:
    (found,) = read_checkpoint(written(tmp_path / "a.pt")).items()
    assert found[0] == "w"
    np.testing.assert_array_equal(found[1], SIX.reshape(2, 3))
    assert (
        "torch"
        not in subprocess.run(
            [sys.executable, "-c", "import sys, pipeline.m2fp.checkpoint; print(*sys.modules)"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
    )


def test_the_stride_of_a_side_of_one_is_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "a.pt", dictionary({"model": dictionary({"w": tensor((1, 6), (2**47, 1))})}))
    np.testing.assert_array_equal(read_checkpoint(path)["w"], SIX.reshape(1, 6))


class Foreign:
    """What a trainer leaves beside the weights."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.history = [Fraction(1, 3), {1, 2}, frozenset("ab"), bytearray(b"ab")]


def _torch_tensors(torch: Any) -> dict[str, Any]:
    base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    return {
        "plain": base.clone(),
        "transposed": base.clone().transpose(0, 2),
        "part": base[1:, ::2, 1:3],
        "same storage": base[0],
        "expanded": torch.tensor([7.5]).expand(3, 2),
        "one row": base[:1].transpose(0, 1),
        "half": base.to(torch.float16) / 7,
        "bfloat16": base.to(torch.bfloat16).transpose(1, 2) / 7,
        "bfloat16 scalar": torch.tensor(-1.5, dtype=torch.bfloat16),
        "scalar": torch.tensor(2.5),
        "num_batches_tracked": torch.tensor(3),
        "counts": torch.arange(4)[::2],
        "nothing": torch.zeros(0, 5),
        "parameter": torch.nn.Parameter(base.clone()),
    }


def test_what_torch_writes(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    tensors = _torch_tensors(torch)
    torch.save({"model": tensors, "iteration": 5}, tmp_path / "a.pt")
    found = read_checkpoint(tmp_path / "a.pt")
    assert list(found) == list(tensors)
    for name, wanted in tensors.items():
        array = found[name]
        assert array.dtype == (np.int64 if wanted.dtype == torch.int64 else np.float32), name
        assert array.shape == tuple(wanted.shape), name
        assert array.flags.c_contiguous, name
        assert array.flags.writeable, name
        np.testing.assert_array_equal(array, wanted.detach().to(torch.float64).numpy(), err_msg=name)
    assert not np.shares_memory(found["part"], found["same storage"])


def test_only_the_model_is_read_of_a_training_state(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.rand(2, 3)).sum().backward()
    optimizer.step()
    state = network.state_dict()
    assert state._metadata  # travels as an attribute of the dict
    everything = {
        "model": state,
        "optimizer": optimizer.state_dict(),
        "hooks": [Foreign("x"), Foreign],
        "rng": np.ones(3),
    }
    torch.save(everything, tmp_path / "whole.pt")
    # Without the optimiser's storages the file is still whole to one who does not read them.
    with zipfile.ZipFile(tmp_path / "whole.pt") as old, zipfile.ZipFile(tmp_path / "cut.pt", "w") as new:
        for member in old.namelist()[: 5 + len(state)]:
            new.writestr(member, old.read(member))
    for name in ("whole.pt", "cut.pt"):
        found = read_checkpoint(tmp_path / name)
        assert {key: array.shape for key, array in found.items()} == {key: tuple(t.shape) for key, t in state.items()}
        np.testing.assert_array_equal(found["0.weight"], state["0.weight"].numpy())
        assert found["1.num_batches_tracked"] == 1


class Harm:
    def __init__(self, path: Path) -> None:
        self.command = f"touch {path}"

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.parametrize("beside", ["optimizer", "model"])
def test_nothing_that_a_pickle_names_is_run(tmp_path: Path, beside: str) -> None:
    harm = plain(Harm(tmp_path / "harmed"))
    pickle.loads(b"\x80\x02" + harm + STOP)
    (tmp_path / "harmed").unlink()  # so the harm is real
    model = {"w": tensor()} | ({"harm": harm} if beside == "model" else {})
    path = written(tmp_path / "a.pt", dictionary({beside: harm, "model": dictionary(model)}))
    if beside == "model":
        assert "'harm' is posix.system" in refusal(path) or "'harm' is nt.system" in refusal(path)
    else:
        np.testing.assert_array_equal(read_checkpoint(path)["w"], SIX.reshape(2, 3))
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize(
    "object_",
    [
        named("torch._utils", "_rebuild_tensor_v2"),
        named("collections", "OrderedDict"),
        named("os", "system"),
        called(named("os", "system"), plain("true")),
        tensor(),
        called(named("collections", "OrderedDict")),
    ],
)
@pytest.mark.parametrize("state", [plain({"__defaults__": (1,)}), plain((None, {"__init__": 1, "__defaults__": (1,)}))])
def test_a_pickle_changes_nothing_of_ours(tmp_path: Path, object_: bytes, state: bytes) -> None:
    classes = (pickled.Ignored, pickled.Tensor, pickled._Dict, pickled._Unpickler)
    before = [dict(vars(each)) for each in classes]
    path = written(tmp_path / "a.pt", dictionary({"x": object_ + state + BUILD, "model": dictionary({"w": tensor()})}))
    with contextlib.suppress(WeightsError):  # to refuse it is as well
        np.testing.assert_array_equal(read_checkpoint(path)["w"], SIX.reshape(2, 3))
    assert [dict(vars(each)) for each in classes] == before
    assert pickled._Unpickler._tensor.__defaults__ is None


def test_foreign_things_of_every_make(tmp_path: Path) -> None:
    foreign = named("somewhere", "Class")
    made = called(foreign, plain(1))
    things = {
        "called": called(made, plain(2)),
        "new": foreign + plain((1, 2)) + b"\x81",
        "state": made + plain({"a": 1}) + BUILD,
        "appended": made + MARK + plain(1) + plain(2) + b"e",
        "appended one": made + plain(1) + b"a",
        "items": made + MARK + plain(1) + plain(2) + b"u",
        "set": made + MARK + plain(1) + b"\x90",
        "old": MARK + plain(1) + b"isomewhere\nClass\n",
        "dotted": named("os.path", "join.__globals__"),
    }
    path = written(tmp_path / "a.pt", dictionary(things | {"model": dictionary({"w": tensor()})}))
    assert list(read_checkpoint(path)) == ["w"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (plain([1]), "holds a thing of type list, not a dict with a key 'model'"),
        (tensor(), "holds a thing of type Tensor, not a dict"),
        (called(named("os", "system"), plain("true")), "holds os.system, not a dict"),
        (dictionary({"state_dict": plain(1), "epoch": plain(1)}), "no key 'model'; it has: 'state_dict', 'epoch'"),
        (plain({}), "no key 'model'; it has: none"),
        (plain(dict.fromkeys(map(str, range(30)))), "'19' and 10 more"),
        (dictionary({"model": plain([1])}), "under key 'model' is a thing of type list, not a dict of tensors"),
        (dictionary({"model": plain({"w": 1})}), "'w' is a thing of type int"),
        (dictionary({"model": plain({5: 1})}), "no tensor's name: a thing of type int"),
        (dictionary({"model": plain({"\x1b[2J": 1})}), "no tensor's name"),
        (dictionary({"model": dictionary({"w": tensor(kind="DoubleStorage")})}), "'w' is a torch.DoubleStorage"),
        (dictionary({"model": dictionary({"w": tensor((3, 3), (3, 1))})}), "'w' needs 9 numbers, and 6 are there"),
        (dictionary({"model": dictionary({"w": tensor(offset=1)})}), "'w' needs 7 numbers, and 6 are there"),
        (dictionary({"model": dictionary({"w": tensor((2, 3), (9, 1))})}), "'w' needs 12 numbers"),
        (dictionary({"model": dictionary({"w": tensor(kind="LongStorage")})}), "'w' needs 6 numbers, and 3 are there"),
        (dictionary({"model": dictionary({"w": tensor(key="9")})}), "it has no archive/data/9"),
        (dictionary({"model": dictionary({"w": tensor(key="../data.pkl")})}), "it has no archive/data/../data.pkl"),
        (dictionary({"model": dictionary({"w": tensor((10**9,), (0,))})}), "more than the file has bytes"),
        (
            dictionary({"model": dictionary({"w": tensor((0, 2**40, 2**40), (1, 1, 1))})}),
            "more than the file has bytes",
        ),
        (dictionary({"w": tensor((2, 3), (-3, 1))}), "impossible storage, size or stride"),
        (dictionary({"w": tensor((2, 3), (3,))}), "impossible storage, size or stride"),
        (dictionary({"w": tensor((2, "x"), (3, 1))}), "impossible storage, size or stride"),
        (dictionary({"w": tensor((1,) * 99, (1,) * 99)}), "impossible storage, size or stride"),
        (dictionary({"w": plain(("a", 1)) + PERSISTENT}), "not a storage"),
        (b"}r" + (2**32 - 1).to_bytes(4, "little"), "object number 4294967295"),
        (b"}(" + b")" + b"\x85" * 150_000 + plain(1) + b"u", "150000 tuples"),
        (b"}(" * 10 + b"\xff", "data.pkl"),
        (b"", "data.pkl"),
    ],
)
def test_what_is_no_checkpoint(tmp_path: Path, content: bytes, says: str) -> None:
    assert says in refusal(written(tmp_path / "a.pt", content))


def test_what_is_no_file_of_torch(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "missing.pt")
    (tmp_path / "folder.pt").mkdir()
    assert "Is a directory" in refusal(tmp_path / "folder.pt") or "denied" in refusal(tmp_path / "folder.pt")
    for content in (b"", b"version https://git-lfs", pickle.dumps(OrderedDict(a=1))):
        (tmp_path / "text.pt").write_bytes(content)
        assert "no zip" in refusal(tmp_path / "text.pt")
        assert "torch >= 1.6" in refusal(tmp_path / "text.pt")
    with zipfile.ZipFile(tmp_path / "other.pt", "w") as archive:
        archive.writestr("a/b/data.pkl", b"")
    assert "no data.pkl" in refusal(tmp_path / "other.pt")


def test_torchs_old_format(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"model": {"w": torch.zeros(3)}}, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    assert "save it again with torch >= 1.6" in refusal(tmp_path / "a.pt")


def test_damage(tmp_path: Path) -> None:
    path = written(tmp_path / "a.pt")
    whole = path.read_bytes()
    for length in (10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert "cut short or damaged" in refusal(path)
    path.write_bytes(whole.replace(SIX.tobytes(), SIX[::-1].tobytes()))
    assert "Bad CRC-32" in refusal(path)
    assert "is compressed" in refusal(written(path, compression=zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"")
        archive.writestr("archive/byteorder", b"big")
    assert "big-endian" in refusal(path)


def test_a_member_longer_than_the_file(tmp_path: Path) -> None:
    path = written(tmp_path / "a.pt")
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")  # the last member's, which is the storage's
    for at in (20, 24):
        content[entry + at : entry + at + 4] = (2**31).to_bytes(4, "little")
    path.write_bytes(content)
    assert "says 2147483648 bytes, more than are there" in refusal(path)


def test_a_huge_pickle_is_not_tried(tmp_path: Path) -> None:
    assert "data.pkl has" in refusal(written(tmp_path / "a.pt", bytes(65 << 20)))


# Python's own reader of pickles warns of a backslash in a name.
@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")
@pytest.mark.parametrize("where", ["file", "pickle"])
def test_any_damage_is_a_weights_error(tmp_path: Path, where: str) -> None:
    rng = np.random.default_rng(1)
    content = dictionary({"model": dictionary({"a": tensor(), "b": tensor((3,), (2,))}), "x": plain([1, "a", (2.5,)])})
    whole = bytearray(content if where == "pickle" else written(tmp_path / "a.pt", content).read_bytes())
    refused = 0
    for _ in range(600):
        damaged = whole.copy()
        for at in rng.integers(len(whole), size=rng.integers(1, 4)):
            damaged[at] = rng.integers(256)
        path = tmp_path / "b.pt"
        if where == "pickle":
            written(path, bytes(damaged))
        else:
            path.write_bytes(damaged)
        try:
            read_checkpoint(path)
        except WeightsError:
            refused += 1
    assert refused > 100


def test_safetensors_there_and_back(tmp_path: Path) -> None:
    tensors = {"w": SIX.reshape(2, 3).T, "n": np.array(5, np.int64), "none": np.zeros((0, 3), np.float32)}
    path = tmp_path / "new" / "folder" / "a.safetensors"
    write_safetensors(path, tensors)
    found = read_safetensors(path)
    assert {name: (array.shape, array.dtype) for name, array in found.items()} == {
        name: (array.shape, array.dtype) for name, array in tensors.items()
    }
    for name, array in found.items():
        np.testing.assert_array_equal(array, tensors[name])
        assert array.flags.c_contiguous
    found["w"][:] = 9
    np.testing.assert_array_equal(read_safetensors(path)["w"], tensors["w"])
    assert [each.name for each in path.parent.iterdir()] == ["a.safetensors"]


def test_safetensors_of_others(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"h": SIX.astype(np.float16)}, path)
    assert read_safetensors(path)["h"].dtype == np.float32
    np.testing.assert_array_equal(read_safetensors(path)["h"], SIX)
    save_file({"d": SIX.astype(np.float64)}, path)
    with pytest.raises(WeightsError, match="tensor 'd' is of float64; save it in float32"):
        read_safetensors(path)
    header = b'{"b":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(WeightsError, match=r"bfloat16.*save it in float32"):
        read_safetensors(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="damaged or no safetensors file"):
        read_safetensors(path)
    with pytest.raises(WeightsError, match="cannot read"):
        read_safetensors(tmp_path / "missing.safetensors")


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_safetensors(path, {"w": SIX})
    with pytest.raises(RuntimeError), replacing(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert [each.name for each in tmp_path.iterdir()] == ["a.safetensors"]
    np.testing.assert_array_equal(read_safetensors(path)["w"], SIX)
    with pytest.raises(WeightsError, match=r"cannot write .*a\.safetensors"):
        write_safetensors(path / "below" / "a.safetensors", {"w": SIX})


def test_every_difference_is_listed() -> None:
    wanted = {"same": (2, 3), "gone": (4,), "lost.num_batches_tracked": (), "turned": (3, 2)}
    found = {"same": np.zeros((2, 3)), "turned": np.zeros((2, 3)), "more": np.zeros(1), "yet more": np.zeros(())}
    with pytest.raises(WeightsError) as caught:
        check_tensors(found, wanted, "a.pt")
    assert str(caught.value).splitlines() == [
        "a.pt does not fit the network: 2 tensors missing, 2 extra, 1 misshapen",
        "  missing: gone (4,)",
        "  missing: lost.num_batches_tracked ()",
        "  extra: more (1,)",
        "  extra: yet more ()",
        "  misshapen: turned (2, 3), not (3, 2)",
    ]
    check_tensors({name: np.zeros(shape) for name, shape in wanted.items()}, wanted, "a.pt")
