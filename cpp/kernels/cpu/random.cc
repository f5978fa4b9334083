// The fills of random.h. Each walks the twister's block in place: a body tempers a run of raw words and turns
// it into results in one loop that the compiler vectorises; only a pair of words that straddles two blocks is
// copied.
#include "kernels/cpu/random.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels/cpu/random_normal.h"

namespace unspool::kernels::cpu {
namespace {

// Calls body(words, first, count) for runs that cover [0, n): element first + i takes the raw word words[i].
template <class Body>
void each_run(MersenneState& state, std::int64_t n, Body&& body) {
  for (std::int64_t first = 0; first < n;) {
    const std::int64_t count = std::min<std::int64_t>(ready_words(state), n - first);
    body(state.words + state.position, first, count);
    state.position += static_cast<std::int32_t>(count);
    first += count;
  }
}

// The same where element first + i takes words[2 i] and words[2 i + 1].
template <class Body>
void each_pair_run(MersenneState& state, std::int64_t n, Body&& body) {
  for (std::int64_t first = 0; first < n;) {
    const int ready = ready_words(state);
    if (ready == 1) {
      std::uint32_t pair[2] = {state.words[state.position++], 0};
      ready_words(state);
      pair[1] = state.words[state.position++];
      body(pair, first, 1);
      ++first;
      continue;
    }
    const std::int64_t count = std::min<std::int64_t>(ready / 2, n - first);
    body(state.words + state.position, first, count);
    state.position += static_cast<std::int32_t>(2 * count);
    first += count;
  }
}

// Two tempered draws as the 64-bit draw they make. Both are tempered at once in one 64-bit lane: where a
// shift would carry bits from one half into the other, the masks remove them.
inline std::uint64_t tempered_pair(const std::uint32_t* words) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t x;
  std::memcpy(&x, words, sizeof(x));
  x ^= (x >> 11) & 0x001fffff001fffffU;
  x ^= (x << 7) & 0x9d2c56809d2c5680U;
  x ^= (x << 15) & 0xefc60000efc60000U;
  x ^= (x >> 18) & 0x00003fff00003fffU;
  return x << 32 | x >> 32;
}

// to_uniform53 for machines that cannot convert 64-bit integers lane by lane: both halves as exponent and
// mantissa of doubles, every step exact.
inline double exact_uniform53(std::uint64_t bits) {
  constexpr std::uint64_t kHigh = 0x4530000000000000U;  // 2^84, whose last mantissa bit is worth 2^32
  constexpr std::uint64_t kLow = 0x4330000000000000U;   // 2^52
  const double high = std::bit_cast<double>((bits & kMask53) >> 32 | kHigh) - (0x1p84 + 0x1p52);
  return (high + std::bit_cast<double>((bits & 0xffffffffU) | kLow)) * 0x1p-53;
}

// The 21 bits that the first draw of each pair gives to a 53-bit uniform; says whether any of them equals
// `tie`.
inline bool first_draws21(const std::uint32_t* words, std::int64_t count, std::int32_t* high,
                          std::int32_t tie) {
  constexpr std::int32_t kMask21 = (1 << 21) - 1;
  typedef std::uint32_t Words __attribute__((vector_size(32)));
  typedef std::int32_t Ints __attribute__((vector_size(32)));
  Ints ties = {};
  std::int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    Words a, b;
    std::memcpy(&a, words + 2 * i, sizeof(a));
    std::memcpy(&b, words + 2 * i + 8, sizeof(b));
    Words first = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
    mersenne::temper_in_place(first);
    const Ints bits = reinterpret_cast<Ints>(first) & kMask21;
    ties |= bits == tie;
    std::memcpy(high + i, &bits, sizeof(bits));
  }
  bool tied = false;
  for (int lane = 0; lane < 8; ++lane) tied |= ties[lane] != 0;
  for (; i < count; ++i) {
    high[i] = static_cast<std::int32_t>(mersenne::temper(words[2 * i])) & kMask21;
    tied |= high[i] == tie;
  }
  return tied;
}

// map(u) of uniforms in [0, 1) of type T.
template <class T, class Map>
void fill_unit(MersenneState& state, T* out, std::int64_t n, Map map) {
  if constexpr (std::is_same_v<T, float>) {
    each_run(state, n, [=](const std::uint32_t* words, std::int64_t first, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i) out[first + i] = map(to_uniform24(mersenne::temper(words[i])));
    });
  } else {
    each_pair_run(state, n, [=](const std::uint32_t* words, std::int64_t first, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i) {
        out[first + i] = map(exact_uniform53(tempered_pair(words + 2 * i)));
      }
    });
  }
}

