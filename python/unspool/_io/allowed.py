"""Which names a file may ask for, and what is built when it does.

A name stands for a value (a dtype, a type) and may have a builder, which is what a call of it runs. What is
neither listed here nor declared by the user is refused.
"""

from __future__ import annotations

import collections
import pickle
import threading
from collections.abc import Callable, Iterable
from typing import Any

import unspool
from unspool import _core
from unspool._core import Tensor
from unspool._io import numpy_arrays
from unspool._layouts import sparse_coo
from unspool.nn.parameter import Parameter

Builder = Callable[..., Any]

# Elements of the kinds of storage that PyTorch has classes for.
STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


class StorageKind:
    """Stands for PyTorch's class of a storage in a pickle."""

    def __init__(self, name: str) -> None:
        self.name = name


def _refuse(what: str) -> pickle.UnpicklingError:
    return pickle.UnpicklingError(f"load: the file is damaged or hostile: {what}")


def _view(storage: Any, offset: Any, size: Any, stride: Any) -> Tensor:
    """Lay a tensor over a storage, which is a one-dimensional tensor here."""
    if not isinstance(storage, Tensor):
        raise _refuse("a tensor without a storage")
    numbers = [offset, *size, *stride]
    if len(size) != len(stride) or not all(type(n) is int and n >= 0 for n in numbers):
        raise _refuse("a tensor with impossible sizes")
    if 0 not in size:
        reach = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if reach >= storage.numel():
            raise _refuse("a tensor reaches beyond its storage")
        return storage.as_strided(size, stride, offset)
    return unspool.empty(size, dtype=storage.dtype)


def _tensor(
    storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, _hooks: Any, _metadata: Any = None
) -> Tensor:
    # A handle of its own: the file knows of no tensor that this one would be a view of.
    return Tensor._make_subclass(Tensor, _view(storage, offset, size, stride), bool(requires_grad))


