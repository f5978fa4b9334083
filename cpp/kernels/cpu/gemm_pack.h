// Packing: copies of an operand in the order in which the tiles read it. A panel is `width` rows of a (or
// columns of b) times a run of k, stored k-major: element (i, p) at p * width + i. What a panel holds beyond
// its `count` rows is some finite or infinite leftover that no stored result ever reads; it need not be zero.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/gemm_simd.h"

namespace unspool::kernels::cpu {

// Stores `kept` of v's elements, as a whole vector where the excess falls on what the panel's next rows will
// overwrite.
template <class T>
UNSPOOL_INLINE void store_row(T* to, simd::Vector<T> v, int kept, const T* end) {
  if (to + simd::kWidth<T> <= end) {
    simd::store<T>(to, v);
  } else {
    simd::store_partial(to, v, kept);
  }
}

// Panel rows side by side in memory (stride 1), k apart by `step`.
template <class T>
void pack_side_by_side(const T* from, std::int64_t step, int count, int width, std::int64_t k, T* to) {
  using namespace simd;
  constexpr int kW = kWidth<T>;
  const T* const end = to + k * width;
  if (count <= kW) {
    for (std::int64_t p = 0; p < k; ++p, from += step, to += width) {
      store_row<T>(to, count == kW ? load<T>(from) : load_partial(from, count), count, end);
    }
    return;
  }
  for (std::int64_t p = 0; p < k; ++p, from += step, to += width) {
    int i = 0;
    for (; i + kW <= count; i += kW) store<T>(to + i, load<T>(from + i));
    if (i < count) store_partial(to + i, load_partial(from + i, count - i), count - i);
  }
}

// k side by side in memory, panel rows apart by `row`: transposes kWidth rows by kLaneWidth of k at a time.
// Stores of whole vectors run past the panel's row into the next one, which later stores put right; the last
// go in part.
template <class T>
void pack_transposed(const T* from, std::int64_t row, int count, int width, std::int64_t k, T* to) {
  using namespace simd;
  constexpr int kW = kWidth<T>, kL = kLaneWidth<T>;
  const T* const end = to + k * width;
  for (int first = 0; first < count; first += kW) {
    const T* rows[kW];
    for (int i = 0; i < kW; ++i) rows[i] = from + std::min(first + i, count - 1) * row;
    const int kept = std::min(kW, width - first);
    T* out = to + first;
    std::int64_t p = 0;
    for (; p + kL <= k; p += kL, out += kL * width) {
      Vector<T> v[kL];
      unroll<kL>([&](auto j) __attribute__((always_inline)) {
        v[j] = gather_lanes<T>([&](auto l) __attribute__((always_inline)) { return rows[l * kL + j] + p; });
      });
      transpose_lanes<T>(v);
      if (kept == kW) {
        unroll<kL>([&](auto j) __attribute__((always_inline)) { store<T>(out + j * width, v[j]); });
      } else if (first == 0) {
        unroll<kL>([&](auto j)
                       __attribute__((always_inline)) { store_row<T>(out + j * width, v[j], kept, end); });
      } else {
        unroll<kL>([&](auto j)
                       __attribute__((always_inline)) { store_partial(out + j * width, v[j], kept); });
      }
    }
    for (; p < k; ++p, out += width) {
      for (int i = 0; i < std::min(kept, count - first); ++i) out[i] = rows[i][p];
    }
  }
}

template <class T>
void pack_strided(const T* from, std::int64_t row, std::int64_t step, int count, int width, std::int64_t k,
                  T* to) {
  for (std::int64_t p = 0; p < k; ++p, from += step, to += width) {
    for (int i = 0; i < count; ++i) to[i] = from[i * row];
  }
}

// Packs one panel: element (i, p) from from[i * row + p * step], i < count <= width.
template <class T>
void pack_panel(const T* from, std::int64_t row, std::int64_t step, int count, int width, std::int64_t k,
                T* to) {
  if (row == 1) return pack_side_by_side(from, step, count, width, k, to);
  if (step == 1) return pack_transposed(from, row, count, width, k, to);
  pack_strided(from, row, step, count, width, k, to);
}

}  // namespace unspool::kernels::cpu
