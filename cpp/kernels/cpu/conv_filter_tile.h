// Register tiles of convolutions whose lanes are filters: one element of the input times a vector of weights.
// They waste nothing on narrow images, where rows of outputs do not fill vectors, and need filters by the
// vector. A filter_tile computes a block of filters at some outputs; an outer_tile the gradient of a block of
// filters' weights at some taps.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/gemm_pack.h"
#include "kernels/cpu/gemm_simd.h"

namespace unspool::kernels::cpu {

// The most outputs (or taps) beside `vectors` of filters. One vector gains nothing from more sums than hide
// their latency.
constexpr int most_beside_filters(std::int64_t vectors) {
  return static_cast<int>(std::min<std::int64_t>(vectors == 1 ? 8 : 12, simd::kAccumulators / vectors));
}

// An output: where it finds its first operand, and the row of its results.
struct FilterSpot {
  std::int64_t in, row;
};

template <class T>
struct FilterTile {
  const T* in;
  std::int64_t channels, channel_step;
  const Tap* taps;  // `place` is the one among the weights of a channel
  std::int64_t tap_count;
  const T* weights;          // by channel, tap and lane
  std::int64_t weight_step;  // from channel to channel
  const T* bias;             // by lane, or null
  const FilterSpot* spots;
  T* out;     // by row and lane
  bool adds;  // to what is there, in place of the bias
};

template <class T, int kSpots, int kVectors>
void filter_tile(const FilterTile<T>& tile) {
  using namespace simd;
  constexpr int kW = kWidth<T>;
  Vector<T> sums[kSpots][kVectors];
  std::int64_t at[kSpots];  // fewer registers than pointers that move from channel to channel
  UNSPOOL_UNROLL
  for (int s = 0; s < kSpots; ++s) {
    at[s] = tile.spots[s].in;
    UNSPOOL_UNROLL
    for (int v = 0; v < kVectors; ++v) sums[s][v] = tile.bias ? load<T>(tile.bias + v * kW) : Vector<T>{};
  }
  if (tile.adds) {
    UNSPOOL_UNROLL
    for (int s = 0; s < kSpots; ++s) {
      UNSPOOL_UNROLL
      for (int v = 0; v < kVectors; ++v)
        sums[s][v] = load<T>(tile.out + (tile.spots[s].row * kVectors + v) * kW);
    }
  }
  const T *weights = tile.weights, *channel = tile.in;
  const std::int64_t channel_step = tile.channel_step, weight_step = tile.weight_step;
  const Tap* const taps_end = tile.taps + tile.tap_count;
  for (std::int64_t c = tile.channels; c > 0; --c, weights += weight_step, channel += channel_step) {
    for (const Tap* tap = tile.taps; tap != taps_end; ++tap) {
      const T* in = channel + tap->offset;
      asm("" : "+r"(in));  // one register, to which `at` is added
      const T* const here = weights + tap->place * (kVectors * kW);
      Vector<T> weight[kVectors];
      UNSPOOL_UNROLL
      for (int v = 0; v < kVectors; ++v) weight[v] = load<T>(here + v * kW);
      UNSPOOL_UNROLL
      for (int s = 0; s < kSpots; ++s) {
        const Vector<T> x = broadcast(in[at[s]]);
        UNSPOOL_UNROLL
        for (int v = 0; v < kVectors; ++v) sums[s][v] = fma(x, weight[v], sums[s][v]);
      }
    }
  }
  UNSPOOL_UNROLL
  for (int s = 0; s < kSpots; ++s) {
    UNSPOOL_UNROLL
    for (int v = 0; v < kVectors; ++v)
      store<T>(tile.out + (tile.spots[s].row * kVectors + v) * kW, sums[s][v]);
  }
}

// Outputs along three axes, and the steps from one to the next in the input and in the gradient.
struct OutputBox {
  std::int64_t first[3], count[3];
  std::int64_t in_step[3], grad_step[3];

  std::int64_t in() const { return first[0] * in_step[0] + first[1] * in_step[1] + first[2] * in_step[2]; }
  std::int64_t grad() const {
    return first[0] * grad_step[0] + first[1] * grad_step[1] + first[2] * grad_step[2];
  }
};

template <class T>
struct OuterTile {
  const T *in, *grad;                         // grad by output and lane
  std::int64_t images, in_image, grad_image;  // how many, and how far apart
  OutputBox box;
  const std::int64_t* taps;  // offsets
  T* sums;                   // by tap and lane
  std::int64_t sums_step;    // from tap to tap
  bool adds;                 // to what is there
};

template <class T, int kTaps, int kVectors>
void outer_tile(const OuterTile<T>& tile) {
  using namespace simd;
  constexpr int kW = kWidth<T>;
  Vector<T> sums[kTaps][kVectors];
  std::int64_t at[kTaps];
  UNSPOOL_UNROLL
  for (int t = 0; t < kTaps; ++t) {
    at[t] = tile.taps[t];
    UNSPOOL_UNROLL
    for (int v = 0; v < kVectors; ++v) sums[t][v] = Vector<T>{};
  }
  const OutputBox& box = tile.box;
  const std::int64_t in_step = box.in_step[2], grad_step = box.grad_step[2];
  const T *in_image = tile.in + box.in(), *grad_image = tile.grad + box.grad();
  for (std::int64_t n = tile.images; n > 0; --n, in_image += tile.in_image, grad_image += tile.grad_image) {
    for (std::int64_t d = 0; d < box.count[0]; ++d) {
      for (std::int64_t h = 0; h < box.count[1]; ++h) {
        const T* in = in_image + d * box.in_step[0] + h * box.in_step[1];
        const T* grad = grad_image + d * box.grad_step[0] + h * box.grad_step[1];
        for (std::int64_t w = box.count[2]; w > 0; --w, in += in_step, grad += grad_step) {
          Vector<T> g[kVectors];
          UNSPOOL_UNROLL
          for (int v = 0; v < kVectors; ++v) g[v] = load<T>(grad + v * kW);
          UNSPOOL_UNROLL
          for (int t = 0; t < kTaps; ++t) {
            const Vector<T> x = broadcast(in[at[t]]);
            UNSPOOL_UNROLL
            for (int v = 0; v < kVectors; ++v) sums[t][v] = fma(x, g[v], sums[t][v]);
          }
        }
      }
    }
  }
  UNSPOOL_UNROLL
  for (int t = 0; t < kTaps; ++t) {
    UNSPOOL_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      T* const to = tile.sums + t * tile.sums_step + v * kW;
      store<T>(to, tile.adds ? load<T>(to) + sums[t][v] : sums[t][v]);
    }
  }
}