def _tensor_v3(
    storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any, kind: Any, *_: Any
) -> Tensor:
    if not isinstance(storage, Tensor) or not isinstance(kind, _core.dtype):
        raise _refuse("a tensor without a storage or a dtype")
    if storage.dtype is not kind:
        memory = _core._storage_memory(storage)
        storage = _core._over_memory(memory, 0, storage.nbytes // kind.itemsize, kind)
    return _tensor(storage, offset, size, stride, requires_grad, hooks)


def _parameter(data: Any, requires_grad: Any, _hooks: Any, state: Any = None) -> Tensor:
    if not isinstance(data, Tensor):
        raise _refuse("a parameter without a tensor")
    parameter = Parameter(data, bool(requires_grad))
    _set_attributes(parameter, state or {})
    return parameter


def _from_type(function: Any, kind: Any, arguments: Any, state: Any) -> Tensor:
    if function not in (_tensor, _tensor_v3, _parameter):
        raise _refuse("a tensor from something that builds none")
    tensor: Tensor = function(*arguments)
    if kind not in (Tensor, Parameter, type(tensor)):
        if not (isinstance(kind, type) and issubclass(kind, Tensor)):
            raise _refuse("a tensor of a class that is none")
        tensor = Tensor._make_subclass(kind, tensor, tensor.requires_grad)
    _set_attributes(tensor, state)
    return tensor


def _layout(name: Any = None) -> Any:
    if name != "torch.sparse_coo":
        raise _refuse(f"a tensor of layout {name}")
    return sparse_coo


def _sparse(layout: Any = None, stored: Any = ()) -> Any:
    from unspool.sparse import sparse_coo_tensor

    if layout is not sparse_coo or not isinstance(stored, tuple) or len(stored) not in (3, 4):
        raise _refuse("a sparse tensor without its indices, values and size")
    indices, values, size = stored[:3]
    if not isinstance(indices, Tensor) or not isinstance(values, Tensor):
        raise _refuse("a sparse tensor whose indices and values are no tensors")
    return sparse_coo_tensor(
        indices, values, _size(size), is_coalesced=bool(stored[3:] and stored[3] is True)
    )


def _set_attributes(tensor: Tensor, state: Any) -> None:
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise _refuse("attributes without names")
    tensor.__dict__.update(state)


def _size(*arguments: Any) -> Any:
    (sizes,) = arguments or ((),)
    if not all(type(n) is int for n in sizes):
        raise _refuse("a torch.Size of other things than ints")
    return _core.Size(sizes)


def _bytes(text: Any = "", encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise _refuse("bytes in an unknown encoding")
    return text.encode("latin-1")


def _byte_array(data: Any = b"", *encoding: Any) -> bytearray:
    return bytearray(data if isinstance(data, bytes) else _bytes(data, *encoding))


def _members_of(kind: type) -> Builder:
    def build(members: Any = ()) -> Any:
        if not isinstance(members, (list, tuple, dict)):
            raise _refuse(f"a {kind.__name__} without its members")
        for member in members if kind in (set, frozenset) else ():
            check_key(member)
        return kind(members)

    return build


def _default_dict(kind: Any = None, members: Any = ()) -> Any:
    if kind not in (None, list, dict, set, int, float, str, bool):
        raise _refuse("a defaultdict with an unknown default")
    return collections.defaultdict(kind, members)


def _complex(real: float, imaginary: float) -> complex:
    return complex(real, imaginary)


def check_key(key: Any, depth: int = 0) -> None:
    """Refuse keys that cannot be hashed without a deep recursion."""
    if depth > 50:
        raise _refuse("a key that is nested too deeply")
    if isinstance(key, tuple):
        for member in key:
            check_key(member, depth + 1)


_VALUES: dict[str, Any] = {
    "torch.Tensor": Tensor,
    "torch.nn.parameter.Parameter": Parameter,
    "torch.Size": _core.Size,
    "torch.device": _core.device,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_v3,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._utils._rebuild_sparse_tensor": _sparse,
    "torch.serialization._get_layout": _layout,
    "torch._tensor._rebuild_from_type_v2": _from_type,
    "torch.storage.UntypedStorage": StorageKind("UntypedStorage"),
    "_codecs.encode": _bytes,
    "numpy.dtype": numpy_arrays.ElementType,
    "numpy.ndarray": numpy_arrays.empty_array,
    **{
        f"numpy.{core}.multiarray.{name}": build
        for core in ("core", "_core")
        for name, build in (("_reconstruct", numpy_arrays.empty_array), ("scalar", numpy_arrays.scalar))
    },
    **{f"torch.{name}": StorageKind(name) for name in STORAGES},
    **{
        f"collections.{kind.__name__}": kind
        for kind in (collections.OrderedDict, collections.Counter, collections.defaultdict)
    },
    **{
        f"builtins.{kind.__name__}": kind
        for kind in (set, frozenset, list, tuple, dict, bytes, bytearray, str, bool, int, float, complex)
    },
}

# What may be called, and what that does.
BUILDERS: dict[Any, Builder] = {
    **{
        function: function
        for function in (_tensor, _tensor_v3, _parameter, _sparse, _layout, _from_type, _bytes)
    },
    numpy_arrays.ElementType: numpy_arrays.ElementType,
    numpy_arrays.empty_array: numpy_arrays.empty_array,
    numpy_arrays.scalar: numpy_arrays.scalar,
    _core.Size: _size,
    _core.device: _core.device,
    set: _members_of(set),
    frozenset: _members_of(frozenset),
    list: _members_of(list),
    tuple: _members_of(tuple),
    dict: _members_of(dict),
    collections.OrderedDict: _members_of(collections.OrderedDict),
    collections.Counter: _members_of(collections.Counter),
    collections.defaultdict: _default_dict,
    bytes: _bytes,
    bytearray: _byte_array,
    complex: _complex,
}


class _Declared(threading.local):
    """What the user has declared safe, by full name: for good, and within ``with`` blocks."""

    def __init__(self) -> None:
        self.blocks: list[dict[str, Any]] = []


_for_good: dict[str, Any] = {}
_declared = _Declared()


def name_of(thing: Any) -> str:
    """Give the name by which a file asks for a class or function."""
    return f"{thing.__module__}.{thing.__qualname__}"


def named(things: Iterable[Any]) -> dict[str, Any]:
    """Give classes and functions by full name; a pair brings its own name."""
    result = {}
    for each in things:
        thing, name = each if isinstance(each, tuple) else (each, None)
        if not callable(thing):
            raise TypeError(
                f"safe globals must be classes or functions, or pairs of one and its name; got {each!r}"
            )
        result[name or name_of(thing)] = each
    return result


def declare(things: Iterable[Any]) -> None:
    """Declare safe for good."""
    _for_good.update(named(things))


def enter(things: Iterable[Any]) -> None:
    """Declare safe until ``leave`` is called, in this thread."""
    _declared.blocks.append(named(things))


def leave() -> None:
    """End the last ``enter``."""
    _declared.blocks.pop()


def forget() -> None:
    """Take back all that was declared for good."""
    _for_good.clear()


def declared() -> dict[str, Any]:
    """Give everything the user has declared, as it was declared, by name."""
    result = dict(_for_good)
    for block in _declared.blocks:
        result.update(block)
    return result


class Names:
    """The names that one file may use; taken when reading begins."""

    def __init__(self) -> None:
        users = {name: each[0] if isinstance(each, tuple) else each for name, each in declared().items()}
        self._users = users
        self._users_things = {id(thing) for thing in users.values()}

    def find(self, module: str, name: str) -> Any:
        """Give what a name stands for; UnpicklingError where it is not allowed."""
        full = f"{'builtins' if module == '__builtin__' else module}.{name}"
        if full in self._users:
            return self._users[full]
        if full in _VALUES:
            return _VALUES[full]
        if module == "torch" and isinstance(vars(_core).get(name), _core.dtype):
            return getattr(_core, name)
        if module.startswith("torch") and name.endswith("Storage"):
            raise pickle.UnpicklingError(
                f"load: the file holds elements of {full}, which unspool does not have"
            )
        raise pickle.UnpicklingError(
            f"load: the file asks for {full}, which is no tensor, number or container. unspool runs no "
            f"code from files. If you trust this name, declare it: "
            f"unspool.serialization.add_safe_globals([{name}])"
        )

    def is_users(self, thing: Any) -> bool:
        """Whether the user has declared a class or function safe."""
        return id(thing) in self._users_things

    def call(self, thing: Any, arguments: tuple[Any, ...]) -> Any:
        """Do what a call of a name means in a file."""
        if self.is_users(thing):
            return thing(*arguments)
        try:
            builder = BUILDERS[thing]
        except (KeyError, TypeError):
            raise _refuse(f"it calls {type(thing).__name__} {thing!r:.100}") from None
        return builder(*arguments)
