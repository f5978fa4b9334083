// The register tiles of convolutions. A conv_tile computes some filters at some spots (vectors of
// neighbouring outputs), one chain over channels and taps per output; a dot_tile multiplies some rows of a
// gradient with some taps of the input, summed over all spots, for the gradient of the weights. Both read
// their operands in place or staged, by offsets; they know nothing of shapes or threads.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/gemm_simd.h"

namespace unspool::kernels::cpu {

// The most spots (or taps) beside `rows` filters for which all sums stay in registers.
constexpr int most_beside(int rows) { return std::min(8, simd::kAccumulators / rows); }
inline constexpr int kTileRows = 4;

template <class T>
struct ConvTile {
  const T* in;
  std::int64_t channels, channel_step;
  const Tap* taps;
  std::int64_t tap_count;
  const T* weights;  // by channel, tap and filter
  const T* bias;     // of the first filter, or null
  const Spot* spots;
  T* out;  // of the first filter
  std::int64_t filter_step, lane_step;
};

template <class T>
void store_lanes(T* to, simd::Vector<T> v, int count, std::int64_t step) {
  if (step == 1) {
    if (count == simd::kWidth<T>) return simd::store<T>(to, v);
    return simd::store_partial(to, v, count);
  }
  T lanes[simd::kWidth<T>];
  simd::store<T>(lanes, v);
  for (int i = 0; i < count; ++i) to[i * step] = lanes[i];
}

template <class T, int kRows, int kSpots>
void conv_tile(const ConvTile<T>& tile) {
  using namespace simd;
  Vector<T> sums[kRows][kSpots];
  const T* in[kSpots];
  UNSPOOL_UNROLL
  for (int s = 0; s < kSpots; ++s) in[s] = tile.in + tile.spots[s].in;
  UNSPOOL_UNROLL
  for (int r = 0; r < kRows; ++r) {
    const Vector<T> start = tile.bias ? broadcast(tile.bias[r]) : Vector<T>{};
    UNSPOOL_UNROLL
    for (int s = 0; s < kSpots; ++s) sums[r][s] = start;
  }
  const T* weights = tile.weights;
  const std::int64_t channel_step = tile.channel_step;
  std::int64_t first = tile.spots[0].first_tap, end = tile.spots[0].end_tap;
  for (int s = 1; s < kSpots; ++s) {
    first = std::min<std::int64_t>(first, tile.spots[s].first_tap);
    end = std::max<std::int64_t>(end, tile.spots[s].end_tap);
  }
  end = std::min(end, tile.tap_count);
  const Tap *const taps = tile.taps + first, *const taps_end = tile.taps + end;
  const std::int64_t skipped = (tile.tap_count - (end - first)) * kRows;
  weights += first * kRows;
  for (std::int64_t c = tile.channels; c > 0; --c, weights += skipped) {
    for (const Tap* tap = taps; tap != taps_end; ++tap, weights += kRows) {
      const std::int64_t offset = tap->offset;
      if constexpr (kRows < kSpots) {
        Vector<T> weight[kRows];
        UNSPOOL_UNROLL
        for (int r = 0; r < kRows; ++r) weight[r] = broadcast(weights[r]);
        UNSPOOL_UNROLL
        for (int s = 0; s < kSpots; ++s) {
          const Vector<T> x = keep(load<T>(in[s] + offset));
          UNSPOOL_UNROLL
          for (int r = 0; r < kRows; ++r) sums[r][s] = fma(weight[r], x, sums[r][s]);
        }
      } else {
        Vector<T> x[kSpots];
        UNSPOOL_UNROLL
        for (int s = 0; s < kSpots; ++s) x[s] = keep(load<T>(in[s] + offset));
        UNSPOOL_UNROLL
        for (int r = 0; r < kRows; ++r) {
          const Vector<T> weight = broadcast(weights[r]);
          UNSPOOL_UNROLL
          for (int s = 0; s < kSpots; ++s) sums[r][s] = fma(weight, x[s], sums[r][s]);
        }
      }
    }
    UNSPOOL_UNROLL
    for (int s = 0; s < kSpots; ++s) in[s] += channel_step;
  }
  UNSPOOL_UNROLL
  for (int r = 0; r < kRows; ++r) {
    UNSPOOL_UNROLL
    for (int s = 0; s < kSpots; ++s) {
      const Spot& spot = tile.spots[s];
      store_lanes<T>(tile.out + r * tile.filter_step + spot.out, sums[r][s], spot.count, tile.lane_step);
    }
  }
}

// A spot of the input and the place of its gradients.
struct Pair {
  std::int64_t in, grad;
};

template <class T>
struct DotTile {
  const T *in, *grad;
  std::int64_t images, in_image, grad_image;  // how many, and how far apart
  std::int64_t grad_row;                      // from filter to filter
  const Pair* pairs;
  std::int64_t pair_count;
  const std::int64_t* taps;  // offsets
  T* sums;                   // added to
  std::int64_t sums_row;     // from filter to filter; taps lie side by side
};

template <class T, int kRows, int kTaps>
void dot_tile(const DotTile<T>& tile) {
  using namespace simd;
  constexpr int kL = kLaneWidth<T>, kCount = kRows * kTaps, kPadded = (kCount + kL - 1) / kL * kL;
  Vector<T> sums[kPadded];
  UNSPOOL_UNROLL
  for (int i = 0; i < kPadded; ++i) sums[i] = Vector<T>{};
  const T* in[kTaps];
  UNSPOOL_UNROLL
  for (int t = 0; t < kTaps; ++t) in[t] = tile.in + tile.taps[t];
  const std::int64_t grad_row = tile.grad_row;
  const Pair* const pairs_end = tile.pairs + tile.pair_count;
  const T* grad = tile.grad;
  const std::int64_t in_image = tile.in_image;
  for (std::int64_t n = tile.images; n > 0; --n, grad += tile.grad_image) {
    for (const Pair* pair = tile.pairs; pair != pairs_end; ++pair) {
      const std::int64_t offset = pair->in;
      const T* const g = grad + pair->grad;
      if constexpr (kRows < kTaps) {
        Vector<T> row[kRows];
        UNSPOOL_UNROLL
        for (int r = 0; r < kRows; ++r) row[r] = keep(load<T>(g + r * grad_row));
        UNSPOOL_UNROLL
        for (int t = 0; t < kTaps; ++t) {
          const Vector<T> there = keep(load<T>(in[t] + offset));
          UNSPOOL_UNROLL
          for (int r = 0; r < kRows; ++r) sums[r * kTaps + t] = fma(row[r], there, sums[r * kTaps + t]);
        }
      } else {
        Vector<T> there[kTaps];
        UNSPOOL_UNROLL
        for (int t = 0; t < kTaps; ++t) there[t] = keep(load<T>(in[t] + offset));
        UNSPOOL_UNROLL
        for (int r = 0; r < kRows; ++r) {
          const Vector<T> row = keep(load<T>(g + r * grad_row));
          UNSPOOL_UNROLL
          for (int t = 0; t < kTaps; ++t) sums[r * kTaps + t] = fma(row, there[t], sums[r * kTaps + t]);
        }
      }
    }
    UNSPOOL_UNROLL
    for (int t = 0; t < kTaps; ++t) in[t] += in_image;
  }
  T total[kPadded];
  UNSPOOL_UNROLL
  for (int group = 0; group < kPadded / kL; ++group) {
    Vector<T> v[kL];
    UNSPOOL_UNROLL
    for (int i = 0; i < kL; ++i) v[i] = sums[group * kL + i];
    transpose_lanes<T>(v);
    Lane<T> sum;
    if constexpr (kL == 4) {
      sum = fold_lanes<T>((v[0] + v[2]) + (v[1] + v[3]));
    } else {
      sum = fold_lanes<T>(v[0] + v[1]);
    }
    __builtin_memcpy(total + group * kL, &sum, sizeof(sum));
  }
  for (int r = 0; r < kRows; ++r) {
    for (int t = 0; t < kTaps; ++t) tile.sums[r * tile.sums_row + t] += total[r * kTaps + t];
  }
}

template <class T>
using ConvTileKernel = void (*)(const ConvTile<T>&);
template <class T>
using DotTileKernel = void (*)(const DotTile<T>&);

template <class T, int kRows, int... k>
constexpr std::array<ConvTileKernel<T>, sizeof...(k)> conv_tiles(std::integer_sequence<int, k...>) {
  return {conv_tile<T, kRows, k + 1>...};
}
template <class T, int kRows, int... k>
constexpr std::array<DotTileKernel<T>, sizeof...(k)> dot_tiles(std::integer_sequence<int, k...>) {
  return {dot_tile<T, kRows, k + 1>...};
}
template <class T, int kRows>
inline constexpr auto kConvTiles =
    conv_tiles<T, kRows>(std::make_integer_sequence<int, most_beside(kRows)>{});
template <class T, int kRows>
inline constexpr auto kDotTiles = dot_tiles<T, kRows>(std::make_integer_sequence<int, most_beside(kRows)>{});

template <class T>
ConvTileKernel<T> pick_conv_tile(std::int64_t rows, std::int64_t spots) {
  const auto at = static_cast<std::size_t>(spots - 1);
  return rows == 1   ? kConvTiles<T, 1>[at]
         : rows == 2 ? kConvTiles<T, 2>[at]
         : rows == 3 ? kConvTiles<T, 3>[at]
                     : kConvTiles<T, 4>[at];
}
template <class T>
DotTileKernel<T> pick_dot_tile(std::int64_t rows, std::int64_t taps) {
  const auto at = static_cast<std::size_t>(taps - 1);
  return rows == 1   ? kDotTiles<T, 1>[at]
         : rows == 2 ? kDotTiles<T, 2>[at]
         : rows == 3 ? kDotTiles<T, 3>[at]
                     : kDotTiles<T, 4>[at];
}

// Calls visit(first, count) for `size` things in nearly equal runs of at most `most`.
template <class F>
void for_runs(std::int64_t size, std::int64_t most, F&& visit) {
  if (size <= most) {
    if (size > 0) visit(std::int64_t{0}, size);
    return;
  }
  const Parts parts{size, ceil_div(size, most)};
  for (std::int64_t part = 0; part < parts.count; ++part) {
    visit(parts.start(part), parts.start(part + 1) - parts.start(part));
  }
}

}  // namespace unspool::kernels::cpu