template <class T>
using FilterTileKernel = void (*)(const FilterTile<T>&);
template <class T>
using OuterTileKernel = void (*)(const OuterTile<T>&);

template <class T, int kVectors, int... k>
constexpr std::array<FilterTileKernel<T>, sizeof...(k)> filter_tiles(std::integer_sequence<int, k...>) {
  return {filter_tile<T, k + 1, kVectors>...};
}
template <class T, int kVectors, int... k>
constexpr std::array<OuterTileKernel<T>, sizeof...(k)> outer_tiles(std::integer_sequence<int, k...>) {
  return {outer_tile<T, k + 1, kVectors>...};
}
template <class T, int kVectors>
inline constexpr auto kFilterTiles =
    filter_tiles<T, kVectors>(std::make_integer_sequence<int, most_beside_filters(kVectors)>{});
template <class T, int kVectors>
inline constexpr auto kOuterTiles =
    outer_tiles<T, kVectors>(std::make_integer_sequence<int, most_beside_filters(kVectors)>{});

template <class T>
FilterTileKernel<T> pick_filter_tile(std::int64_t spots, std::int64_t vectors) {
  const auto at = static_cast<std::size_t>(spots - 1);
  return vectors == 1 ? kFilterTiles<T, 1>[at] : kFilterTiles<T, 2>[at];
}
template <class T>
OuterTileKernel<T> pick_outer_tile(std::int64_t taps, std::int64_t vectors) {
  const auto at = static_cast<std::size_t>(taps - 1);
  return vectors == 1 ? kOuterTiles<T, 1>[at] : kOuterTiles<T, 2>[at];
}

// Blocks of filters, two vectors wide; the last one may have one, and lanes that no filter has.
template <class T>
struct FilterBlocks {
  static constexpr std::int64_t kW = simd::kWidth<T>, kBlock = 2 * kW;
  std::int64_t filters;

  std::int64_t count() const { return ceil_div(filters, kBlock); }
  std::int64_t start(std::int64_t block) const { return std::min(filters, block * kBlock); }
  std::int64_t vectors(std::int64_t block) const { return filters - block * kBlock > kW ? 2 : 1; }
  std::int64_t lanes() const { return round_up(filters, kW); }
};

// Writes rows of lanes, one row per output, to where outputs and filters lie.
template <class T>
void store_transposed(const T* rows, std::int64_t width, const Spot* spots, std::int64_t count, T* out,
                      std::int64_t filters, std::int64_t filter_step) {
  using namespace simd;
  constexpr int kW = kWidth<T>, kL = kLaneWidth<T>;
  for (std::int64_t p = 0; p < count; p += kW, rows += kW * width, spots += kW) {
    const int here = static_cast<int>(std::min<std::int64_t>(kW, count - p));
    const bool side_by_side = spots[here - 1].out - spots[0].out == here - 1;
    for (std::int64_t first = 0; first < filters; first += kL) {
      transpose_step<T>(
          [&](int i) __attribute__((always_inline)) { return rows + std::min(i, here - 1) * width + first; },
          [&](int j, Vector<T> v) __attribute__((always_inline)) {
            if (first + j >= filters) return;
            T* const to = out + (first + j) * filter_step;
            if (side_by_side) {
              if (here == kW) return store<T>(to + spots[0].out, v);
              return store_partial(to + spots[0].out, v, here);
            }
            T lanes[kW];
            store<T>(lanes, v);
            for (int i = 0; i < here; ++i) to[spots[i].out] = lanes[i];
          });
    }
  }
}

// How well each kind of lane is used, as a fraction: neighbouring outputs along the width, or filters. Where
// neither wastes any, wide vectors of filters win if the chains are long: they load no vector across two
// lines.
template <class T>
bool lanes_are_filters(const ConvShape& shape, bool transposed) {
  constexpr double kW = simd::kWidth<T>;
  const auto use = [](double n) {
    return n /
           (kW * static_cast<double>(ceil_div(static_cast<std::int64_t>(n), static_cast<std::int64_t>(kW))));
  };
  const ConvAxis& width = shape.axis[2];
  const std::int64_t run_length =
      transposed ? std::max<std::int64_t>(1, width.out / width.stride) : width.out;
  const auto run = static_cast<double>(run_length);
  constexpr std::int64_t kLongChain = 256;
  const bool loads_less = simd::kVectorBytes == 64 && shape.filters % FilterBlocks<T>::kBlock == 0 &&
                          shape.channels * shape.taps() >= kLongChain;
  return loads_less || use(static_cast<double>(shape.filters)) * 0.9 > use(run);
}

}  // namespace unspool::kernels::cpu
