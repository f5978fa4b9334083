// Convolutions of single channels (depthwise ones) over images so narrow that a row of the input and one of
// the output fit a register each. What a column of the kernel finds for a row of outputs is a permutation of
// the lanes of a row of the input, with zeros beside the image, whatever the stride and in both directions.
// The permutations are kept for a whole channel; then every tap is a number times some of these registers.
// Every output is one chain over the taps in ascending order, as in the other ways.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/conv_tile.h"
#include "kernels/cpu/gemm_run.h"
#include "kernels/cpu/gemm_simd.h"
#include "kernels/cpu/slots.h"

namespace unspool::kernels::cpu {

// Rows of outputs that are computed at once.
inline constexpr int kLineRows = 8;

template <class T>
struct LineTile {
  const T* lines;              // of column 0 and the first row of the kernel that counts
  const std::int64_t* rows;    // for each row of the kernel that counts: how far its lines lie from `lines`
  const std::int64_t* places;  // and where its weights begin
  std::int64_t row_count;
  std::int64_t columns, column_step;  // how many, and from the lines of one to those of the next
  std::int64_t line_step;             // from output row to output row
  const T* weights;
  T bias;
  T* out;
  std::int64_t out_step;  // from output row to output row
  int lanes;              // of an output row
};

template <class T, int kRows>
void line_tile(const LineTile<T>& tile) {
  using namespace simd;
  Vector<T> sums[kRows];
  UNSPOOL_UNROLL
  for (int r = 0; r < kRows; ++r) sums[r] = broadcast(tile.bias);
  const std::int64_t step = tile.line_step;
  for (std::int64_t h = 0; h < tile.row_count; ++h) {
    const T *from = tile.lines + tile.rows[h], *weights = tile.weights + tile.places[h];
    for (std::int64_t w = 0; w < tile.columns; ++w, from += tile.column_step) {
      const Vector<T> weight = broadcast(weights[w]);
      UNSPOOL_UNROLL
      for (int r = 0; r < kRows; ++r) sums[r] = fma(weight, load<T>(from + r * step), sums[r]);
    }
  }
  UNSPOOL_UNROLL
  for (int r = 0; r < kRows; ++r) store_partial(tile.out + r * tile.out_step, sums[r], tile.lanes);
}

template <class T, int... k>
constexpr std::array<void (*)(const LineTile<T>&), sizeof...(k)> line_tiles(
    std::integer_sequence<int, k...>) {
  return {line_tile<T, k + 1>...};
}
template <class T>
inline constexpr auto kLineTiles = line_tiles<T>(std::make_integer_sequence<int, kLineRows>{});

template <class T>
class ConvLines {
 public:
  ConvLines(const ConvShape& shape, bool transposed) : shape_(shape), transposed_(transposed) {
    const ConvAxis& height = shape.axis[1];
    // The rows of the input, beside those of the image, that taps lie over.
    const std::int64_t reach = (height.kernel - 1) * height.dilation;
    const std::int64_t first =
        transposed ? floor_div(height.padding - reach, height.stride) : -height.padding;
    const std::int64_t last = transposed ? (height.out - 1 + height.padding) / height.stride
                                         : (height.out - 1) * height.stride + reach - height.padding;
    above_ = std::max<std::int64_t>(0, -first);
    rows_ = above_ + height.in + std::max<std::int64_t>(0, last + 1 - height.in);
  }

  bool pays() const {
    return simd::kPicksLanes && shape_.channels == 1 && shape_.axis[0].is_trivial() && shape_.taps() > 1 &&
           std::max(shape_.axis[2].in, shape_.axis[2].out) <= kW && slot_elements() * kSize <= kMostBytes;
  }

  std::size_t scratch(int threads) const {
    return bytes_of<std::int32_t>(columns() * kW) + 2 * bytes_of<std::int64_t>(shape_.axis[1].kernel) +
           Slots::bytes(threads, bytes_of<T>(slot_elements()));
  }

  void run(const Context& context, const T* in, const T* weight, const T* bias, T* out) {
    std::byte* memory = context.scratch;
    const auto take = [&memory]<class E>(std::int64_t count, E*& to) {
      to = reinterpret_cast<E*>(memory);
      memory += bytes_of<E>(count);
    };
    take(columns() * kW, lanes_);
    take(shape_.axis[1].kernel, line_of_);
    take(shape_.axis[1].kernel, place_of_);
    map_lanes();
    order_rows();
    Slots slots(memory, context.threads, bytes_of<T>(slot_elements()));
    const std::int64_t units = shape_.batch * shape_.groups;
    const std::int64_t work = shape_.filters * shape_.taps() * shape_.axis[1].out * kW;
    const std::int64_t grain = std::max<std::int64_t>(1, kChunkWork / work);
    context.parallel(ceil_div(units, grain), [&](std::int64_t chunk) {
      slots.lend([&](std::byte* slot) {
        T* const lines = reinterpret_cast<T*>(slot);
        std::fill_n(lines, slot_elements(), T(0));
        for (std::int64_t unit = chunk * grain; unit < std::min(units, (chunk + 1) * grain); ++unit) {
          fill_lines(in + unit * shape_.in_size(), lines);
          for (std::int64_t f = 0; f < shape_.filters; ++f) {
            const std::int64_t filter = unit % shape_.groups * shape_.filters + f;
            run_filter(lines, weight + filter * shape_.taps(), bias ? bias[filter] : T(0),
                       out + (unit * shape_.filters + f) * shape_.out_size());
          }
        }
      });
    });
  }