// Calls body(first, count, u) with blocks of 53-bit uniforms, for results that take a call into the C library
// each.
template <class Body>
void each_uniform53(MersenneState& state, std::int64_t n, Body&& body) {
  constexpr std::int64_t kBlock = 512;
  double u[kBlock];
  for (std::int64_t first = 0; first < n; first += kBlock) {
    const std::int64_t count = std::min(kBlock, n - first);
    fill_uniform(state, u, count, 0.0, 1.0);
    body(first, count, u);
  }
}

// The scale carries one rounding, and a product that rounds up to the open end starts again at the closed
// one.
template <class T>
struct Interval {
  T from, range, to;

  T operator()(T u) const {
    const T x = std::fma(u, range, from);
    return x == to ? from : x;
  }
};

__extension__ typedef unsigned __int128 Uint128;

// x % divisor for 32-bit x by two multiplications (Lemire, Kaser and Kurz 2019).
struct FastRemainder {
  std::uint64_t divisor;
  std::uint64_t inverse = std::numeric_limits<std::uint64_t>::max() / divisor + 1;

  std::uint64_t operator()(std::uint32_t x) const {
    return static_cast<std::uint64_t>(static_cast<Uint128>(inverse * x) * divisor >> 64);
  }
};

// c ? x : 0 in the form that g++ 12 vectorises for the type: it leaves a branch, at the price of one wrong
// guess in two, in the selection of integers and in the product of floats.
template <class T>
T keep_if(bool c, T x) {
  if constexpr (std::is_floating_point_v<T>)
    return c ? x : T(0);
  else
    return static_cast<T>(static_cast<T>(c) * x);
}

template <class T>
T saturate(double x) {
  if constexpr (std::is_floating_point_v<T>)
    return static_cast<T>(x);
  else
    return x < static_cast<double>(std::numeric_limits<T>::max()) ? static_cast<T>(x)
                                                                  : std::numeric_limits<T>::max();
}

}  // namespace

void fill_bits(MersenneState& state, std::uint32_t* out, std::int64_t n) {
  each_run(state, n, [out](const std::uint32_t* words, std::int64_t first, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) out[first + i] = mersenne::temper(words[i]);
  });
}

template <class T>
void fill_uniform(MersenneState& state, T* out, std::int64_t n, double from, double to) {
  if (from == 0 && to == 1) return fill_unit(state, out, n, [](T u) { return u; });
  const T low = static_cast<T>(from), high = static_cast<T>(to);
  fill_unit(state, out, n, Interval<T>{low, high - low, high});
}

template <class T>
void fill_normal_pairwise(MersenneState& state, T* out, std::int64_t n, double mean, double std) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<T>(std::fma(standard_normal(state), std, mean));
}

template <class T>
void fill_normal(const Context& context, MersenneState& state, T* out, std::int64_t n, double mean,
                 double std, bool narrow) {
  if (n < kNormalBlock) return fill_normal_pairwise(state, out, n, mean, std);
  const T center = static_cast<T>(mean), scale = static_cast<T>(std);
  // Stripes keep the uniforms in the cache until they are transformed; chunks of a stripe run in parallel.
  constexpr std::int64_t kChunk = 2048, kStripe = 32 * kChunk;
  const std::int64_t whole = n / kNormalBlock * kNormalBlock;
  for (std::int64_t start = 0; start < whole; start += kStripe) {
    const std::int64_t stripe = std::min(kStripe, whole - start);
    fill_uniform(state, out + start, stripe, 0.0, 1.0);
    context.parallel((stripe + kChunk - 1) / kChunk, [=](std::int64_t chunk) {
      const std::int64_t first = chunk * kChunk;
      normals_from_uniforms(out + start + first, std::min(kChunk, stripe - first), center, scale);
    });
  }
  if (whole == n) return;
  T skipped[kNormalBlock];
  if (!narrow) fill_uniform(state, skipped, n - whole, 0.0, 1.0);
  T* last = out + n - kNormalBlock;
  fill_uniform(state, last, kNormalBlock, 0.0, 1.0);
  normals_from_uniforms(last, kNormalBlock, center, scale);
}

