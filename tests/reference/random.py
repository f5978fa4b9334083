"""The CPU random stream in pure NumPy: a Mersenne twister and what each distribution reads from it.

Sources: Matsumoto and Nishimura, "Mersenne twister" (1998); Box and Muller (1958) for normals. How many
draws each fill takes, in which precision and in which order was found by experiments with PyTorch 2.13, whose
values are recorded in tests/data/random_stream.json. Written for clarity: plain loops where order matters.
Logarithms and trigonometric functions in double are Python's `math`, that is the C library's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Scalar = Callable[[float], Any]
Doubles = npt.NDArray[np.float64]

WORDS, SHIFT = 624, 397
STATE_BYTES = 5056
NORMAL_BLOCK = 16


def each(function: Callable[..., float], *arguments: Array) -> Doubles:
    """Apply a function of Python floats element by element."""
    rows = zip(*(a.tolist() for a in arguments), strict=True)
    return np.array([function(*row) for row in rows], dtype=np.float64)


def fma(a: Doubles, b: float, c: float) -> Doubles:
    """a b + c with one rounding, in float64: error-free product (Dekker 1971) and sum (Knuth)."""
    split = 134217729.0  # 2^27 + 1

    def halves(x: Doubles) -> tuple[Doubles, Doubles]:
        high = x * split - (x * split - x)
        return high, x - high

    (ah, al), (bh, bl) = halves(a), halves(np.full_like(a, b))
    product = a * b
    product_error = ((ah * bh - product) + ah * bl + al * bh) + al * bl
    total = product + c
    part = total - product
    total_error = (product - (total - part)) + (c - part)
    return np.asarray(total + (product_error + total_error), dtype=np.float64)


def log_or_infinity(x: float) -> float:
    """The natural logarithm, minus infinity at 0."""
    return math.log(x) if x > 0 else -math.inf


class Stream:
    """The numbers of one generator, from its seed on.

    Fills return new one-dimensional arrays. `dtype` is a NumPy dtype; where float32 and float64 take
    different numbers of draws, the method says so.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed % 2**64
        word = self.seed % 2**32
        words = [word]
        for i in range(1, WORDS):
            word = (1812433253 * (word ^ (word >> 30)) + i) % 2**32
            words.append(word)
        self.words = np.array(words, dtype=np.uint32)
        self.position = 0  # 0 and WORDS: the block is spent
        self.second_normal: float | None = None

    def state(self) -> bytes:
        """The 5056 bytes of torch.Generator.get_state()."""
        fields = np.zeros(STATE_BYTES // 8, dtype="<u8")
        left = 1 if self.position == 0 else WORDS + 1 - self.position
        fields[:3] = self.seed, 2**32 + left, self.position
        fields[3 : 3 + WORDS] = self.words
        if self.second_normal is not None:
            fields[628] = np.float64(self.second_normal).view(np.uint64)
            fields[630] = 1
        return fields.tobytes()

    def _twist(self) -> None:
        words = [int(w) for w in self.words]
        for i in range(WORDS):
            joined = (words[i] & 0x80000000) | (words[(i + 1) % WORDS] & 0x7FFFFFFF)
            words[i] = words[(i + SHIFT) % WORDS] ^ (joined >> 1) ^ (0x9908B0DF if joined & 1 else 0)
        self.words = np.array(words, dtype=np.uint32)

    def bits32(self, n: int) -> npt.NDArray[np.uint64]:
        """n draws of 32 bits, as uint64."""
        runs = [np.empty(0, dtype=np.uint64)]
        while n > 0:
            if self.position in (0, WORDS):
                self._twist()
                self.position = 0
            y = self.words[self.position : self.position + n].astype(np.uint64)
            self.position += len(y)
            n -= len(y)
            y ^= y >> np.uint64(11)
            y ^= (y << np.uint64(7)) & np.uint64(0x9D2C5680)
            y ^= (y << np.uint64(15)) & np.uint64(0xEFC60000)
            runs.append(y ^ (y >> np.uint64(18)))
        return np.concatenate(runs)

    def bits64(self, n: int) -> npt.NDArray[np.uint64]:
        """n pairs of draws, the first of each pair the high half."""
        pairs = self.bits32(2 * n)
        return (pairs[0::2] << np.uint64(32)) | pairs[1::2]

    def unit(self, n: int, dtype: npt.DTypeLike = np.float64) -> Array:
        """Uniform in [0, 1): float32 is the low 24 bits of a draw, float64 the low 53 of two."""
        if np.dtype(dtype) == np.float32:
            return ((self.bits32(n) % np.uint64(2**24)) * 2.0**-24).astype(np.float32)
        return (self.bits64(n) % np.uint64(2**53)) * 2.0**-53

    def uniform(self, n: int, start: float, stop: float, dtype: npt.DTypeLike = np.float32) -> Array:
        """Uniform in [start, stop); a result that rounds to `stop` becomes `start`."""
        kind: Scalar = np.dtype(dtype).type
        low, high = kind(start), kind(stop)
        u = self.unit(n, dtype)
        if kind is np.float32:  # the product is exact in float64, the sum nearly always exact in longdouble
            x = (u.astype(np.longdouble) * (high - low) + low).astype(np.float32)
        else:
            x = fma(u, float(high - low), float(low))
        return np.asarray(np.where(x == high, low, x), dtype=dtype)

    def standard_normal(self) -> float:
        """One normal in double; every other one is the sine half kept from the last pair."""
        if self.second_normal is not None:
            value, self.second_normal = self.second_normal, None
            return value
        turn, u = self.unit(2).tolist()
        radius = math.sqrt(-2.0 * math.log1p(-u))
        self.second_normal = radius * math.sin(2.0 * math.pi * turn)
        return radius * math.cos(2.0 * math.pi * turn)

    def normal_pairwise(self, n: int, mean: float, std: float, dtype: npt.DTypeLike = np.float32) -> Array:
        """One by one: fewer than 16 elements, and views whose memory has gaps or is permuted."""
        z = np.array([self.standard_normal() for _ in range(n)], dtype=np.float64)
        return fma(z, std, mean).astype(dtype)

    def normal(self, n: int, mean: float, std: float, dtype: npt.DTypeLike = np.float32) -> Array:
        """Contiguous fill: Box-Muller over blocks of 16 uniforms of `dtype`.

        Unless 16 divides n, the last 16 elements are drawn anew.

        For float32 the elementary functions are taken in double between float32 roundings; the library is
        allowed 4 ULP.
        """
        if n < NORMAL_BLOCK:
            return self.normal_pairwise(n, mean, std, dtype)
        u = self.unit(n, dtype)
        whole = n // NORMAL_BLOCK * NORMAL_BLOCK
        out = np.empty(n, dtype=dtype)
        out[:whole] = self._box_muller(u[:whole], mean, std)
        if whole != n:
            out[-NORMAL_BLOCK:] = self._box_muller(self.unit(NORMAL_BLOCK, dtype), mean, std)
        return out

    @staticmethod
    def _box_muller(u: Array, mean: float, std: float) -> Array:
        kind = u.dtype.type
        half = NORMAL_BLOCK // 2
        blocks = u.reshape(-1, NORMAL_BLOCK)
        first, second = blocks[:, :half].reshape(-1), blocks[:, half:].reshape(-1)
        log = each(math.log, (kind(1) - first).astype(np.float64)).astype(kind)
        angle = (kind(2.0 * math.pi) * second).astype(np.float64)
        radius = np.sqrt(kind(-2) * log)
        halves = [radius * each(f, angle).astype(kind) for f in (math.cos, math.sin)]
        z = np.concatenate([h.reshape(-1, half) for h in halves], axis=1).reshape(-1)
        if kind is np.float32:
            return np.asarray(z.astype(np.float64) * kind(std) + kind(mean)).astype(np.float32)
        return fma(z, std, mean)

    def bernoulli(self, n: int, p: float, dtype: npt.DTypeLike = np.float32) -> Array:
        """Probability p for all: 53-bit uniforms for every dtype, for p = 0 and p = 1 as well."""
        return (self.unit(n) < p).astype(dtype)

    def bernoulli_each(self, p: Array, dtype: npt.DTypeLike = np.float32) -> Array:
        """A probability per element: 24-bit uniforms for float32 `p`, 53-bit ones for float64."""
        return (self.unit(p.size, p.dtype) < p).astype(dtype)

    def dropout_mask(self, n: int, p: float) -> npt.NDArray[np.bool_]:
        """What dropout(p) keeps; nothing is drawn for p = 0 and p = 1."""
        if p in (0.0, 1.0):
            return np.full(n, p == 0.0)
        return np.asarray(self.bernoulli(n, 1.0 - p, np.bool_))

    def _remainders(self, n: int, base: int, size: int, wide: bool, dtype: npt.DTypeLike) -> Array:
        draws = self.bits64(n) if wide else self.bits32(n)
        values = [base + int(x) % size for x in draws]
        return np.array([(v + 2**63) % 2**64 - 2**63 for v in values], dtype=np.int64).astype(dtype)

    def integers(self, n: int, start: int, stop: int, dtype: npt.DTypeLike = np.int64) -> Array:
        """start <= x < stop (randint, random_(start, stop)): 64-bit draws from 2^28 values on.

        For floating dtypes the bounds first move to the next representable values inside the interval.
        """
        kind = np.dtype(dtype).type
        if kind in (np.float32, np.float64):
            low, high = kind(start), kind(stop - 1)
            if int(low) < start:
                start = int(np.nextafter(low, kind(math.inf)))
            if int(high) >= stop and int(high) < 2**63:
                stop = int(np.nextafter(high, kind(-math.inf)))
        return self._remainders(n, start, stop - start, stop - start >= 2**28, dtype)

    @staticmethod
    def last(dtype: npt.DTypeLike) -> int:
        """The largest integer of `dtype` up to which it holds all."""
        kind = np.dtype(dtype)
        if kind.kind == "f":
            return int(2 ** (np.finfo(kind.type).nmant + 1))
        return 1 if kind.kind == "b" else int(np.iinfo(kind.type).max)

    def integers_from(self, n: int, start: int, dtype: npt.DTypeLike = np.int64) -> Array:
        """random_(start, None): start <= x <= last(dtype)."""
        if start == -(2**63):
            return self._remainders(n, 0, 2**64, True, dtype)
        size = self.last(dtype) - start + 1
        return self._remainders(n, start, size, size >= 2**28, dtype)

    def integers_whole(self, n: int, dtype: npt.DTypeLike = np.int64) -> Array:
        """random_(): 0 <= x <= last(dtype); 64-bit draws for the 8-byte dtypes."""
        return self._remainders(n, 0, self.last(dtype) + 1, np.dtype(dtype).itemsize == 8, dtype)

    def permutation(self, n: int, dtype: npt.DTypeLike = np.int64) -> Array:
        """randperm: exchanges with a later place, from the front.

        From (2^32 - 1) / 20 elements on: exchanges with an earlier place, by 64-bit draws.
        """
        values = list(range(n))
        if n >= (2**32 - 1) // 20:
            for i in range(n):
                j = int(self.bits64(1)[0]) % (i + 1)
                values[i], values[j] = values[j], values[i]
            return np.array(values, dtype=dtype)
        for i, draw in enumerate(self.bits32(max(n - 1, 0)).tolist()):
            j = i + draw % (n - i)
            values[i], values[j] = values[j], values[i]
        return np.array(values, dtype=dtype)

    def exponential(self, n: int, rate: float, dtype: npt.DTypeLike = np.float32) -> Array:
        """-log(1 - u) / rate in double."""
        return (-1.0 / rate * each(lambda u: math.log1p(-u), self.unit(n))).astype(dtype)

    def cauchy(self, n: int, median: float, sigma: float, dtype: npt.DTypeLike = np.float32) -> Array:
        """median + sigma tan(pi (u - 1/2)) in double."""
        tangent = each(lambda u: math.tan(math.pi * (u - 0.5)), self.unit(n))
        return fma(tangent, sigma, median).astype(dtype)

    def log_normal(self, n: int, mean: float, std: float, dtype: npt.DTypeLike = np.float32) -> Array:
        """The exponential of normals that are drawn one by one, whatever n."""
        return each(math.exp, self.normal_pairwise(n, mean, std, np.float64)).astype(dtype)

    def geometric(self, n: int, p: float, dtype: npt.DTypeLike = np.float32) -> Array:
        """Trials up to the first success: ceil(log u / log(1 - p)); what `dtype` cannot hold saturates."""
        trials = np.ceil(each(log_or_infinity, self.unit(n)) / math.log1p(-p))
        kind = np.dtype(dtype)
        if kind.kind == "f":
            return trials.astype(dtype)
        last = np.iinfo(kind.type).max
        return np.array([last if t >= last else int(t) for t in trials.tolist()], dtype=dtype)

    def multinomial(self, weights: Array, samples: int, replacement: bool) -> npt.NDArray[np.int64]:
        """Categories for each row of weights [rows, categories] of float32 or float64: [rows, samples].

        With replacement, a 53-bit uniform per sample is looked up among cumulative weights of the weights'
        own dtype; without, or for a single sample, the largest weight / exponential win.
        """
        rows = [
            self._looked_up(w, samples) if replacement and samples > 1 else self._raced(w, samples)
            for w in weights
        ]
        return np.array(rows, dtype=np.int64).reshape(len(weights), samples)

    def _looked_up(self, weights: Array, samples: int) -> Sequence[int]:
        cumulative = np.cumsum(weights, dtype=weights.dtype)
        cumulative /= cumulative[-1]
        return [int(i) for i in np.searchsorted(cumulative.astype(np.float64), self.unit(samples))]

    def _raced(self, weights: Array, samples: int) -> Sequence[int]:
        race = weights / self.exponential(len(weights), 1.0, weights.dtype)
        return [int(i) for i in np.argsort(-race, kind="stable")[:samples]]

    def trunc_normal(
        self, n: int, mean: float, std: float, start: float, stop: float, dtype: npt.DTypeLike = np.float32
    ) -> Array:
        """Normal in [start, stop] by rejection; every round draws all n elements again.

        With at least 0.3 of the normal's mass inside, a round is a normal fill. With less, it is a uniform
        fill of the interval and a fill of uniforms u, accepted where u <= exp((z0^2 - z^2) / 2), z0 the point
        of least |z| inside.
        """
        kind: Scalar = np.dtype(dtype).type
        low, high = (start - mean) / std, (stop - mean) / std
        mass = (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2
        nearest = min(max(0.0, low), high)
        out = np.empty(n, dtype=dtype)
        waiting = np.ones(n, dtype=np.bool_)
        while waiting.any():
            if mass >= 0.3:
                x = self.normal(n, mean, std, dtype)
                accepted = (x >= start) & (x <= stop)
            else:
                x = self.uniform(n, start, stop, dtype)
                z = (x - kind(mean)) / kind(std)
                accepted = self.unit(n, dtype) <= np.exp((kind(nearest * nearest) - z * z) / kind(2))
            out[waiting & accepted] = x[waiting & accepted]
            waiting &= ~accepted
        return out


def replay(case: dict[str, Any]) -> tuple[Array, int]:
    """Perform one case of tests/data/random_stream.json: the filled elements and the draw after them.

    The file's "about" says how a case is to be read.
    """
    stream, n, dtype, arguments = Stream(case["seed"]), case["n"], case["dtype"], case["args"]
    if case["fill"] == "bernoulli_each":
        values = stream.bernoulli_each(np.arange(n, dtype=dtype) / np.dtype(dtype).type(n), dtype)
    elif case["fill"] == "multinomial":
        kind, samples, replacement = arguments
        up = np.arange(n, dtype=kind)
        values = stream.multinomial(np.stack([1 + up, 2 * n - up]), samples, replacement).reshape(-1)
    elif case["fill"] == "dropout_mask":
        values = stream.dropout_mask(n, *arguments)
    else:
        values = getattr(stream, case["fill"])(n, *arguments, dtype)
    return values, int(stream.bits64(1).view(np.int64)[0])
