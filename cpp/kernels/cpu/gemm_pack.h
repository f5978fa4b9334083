// Packing: copies of an operand in the order in which the tiles read it. A panel is `width` rows of a (or
// columns of b) times a run of k, stored k-major: element (i, p) at p * width + i. What a panel holds beyond
// its `count` rows is some finite or infinite leftover that no stored result ever reads; it need not be zero.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels/cpu/gemm_simd.h"

namespace unspool::kernels::cpu {

// Panel rows side by side in memory (stride 1), k apart by `step`: copies of constant size, for `panels`
// neighbouring panels of as many rows, `room` apart.
template <class T, int kCount>
void pack_side_by_side(const T* from, std::int64_t step, std::int64_t width, std::int64_t k, T* to,
                       std::int64_t panels, std::int64_t room) {
  for (; panels > 0; --panels, from += kCount, to += room) {
    const T* in = from;
    T* out = to;
    for (std::int64_t p = 0; p < k; ++p, in += step, out += width)
      __builtin_memcpy(out, in, kCount * sizeof(T));
  }
}

template <class T>
using SideBySide = void (*)(const T*, std::int64_t, std::int64_t, std::int64_t, T*, std::int64_t,
                            std::int64_t);

inline constexpr int kWidestPanel = 32;

template <class T, int... kCount>
constexpr std::array<SideBySide<T>, sizeof...(kCount)> side_by_side_packs(
    std::integer_sequence<int, kCount...>) {
  return {pack_side_by_side<T, kCount + 1>...};
}

template <class T>
inline constexpr auto kSideBySidePacks =
    side_by_side_packs<T>(std::make_integer_sequence<int, kWidestPanel>{});

// Transposes kWidth panel rows by kLaneWidth of k. `row_at(i)` is where row i of the panel begins.
template <class T, class RowAt, class Store>
UNSPOOL_INLINE void transpose_step(RowAt&& row_at, Store&& store) {
  using namespace simd;
  constexpr int kL = kLaneWidth<T>;
  Vector<T> v[kL];
  unroll<kL>([&](auto j) __attribute__((always_inline)) {
    v[j] = gather_lanes<T>([&](auto l) __attribute__((always_inline)) { return row_at(l * kL + j); });
  });
  transpose_lanes<T>(v);
  unroll<kL>([&](auto j) __attribute__((always_inline)) { store(j, v[j]); });
}

// k side by side in memory, panel rows apart by `row`, of which `readable` >= count lie in the operand.
// Stores of whole vectors run past the panel's row into the next one, which later stores put right; the last
// ones go in part.
template <class T>
void pack_transposed(const T* from, std::int64_t row, std::int64_t count, std::int64_t readable,
                     std::int64_t width, std::int64_t k, T* to) {
  using namespace simd;
  constexpr int kW = kWidth<T>, kL = kLaneWidth<T>;
  for (std::int64_t first = 0; first < count; first += kW, from += kW * row) {
    const int kept = static_cast<int>(std::min<std::int64_t>(kW, width - first));
    const std::int64_t there = std::min<std::int64_t>(kW, count - first);
    const std::int64_t last_row = std::min<std::int64_t>(kW, readable - first) - 1;
    // Rows of k whose vectors may be stored whole.
    const std::int64_t whole = kept == kW ? k : first == 0 ? k - (kW - kept + width - 1) / width : 0;
    T* out = to + first;
    std::int64_t p = 0;
    const auto store_whole = [&](int j, Vector<T> v)
                                 __attribute__((always_inline)) { store<T>(out + j * width, v); };
    if (last_row == kW - 1) {
      for (; p + kL <= whole; p += kL, out += kL * width) {
        transpose_step<T>([&](int i) __attribute__((always_inline)) { return from + p + i * row; },
                          store_whole);
      }
    } else {
      for (; p + kL <= whole; p += kL, out += kL * width) {
        transpose_step<T>(
            [&](int i) __attribute__((always_inline)) {
              return from + p + std::min<std::int64_t>(i, last_row) * row;
            },
            store_whole);
      }
    }
    for (; p + kL <= k; p += kL, out += kL * width) {
      transpose_step<T>(
          [&](int i)
              __attribute__((always_inline)) { return from + p + std::min<std::int64_t>(i, last_row) * row; },
          [&](int j, Vector<T> v)
              __attribute__((always_inline)) { store_partial(out + j * width, v, kept); });
    }
    for (; p < k; ++p, out += width) {
      for (std::int64_t i = 0; i < there; ++i) out[i] = from[i * row + p];
    }
  }
}

template <class T>
void pack_strided(const T* from, std::int64_t row, std::int64_t step, std::int64_t count, std::int64_t width,
                  std::int64_t k, T* to) {
  for (std::int64_t p = 0; p < k; ++p, from += step, to += width) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = from[i * row];
  }
}

// Packs one panel: element (i, p) from from[i * row + p * step], i < count <= width. The operand goes on to i
// = readable.
template <class T>
void pack_panel(const T* from, std::int64_t row, std::int64_t step, std::int64_t count, std::int64_t readable,
                std::int64_t width, std::int64_t k, T* to) {
  if (row == 1 && count <= kWidestPanel) {
    return kSideBySidePacks<T>[static_cast<std::size_t>(count - 1)](from, step, width, k, to, 1, 0);
  }
  if (step == 1) return pack_transposed(from, row, count, readable, width, k, to);
  pack_strided(from, row, step, count, width, k, to);
}

}  // namespace unspool::kernels::cpu
