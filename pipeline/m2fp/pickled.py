"""A reader of torch's pickles that needs no torch, and runs nothing that they name."""

import io
import pickle
import pickletools
from typing import Any, NamedTuple

_MAX_DIMENSIONS = 8
_MAX_NESTING = 40_000
"""Python hashes a tuple within a tuple by recursion and dies where they are 100,000 deep; Adam's state has 13,000."""

# What the unpickler makes of damaged or hostile bytes; it does not say that it raises nothing else.
_BROKEN = (
    *(pickle.UnpicklingError, EOFError, AttributeError, ImportError, LookupError, TypeError, ValueError),
    *(ArithmeticError, MemoryError, RecursionError),
)


def describe(pickled: bytes) -> object:
    """Dicts, lists, numbers and text as they are, a `Tensor` for each tensor, an `Ignored` for everything else.

    Raises:
        pickle.UnpicklingError: the bytes are damaged, or made to take up all memory.
    """
    try:
        _refuse_traps(pickled)
        return _Unpickler(io.BytesIO(pickled)).load()
    except _BROKEN as exc:
        raise pickle.UnpicklingError(str(exc) or type(exc).__name__) from exc


class Storage(NamedTuple):
    """Numbers in a row, of which a tensor is a view."""

    kind: str
    """Torch's name for it: "FloatStorage"."""
    key: str


class Tensor(NamedTuple):
    """A tensor that has not been read. A tuple, so that a pickle cannot change it once it was checked."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def reach(self) -> int:
        """Minimum number of elements of the storage."""
        if 0 in self.size:
            return 0
        return self.offset + sum((side - 1) * step for side, step in zip(self.size, self.stride)) + 1


class _Dict(dict[Any, Any]):
    """For OrderedDict. A state dict's `_metadata`, which is set as an attribute, is dropped."""

    def __setstate__(self, *state: object) -> None:
        """Does nothing."""


class Ignored:
    """For everything else that a pickle names, functions too: takes what it is given and does nothing."""

    origin = ""

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Does nothing."""

    def __call__(self, *args: object, **kwargs: object) -> "Ignored":
        return self

    def _ignore(self, *args: object) -> None:
        """Does nothing."""

    # Without __setstate__, pickle would set attributes: on the class as well, for all files read after this one.
    __setstate__ = __setitem__ = append = extend = add = _ignore


class _Unpickler(pickle.Unpickler):
    """Makes dicts, lists, numbers, text and tensors to be read later; no name in the file is ever looked up."""

    def find_class(self, module: str, name: str, /) -> Any:
        # Methods of an object, not functions: of a function, a pickle could set __defaults__.
        known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): _Dict,
            ("torch._utils", "_rebuild_tensor_v2"): self._tensor,
            ("torch._utils", "_rebuild_parameter"): self._parameter,
            ("torch._utils", "_rebuild_parameter_with_state"): self._parameter,
        }
        if module.partition(".")[0] == "torch" and name.endswith("Storage"):
            return name
        return known.get((module, name)) or type("Ignored", (Ignored,), {"origin": f"{module}.{name}"})

    def persistent_load(self, pid: Any) -> Storage:
        match pid:
            case ("storage", str(kind), str(key), _, _):
                return Storage(kind, key)
        raise pickle.UnpicklingError("a reference to something that is not a storage")

    def _tensor(self, storage: object, offset: int, size: Any, stride: Any, *rest: object) -> Tensor:
        numbers = (offset, *size, *stride)
        whole = all(isinstance(number, int) and 0 <= number < 1 << 48 for number in numbers)
        if not isinstance(storage, Storage) or not whole or len(size) != len(stride) or len(size) > _MAX_DIMENSIONS:
            raise pickle.UnpicklingError("a tensor of an impossible storage, size or stride")
        return Tensor(storage, offset, tuple(size), tuple(stride))

    def _parameter(self, data: object, *rest: object) -> object:
        return data


def _refuse_traps(pickled: bytes) -> None:
    nesting = 0
    for opcode, argument, _ in pickletools.genops(pickled):
        nesting += opcode.name.startswith(("TUPLE", "FROZENSET"))
        # Python would make room for as many objects as the highest number, whatever it is.
        if "PUT" in opcode.name and argument is not None and argument > len(pickled):
            raise pickle.UnpicklingError(f"object number {argument} in {len(pickled)} bytes")
    if nesting > _MAX_NESTING:
        raise pickle.UnpicklingError(f"{nesting} tuples")
