"""PyTorch's file format, both ways: what it holds comes back, nothing in it is run, damage is noticed.

The files in tests/data were written by torch 2.13: tests/data/write_archives.py.
"""

from __future__ import annotations

import collections
import contextlib
import io
import os
import pickle
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import unspool as us
from unspool import nn

DATA = Path(__file__).parent / "data"
FILES = [DATA / "archive.pt", DATA / "legacy.pt"]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
        self.register_buffer("scale", us.tensor(2.0))

    def forward(self, x: us.Tensor) -> us.Tensor:
        return self.layers(x) * self.scale


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a: int) -> None:
        self.a = a
        self.b = [a]


class Tagged(us.Tensor):
    pass


def through(obj: Any, **settings: Any) -> Any:
    """Save to memory and load again."""
    buffer = io.BytesIO()
    us.save(obj, buffer, **settings)
    buffer.seek(0)
    return us.load(buffer)


def contents(pickled: bytes, **entries: bytes) -> io.BytesIO:
    """Make an archive of a pickle that no writer would write."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, data in entries.items():
            archive.writestr(f"archive/{name.replace('__', '/')}", data)
    buffer.seek(0)
    return buffer


# ---- files that torch has written ----


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_torch_has_written_is_read(path: Path) -> None:
    loaded = us.load(path)
    assert isinstance(loaded, collections.OrderedDict)
    us.manual_seed(0)
    model = nn.Linear(3, 2)
    for name, tensor in model.state_dict().items():
        assert us.equal(loaded["model"][name], tensor)
    assert loaded["model"]._metadata == {"": {"version": 1}}
    for name, tensor in loaded["dtypes"].items():
        assert tensor.dtype is getattr(us, name)
        assert tensor.tolist() == [False, True, False, True] if name == "bool" else [0, 1, 2, 3]
    assert loaded["view"].tolist() == [[2.0, 5.0], [3.0, 6.0], [4.0, 7.0]]
    assert loaded["view"].stride() == (1, 3)
    loaded["base"][2] = -1.0
    assert loaded["view"][0, 0].item() == -1.0
    assert loaded["empty"].shape == (0, 3)
    assert loaded["scalar"].item() == 3
    assert isinstance(loaded["parameter"], nn.Parameter)
    assert loaded["parameter"].note == "kept"
    assert loaded["leaf"].requires_grad
    assert loaded["leaf"].is_leaf
    assert loaded["others"] == [
        us.Size([1, 2]),
        us.float16,
        us.device("cpu"),
        {1, 2},
        frozenset([3]),
        (1, 2.5, None, True, b"x", 1 + 2j),
        2**70,
        -5,
        300,
        70000,
        "é",
        bytearray(b"ab"),
        collections.Counter("aab"),
    ]


def test_a_checkpoint_goes_on() -> None:
    checkpoint = us.load(DATA / "checkpoint.pt", map_location="cpu", weights_only=True)
    model = nn.Linear(3, 2)
    optimizer = us.optim.Adam(model.parameters())
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    assert (checkpoint["epoch"], checkpoint["loss"]) == (3, 0.5)
    assert optimizer.param_groups[0]["lr"] == 0.125
    model(us.ones(3)).sum().backward()
    optimizer.step()


# ---- both ways ----


@pytest.mark.parametrize("protocol", range(2, 6))
def test_everything_that_is_data_comes_back(protocol: int) -> None:
    original = {
        "containers": [(), (1,), {"a": {1, 2}}, frozenset([3]), [[]], collections.OrderedDict(x=1)],
        "counts": collections.Counter("aab"),
        "default": collections.defaultdict(list, a=[1]),
        "numbers": (0, -1, 255, 256, 65536, -(2**31), 2**31, 2**100, -(2**2100), 1.5, float("inf"), 1j, True),
        "texts": ("", "ü" * 300, "\ud800", b"", b"\x80" * 300, bytearray(b"x")),
        "torch": (us.Size([2, 3]), us.int8, us.bfloat16, us.device("cpu"), us.Size([])),
        None: None,
        (1, ("x", 2.5)): "a nested key",
    }
    loaded = through(original, pickle_protocol=protocol)
    assert loaded == original
    assert isinstance(loaded["torch"][0], us.Size)
    assert loaded["default"]["new"] == []


def test_arrays_of_numbers_come_back() -> None:
    arrays = [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        np.array([True, False]),
        np.array(3, dtype=">i4"),
        np.empty((0, 2), np.float32),
    ]
    for original, loaded in zip(arrays, through(arrays), strict=True):
        assert loaded.dtype == original.dtype.newbyteorder("=")
        np.testing.assert_array_equal(loaded, original)
    numbers = through([np.float32(1.5), np.int64(-2)])
    assert [(each.item(), each.dtype) for each in numbers] == [(1.5, np.float32), (-2, np.int64)]
    for refused in (np.array([None]), np.array(["text"]), np.zeros(1, "f4,i4"), np.array([1j])):
        with pytest.raises((pickle.UnpicklingError, RuntimeError), match="load: "):
            through(refused)


def test_shared_storages_stay_shared() -> None:
    base = us.arange(6.0)
    loaded = through({"base": base, "view": base[1:5].reshape(2, 2).t(), "again": base})
    assert loaded["again"] is loaded["base"]
    loaded["base"].zero_()
    assert loaded["view"].tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_parameters_and_attributes_come_back() -> None:
    parameter = nn.Parameter(us.ones(2), requires_grad=False)
    parameter.note = "kept"
    plain = us.zeros(1)
    plain.note = [us.ones(1)]
    loaded = through([parameter, plain, nn.Parameter(us.ones(1)), us.ones(2, requires_grad=True) * 3])
    assert isinstance(loaded[0], nn.Parameter)
    assert (loaded[0].requires_grad, loaded[0].note) == (False, "kept")
    assert loaded[1].note[0].item() == 1.0
    assert loaded[2].requires_grad
    assert loaded[3].requires_grad
    assert loaded[3].is_leaf


def test_a_tensor_that_is_a_view_is_not_one_after_loading() -> None:
    loaded = through(us.ones(4, requires_grad=True).detach()[1:])
    assert loaded._base is None
    loaded.requires_grad_().sum().backward()
    assert loaded.grad is not None


def test_tensors_of_two_dtypes_over_one_memory_are_refused() -> None:
    memory = memoryview(bytearray(8))
    pair = [us._core._over_memory(memory, 0, 8 // d.itemsize, d) for d in (us.float32, us.int64)]
    with pytest.raises(RuntimeError, match="share memory"):
        us.save(pair, io.BytesIO())


@pytest.mark.parametrize("mapped", [False, True])
def test_files_can_be_mapped(tmp_path: Path, mapped: bool) -> None:
    path = tmp_path / "weights.pt"
    us.save({"a": us.arange(1000.0), "b": us.ones(3).bfloat16()}, path)
    loaded = us.load(path, mmap=mapped)
    loaded["a"] += 1
    assert loaded["a"][-1].item() == 1000.0
    assert loaded["b"].tolist() == [1.0, 1.0, 1.0]
    assert us.load(path)["a"][-1].item() == 999.0
    with pytest.raises(ValueError, match="needs the name of a file"):
        us.load(io.BytesIO(path.read_bytes()), mmap=True)


def test_storages_begin_where_they_can_be_mapped(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    us.save([us.ones(n) for n in range(1, 9)], path)
    raw = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for entry in archive.infolist():
            name, extra = struct.unpack_from("<2H", raw, entry.header_offset + 26)
            assert (entry.header_offset + 30 + name + extra) % 64 == 0
            assert entry.filename.startswith("w/")


def test_a_buffer_may_hold_more_than_one_thing() -> None:
    buffer = io.BytesIO(b"before")
    buffer.seek(6)
    us.save(us.ones(1), buffer)
    buffer.seek(6)
    assert us.load(buffer).item() == 1.0
    with pytest.raises(TypeError, match="not int"):
        us.save({}, 3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not int"):
        us.load(3)  # type: ignore[arg-type]


def test_the_same_contents_give_the_same_file(tmp_path: Path) -> None:
    us.save({"a": us.ones(3)}, tmp_path / "a.pt")
    first = (tmp_path / "a.pt").read_bytes()
    us.save({"a": us.ones(3)}, tmp_path / "a.pt")
    assert (tmp_path / "a.pt").read_bytes() == first


def test_a_failed_save_leaves_the_old_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    us.save({"a": 1}, path)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        us.save({"a": lambda: 1}, path)
    assert us.load(path) == {"a": 1}
    assert [each.name for each in tmp_path.iterdir()] == ["a.pt"]


def test_links_and_permissions_are_kept(tmp_path: Path) -> None:
    (tmp_path / "real.pt").touch()
    (tmp_path / "link.pt").symlink_to("real.pt")
    us.save([1], tmp_path / "link.pt")
    assert (tmp_path / "link.pt").is_symlink()
    assert us.load(tmp_path / "real.pt") == [1]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "real.pt").stat().st_mode) == 0o666 & ~mask


# ---- whole modules, and what the user declares ----

CLASSES = [Net, nn.Sequential, nn.Linear, nn.ReLU]


def test_a_whole_module_comes_back_when_its_classes_are_declared(tmp_path: Path) -> None:
    model, path, x = Net(), tmp_path / "model.pt", us.randn(5, 3)
    us.save(model, path)
    with pytest.raises(pickle.UnpicklingError, match=r"asks for \S*Net, .*add_safe_globals\(\[Net\]\)"):
        us.load(path)
    with us.serialization.safe_globals(CLASSES):
        assert len(us.serialization.get_safe_globals()) == len(CLASSES)
        loaded = us.load(path, weights_only=False)
    assert us.equal(loaded(x), model(x))
    with pytest.raises(pickle.UnpicklingError, match="Net"):
        us.load(path)
    us.serialization.add_safe_globals(CLASSES)
    assert isinstance(us.load(path), Net)
    us.serialization.clear_safe_globals()
    assert us.serialization.get_safe_globals() == []


def test_declared_classes_are_rebuilt_as_pickle_does() -> None:
    with us.serialization.safe_globals([Slotted, Tagged]):
        loaded = through(Slotted(3))
        assert (loaded.a, loaded.b) == (3, [3])
        tagged = us.ones(2).as_subclass(Tagged) if hasattr(us.Tensor, "as_subclass") else None
        if tagged is not None:
            assert type(through(tagged)) is Tagged
    with us.serialization.safe_globals([(Net, "elsewhere.Model")]):
        assert isinstance(us.load(contents(b"celsewhere\nModel\n)R.")), Net)
    with pytest.raises(TypeError, match="safe globals must be classes"):
        us.serialization.add_safe_globals([3])


# ---- what is refused ----


class Command:
    def __reduce__(self) -> Any:
        return os.system, ("echo must not run",)


@pytest.mark.parametrize(
    "pickled",
    [
        pickle.dumps(Command(), 2),
        pickle.dumps(Command(), 4),
        b"cbuiltins\neval\n(X\x01\x00\x00\x001tR.",
        b"cnumpy\nmatrix\n.",
        b"ctorch._utils\n_rebuild_nested_tensor\n.",
        b"ctorch\nComplexFloatStorage\n.",
        b"cunspool\nload\n.",
        b"(ios\nsystem\n.",
        b"cos\nsystem\n.",
    ],
)
def test_names_that_are_not_data_are_refused(pickled: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError, match="load: "):
        us.load(contents(pickled))


@pytest.mark.parametrize(
    "pickled",
    [
        b"",
        b".",
        b"\x80\x02}",
        b"K\x01K\x02s.",
        b"(.",
        b"h\x05.",
        b"K\x01K\x02R.",
        b"cbuiltins\nint\n(X\x01\x00\x00\x001tR.",
        b"cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
        b"ccollections\nOrderedDict\n}X\x01\x00\x00\x00xK\x01sb.",  # state on a class
        b"ctorch\nTensor\n)R.",
        b"ctorch\nTensor\n)\x81.",
        b"ctorch._utils\n_rebuild_tensor_v2\n(K\x01K\x00))\x89}tR.",
        b"Q.",
        b"K\x01Q.",
        b"]K\x01K\x02s.",
        b"}]K\x01s.",
        b"X\xff\xff\xff\xff.",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"c" + b"a" * 5000 + b"\n.",
        b")" + b"\x85" * 200 + b"}" + b"1" + b".",
        b"}" + b")" + b"\x85" * 200000 + b"Ns.",
        b"cbuiltins\nset\n](" + b")" + b"\x85" * 200000 + b"e\x85R.",
    ],
)
def test_pickles_that_nobody_writes_raise(pickled: bytes) -> None:
    with pytest.raises((RuntimeError, pickle.UnpicklingError), match="load: "):
        us.load(contents(pickled))


def tensor(
    key: bytes = b"0", count: bytes = b"K\x02", offset: bytes = b"K\x00", size: int = 2, stride: int = 1
) -> bytes:
    """Pickle a one-dimensional float32 tensor."""
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x00"
    storage += key + b"X\x03\x00\x00\x00cpu" + count + b"tQ"
    shape = b"\x8a\x08" + size.to_bytes(8, "little", signed=True) + b"\x85" + b"K" + bytes([stride]) + b"\x85"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + offset + shape + b"\x89}tR."


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (tensor(count=b"K\x03"), "not 3 elements"),
        (tensor(count=b"J\xff\xff\xff\xff"), "not -1 elements"),
        (tensor(key=b"1"), "no entry"),
        (tensor(offset=b"K\x01"), "beyond"),
        (tensor(stride=2), "beyond"),
        (tensor(size=-2), "impossible"),
        (tensor(offset=b"J\xff\xff\xff\xff"), "impossible"),
        (tensor(size=2**62, stride=0), "more elements than memory"),
    ],
)
def test_tensors_lie_within_their_storages(pickled: bytes, message: str) -> None:
    with pytest.raises((RuntimeError, pickle.UnpicklingError), match=message):
        us.load(contents(pickled, data__0=bytes(8)))


def test_a_file_from_a_gpu_needs_a_map_location() -> None:
    pickled = tensor()
    pickled = pickled.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
    for place in ("cpu", us.device("cpu"), {"cuda:0": "cpu"}, lambda storage, location: storage):
        assert us.load(contents(pickled, data__0=bytes(8)), map_location=place).tolist() == [0.0, 0.0]
    with pytest.raises(RuntimeError, match=r"'cuda:0'.*map_location=\"cpu\""):
        us.load(contents(pickled, data__0=bytes(8)))
    with pytest.raises(RuntimeError, match="cuda"):
        us.load(contents(pickled, data__0=bytes(8)), map_location="cuda")


def test_numbers_of_the_other_byte_order_are_turned_round() -> None:
    pickled = tensor()
    archive = contents(pickled, data__0=struct.pack(">2f", 1.5, -2.0), byteorder=b"big")
    assert us.load(archive).tolist() == [1.5, -2.0]


def test_formats_that_are_not_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotImplementedError, match="TorchScript"):
        us.load(contents(b"N.", **{"constants.pkl": b""}))
    with pytest.raises(NotImplementedError, match=r"before PyTorch 1\.6"):
        us.save({}, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(NotImplementedError, match="tar"):
        us.load(io.BytesIO(bytes(257) + b"ustar" + bytes(1000)))
    with pytest.raises(RuntimeError, match="none of the known marks"):
        us.load(io.BytesIO(b"hello"))
    with pytest.raises(RuntimeError, match="none of the known marks"):
        us.load(io.BytesIO())
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("other", b"")
    with pytest.raises(RuntimeError, match=r"does not hold one data\.pkl"):
        us.load(tmp_path / "a.zip")


# ---- damage ----


def survives(data: bytes, read: Callable[[io.BytesIO], Any]) -> None:
    with contextlib.suppress(RuntimeError, pickle.UnpicklingError, NotImplementedError):
        read(io.BytesIO(data))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_that_is_cut_short_raises(path: Path) -> None:
    data = path.read_bytes()
    for length in range(0, len(data) - 22, 7):
        with pytest.raises((RuntimeError, pickle.UnpicklingError, NotImplementedError), match="load: "):
            us.load(io.BytesIO(data[:length]))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@hypothesis.given(changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_bytes_never_do_more_than_raise(path: Path, changes: list[tuple[float, int]]) -> None:
    data = bytearray(path.read_bytes())
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    survives(bytes(data), us.load)


@hypothesis.given(changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=3))
def test_changed_pickles_never_do_more_than_raise(changes: list[tuple[float, int]]) -> None:
    # In an archive whose checksums are right.
    with zipfile.ZipFile(DATA / "archive.pt") as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    data = bytearray(entries["archive/data.pkl"])
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    entries["archive/data.pkl"] = bytes(data)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, contents in entries.items():
            archive.writestr(name, contents)
    survives(buffer.getvalue(), us.load)


@hypothesis.given(data=st.binary(max_size=60))
def test_any_bytes_may_be_a_pickle(data: bytes) -> None:
    survives(contents(data).getvalue(), us.load)
    survives(b"\x80" + data, us.load)
