// Products with vectors. One row times a matrix too large for the nearest cache: what counts is to read the
// matrix in long runs, so eight of its rows at a time pass by a block of sums. Every sum is still one chain
// over k in ascending order.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/gemm_simd.h"

namespace unspool::kernels::cpu {

template <class T>
inline constexpr std::int64_t kVectorBlock =
    (8 << 10) / sizeof(T);  // columns whose sums stay in the nearest cache

// sums[0, cols) += x[0, kRows) times kRows rows of b; sums has room for whole vectors.
template <class T, int kRows>
void add_rows(const T* x, std::int64_t x_step, const T* b, std::int64_t b_row, std::int64_t cols, T* sums) {
  using namespace simd;
  constexpr int kW = kWidth<T>;
  Vector<T> factor[kRows];
  const T* row[kRows];
  UNSPOOL_UNROLL
  for (int r = 0; r < kRows; ++r) {
    factor[r] = broadcast(x[r * x_step]);
    row[r] = b + r * b_row;
  }
  std::int64_t j = 0;
  const auto step = [&](auto&& read) __attribute__((always_inline)) {
    Vector<T> sum = load<T>(sums + j);
    UNSPOOL_UNROLL
    for (int r = 0; r < kRows; ++r) sum = fma(factor[r], read(row[r] + j), sum);
    store<T>(sums + j, sum);
  };
  for (; j + kW <= cols; j += kW)
    step([](const T* from) __attribute__((always_inline)) { return load<T>(from); });
  if (const int left = static_cast<int>(cols - j); left > 0) {
    step([left](const T* from) __attribute__((always_inline)) { return load_partial(from, left); });
  }
}

// Columns [first, last) of a product with one row and with the columns of b side by side.
template <class T>
void run_row(const Gemm<T>& g, std::int64_t first, std::int64_t last) {
  alignas(64) T sums[kVectorBlock<T>];
  for (; first < last; first += kVectorBlock<T>) {
    const std::int64_t cols = std::min(kVectorBlock<T>, last - first);
    std::fill(sums, sums + kVectorBlock<T>, T(0));
    std::int64_t p = 0;
    for (; p + 8 <= g.k; p += 8)
      add_rows<T, 8>(g.a + p * g.a_col, g.a_col, g.b + p * g.b_row + first, g.b_row, cols, sums);
    for (; p < g.k; ++p)
      add_rows<T, 1>(g.a + p * g.a_col, g.a_col, g.b + p * g.b_row + first, g.b_row, cols, sums);
    T* const out = g.c + first;
    if (g.accumulate) {
      for (std::int64_t j = 0; j < cols; ++j) sums[j] = out[j] + sums[j];
    }
    if (g.bias) {
      for (std::int64_t j = 0; j < cols; ++j) sums[j] = sums[j] + g.bias[first + j];
    }
    std::copy(sums, sums + cols, out);
  }
}

// Rows [first, last) of a product whose k is 1, with the columns of b side by side: too little for tiles.
template <class T>
void run_outer(const Gemm<T>& g, std::int64_t first, std::int64_t last) {
  using namespace simd;
  constexpr int kW = kWidth<T>;
  const auto finished = [&](Vector<T> sum, const T* out, const T* bias, auto&& read) {
    if (g.accumulate) sum = read(out) + sum;
    return bias ? sum + read(bias) : sum;
  };
  for (std::int64_t i = first; i < last; ++i) {
    const Vector<T> x = broadcast(g.a[i * g.a_row]);
    T* const out = g.c + i * g.c_row;
    std::int64_t j = 0;
    const auto sum_at = [&](auto&& read) __attribute__((always_inline)) {
      return finished(fma(x, read(g.b + j), Vector<T>{}), out + j, g.bias ? g.bias + j : nullptr, read);
    };
    for (; j + kW <= g.n; j += kW) store<T>(out + j, sum_at([](const T* from) { return load<T>(from); }));
    if (const int left = static_cast<int>(g.n - j); left > 0)
      store_partial(out + j, sum_at([left](const T* from) { return load_partial(from, left); }), left);
  }
}

}  // namespace unspool::kernels::cpu
