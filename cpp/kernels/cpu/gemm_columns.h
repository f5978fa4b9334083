// Sums of the columns of a product while its panels are still in the nearest cache: the gradient of a bias.
// The order is that of a fold (fold.h): blocks of rows, each one chain, combined pairwise.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/gemm_plan.h"
#include "kernels/cpu/gemm_simd.h"

namespace unspool::kernels::cpu {

inline constexpr std::int64_t kSumRows = 32;  // as kFoldRows

constexpr std::int64_t column_blocks(std::int64_t rows) { return ceil_div(rows, kSumRows); }

// f(j, read, write) for each vector of columns; read(from) and write(to, vector) mind the last one's end.
template <class T, class F>
UNSPOOL_INLINE void each_vector(std::int64_t columns, F&& f) {
  using namespace simd;
  std::int64_t j = 0;
  for (; j + kWidth<T> <= columns; j += kWidth<T>) {
    f(
        j, [](const T* from) __attribute__((always_inline)) { return load<T>(from); },
        [](T* to, Vector<T> v) __attribute__((always_inline)) { store<T>(to, v); });
  }
  if (const int left = static_cast<int>(columns - j); left > 0) {
    f(
        j, [left](const T* from) __attribute__((always_inline)) { return load_partial(from, left); },
        [left](T* to, Vector<T> v) __attribute__((always_inline)) { store_partial(to, v, left); });
  }
}

// The blocks of `rows` rows, the first of which begins a block, onto the rows of `sums`.
template <class T>
void sum_blocks(const T* c, std::int64_t c_row, std::int64_t rows, std::int64_t columns, T* sums,
                std::int64_t sums_row) {
  for (; rows > 0; rows -= kSumRows, c += kSumRows * c_row, sums += sums_row) {
    const std::int64_t count = std::min(rows, kSumRows);
    each_vector<T>(columns, [&](std::int64_t j, auto&& read, auto&& write) __attribute__((always_inline)) {
      simd::Vector<T> total{};
      for (std::int64_t i = 0; i < count; ++i) total = total + read(c + i * c_row + j);
      write(sums + j, total);
    });
  }
}

// The rows of `sums`, combined like the carries of a binary counter.
template <class T>
void combine_blocks(const T* sums, std::int64_t blocks, std::int64_t columns, T* out) {
  constexpr int kLevels = 44;
  each_vector<T>(columns, [&](std::int64_t j, auto&& read, auto&& write) __attribute__((always_inline)) {
    simd::Vector<T> levels[kLevels];
    for (std::int64_t b = 0; b < blocks; ++b) {
      simd::Vector<T> value = read(sums + b * columns + j);
      int level = 0;
      for (std::int64_t carry = b; carry & 1; carry >>= 1) value = levels[level++] + value;
      levels[level] = value;
    }
    std::int64_t rest = blocks;
    int level = 0;
    for (; (rest & 1) == 0; rest >>= 1) ++level;
    simd::Vector<T> total = levels[level++];
    for (rest >>= 1; rest > 0; rest >>= 1, ++level) {
      if (rest & 1) total = levels[level] + total;
    }
    write(out + j, total);
  });
}

}  // namespace unspool::kernels::cpu
