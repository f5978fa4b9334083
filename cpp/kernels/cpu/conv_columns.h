// Transposed convolutions of flat images with the columns of the kernel apart. Near the edges of a narrow
// image much of a row of outputs meets only zeros, and rows do not fill vectors. A column of the kernel by
// itself moves down only: it meets no zeros left or right, and makes rows as long as the input's that follow
// one another without a gap, as one dimension dilated by the width. So columns become filters of their own;
// what they give is moved sideways and added.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/conv_filter_tile.h"
#include "kernels/cpu/conv_shape.h"
#include "kernels/cpu/gemm_run.h"
#include "kernels/cpu/vec.h"

namespace unspool::kernels::cpu {

// The convolution of which each filter is a column of the kernel, filter by filter.
inline ConvShape columns_apart(const ConvShape& shape) {
  const ConvAxis &height = shape.axis[1], &width = shape.axis[2];
  ConvShape apart = shape;
  apart.filters = shape.filters * width.kernel;
  apart.axis[1] = ConvAxis{};
  ConvAxis& line = apart.axis[2];
  line = {height.in * width.in, height.out * width.in, height.kernel};
  if (height.kernel > 1) line.dilation = height.dilation * width.in;
  line.padding = height.padding * width.in;
  return apart;
}

// Moves columns sideways and adds them.
template <class T>
class ColumnSums {
 public:
  using Lanes = typename Native<T>::Int;

  explicit ColumnSums(const ConvShape& shape) : shape_(shape) {}

  std::int64_t filters() const { return shape_.filters; }
  std::int64_t columns() const { return width().kernel; }
  std::int64_t out_size() const { return shape_.out_size(); }
  // Elements for the columns of one image, between margins that registers may read.
  std::int64_t elements() const { return 2 * margin() + shape_.filters * width().kernel * column(); }
  std::int64_t margin() const {
    return width().out + width().kernel * width().dilation + width().padding + kLanes;
  }
  std::int64_t masks() const { return registers() * width().kernel; }

  // For each register of a row and each column: the lanes at which the column meets an input.
  void fill(Lanes* masks) const {
    for (std::int64_t r = 0; r < registers(); ++r) {
      for (std::int64_t k = 0; k < width().kernel; ++k, ++masks) {
        for (int lane = 0; lane < kLanes; ++lane) {
          const std::int64_t from = start(r, k) + lane;
          (*masks)[lane] = from >= 0 && from < width().in ? -1 : 0;
        }
      }
    }
  }

  // `columns` lie behind the first margin; `bias` is that of the first filter, or null.
  void add(const T* columns, const Lanes* masks, const T* bias, T* out) const {
    switch (width().kernel) {
      case 2:
        return add_columns<2>(columns, masks, bias, out);
      case 3:
        return add_columns<3>(columns, masks, bias, out);
      case 5:
        return add_columns<5>(columns, masks, bias, out);
      default:
        return add_columns<0>(columns, masks, bias, out);
    }
  }

 private:
  using P = Vec<T>;
  static constexpr int kLanes = P::kLanes;

  // kKernel is the width of the kernel, or 0 for any: a constant keeps the masks in registers.
  template <int kKernel>
  void add_columns(const T* columns, const Lanes* masks, const T* bias, T* out) const {
    const std::int64_t kernel = kKernel ? kKernel : width().kernel, step = column() - width().dilation;
    const std::int64_t in_row = width().in, out_row = width().out, rows = shape_.axis[1].out;
    const int lanes = static_cast<int>(std::min<std::int64_t>(kLanes, out_row));
    for (std::int64_t f = 0; f < shape_.filters; ++f, columns += kernel * column(), out += rows * out_row) {
      const P first(bias ? bias[f] : T(0));
      for (std::int64_t r = 0; r < registers(); ++r) {
        const Lanes* const mask = masks + r * kernel;
        const T* from = columns + start(r, 0);
        T* to = out + place(r);
        for (std::int64_t h = 0; h < rows; ++h, from += in_row, to += out_row) {
          P sum = first;
          for (std::int64_t k = 0; k < kernel; ++k)
            sum += P::from_bits(bits(P::load(from + k * step)) & mask[k]);
          sum.store_partial(to, lanes);
        }
      }
    }
  }

  const ConvAxis& width() const { return shape_.axis[2]; }
  std::int64_t column() const { return shape_.axis[1].out * width().in; }
  std::int64_t registers() const { return ceil_div(width().out, kLanes); }
  // The first output of a register; the last one ends with the row.
  std::int64_t place(std::int64_t r) const {
    return std::max<std::int64_t>(0, std::min(r * kLanes, width().out - kLanes));
  }
  // Where in its row column k has what the first lane of a register needs.
  std::int64_t start(std::int64_t r, std::int64_t k) const {
    return place(r) + width().padding - k * width().dilation;
  }

  const ConvShape shape_;
};

// Whether that takes clearly less work, counted in vectors, than rows of outputs or filters in the lanes.
template <class T>
bool pays_columns_apart(const ConvShape& shape, std::int64_t most_bytes) {
  const ConvAxis &height = shape.axis[1], &width = shape.axis[2];
  if (!shape.axis[0].is_trivial() || height.stride != 1 || width.stride != 1 || width.kernel == 1)
    return false;
  if (bytes_of<T>(ColumnSums<T>(shape).elements()) > static_cast<std::size_t>(most_bytes)) return false;
  const ConvShape apart = columns_apart(shape);
  if (ConvPlan<T>(apart, true, simd::kWidth<T>, most_bytes).bands() > 1) return false;
  const auto vectors = [](std::int64_t n) { return static_cast<double>(ceil_div(n, simd::kWidth<T>)); };
  const auto rows = static_cast<double>(height.out), filters = static_cast<double>(shape.filters);
  // Vectors of neighbouring outputs skip the rows of the kernel that are over an edge.
  const double met = std::min(1.0, static_cast<double>(height.in) / rows);
  const double present = lanes_are_filters<T>(shape, true)
                             ? vectors(shape.filters) * rows * static_cast<double>(width.out)
                             : filters * rows * vectors(width.out) * met;
  const double moves =
      filters * rows * vectors(width.out) * 3 / static_cast<double>(shape.channels * height.kernel);
  return filters * vectors(apart.axis[2].out) * met + moves < 0.85 * present;
}

}  // namespace unspool::kernels::cpu
