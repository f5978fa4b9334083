// Folds: any reduction that maps each element and combines the results two by two. The order is fixed by the
// shape: blocks along the reduced elements, inside a block a few interleaved chains, and blocks combined
// pairwise, so that rounding errors grow like the logarithm of the count. Here are the loops inside a block,
// compiled for each fold; fold_walk.h walks over the blocks of a tensor. Which folds exist is not known here.
//
// A Step has: identity(), map(x, parameter), combine(a, b), all on Packet<T>.
#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include "kernels/cpu/lane.h"
#include "kernels/cpu/packets.h"

namespace unspool::kernels::cpu {

inline constexpr std::int64_t kFoldBlock = 1024;  // elements of a reduced run that one block holds
inline constexpr std::int64_t kFoldRows = 32;     // kept runs that one block holds
inline constexpr std::int64_t kFoldPanel = 512;   // neighbouring outputs that are folded together
inline constexpr int kFoldLevels = 44;            // 2^44 blocks: more than memory holds

// The mapped value where lane < n, else the identity.
template <class T>
Vec<T> keep_first(Vec<T> mapped, Vec<T> identity, std::int64_t n) {
  constexpr int kLanes = Vec<T>::kLanes;
  static constexpr auto kOnesThenZeros = [] {
    std::array<T, 2 * kLanes> table{};
    for (int i = 0; i < kLanes; ++i) table[static_cast<std::size_t>(i)] = T(1);
    return table;
  }();
  return select(Vec<T>::load(kOnesThenZeros.data() + kLanes - n) != Vec<T>(T(0)), mapped, identity);
}

template <int kShift, class T>
Vec<T> rotate_lanes(Vec<T> a) {
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return Vec<T>(typename Vec<T>::Reg(__builtin_shufflevector(
        a.v, a.v, static_cast<int>((I + kShift) % static_cast<int>(sizeof...(I)))...)));
  }(std::make_index_sequence<static_cast<std::size_t>(Vec<T>::kLanes)>{});
}

template <int kHalf, class T, class Step>
T halve_lanes(const Step& step, Vec<T> a) {
  if constexpr (kHalf == 0)
    return a[0];
  else
    return halve_lanes<kHalf / 2>(step, step.combine(a, rotate_lanes<kHalf>(a)));
}

// All lanes into one: the upper half onto the lower half, again and again.
template <class P, class Step>
auto combine_lanes(const Step& step, P a) {
  if constexpr (P::kLanes == 1)
    return a.value;
  else
    return halve_lanes<P::kLanes / 2>(step, a);
}

// Partial results of a sequence, combined pairwise as they arrive (like carries of a binary counter).
template <class P>
class Pairwise {
 public:
  template <class Step>
  void push(const Step& step, P value) {
    int level = 0;
    for (std::int64_t rest = count_++; rest & 1; rest >>= 1) value = step.combine(levels_[level++], value);
    levels_[level] = value;
  }
  template <class Step>
  P total(const Step& step) const {
    if (count_ == 0) return step.identity();
    int level = 0;
    std::int64_t rest = count_;
    while ((rest & 1) == 0) {
      rest >>= 1;
      ++level;
    }
    P value = levels_[level++];
    for (rest >>= 1; rest; rest >>= 1, ++level) {
      if (rest & 1) value = step.combine(levels_[level], value);
    }
    return value;
  }

 private:
  std::int64_t count_ = 0;
  P levels_[kFoldLevels];
};

// Combines map(i, lanes) over n consecutive elements, in four interleaved chains.
template <class P, class Step, class Map>
P fold_chains(const Step& step, std::int64_t n, const Map& map) {
  constexpr int kLanes = P::kLanes;
  constexpr AllLanes<P> kAll{};
  P a = step.identity(), b = a, c = a, d = a;
  std::int64_t i = 0;
  if constexpr (kLanes == 1) {
    // Exact in any order: left to the compiler.
    for (; i < n; ++i) a = step.combine(a, map(i, kAll));
    return a;
  }
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    a = step.combine(a, map(i, kAll));
    b = step.combine(b, map(i + kLanes, kAll));
    c = step.combine(c, map(i + 2 * kLanes, kAll));
    d = step.combine(d, map(i + 3 * kLanes, kAll));
  }
  if (i + kLanes <= n) {
    a = step.combine(a, map(i, kAll));
    i += kLanes;
    if (i + kLanes <= n) {
      b = step.combine(b, map(i, kAll));
      i += kLanes;
      if (i + kLanes <= n) {
        c = step.combine(c, map(i, kAll));
        i += kLanes;
      }
    }
  }
  if constexpr (kLanes > 1) {
    if (i < n) d = step.combine(d, keep_first(map(i, static_cast<int>(n - i)), step.identity(), n - i));
  }
  return step.combine(step.combine(a, b), step.combine(c, d));
}

