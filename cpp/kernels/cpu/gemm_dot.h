// Products in which one operand has only a few rows and both run along k: every element of c is a dot
// product, its terms dealt out to the lanes of one vector and the lanes added up at the end in a fixed order.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/gemm_simd.h"
#include "kernels/cpu/gemm_tile.h"

namespace unspool::kernels::cpu {

// out(r, f) = sum over p of rows[r, p] * few[f, p], with both operands stored along k.
template <class T>
struct Dots {
  std::int64_t k;
  const T* rows;
  std::int64_t row_stride;
  const T* few;
  std::int64_t few_stride, few_count;
  T* out;
  std::int64_t out_row, out_few;
  bool accumulate;
  const T* bias;  // or null
  std::int64_t bias_row, bias_few;
};

template <class T>
void finish_dot(const Dots<T>& dots, std::int64_t r, std::int64_t f, T sum) {
  T* out = dots.out + r * dots.out_row + f * dots.out_few;
  if (dots.accumulate) sum = *out + sum;
  if (dots.bias) sum = sum + dots.bias[r * dots.bias_row + f * dots.bias_few];
  *out = sum;
}

template <class T, int kRows, int kFew>
void dot_tile(const Dots<T>& dots, std::int64_t r, std::int64_t f) {
  using namespace simd;
  constexpr int kW = kWidth<T>, kL = kLaneWidth<T>;
  constexpr int kCount = kRows * kFew, kPadded = (kCount + kL - 1) / kL * kL;
  Vector<T> sums[kPadded];
  UNSPOOL_UNROLL
  for (int i = 0; i < kPadded; ++i) sums[i] = Vector<T>{};
  const T* rows = dots.rows + r * dots.row_stride;
  const T* few = dots.few + f * dots.few_stride;
  const std::int64_t row_stride = dots.row_stride, few_stride = dots.few_stride;
  // The shorter side of the tile is held in registers while the longer one streams past it.
  const auto step = [&](auto&& read) __attribute__((always_inline)) {
    constexpr bool kHoldFew = kFew <= kRows;
    constexpr int kHeld = kHoldFew ? kFew : kRows, kPassing = kHoldFew ? kRows : kFew;
    Vector<T> held[kHeld];
    UNSPOOL_UNROLL
    for (int j = 0; j < kHeld; ++j)
      held[j] = kHoldFew ? read(few + j * few_stride) : read(rows + j * row_stride);
    UNSPOOL_UNROLL
    for (int i = 0; i < kPassing; ++i) {
      const Vector<T> passing = kHoldFew ? read(rows + i * row_stride) : read(few + i * few_stride);
      UNSPOOL_UNROLL
      for (int j = 0; j < kHeld; ++j) {
        const int sum = kHoldFew ? i * kFew + j : j * kFew + i;
        sums[sum] = fma(held[j], passing, sums[sum]);
      }
    }
  };
  std::int64_t p = dots.k;
  for (; p >= kW; p -= kW, rows += kW, few += kW) {
    step([](const T* from) __attribute__((always_inline)) { return load<T>(from); });
  }
  if (p > 0) {
    const int left = static_cast<int>(p);
    step([left](const T* from) __attribute__((always_inline)) { return load_partial(from, left); });
  }
  T total[kPadded];
  UNSPOOL_UNROLL
  for (int g = 0; g < kPadded / kL; ++g) {
    Vector<T> v[kL];
    UNSPOOL_UNROLL
    for (int j = 0; j < kL; ++j) v[j] = sums[g * kL + j];
    transpose_lanes<T>(v);
    Lane<T> sum;
    if constexpr (kL == 4) {
      sum = fold_lanes<T>((v[0] + v[2]) + (v[1] + v[3]));
    } else {
      sum = fold_lanes<T>(v[0] + v[1]);
    }
    __builtin_memcpy(total + g * kL, &sum, sizeof(sum));
  }
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kFew; ++j) finish_dot(dots, r + i, f + j, total[i * kFew + j]);
  }
}

inline constexpr std::int64_t kLongDot = 512;  // terms from which a lone dot product has sums of its own

// The only element of its result: with no other sums to hide their latency, the terms go to four vectors.
template <class T>
void dot_alone(const Dots<T>& dots) {
  using namespace simd;
  constexpr int kW = kWidth<T>, kSums = 4;
  Vector<T> sums[kSums] = {};
  const T *a = dots.rows, *b = dots.few;
  std::int64_t p = dots.k;
  for (; p >= kSums * kW; p -= kSums * kW, a += kSums * kW, b += kSums * kW) {
    UNSPOOL_UNROLL
    for (int i = 0; i < kSums; ++i) sums[i] = fma(load<T>(a + i * kW), load<T>(b + i * kW), sums[i]);
  }
  for (; p >= kW; p -= kW, a += kW, b += kW) sums[0] = fma(load<T>(a), load<T>(b), sums[0]);
  if (p > 0) {
    const int left = static_cast<int>(p);
    sums[1] = fma(load_partial(a, left), load_partial(b, left), sums[1]);
  }
  const Vector<T> sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  T lane[kW];
  __builtin_memcpy(lane, &sum, sizeof(sum));
  for (int half = kW / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
  }
  finish_dot(dots, 0, 0, lane[0]);
}

template <class T, int kFew>
void dot_rows(const Dots<T>& dots, std::int64_t first, std::int64_t last, std::int64_t f) {
  constexpr int kRows = std::min(8, simd::kAccumulators / kFew);
  std::int64_t r = first;
  for (; r + kRows <= last; r += kRows) dot_tile<T, kRows, kFew>(dots, r, f);
  for (; r < last; ++r) dot_tile<T, 1, kFew>(dots, r, f);
}

// Rows [first, last) of the result.
template <class T>
void dot_block(const Dots<T>& dots, std::int64_t first, std::int64_t last) {
  for (std::int64_t f = 0; f < dots.few_count;) {
    const std::int64_t left = dots.few_count - f;
    if (left >= 4 && left != 5) {
      dot_rows<T, 4>(dots, first, last, f), f += 4;
    } else if (left >= 3) {
      dot_rows<T, 3>(dots, first, last, f), f += 3;
    } else if (left == 2) {
      dot_rows<T, 2>(dots, first, last, f), f += 2;
    } else {
      dot_rows<T, 1>(dots, first, last, f), f += 1;
    }
  }
}

// The same by blocks, from the first or from the last on.
template <class T>
void run_dots(const Dots<T>& dots, std::int64_t first, std::int64_t last, bool from_end) {
  constexpr std::int64_t kBlock = 48;  // rows that stay in the nearest cache between two passes
  const std::int64_t blocks = (last - first + kBlock - 1) / kBlock;
  for (std::int64_t turn = 0; turn < blocks; ++turn) {
    const std::int64_t start = first + (from_end ? blocks - 1 - turn : turn) * kBlock;
    dot_block(dots, start, std::min(last, start + kBlock));
  }
}

}  // namespace unspool::kernels::cpu
