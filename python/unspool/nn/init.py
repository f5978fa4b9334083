"""``unspool.nn.init``: fills a tensor in place with initial values, without recording it on the tape.

Every function returns the tensor it was given. Random ones draw from the default generator, or from
``generator``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import unspool
from unspool._core import Tensor
from unspool._warning import warn
from unspool.nn._checked import checked

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

F = TypeVar("F", bound=Callable[..., Any])


def _looks_at_arguments(function: F) -> F:
    """Make a function name the argument that is no tensor or no number."""
    return cast("F", checked(function, lambda *_: f"init.{function.__name__}"))


_LINEAR = (
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor on the standard deviation that keeps signals at size through a nonlinearity.

    1 for linear maps, convolutions and sigmoid, 5/3 for tanh, sqrt(2) for relu, sqrt(2 / (1 + slope^2)) for
    leaky_relu (He et al. 2015), 3/4 for selu.

    Args:
        nonlinearity: the name of a function in ``nn.functional``.
        param: for leaky_relu: its slope, 0.01 by default.

    Raises:
        ValueError: an unknown name, or a slope that is not a number.
    """
    if nonlinearity in _LINEAR or nonlinearity == "sigmoid":
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is None:
            slope = 0.01
        elif isinstance(param, bool) or not isinstance(param, int | float):
            raise ValueError(f"negative_slope {param} not a valid number")
        else:
            slope = param
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(
        f"Unsupported nonlinearity {nonlinearity}: calculate_gain knows linear, conv{{1,2,3}}d, "
        "conv_transpose{1,2,3}d, sigmoid, tanh, relu, leaky_relu and selu"
    )


@_looks_at_arguments
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Fills with draws from U(a, b)."""
    with unspool.no_grad():
        return tensor.uniform_(a, b, generator=generator)


@_looks_at_arguments
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Fills with draws from N(mean, std^2)."""
    with unspool.no_grad():
        return tensor.normal_(mean, std, generator=generator)


@_looks_at_arguments
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Tensor:
    """Fills with draws from N(mean, std^2) restricted to [a, b], by rejection.

    Where [a, b] holds more than 30 % of the normal distribution, proposals are normal; elsewhere they are
    uniform in [a, b] and accepted with probability density(x) / largest density (von Neumann 1951).

    Raises:
        ValueError: ``std`` is not above 0, or ``a`` exceeds ``b``.
    """
    if not std > 0:
        raise ValueError(f"trunc_normal_: std must be above 0, got {std}")
    if a > b:
        raise ValueError(f"trunc_normal_: a ({a}) must not exceed b ({b})")
    if tensor.numel() == 0:
        return tensor
    scale = std * math.sqrt(2.0)
    mass = 0.5 * (math.erf((b - mean) / scale) - math.erf((a - mean) / scale))
    mode = min(max(mean, a), b)

    def propose(proposal: Tensor) -> Tensor:
        """Overwrites ``proposal`` and tells which of its values are not accepted."""
        if mass > 0.3:
            proposal.normal_(mean, std, generator=generator)
            return (proposal < a) | (proposal > b)
        proposal.uniform_(a, b, generator=generator)
        chance = unspool.exp(((mode - mean) ** 2 - (proposal - mean) ** 2) / (2 * std**2))
        return unspool.empty_like(proposal).uniform_(0, 1, generator=generator) > chance

    with unspool.no_grad():
        missing = propose(tensor)
        while bool(missing.any()):
            # A whole tensor is drawn each time, so that where a value stands does not depend on its
            # neighbours.
            proposal = unspool.empty_like(tensor)
            rejected = propose(proposal)
            tensor.copy_(unspool.where(missing, proposal, tensor))
            missing = missing & rejected
        return tensor


@_looks_at_arguments
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fills with ``val``."""
    with unspool.no_grad():
        return tensor.fill_(val)


@_looks_at_arguments
def ones_(tensor: Tensor) -> Tensor:
    """Fills with 1."""
    return constant_(tensor, 1.0)


@_looks_at_arguments
def zeros_(tensor: Tensor) -> Tensor:
    """Fills with 0."""
    return constant_(tensor, 0.0)


@_looks_at_arguments
def eye_(tensor: Tensor) -> Tensor:
    """Fills a matrix with the identity: as many inputs as possible pass unchanged.

    Raises:
        ValueError: ``tensor`` is not 2-d.
    """
    if tensor.dim() != 2:
        raise ValueError(
            f"eye_: only tensors with 2 dimensions are supported, got shape {tuple(tensor.shape)}"
        )
    import numpy as np

    return _fill_from(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


@_looks_at_arguments
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fills a convolution kernel so that as many channels as possible pass unchanged, in each group.

    Args:
        tensor: shape (out, in, *kernel) with one to three kernel dimensions.
        groups: number of groups of the convolution.

    Raises:
        ValueError: another number of dimensions, or ``out`` not divisible by ``groups``.
    """
    if tensor.dim() not in (3, 4, 5):
        raise ValueError(
            f"dirac_: only tensors with 3, 4, or 5 dimensions are supported, got {tuple(tensor.shape)}"
        )
    sizes = tuple(tensor.shape)
    if sizes[0] % groups:
        raise ValueError(f"dirac_: dim 0 ({sizes[0]}) must be divisible by groups ({groups})")
    import numpy as np

    values = np.zeros(sizes)
    out_per_group = sizes[0] // groups
    centre = tuple(size // 2 for size in sizes[2:])
    for group in range(groups):
        for d in range(min(out_per_group, sizes[1])):
            values[(group * out_per_group + d, d, *centre)] = 1
    return _fill_from(tensor, values)


def _fill_from(tensor: Tensor, values: Any) -> Tensor:
    with unspool.no_grad():
        return tensor.copy_(unspool.from_numpy(values))


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """(inputs that each output sums over, outputs that each input reaches) of a weight (out, in, *kernel)."""
    sizes = tuple(tensor.shape)
    if len(sizes) < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions, got shape "
            f"{sizes}"
        )
    receptive_field = math.prod(sizes[2:])
    return sizes[1] * receptive_field, sizes[0] * receptive_field


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return fan_in if mode == "fan_in" else fan_out