 private:
  static constexpr std::int64_t kW = simd::kWidth<T>, kSize = sizeof(T);
  static constexpr std::int64_t kMostBytes = 64 << 10;  // of a channel's lines

  static std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a >= 0 ? a / b : -ceil_div(-a, b); }

  std::int64_t columns() const { return shape_.axis[2].kernel; }
  std::int64_t slot_elements() const { return columns() * rows_ * kW; }

  // For each column of the kernel and lane of an output row: the lane of the input row, or -1.
  void map_lanes() {
    const ConvAxis& width = shape_.axis[2];
    for (std::int64_t k = 0; k < columns(); ++k) {
      for (std::int64_t o = 0; o < kW; ++o) {
        const std::int64_t shift = k * width.dilation - width.padding;
        const std::int64_t at = transposed_ ? o - shift : o * width.stride + shift;
        const std::int64_t lane = transposed_ ? at / width.stride : at;
        const bool meets = at >= 0 && lane < width.in && (!transposed_ || at % width.stride == 0);
        lanes_[k * kW + o] = meets && o < width.out ? static_cast<std::int32_t>(lane) : -1;
      }
    }
  }

  // Rows of the kernel by the remainder of the output rows that they count for.
  std::int64_t phases() const {
    return transposed_ ? std::min(shape_.axis[1].stride, shape_.axis[1].out) : 1;
  }
  // visit(kernel row, line of output row `first`)
  template <class F>
  void each_kernel_row(std::int64_t first, const F& visit) const {
    const ConvAxis& height = shape_.axis[1];
    for (std::int64_t k = 0; k < height.kernel; ++k) {
      const std::int64_t at = first + height.padding - k * height.dilation;
      if (!transposed_) visit(k, above_ + k * height.dilation - height.padding);
      if (transposed_ && at % height.stride == 0) visit(k, above_ + at / height.stride);
    }
  }

  void order_rows() {
    std::int64_t next = 0;
    for (std::int64_t first = 0; first < phases(); ++first) {
      each_kernel_row(first, [&](std::int64_t k, std::int64_t line) {
        line_of_[next] = line * kW, place_of_[next++] = k * columns();
      });
    }
  }

  void fill_lines(const T* image, T* lines) const {
    using namespace simd;
    const std::int64_t height = shape_.axis[1].in, width = shape_.axis[2].in;
    for (std::int64_t k = 0; k < columns(); ++k) {
      const LanePick<T> pick(lanes_ + k * kW);
      T* to = lines + (k * rows_ + above_) * kW;
      const T* from = image;
      for (std::int64_t h = 0; h < height; ++h, from += width, to += kW)
        store<T>(to, pick(load_partial(from, static_cast<int>(width))));
    }
  }

  void run_filter(const T* lines, const T* weights, T bias, T* out) const {
    const ConvAxis& height = shape_.axis[1];
    const std::int64_t width = shape_.axis[2].out, line_step = transposed_ ? 1 : height.stride;
    LineTile<T> tile{};
    tile.columns = columns(), tile.column_step = rows_ * kW;
    tile.line_step = line_step * kW;
    tile.weights = weights, tile.bias = bias;
    tile.out_step = phases() * width, tile.lanes = static_cast<int>(width);
    tile.rows = line_of_, tile.places = place_of_;
    for (std::int64_t phase = 0; phase < phases(); ++phase) {
      tile.row_count = 0;
      each_kernel_row(phase, [&](std::int64_t, std::int64_t) { ++tile.row_count; });
      for_runs(ceil_div(height.out - phase, phases()), kLineRows,
               [&](std::int64_t first, std::int64_t count) {
                 tile.lines = lines + first * line_step * kW;
                 tile.out = out + (phase + first * phases()) * width;
                 kLineTiles<T>[static_cast<std::size_t>(count - 1)](tile);
               });
      tile.rows += tile.row_count, tile.places += tile.row_count;
    }
  }

  const ConvShape shape_;
  const bool transposed_;
  std::int64_t above_ = 0, rows_ = 0;
  std::int32_t* lanes_ = nullptr;
  std::int64_t *line_of_ = nullptr, *place_of_ = nullptr;
};

}  // namespace unspool::kernels::cpu