// u < p for u = (high 2^32 + low) / 2^53: the first draw decides alone unless its 21 bits are those of p. So
// a run is written from the first draws, and written again with both in the rare case that one of them was a
// tie.
template <class T>
void fill_bernoulli(MersenneState& state, T* out, std::int64_t n, double p, T kept) {
  const std::int64_t threshold = static_cast<std::int64_t>(std::ceil(p * 0x1p53));
  const std::int32_t high_threshold = static_cast<std::int32_t>(threshold >> 32);
  each_pair_run(state, n, [=](const std::uint32_t* words, std::int64_t first, std::int64_t count) {
    std::int32_t high[MersenneState::kWords / 2];
    const bool tied = first_draws21(words, count, high, high_threshold);
    T* __restrict target = out + first;
    const T one = kept;
    for (std::int64_t i = 0; i < count; ++i) target[i] = keep_if(high[i] < high_threshold, one);
    if (!tied) return;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t u = static_cast<std::int64_t>(tempered_pair(words + 2 * i) & kMask53);
      out[first + i] = keep_if(u < threshold, kept);
    }
  });
}

template <class T, class P>
void fill_bernoulli_each(MersenneState& state, T* out, std::int64_t n, const P* p) {
  if constexpr (std::is_same_v<P, float>) {
    each_run(state, n, [=](const std::uint32_t* words, std::int64_t first, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i) {
        out[first + i] = static_cast<T>(to_uniform24(mersenne::temper(words[i])) < p[first + i]);
      }
    });
  } else {
    each_pair_run(state, n, [=](const std::uint32_t* words, std::int64_t first, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i) {
        out[first + i] = static_cast<T>(exact_uniform53(tempered_pair(words + 2 * i)) < p[first + i]);
      }
    });
  }
}

template <class T>
void fill_integers(MersenneState& state, T* out, std::int64_t n, IntegerRange range) {
  const std::uint64_t base = static_cast<std::uint64_t>(range.base);
  const auto convert = [base](std::uint64_t x) {
    return static_cast<T>(static_cast<std::int64_t>(base + x));
  };
  if (!range.wide) {
    const FastRemainder remainder{range.size};
    each_run(state, n, [=](const std::uint32_t* words, std::int64_t first, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i)
        out[first + i] = convert(remainder(mersenne::temper(words[i])));
    });
  } else {
    each_pair_run(state, n, [=](const std::uint32_t* words, std::int64_t first, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i) {
        const std::uint64_t draw = tempered_pair(words + 2 * i);
        out[first + i] = convert(range.size == 0 ? draw : draw % range.size);
      }
    });
  }
}

template <class T>
void fill_permutation(MersenneState& state, T* out, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<T>(i);
  // From here on a remainder of 32 bits would be uneven by more than 5 %: 64-bit draws, and exchanges with an
  // earlier place instead of a later one.
  constexpr std::int64_t kWideFrom = std::numeric_limits<std::uint32_t>::max() / 20;
  if (n >= kWideFrom) {
    for (std::int64_t i = 0; i < n; ++i) {
      std::swap(out[i], out[random64(state) % static_cast<std::uint64_t>(i + 1)]);
    }
    return;
  }
  each_run(state, n - 1, [=](const std::uint32_t* words, std::int64_t first, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint32_t left = static_cast<std::uint32_t>(n - first - i);
      std::swap(out[first + i], out[first + i + mersenne::temper(words[i]) % left]);
    }
  });
}

template <class T>
void fill_exponential(MersenneState& state, T* out, std::int64_t n, double rate) {
  const double scale = -1.0 / rate;
  each_uniform53(state, n, [=](std::int64_t first, std::int64_t count, const double* u) {
    for (std::int64_t i = 0; i < count; ++i) out[first + i] = static_cast<T>(scale * std::log1p(-u[i]));
  });
}

template <class T>
void fill_cauchy(MersenneState& state, T* out, std::int64_t n, double median, double sigma) {
  constexpr double kPi = 3.14159265358979323846;
  each_uniform53(state, n, [=](std::int64_t first, std::int64_t count, const double* u) {
    for (std::int64_t i = 0; i < count; ++i) {
      out[first + i] = static_cast<T>(std::fma(sigma, std::tan(kPi * (u[i] - 0.5)), median));
    }
  });
}

template <class T>
void fill_log_normal(MersenneState& state, T* out, std::int64_t n, double mean, double std) {
  for (std::int64_t i = 0; i < n; ++i) {
    out[i] = static_cast<T>(std::exp(std::fma(standard_normal(state), std, mean)));
  }
}

template <class T>
void fill_geometric(MersenneState& state, T* out, std::int64_t n, double p) {
  const double log_failure = std::log1p(-p);
  each_uniform53(state, n, [=](std::int64_t first, std::int64_t count, const double* u) {
    for (std::int64_t i = 0; i < count; ++i)
      out[first + i] = saturate<T>(std::ceil(std::log(u[i]) / log_failure));
  });
}