// The fold of map(i, lanes) over n elements, in blocks; the total in every lane.
template <class T, class Step, class Map>
Vec<T> fold_row(const Step& step, std::int64_t n, const Map& map) {
  using P = Vec<T>;
  if (n <= kFoldBlock) return P(combine_lanes(step, fold_chains<P>(step, n, map)));
  Pairwise<P> partial;
  for (std::int64_t start = 0; start < n; start += kFoldBlock) {
    partial.push(step, fold_chains<P>(step, std::min(kFoldBlock, n - start),
                                      [&](std::int64_t i, auto lanes) { return map(start + i, lanes); }));
  }
  return P(combine_lanes(step, partial.total(step)));
}

// One block of at most kFoldBlock consecutive elements.
template <class T, class Step>
Packet<T> fold_block(const Step& step, const T* x, std::int64_t n, Packet<T> parameter) {
  using P = Packet<T>;
  return fold_chains<P>(
      step, n, [&](std::int64_t i, auto lanes) { return step.map(load_lanes<P>(x + i, lanes), parameter); });
}

// `rows` runs of `width` elements onto `sums`, kVectors packets of columns at a time.
template <int kVectors, class T, class Step>
[[gnu::always_inline]] inline void fold_strip(const Step& step, const T* const* rows, std::int64_t count,
                                              std::int64_t column, const T* parameters, T* sums) {
  using P = Packet<T>;
  constexpr int kLanes = P::kLanes;
  P total[kVectors], parameter[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    total[v] = step.identity();
    parameter[v] = parameters ? P::load(parameters + column + v * kLanes) : P(T(0));
  }
  for (std::int64_t r = 0; r < count; ++r) {
    const T* x = rows[r] + column;
    for (int v = 0; v < kVectors; ++v) {
      total[v] = step.combine(total[v], step.map(P::load(x + v * kLanes), parameter[v]));
    }
  }
  for (int v = 0; v < kVectors; ++v) total[v].store(sums + column + v * kLanes);
}

template <class T, class Step>
void fold_rows(const Step& step, const T* const* rows, std::int64_t count, std::int64_t width,
               const T* parameters, T* sums) {
  using P = Packet<T>;
  constexpr int kLanes = P::kLanes;
  if constexpr (kLanes == 1) {
    // Exact in any order: whole rows, which the compiler runs in parallel and memory delivers in order.
    for (std::int64_t c = 0; c < width; ++c) step.identity().store(sums + c);
    for (std::int64_t r = 0; r < count; ++r) {
      const T* x = rows[r];
      for (std::int64_t c = 0; c < width; ++c) {
        const P parameter = parameters ? P::load(parameters + c) : P(T(0));
        step.combine(P::load(sums + c), step.map(P::load(x + c), parameter)).store(sums + c);
      }
    }
    return;
  }
  std::int64_t c = 0;
  for (; c + 8 * kLanes <= width; c += 8 * kLanes) fold_strip<8>(step, rows, count, c, parameters, sums);
  for (; c + 2 * kLanes <= width; c += 2 * kLanes) fold_strip<2>(step, rows, count, c, parameters, sums);
  for (; c + kLanes <= width; c += kLanes) fold_strip<1>(step, rows, count, c, parameters, sums);
  if constexpr (kLanes > 1) {
    if (c < width) {
      const int rest = static_cast<int>(width - c);
      const P parameter = parameters ? P::load_partial(parameters + c, rest) : P(T(0));
      P total = step.identity();
      for (std::int64_t r = 0; r < count; ++r) {
        total = step.combine(total, step.map(P::load_partial(rows[r] + c, rest), parameter));
      }
      total.store_partial(sums + c, rest);
    }
  }
}

template <class T, class Step>
void combine_panels(const Step& step, const T* a, T* b, std::int64_t width) {
  using P = Packet<T>;
  each_packet<P>(width, [&](std::int64_t c, auto lanes) {
    store_lanes<P>(b + c, step.combine(load_lanes<P>(a + c, lanes), load_lanes<P>(b + c, lanes)), lanes);
  });
}

// The plain sum, and the base of the other steps.
template <class T>
struct SumStep {
  using P = Packet<T>;
  static P identity() { return P(T(0)); }
  static P map(P x, P) { return x; }
  static P combine(P a, P b) { return a + b; }
};

}  // namespace unspool::kernels::cpu
