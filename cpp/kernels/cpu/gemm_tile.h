// The register tile: the one loop in which a product spends its time. It computes a block of at most kMaxRows
// rows by one, two or four vectors of c over a run of k, and finishes the block (accumulate, bias, the
// element function that follows) when the run is the last. It knows nothing of panels, chunks or threads:
// operands are addressed by strides alone.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/gemm_ahead.h"
#include "kernels/cpu/gemm_finish.h"
#include "kernels/cpu/gemm_simd.h"

namespace unspool::kernels::cpu {

// What happens to a finished sum before it is stored.
template <class T>
struct Epilogue {
  bool accumulate = false;
  const T* bias = nullptr;  // of the tile's first column
  const Finish<T>* finish = nullptr;
  const T* other = nullptr;  // the finish's other operand at the tile's first element
};

template <class T>
struct Tile {
  std::int64_t k;
  const T* a;  // element (i, p) at a[i * a_row + p * a_col]
  std::int64_t a_row, a_col;
  const T* b;  // row p at b[p * b_row], columns side by side
  std::int64_t b_row;
  bool b_padded;   // b may be read past the tail
  int tail;        // columns in the last vector, 1..kWidth
  const T* start;  // sums so far, or null for none
  std::int64_t start_row;
  const T* row_bias;  // what rows start with where there are no sums, or null for zero
  T* out;
  std::int64_t out_row;
  bool finish;  // the run of k is the last
  Epilogue<T> epilogue;
  Coming<T>* coming;  // or null
};

template <class T>
using TileKernel = void (*)(const Tile<T>&);

// Tallest tile that is `vectors` wide. One vector's tiles stop where loads, not sums, become the limit.
constexpr int max_rows(int vectors) {
  const int tallest = vectors == 1 ? simd::kAccumulators * 2 / 3 : 12;
  return std::min({tallest, 12, simd::kAccumulators / vectors});
}

// Vector v of a row of the tile; the last one of a partial tile ends at the tail.
template <class T, int kVectors, bool kPartial>
UNSPOOL_INLINE simd::Vector<T> load_part(const T* row, int v, int tail) {
  const T* from = row + v * simd::kWidth<T>;
  return kPartial && v + 1 == kVectors ? simd::load_partial(from, tail) : simd::load<T>(from);
}

template <class T, int kRows, int kVectors, bool kPartial>
UNSPOOL_INLINE void start_sums(const Tile<T>& tile, simd::Vector<T> (&sums)[kRows][kVectors]) {
  UNSPOOL_UNROLL
  for (int i = 0; i < kRows; ++i) {
    UNSPOOL_UNROLL
    for (int v = 0; v < kVectors; ++v) sums[i][v] = simd::Vector<T>{};
  }
  if (tile.row_bias) {
    UNSPOOL_UNROLL
    for (int i = 0; i < kRows; ++i) {
      UNSPOOL_UNROLL
      for (int v = 0; v < kVectors; ++v) sums[i][v] = simd::broadcast(tile.row_bias[i]);
    }
  }
  if (!tile.start) return;
  UNSPOOL_UNROLL
  for (int i = 0; i < kRows; ++i) {
    UNSPOOL_UNROLL
    for (int v = 0; v < kVectors; ++v)
      sums[i][v] = load_part<T, kVectors, kPartial>(tile.start + i * tile.start_row, v, tile.tail);
  }
}

template <class T, int kRows, int kVectors, bool kPartial>
UNSPOOL_INLINE void finish_sums(const Tile<T>& tile, simd::Vector<T> (&sums)[kRows][kVectors]) {
  if (tile.epilogue.accumulate) {
    UNSPOOL_UNROLL
    for (int i = 0; i < kRows; ++i) {
      UNSPOOL_UNROLL
      for (int v = 0; v < kVectors; ++v)
        sums[i][v] = load_part<T, kVectors, kPartial>(tile.out + i * tile.out_row, v, tile.tail) + sums[i][v];
    }
  }
  if (tile.epilogue.bias) {
    UNSPOOL_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const simd::Vector<T> bias = load_part<T, kVectors, kPartial>(tile.epilogue.bias, v, tile.tail);
      UNSPOOL_UNROLL
      for (int i = 0; i < kRows; ++i) sums[i][v] = sums[i][v] + bias;
    }
  }
  if (kFinishesInRegisters<T> && tile.epilogue.finish) {
    const Finish<T>& finish = *tile.epilogue.finish;
    const T* const other = tile.epilogue.other;
    const auto each = [&](auto&& f) __attribute__((always_inline)) {
      UNSPOOL_UNROLL
      for (int i = 0; i < kRows; ++i) {
        UNSPOOL_UNROLL
        for (int v = 0; v < kVectors; ++v) f(sums[i][v], i, v);
      }
    };
    const auto read = [&](int i, int v) __attribute__((always_inline)) {
      return load_part<T, kVectors, kPartial>(other + i * finish.other_row, v, tile.tail);
    };
    finish_registers(finish, each, read);
  }
}