@_looks_at_arguments
def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fills with draws from U(-k, k), k = gain * sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010).

    Raises:
        ValueError: fewer than 2 dimensions.
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    std = gain * math.sqrt(2.0 / float(fan_in + fan_out))
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


@_looks_at_arguments
def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fills with draws from N(0, s^2), s = gain * sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio 2010).

    Raises:
        ValueError: fewer than 2 dimensions.
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / float(fan_in + fan_out)), generator)


@_looks_at_arguments
def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Fills with draws from U(-k, k), k = gain * sqrt(3 / fan) (He et al. 2015).

    Args:
        tensor: a weight (out, in, *kernel).
        a: slope of the leaky relu behind this layer, where ``nonlinearity`` is that.
        mode: "fan_in" keeps the forward signal at size, "fan_out" the gradient.
        nonlinearity: see ``calculate_gain``.
        generator: where to draw from.

    Raises:
        ValueError: fewer than 2 dimensions, an unknown mode or nonlinearity.
    """
    if 0 in tuple(tensor.shape):
        warn("Initializing zero-element tensors is a no-op")
        return tensor
    # Associated as in PyTorch, which tells in the last bit.
    deviation = calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))
    bound = math.sqrt(3.0) * deviation
    return uniform_(tensor, -bound, bound, generator)


@_looks_at_arguments
def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Fills with draws from N(0, s^2), s = gain / sqrt(fan); arguments as ``kaiming_uniform_``."""
    if 0 in tuple(tensor.shape):
        warn("Initializing zero-element tensors is a no-op")
        return tensor
    std = calculate_gain(nonlinearity, a) / math.sqrt(_calculate_correct_fan(tensor, mode))
    return normal_(tensor, 0.0, std, generator)


@_looks_at_arguments
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """Fills with a (semi-)orthogonal matrix: the Q factor of a Gaussian one (Saxe et al. 2013).

    Args:
        tensor: at least 2-d; dimensions behind the first are taken together.
        gain: factor on the result.
        generator: where to draw from.

    Raises:
        ValueError: fewer than 2 dimensions.
    """
    if tensor.dim() < 2:
        raise ValueError(
            f"orthogonal_: only tensors with 2 or more dimensions are supported, got {tuple(tensor.shape)}"
        )
    if tensor.numel() == 0:
        return tensor
    import numpy as np

    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    with unspool.no_grad():
        draws = unspool.empty((rows, columns), dtype=tensor.dtype).normal_(0, 1, generator=generator)
        # In double, so that the result is orthogonal to the rounding of the tensor's own dtype.
        matrix = draws.numpy().astype("float64")
        q, r = np.linalg.qr(matrix.T if rows < columns else matrix)
        # A QR factorization leaves the signs open; a positive diagonal of R makes Q uniform.
        q *= np.sign(np.diag(r))
        values = np.ascontiguousarray(q.T if rows < columns else q).reshape(tuple(tensor.shape))
        tensor.copy_(unspool.from_numpy(values))
        return tensor.mul_(gain)


@_looks_at_arguments
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Fills a matrix with draws from N(0, std^2), then zeroes a share of each column (Martens 2010).

    Raises:
        ValueError: ``tensor`` is not 2-d.
    """
    if tensor.dim() != 2:
        raise ValueError(
            f"sparse_: only tensors with 2 dimensions are supported, got shape {tuple(tensor.shape)}"
        )
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    import numpy as np

    with unspool.no_grad():
        tensor.normal_(0, std, generator=generator)
        keep = np.ones((rows, columns))
        for column in range(columns):
            keep[unspool.randperm(rows).numpy()[:zeros], column] = 0
        return tensor.mul_(unspool.from_numpy(keep).to(tensor.dtype))


def _deprecated(new: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The name without an underscore that stood for the same function once."""
    old_name, new_name = new.__name__[:-1], new.__name__

    def old(*args: Any, **kwargs: Any) -> Tensor:
        warn(
            f"`nn.init.{old_name}` is now deprecated in favor of `nn.init.{new_name}`.",
            FutureWarning,
        )
        return new(*args, **kwargs)

    old.__name__ = old.__qualname__ = old_name
    old.__doc__ = f"Deprecated name of ``{new_name}``."
    return old


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)
