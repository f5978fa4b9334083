// The register tile: the one loop in which a product spends its time. It computes a block of at most kMaxRows
// rows by one, two or four vectors of c over a run of k, and finishes the block (accumulate, bias) when the
// run is the last. It knows nothing of panels, chunks or threads: operands are addressed by strides alone.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/cpu/gemm_simd.h"

namespace unspool::kernels::cpu {

// What happens to a finished sum before it is stored. The seam for fused activations: another field here and
// its line in finish_row, nothing elsewhere.
template <class T>
struct Epilogue {
  bool accumulate = false;
  const T* bias = nullptr;  // of the tile's first column
};

template <class T>
struct Tile {
  std::int64_t k;
  const T* a;  // element (i, p) at a[i * a_row + p * a_col]
  std::int64_t a_row, a_col;
  const T* b;  // row p at b[p * b_row], columns side by side
  std::int64_t b_row;
  int tail;        // columns in the last vector, 1..kWidth
  const T* start;  // sums so far, or null for zero
  std::int64_t start_row;
  T* out;
  std::int64_t out_row;
  bool finish;  // the run of k is the last
  Epilogue<T> epilogue;
};

template <class T>
using TileKernel = void (*)(const Tile<T>&);

// Tallest tile that is `vectors` wide.
constexpr int max_rows(int vectors) {
  const int rows = simd::kAccumulators / vectors;
  return rows < 12 ? rows : 12;
}

template <class T, int kVectors>
UNSPOOL_INLINE simd::Vector<T> load_column(const T* row, int vector, int tail) {
  const T* from = row + vector * simd::kWidth<T>;
  return vector + 1 == kVectors && tail < simd::kWidth<T> ? simd::load_partial(from, tail)
                                                          : simd::load<T>(from);
}

template <class T, int kVectors>
UNSPOOL_INLINE void finish_row(const Tile<T>& tile, T* out, simd::Vector<T> (&sums)[kVectors]) {
  simd::unroll<kVectors>([&](auto v) __attribute__((always_inline)) {
    if (tile.epilogue.accumulate) sums[v] = load_column<T, kVectors>(out, v, tile.tail) + sums[v];
    if (tile.epilogue.bias) sums[v] = sums[v] + load_column<T, kVectors>(tile.epilogue.bias, v, tile.tail);
  });
}

// kPartial: b may not be read past the tail (it is no padded panel).
template <class T, int kRows, int kVectors, bool kPartial>
void tile_kernel(const Tile<T>& tile) {
  using namespace simd;
  constexpr int kW = kWidth<T>;
  Vector<T> sums[kRows][kVectors];
  if (tile.start) {
    unroll<kRows>([&](auto i) __attribute__((always_inline)) {
      unroll<kVectors>([&](auto v) __attribute__((always_inline)) {
        sums[i][v] = load_column<T, kVectors>(tile.start + i * tile.start_row, v, tile.tail);
      });
    });
  } else {
    unroll<kRows>([&](auto i) __attribute__((always_inline)) {
      unroll<kVectors>([&](auto v) __attribute__((always_inline)) { sums[i][v] = Vector<T>{}; });
    });
  }

  const T* a = tile.a;
  const T* b = tile.b;
  const std::int64_t a_row = tile.a_row, a_col = tile.a_col, b_row = tile.b_row;
  const int tail = tile.tail;
  for (std::int64_t p = tile.k; p > 0; --p) {
    Vector<T> row[kVectors];
    unroll<kVectors>([&](auto v) __attribute__((always_inline)) {
      row[v] = kPartial && v + 1 == kVectors ? load_partial(b + v * kW, tail) : load<T>(b + v * kW);
    });
    unroll<kRows>([&](auto i) __attribute__((always_inline)) {
      const Vector<T> x = broadcast(a[i * a_row]);
      unroll<kVectors>([&](auto v)
                           __attribute__((always_inline)) { sums[i][v] = fma(x, row[v], sums[i][v]); });
    });
    a += a_col;
    b += b_row;
  }

  unroll<kRows>([&](auto i) __attribute__((always_inline)) {
    T* out = tile.out + i * tile.out_row;
    if (tile.finish) finish_row<T, kVectors>(tile, out, sums[i]);
    unroll<kVectors>([&](auto v) __attribute__((always_inline)) {
      if (v + 1 == kVectors && tile.tail < kW) {
        store_partial(out + v * kW, sums[i][v], tile.tail);
      } else {
        store<T>(out + v * kW, sums[i][v]);
      }
    });
  });
}

template <class T, int kVectors, bool kPartial, int... kRow>
constexpr std::array<TileKernel<T>, sizeof...(kRow)> tile_kernels(std::integer_sequence<int, kRow...>) {
  return {tile_kernel<T, kRow + 1, kVectors, kPartial>...};
}

template <class T, int kVectors, bool kPartial>
inline constexpr auto kTileKernels =
    tile_kernels<T, kVectors, kPartial>(std::make_integer_sequence<int, max_rows(kVectors)>{});

template <class T>
TileKernel<T> pick_tile_kernel(std::int64_t rows, int vectors, bool partial) {
  const auto row = static_cast<std::size_t>(rows - 1);
  if (vectors == 1) return partial ? kTileKernels<T, 1, true>[row] : kTileKernels<T, 1, false>[row];
  if (vectors == 2) return partial ? kTileKernels<T, 2, true>[row] : kTileKernels<T, 2, false>[row];
  return kTileKernels<T, 4, false>[row];
}

}  // namespace unspool::kernels::cpu
