"""Bad calls that are written by hand: each must raise the named exception with the named words.

What the rows of tests/reference can say about a single operation stands there; what can be derived from a
row (a None in place of a tensor, an unknown keyword) is derived in test_errors.py. Here stand creation,
conversion, indexing, devices, sizes, and dtypes in place.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import unspool as us

Errors = type[Exception] | tuple[type[Exception], ...]

KIND: Errors = (TypeError, RuntimeError)  # "what is that object": PyTorch itself is not of one mind
SIZE: Errors = (RuntimeError, MemoryError)
SELECT: Errors = (TypeError, IndexError)
NAN = float("nan")
HUGE = 2**60


@dataclass(frozen=True)
class BadCall:
    """One call: `run` must raise `error`, and the message must contain each of `words`."""

    label: str
    run: Callable[[], Any]
    error: Errors
    words: tuple[str, ...] = ()


def t(*shape: int, dtype: Any = None) -> Any:
    """A tensor of ones."""
    return us.ones(shape, dtype=dtype or us.float32)


def leaf(*shape: int) -> Any:
    """A tensor of ones that requires a gradient."""
    return t(*shape).requires_grad_()


def calls(error: Errors, table: dict[str, Callable[[], Any]], *words: str) -> list[BadCall]:
    """Several calls with one kind of error."""
    return [BadCall(label, run, error, words) for label, run in table.items()]


def assign(target: Any, index: Any, value: Any) -> None:
    """target[index] = value, as an expression."""
    target[index] = value


def creation() -> list[BadCall]:
    """Sizes, dtypes, devices and keywords of the creation functions."""
    found: list[BadCall] = []
    makers: dict[str, Callable[..., Any]] = {
        "zeros": us.zeros,
        "ones": us.ones,
        "empty": us.empty,
        "rand": us.rand,
        "randn": us.randn,
        "full": lambda *size, **options: us.full(size[0] if len(size) == 1 else size, 1.0, **options),
    }
    for name, make in makers.items():
        negative = ("-1",)
        found += [
            BadCall(f"{name}(-1)", lambda make=make: make((-1,)), RuntimeError, negative),
            BadCall(f"{name}(2, -3)", lambda make=make: make((2, -3)), RuntimeError, ("-3",)),
            BadCall(f"{name}(2.5)", lambda make=make: make((2.5,)), TypeError),
            BadCall(f"{name}(nan)", lambda make=make: make((NAN,)), TypeError),
            BadCall(f"{name}(inf)", lambda make=make: make((float("inf"),)), TypeError),
            BadCall(f"{name}('a')", lambda make=make: make("a"), TypeError),
            BadCall(f"{name}(None)", lambda make=make: make(None), TypeError),
            BadCall(f"{name}(2, None)", lambda make=make: make((2, None)), TypeError),
            BadCall(f"{name}(2, 'a')", lambda make=make: make((2, "a")), TypeError),
            BadCall(f"{name}([[2]])", lambda make=make: make([[2]]), TypeError),
            BadCall(f"{name}({{}})", lambda make=make: make({}), TypeError),
            BadCall(f"{name} of 2^60", lambda make=make: make((HUGE,)), SIZE),
            BadCall(f"{name} of 2^40 x 2^40", lambda make=make: make((2**40, 2**40)), SIZE),
            BadCall(f"{name} of 2^62 x 4", lambda make=make: make((2**62, 4)), SIZE),
            BadCall(f"{name} of 2^64", lambda make=make: make((2**64,)), (TypeError, *SIZE, OverflowError)),
            BadCall(f"{name}, dtype a string", lambda make=make: make((2,), dtype="float32"), TypeError),
            BadCall(f"{name}, dtype a number", lambda make=make: make((2,), dtype=3), TypeError),
            BadCall(
                f"{name}, device unknown", lambda make=make: make((2,), device="tpu"), RuntimeError, ("tpu",)
            ),
            BadCall(f"{name}, device empty", lambda make=make: make((2,), device=""), RuntimeError),
            BadCall(f"{name}, device malformed", lambda make=make: make((2,), device="cpu:x"), RuntimeError),
            BadCall(f"{name}, device a float", lambda make=make: make((2,), device=1.5), TypeError),
            BadCall(f"{name}, unknown keyword", lambda make=make: make((2,), color=1), TypeError, ("color",)),
            BadCall(
                f"{name}, integers with gradient",
                lambda make=make: make((2,), dtype=us.int64, requires_grad=True),
                RuntimeError,
            ),
        ]
    return found


def ranges_and_random() -> list[BadCall]:
    """arange, linspace, eye, full, the generators."""
    g = us.Generator()
    return [
        *calls(
            RuntimeError,
            {
                "arange step 0": lambda: us.arange(0, 5, 0),
                "arange away": lambda: us.arange(5, 0),
                "arange away, negative step": lambda: us.arange(0, 5, -1),
                "arange nan": lambda: us.arange(0.0, NAN),
                "arange inf": lambda: us.arange(0.0, float("inf")),
                "arange nan step": lambda: us.arange(0.0, 1.0, NAN),
                "linspace -1": lambda: us.linspace(0, 1, -1),
                "eye -1": lambda: us.eye(-1),
                "eye 2 x -1": lambda: us.eye(2, -1),
                "randint empty range": lambda: us.randint(5, 5, (2,)),
                "randint reversed": lambda: us.randint(5, 2, (2,)),
                "randint negative size": lambda: us.randint(0, 5, (-2,)),
                "randperm -1": lambda: us.randperm(-1),
                "randint of nothing": lambda: us.randint(0, (2,)),
            },
        ),
        *calls(
            TypeError,
            {
                "arange()": lambda: us.arange(),
                "arange('a')": lambda: us.arange("a"),
                "arange(None)": lambda: us.arange(None),
                "linspace()": lambda: us.linspace(),
                "linspace steps float": lambda: us.linspace(0, 1, 2.5),
                "eye float": lambda: us.eye(2.5),
                "eye None": lambda: us.eye(None),
                "eye text": lambda: us.eye("3"),
                "full without value": lambda: us.full((2,)),
                "full None": lambda: us.full((2,), None),
                "full text": lambda: us.full((2,), "a"),
                "full list": lambda: us.full((2,), [1]),
                "zeros_like None": lambda: us.zeros_like(None),
                "zeros_like list": lambda: us.zeros_like([1.0]),
                "ones_like array": lambda: us.ones_like(np.ones(2)),
                "empty_like number": lambda: us.empty_like(2),
                "rand_like text": lambda: us.rand_like("x"),
                "full_like without value": lambda: us.full_like(t(2)),
                "randn generator a number": lambda: us.randn((2,), generator=3),
                "rand generator text": lambda: us.rand((2,), generator="g"),
                "randint float bound": lambda: us.randint(0, 2.5, (2,)),
                "randint no size": lambda: us.randint(0, 2),
                "randperm float": lambda: us.randperm(2.5),
                "randperm None": lambda: us.randperm(None),
                "manual_seed None": lambda: us.manual_seed(None),
                "set_rng_state None": lambda: us.set_rng_state(None),
                "set_rng_state list": lambda: us.set_rng_state([1, 2, 3]),
                "bernoulli None": lambda: us.bernoulli(None),
                "Generator.set_state None": lambda: g.set_state(None),
                "Generator(2, 3, 4)": lambda: us.Generator(2, 3, 4),
            },
        ),
        *calls(
            (TypeError, ValueError),
            {
                "manual_seed text": lambda: us.manual_seed("a"),
                "manual_seed list": lambda: us.manual_seed([1]),
            },
        ),
        *calls(
            (RuntimeError, ValueError, OverflowError, TypeError),
            {
                "Generator.manual_seed text": lambda: g.manual_seed("x"),
                "manual_seed 2^64": lambda: us.manual_seed(2**64),
                "manual_seed far below": lambda: us.manual_seed(-(2**63) - 1),
                "set_rng_state floats": lambda: us.set_rng_state(t(3)),
                "set_rng_state too short": lambda: us.set_rng_state(t(3, dtype=us.uint8)),
                "Generator.set_state too short": lambda: g.set_state(t(3, dtype=us.uint8)),
                "bernoulli p above 1": lambda: us.bernoulli(t(2) * 2),
                "bernoulli p below 0": lambda: us.bernoulli(-t(2)),
                "bernoulli p nan": lambda: us.bernoulli(t(2) * NAN),
            },
        ),
        *calls(
            SIZE,
            {
                "eye 2^40": lambda: us.eye(2**40),
                "arange 2^60": lambda: us.arange(HUGE),
                "linspace 2^60": lambda: us.linspace(0, 1, HUGE),
                "randperm 2^60": lambda: us.randperm(HUGE),
                "randint 2^60": lambda: us.randint(0, 2, (HUGE,)),
                "contiguous of an expanded 2^60": lambda: t(1).expand(HUGE).contiguous(),
                "sum of two expanded 2^60": lambda: t(1).expand(HUGE) + t(1).expand(HUGE),
                "cat of expanded 2^60": lambda: us.cat([t(1).expand(HUGE), t(1).expand(HUGE)]),
                "outer 2^40": lambda: us.outer(t(1).expand(2**40), t(1).expand(2**40)),
                "matmul 2^40": lambda: t(1, 1).expand(2**40, 1) @ t(1, 1).expand(1, 2**40),
            },
        ),
    ]


def from_data() -> list[BadCall]:
    """tensor(), from_numpy(), DLPack, pickles."""
    return [
        *calls(
            ValueError,
            {
                "tensor ragged": lambda: us.tensor([[1, 2], [3]]),
                "tensor ragged deeper": lambda: us.tensor([[[1], [2, 3]]]),
                "from_numpy negative stride": lambda: us.from_numpy(np.arange(4.0)[::-1]),
                "from_numpy negative rows": lambda: us.from_numpy(np.ones((3, 3))[::-1]),
            },
        ),
        *calls(
            (TypeError, ValueError),
            {
                "tensor mixed depth": lambda: us.tensor([[1, 2], [[3], [4]]]),
                "tensor number then list": lambda: us.tensor([1, [2]]),
                "tensor text inside": lambda: us.tensor([1, "a"]),
                "tensor list of text": lambda: us.tensor(["a", "b"]),
                "from_numpy byte-swapped": lambda: us.from_numpy(np.ones(2, dtype=">f4")),
            },
        ),
        *calls(
            (TypeError, RuntimeError, ValueError),
            {
                "tensor object": lambda: us.tensor(object()),
                "tensor None": lambda: us.tensor(None),
                "tensor [None]": lambda: us.tensor([None]),
                "tensor dict": lambda: us.tensor({}),
                "tensor set": lambda: us.tensor({1}),
                "tensor text": lambda: us.tensor("abc"),
                "tensor function": lambda: us.tensor(len),
                "tensor [2^64]": lambda: us.tensor([2**64]),
                "tensor 2^31 as int32": lambda: us.tensor([2**31], dtype=us.int32),
                "tensor 256 as uint8": lambda: us.tensor([256], dtype=us.uint8),
                "tensor integers with gradient": lambda: us.tensor([1], requires_grad=True),
                "tensor bool with gradient": lambda: us.tensor([True], requires_grad=True),
                "from_dlpack None": lambda: us.from_dlpack(None),
                "from_dlpack number": lambda: us.from_dlpack(3),
                "from_dlpack list": lambda: us.from_dlpack([1.0]),
                "stack of arrays": lambda: us.stack([np.ones(2)]),
            },
        ),
        *calls(
            TypeError,
            {
                "tensor()": lambda: us.tensor(),
                "tensor dtype text": lambda: us.tensor([1], dtype="float32"),
                "tensor two positions": lambda: us.tensor(1, 2),
                "tensor unknown keyword": lambda: us.tensor([1], shape=(1,)),
                "from_numpy list": lambda: us.from_numpy([1, 2]),
                "from_numpy None": lambda: us.from_numpy(None),
                "from_numpy number": lambda: us.from_numpy(3.0),
                "from_numpy scalar": lambda: us.from_numpy(np.float32(3)),
                "from_numpy text": lambda: us.from_numpy(np.array(["a"])),
                "from_numpy objects": lambda: us.from_numpy(np.array([object()])),
                "from_numpy dates": lambda: us.from_numpy(np.array(["2020-01-01"], dtype="datetime64[D]")),
                "from_numpy records": lambda: us.from_numpy(np.zeros(2, dtype=[("a", "f4")])),
                "from_numpy tensor": lambda: us.from_numpy(t(2)),
            },
        ),
        *calls(
            (RuntimeError, BufferError, TypeError, ValueError),
            {
                "numpy() of a tensor with gradient": lambda: leaf(2).numpy(),
                "asarray of a tensor with gradient": lambda: np.asarray(leaf(2)),
                "DLPack of a tensor with gradient": lambda: np.from_dlpack(leaf(2)),
            },
        ),
        *calls(RuntimeError, {"deepcopy of a result": lambda: copy.deepcopy(leaf(2) * 2)}),
    ]


def indexing() -> list[BadCall]:
    """Reading and writing by index."""
    one = t
    return [
        *calls(
            IndexError,
            {
                "x[2] of 2": lambda: t(2, 3)[2],
                "x[-3] of 2": lambda: t(2, 3)[-3],
                "x[0, 3] of 3": lambda: t(2, 3)[0, 3],
                "x[:, 3] of 3": lambda: t(2, 3)[:, 3],
                "x[..., -4] of 3": lambda: t(2, 3)[..., -4],
                "too many": lambda: t(2, 3)[0, 0, 0],
                "too many slices": lambda: t(2, 3)[:, :, :],
                "too many with ellipsis": lambda: t(2, 3)[0, ..., 0, 0],
                "0-d [0]": lambda: one()[0],
                "0-d [:]": lambda: one()[:],
                "empty [0]": lambda: t(0)[0],
                "2^40": lambda: t(2)[2**40],
                "write past the end": lambda: assign(t(2, 3), 2, 1.0),
                "write column past the end": lambda: assign(t(2, 3), (0, 5), 1.0),
                "write too many": lambda: assign(t(2), (0, 0), 1.0),
            },
        ),
        *calls(
            SELECT,
            {
                "text": lambda: t(2)["a"],
                "float": lambda: t(2)[0.5],
                "dict": lambda: t(2)[{}],
                "object": lambda: t(2)[object()],
                "complex": lambda: t(2)[1j],
                "text in a tuple": lambda: t(2, 2)[0, "a"],
                "slice of text": lambda: t(2)["a":],  # type: ignore[misc]
                "slice of floats": lambda: t(2)[0.0:1.0],  # type: ignore[misc]
                "write by text": lambda: assign(t(2), "a", 1.0),
                "write by float": lambda: assign(t(2), 0.5, 1.0),
            },
        ),
        *calls(
            ValueError,
            {
                "negative step": lambda: t(4)[::-1],
                "step zero": lambda: t(4)[::0],
                "negative step in a tuple": lambda: t(4, 4)[0, ::-2],
            },
        ),
        *calls(
            (TypeError, IndexError, RuntimeError),
            {"float tensor as index": lambda: t(2)[t(2)], "invert floats": lambda: ~t(2)},
        ),
        *calls(
            RuntimeError,
            {
                "write a wrong shape": lambda: assign(t(2, 3), 0, t(4)),
                "write a wrong block": lambda: assign(t(3, 3), (slice(None), slice(0, 2)), t(3, 3)),
                "write into a leaf": lambda: assign(leaf(3), 0, 1.0),
                "write into an expanded tensor": lambda: assign(t(1).expand(3), slice(None), t(3)),
            },
        ),
        *calls(
            (TypeError, ValueError, RuntimeError),
            {
                "write text": lambda: assign(t(2), 0, "a"),
                "write None": lambda: assign(t(2), 0, None),
                "write an object": lambda: assign(t(2), 0, object()),
            },
        ),
        *calls(
            TypeError,
            {
                "delete": lambda: operator.delitem(t(2), 0),
                "len of 0-d": lambda: len(t()),
                "iterate over 0-d": lambda: list(t()),
                "unpack 0-d": lambda: [*t()],
                "index of a float in a vector": lambda: operator.index(t(1)),
                "index of float": lambda: operator.index(t()),
                "index of several": lambda: operator.index(t(2, dtype=us.int64)),
                "range of float tensor": lambda: range(t()),
                "call a tensor": lambda: t(2)(),
                "add text": lambda: t(2) + "a",
                "subtract None": lambda: t(2) - None,
                "multiply dict": lambda: t(2) * {},
                "divide by object": lambda: t(2) / object(),
                "power of text": lambda: t(2) ** "2",
                "text plus": lambda: "a" + t(2),
                "None times": lambda: None * t(2),
                "matmul with number": lambda: t(2) @ 3,
                "matmul with list": lambda: t(2) @ [1.0, 2.0],
                "compare with object": lambda: t(2) < object(),
                "compare with text": lambda: t(2) >= "a",
                "and of floats": lambda: t(2) & None,
            },
        ),
    ]


def conversion() -> list[BadCall]:
    """Numbers from tensors, dtypes and devices to tensors, attributes."""
    return [
        *calls(
            RuntimeError,
            {
                "item of two": lambda: t(2).item(),
                "item of none": lambda: t(0).item(),
                "item of a matrix": lambda: t(2, 2).item(),
                "bool of two": lambda: bool(t(2)),
                "bool of none": lambda: bool(t(0)),
                "if on a comparison": lambda: 1 if t(2) == t(2) else 0,
                "not of two": lambda: not t(2),
                "to an unknown device": lambda: t(2).to("tpu"),
                "to a malformed device": lambda: t(2).to("cpu:one"),
                "integers requiring a gradient": lambda: t(2, dtype=us.int64).requires_grad_(),
                "bool requiring a gradient": lambda: t(2, dtype=us.bool).requires_grad_(),
                "requires_grad of a result": lambda: (leaf(2) * 2).requires_grad_(False),
                "requires_grad = True on integers": lambda: setattr(
                    t(2, dtype=us.int32), "requires_grad", True
                ),
                "grad of another shape": lambda: setattr(leaf(2), "grad", t(3)),
                "grad of another dtype": lambda: setattr(leaf(2), "grad", t(2, dtype=us.float64)),
                "view that needs a copy": lambda: t(2, 3).t().view(6),
                "view of an expanded tensor": lambda: t(3).expand(2, 3).view(6),
                "T-like transpose of 3-d": lambda: t(2, 2, 2).t(),
            },
        ),
        *calls(
            (ValueError, OverflowError, RuntimeError),
            {"int of nan": lambda: int(t() * NAN), "int of inf": lambda: int(t() * float("inf"))},
        ),
        *calls(
            (RuntimeError, ValueError, TypeError),
            {
                "int of two": lambda: int(t(2)),
                "float of two": lambda: float(t(2)),
                "float of none": lambda: float(t(0)),
                "format of two": lambda: f"{t(2):.2f}",
            },
        ),
        *calls(
            TypeError,
            {
                "to a float": lambda: t(2).to(3.5),
                "to a dtype text": lambda: t(2).to(dtype="float32"),
                "to nothing": lambda: t(2).to({}),
                "grad a number": lambda: setattr(leaf(2), "grad", 3),
                "grad a list": lambda: setattr(leaf(2), "grad", [1.0, 1.0]),
                "requires_grad_ text": lambda: t(2).requires_grad_("yes"),
                "size of text": lambda: t(2).size("a"),
                "size of an unknown name": lambda: t(2).size(axis=0),
                "stride of two": lambda: t(2, 3).stride(0, 1),
                "is_contiguous of an unknown name": lambda: t(2).is_contiguous(format=None),
                "requires_grad_ of a number": lambda: t(2).requires_grad_(1),
                "CompiledStep of a function": lambda: us._core.CompiledStep(abs),
                "Tensor of object": lambda: us.Tensor(object()),
                "reshape()": lambda: t(2).reshape(),
                "view()": lambda: t(2).view(),
                "view nan": lambda: t(2).view(NAN),
                "reshape nan": lambda: t(2).reshape((NAN,)),
                "expand nan": lambda: t(1).expand(NAN),
                "expand text": lambda: t(1).expand("a"),
                "permute text": lambda: t(2, 2).permute("ab"),
                "unsqueeze nan": lambda: t(2).unsqueeze(NAN),
                "transpose one": lambda: t(2, 2).transpose(0),
                "narrow float": lambda: t(4).narrow(0, 0.5, 2),
                "select text": lambda: t(4).select(0, "a"),
                "split None": lambda: us.split(t(4), None),
                "chunk float": lambda: us.chunk(t(4), 2.5),
                "flip None": lambda: us.flip(t(4), None),
                "clamp_ text": lambda: t(4).clamp_("a", "b"),
                "masked_fill_ None": lambda: t(4).masked_fill_(None, 0),
                "fill_ text": lambda: t(4).fill_("a"),
                "copy_ list": lambda: t(4).copy_([1, 2, 3, 4]),
            },
        ),
        *calls(
            AttributeError,
            {
                "unknown attribute": lambda: t(2).colour,
                "unknown method": lambda: t(2).to_the_moon(),
                "unknown function": lambda: us.to_the_moon,
                "set shape": lambda: setattr(t(2), "shape", (1, 2)),
                "set dtype": lambda: setattr(t(2), "dtype", us.float64),
                "set is_leaf": lambda: setattr(t(2), "is_leaf", False),
            },
        ),
        *calls(
            IndexError,
            {
                "size(2)": lambda: t(2, 3).size(2),
                "size(-3)": lambda: t(2, 3).size(-3),
                "stride(2)": lambda: t(2, 3).stride(2),
            },
        ),
        *calls(
            RuntimeError,
            {
                "fill_ a leaf": lambda: leaf(2).fill_(1.0),
                "copy_ a wrong shape": lambda: t(2).copy_(t(3)),
                "zero_ a leaf": lambda: leaf(2).zero_(),
                "fill_ by a vector": lambda: t(2).fill_(t(2)),
                "add_ into an expanded tensor": lambda: t(1).expand(3).add_(1),
                "mul_ into an expanded tensor": lambda: t(1).expand(3).mul_(2),
                "zero_ of an expanded tensor of two": lambda: t(2, 1).expand(2, 3).add_(t(2, 3)),
            },
        ),
    ]


HAND_WRITTEN: tuple[Callable[[], list[BadCall]], ...] = (
    creation,
    ranges_and_random,
    from_data,
    indexing,
    conversion,
)
