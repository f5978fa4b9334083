// The matrix product: what a caller states about its operands, and the three functions that run it.
// How it runs (register tiles, panels, choice of path) lives in the gemm_*.h files beside this one; which
// operation asks for a product, and whether the shapes fit, is known only above.
//
// Promise: the bits of c follow from m, n, k and from which strides are 1, never from the thread count, the
// alignment or what other rows, columns or padding hold. Products that no dot path takes sum every element of
// c as one chain over k in ascending order, so for them no blocking decision can change a bit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/context.h"

namespace unspool::kernels::cpu {

// What every finished element of c goes through before it is stored: f(c) or f(c, other). The same bits as a
// pass over c afterwards. The ways that cost less than a pass over memory run on the registers of a tile; all
// functions have `rows`, which works on elements that are stored already.
template <class T>
struct Finish {
  enum class Way : std::uint8_t { kNone, kRelu, kAdd, kMultiply, kThreshold, kRows };
  Way way = Way::kNone;
  void (*rows)(const Finish&, T* c, std::int64_t c_row, const T* other, std::int64_t rows,
               std::int64_t columns) = nullptr;
  const T* other = nullptr;  // element (i, j) at other[i * other_row + j]; it does not overlap c
  std::int64_t other_row = 0;
  T parameter = 0;
};

// c[i, j] = sum over p of a[i, p] * b[p, j] (+ c[i, j] before) (+ bias[j]), then what `finish` says. Strides
// are in elements and may be anything, zero and negative included, except that the columns of c lie side by
// side. c overlaps no operand. `accumulate` adds the finished sum to what c held, so it equals a product into
// a fresh c followed by an addition. With `sums_columns`, `column_sums` receives the sums of the columns of
// the finished c, in the order in which a sum over its rows adds them.
template <class T>
struct Gemm {
  std::int64_t m, n, k;
  const T* a;
  std::int64_t a_row, a_col;
  const T* b;
  std::int64_t b_row, b_col;
  T* c;
  std::int64_t c_row;
  const T* bias = nullptr;
  bool accumulate = false;
  Finish<T> finish{};
  bool sums_columns = false;
  T* column_sums = nullptr;
  T* block_sums = nullptr;      // of gemm itself: where sums of blocks of rows wait, row by row
  const T* row_bias = nullptr;  // with which the chains of row i start; only of products by tiles
};

// Bytes of Context::scratch that gemm needs when it runs on `threads` threads or on one. For float and
// double.
template <class T>
std::size_t gemm_scratch(const Gemm<T>& product, int threads);

template <class T>
void gemm(const Context& context, const Gemm<T>& product);

// `batch` products of one shape; entry e reads a + e * a_batch and b + e * b_batch and writes c + e *
// c_batch. Each entry has the bits that gemm would give it.
template <class T>
struct GemmBatch {
  std::int64_t count;
  std::int64_t a_batch, b_batch, c_batch;
};

template <class T>
std::size_t gemm_batch_scratch(const Gemm<T>& product, const GemmBatch<T>& batch, int threads);

template <class T>
void gemm_batch(const Context& context, const Gemm<T>& product, const GemmBatch<T>& batch);

// Plain loops for std::int32_t and std::int64_t, wrapping on overflow; no scratch.
template <class T>
void integer_gemm(const Context& context, const Gemm<T>& product);

}  // namespace unspool::kernels::cpu