template <class T>
void multinomial_with_replacement(MersenneState& state, std::int64_t* out, std::int64_t rows,
                                  std::int64_t samples, const T* weights, std::int64_t categories,
                                  T* scratch) {
  constexpr std::int64_t kLooks = 32;  // of a sample
  for (std::int64_t row = 0; row < rows; ++row) {
    T sum = 0;
    for (std::int64_t c = 0; c < categories; ++c) scratch[c] = sum += weights[row * categories + c];
    // A few samples look at few of the shares.
    T whole = sum;
    if (samples * kLooks > categories) {
      for (std::int64_t c = 0; c < categories; ++c) scratch[c] /= sum;
      whole = 1;
    }
    each_uniform53(state, samples, [=](std::int64_t first, std::int64_t count, const double* u) {
      for (std::int64_t i = 0; i < count; ++i) {
        // The last share is 1 and no uniform is; a uniform of 0 must not choose a weight of 0.
        const auto is_left = [whole](T cumulative, double x) {
          const T share = cumulative / whole;
          return static_cast<double>(share) < x || share == 0;
        };
        const T* found = std::lower_bound(scratch, scratch + categories, u[i], is_left);
        out[row * samples + first + i] = found - scratch;
      }
    });
  }
}

template <class T>
void multinomial_without_replacement(MersenneState& state, std::int64_t* out, std::int64_t rows,
                                     std::int64_t samples, const T* weights, std::int64_t categories,
                                     Ranked* scratch) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const T* weight = weights + row * categories;
    each_uniform53(state, categories, [=](std::int64_t first, std::int64_t count, const double* u) {
      for (std::int64_t i = 0; i < count; ++i) {
        const T w = weight[first + i];
        const T score = w / static_cast<T>(-std::log1p(-u[i]));
        scratch[first + i] = {w > 0 ? static_cast<double>(score) : 0.0, first + i};  // 0 / 0 must not win
      }
    });
    std::partial_sort(scratch, scratch + samples, scratch + categories, [](const Ranked& a, const Ranked& b) {
      return a.score > b.score || (a.score == b.score && a.category < b.category);
    });
    for (std::int64_t i = 0; i < samples; ++i) out[row * samples + i] = scratch[i].category;
  }
}

#define UNSPOOL_FLOATING_FILLS(T)                                                                          \
  template void fill_uniform(MersenneState&, T*, std::int64_t, double, double);                            \
  template void fill_normal(const Context&, MersenneState&, T*, std::int64_t, double, double, bool);       \
  template void fill_normal_pairwise(MersenneState&, T*, std::int64_t, double, double);                    \
  template void fill_exponential(MersenneState&, T*, std::int64_t, double);                                \
  template void fill_cauchy(MersenneState&, T*, std::int64_t, double, double);                             \
  template void fill_log_normal(MersenneState&, T*, std::int64_t, double, double);                         \
  template void multinomial_with_replacement(MersenneState&, std::int64_t*, std::int64_t, std::int64_t,    \
                                             const T*, std::int64_t, T*);                                  \
  template void multinomial_without_replacement(MersenneState&, std::int64_t*, std::int64_t, std::int64_t, \
                                                const T*, std::int64_t, Ranked*);
#define UNSPOOL_NUMBER_FILLS(T)                                     \
  template void fill_permutation(MersenneState&, T*, std::int64_t); \
  template void fill_geometric(MersenneState&, T*, std::int64_t, double);
#define UNSPOOL_ANY_FILLS(T)                                                          \
  template void fill_bernoulli(MersenneState&, T*, std::int64_t, double, T);          \
  template void fill_bernoulli_each(MersenneState&, T*, std::int64_t, const float*);  \
  template void fill_bernoulli_each(MersenneState&, T*, std::int64_t, const double*); \
  template void fill_integers(MersenneState&, T*, std::int64_t, IntegerRange);

UNSPOOL_FLOATING_FILLS(float)
UNSPOOL_FLOATING_FILLS(double)
UNSPOOL_NUMBER_FILLS(std::uint8_t)
UNSPOOL_NUMBER_FILLS(std::int32_t)
UNSPOOL_NUMBER_FILLS(std::int64_t)
UNSPOOL_NUMBER_FILLS(float)
UNSPOOL_NUMBER_FILLS(double)
UNSPOOL_ANY_FILLS(bool)
UNSPOOL_ANY_FILLS(std::uint8_t)
UNSPOOL_ANY_FILLS(std::int32_t)
UNSPOOL_ANY_FILLS(std::int64_t)
UNSPOOL_ANY_FILLS(float)
UNSPOOL_ANY_FILLS(double)

}  // namespace unspool::kernels::cpu