// Adds the run of k. kPackedA: the rows of a lie side by side, so their offsets are constants.
template <class T, int kRows, int kVectors, bool kPartialB, bool kPackedA>
UNSPOOL_INLINE void add_run(const Tile<T>& tile, simd::Vector<T> (&sums)[kRows][kVectors]) {
  using namespace simd;
  // Four rows share one pointer: base plus 0, 1, 2 or 3 strides needs two registers more.
  constexpr int kBases = (kRows + 3) / 4, kPointers = kPackedA ? 1 : kBases;
  const std::int64_t a_row = kPackedA ? 1 : tile.a_row, a_col = tile.a_col, b_row = tile.b_row;
  const T* a[kBases];
  UNSPOOL_UNROLL
  for (int q = 0; q < kBases; ++q) a[q] = tile.a + 4 * q * a_row;
  const T* b = tile.b;
  const int tail = tile.tail;
  for (std::int64_t p = tile.k; p > 0;) {
    const std::int64_t next_look = tile.coming ? std::max<std::int64_t>(p - Coming<T>::kSteps, 0) : 0;
    if (tile.coming) tile.coming->look();
    for (; p > next_look; --p) {
      Vector<T> row[kVectors];
      UNSPOOL_UNROLL
      for (int v = 0; v < kVectors; ++v) row[v] = load_part<T, kVectors, kPartialB>(b, v, tail);
      UNSPOOL_UNROLL
      for (int i = 0; i < kRows; ++i) {
        const Vector<T> x = broadcast(kPackedA ? a[0][i] : a[i / 4][(i % 4) * a_row]);
        UNSPOOL_UNROLL
        for (int v = 0; v < kVectors; ++v) sums[i][v] = fma(x, row[v], sums[i][v]);
      }
      UNSPOOL_UNROLL
      for (int q = 0; q < kPointers; ++q) a[q] += a_col;
      b += b_row;
    }
  }
}

template <class T, int kRows, int kVectors, bool kPartial>
void tile_kernel(const Tile<T>& tile) {
  using namespace simd;
  Vector<T> sums[kRows][kVectors];
  start_sums<T, kRows, kVectors, kPartial>(tile, sums);
  // Without masked loads, reading padding is much the cheaper way.
  if (kPartial && !kMaskedLoads && tile.b_padded) {
    add_run<T, kRows, kVectors, false, false>(tile, sums);
  } else if (tile.a_row == 1) {
    add_run<T, kRows, kVectors, kPartial, true>(tile, sums);
  } else {
    add_run<T, kRows, kVectors, kPartial, false>(tile, sums);
  }
  if (tile.finish) finish_sums<T, kRows, kVectors, kPartial>(tile, sums);
  UNSPOOL_UNROLL
  for (int i = 0; i < kRows; ++i) {
    UNSPOOL_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      T* to = tile.out + i * tile.out_row + v * kWidth<T>;
      if (kPartial && v + 1 == kVectors) {
        store_partial(to, sums[i][v], tile.tail);
      } else {
        store<T>(to, sums[i][v]);
      }
    }
  }
  const Finish<T>* const finish = tile.finish ? tile.epilogue.finish : nullptr;
  if (finish && (!kFinishesInRegisters<T> || finish->way == Finish<T>::Way::kRows)) {
    const std::int64_t columns = (kVectors - 1) * kWidth<T> + (kPartial ? tile.tail : kWidth<T>);
    finish->rows(*finish, tile.out, tile.out_row, tile.epilogue.other, kRows, columns);
  }
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
