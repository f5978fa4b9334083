// Windows two wide that tile the plane, a register of windows at a time: the walk from a plane to its windows
// and back, whatever is made of each window.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels/cpu/interleave.h"
#include "kernels/cpu/planes.h"
#include "kernels/cpu/window.h"

namespace unspool::kernels::cpu {

// Whether the windows are pairs of columns that lie side by side, and none hangs over an edge.
inline bool is_tiled_in_pairs(const Window& w, const Planes& plane, const Planes& pooled) {
  for (int d = 0; d < 3; ++d) {
    if (w.kernel[d] != w.stride[d] || w.padding[d] != 0 || w.dilation[d] != 1) return false;
    if (pooled.size[d] * w.kernel[d] > plane.size[d]) return false;
  }
  return w.kernel[2] == 2;
}

// Rows are written in ascending order by whole registers. What the last one of a row writes behind its end is
// written again, and rightly, with the rows that follow; only at the end of a range of planes does it stop.
// Likewise registers read on behind a row as far as the tensor reaches.
template <class T>
class PairTiles {
 public:
  PairTiles(const Window& w, const Planes& plane, const Planes& pooled)
      : slices_(w.kernel[0]), rows_(w.kernel[1]), plane_(plane), pooled_(pooled) {}

  // Calls pool(over_pairs, lanes, index of the first output) for the windows of planes [begin, end), where
  // over_pairs(visit) calls visit(line of the window, left elements, right elements).
  template <class F>
  void pool(const T* in, std::int64_t begin, std::int64_t end, const F& pool) const {
    if (slices_ == 1 && rows_ == 2)
      pool_lines<2>(in, begin, end, pool);
    else
      pool_lines<0>(in, begin, end, pool);
  }

  // Writes planes [begin, end): spread(index of the first window, number of the line in its window, lanes)
  // gives what goes to the left and what to the right element of each window; elements of no window are 0.
  template <class F>
  void spread(T* out, std::int64_t begin, std::int64_t end, const F& spread) const {
    const std::int64_t slices = slices_, rows = rows_, width = pooled_.width(), out_row = plane_.width();
    const std::int64_t last = pooled_.count * pooled_.numel() - kLanes;
    const T* const out_end = out + end * plane_.numel();
    out += begin * plane_.numel();
    const auto spread_row = [&](std::int64_t at, std::int64_t line) {
      for (std::int64_t o = 0; o < width; o += kLanes) {
        if (at + o <= last && out_end - out >= 2 * (o + kLanes))
          store_pairs(spread(at + o, line, kAllLanes), kAllLanes, out + 2 * o);
        else
          store_pairs(spread(at + o, line, lanes_left(width - o)), lanes_left(width - o), out + 2 * o);
      }
      for (std::int64_t i = 2 * width; i < out_row; ++i) out[i] = T(0);
      out += out_row;
    };
    for (std::int64_t p = begin; p < end; ++p) {
      for (std::int64_t d = 0; d < plane_.depth(); ++d) {
        std::int64_t at = (p * pooled_.depth() + d / slices) * pooled_.height() * width;
        const std::int64_t tiled = d / slices < pooled_.depth() ? pooled_.height() : 0;
        for (std::int64_t h = 0; h < tiled; ++h, at += width) {
          for (std::int64_t k = 0; k < rows; ++k) spread_row(at, d % slices * rows + k);
        }
        const std::int64_t rest = (plane_.height() - tiled * rows) * out_row;
        std::fill_n(out, rest, T(0));
        out += rest;
      }
    }
  }

 private:
  using P = Vec<T>;
  static constexpr int kLanes = P::kLanes;
  // The usual count of lanes as a type, for code without masks.
  static constexpr std::integral_constant<int, kLanes> kAllLanes{};

  static int lanes_left(std::int64_t n) { return static_cast<int>(std::min<std::int64_t>(kLanes, n)); }

  // kRows is the height of windows of depth 1, or 0 for windows of any size.
  template <int kRows, class F>
  void pool_lines(const T* in, std::int64_t begin, std::int64_t end, const F& pool) const {
    const std::int64_t slices = kRows ? 1 : slices_, rows = kRows ? kRows : rows_;
    const std::int64_t in_row = plane_.width(), slice = plane_.height() * in_row, width = pooled_.width();
    const std::int64_t reach = (slices - 1) * slice + (rows - 1) * in_row + 2 * kLanes;
    const T* const in_end = in + pooled_.count * plane_.numel();
    const std::int64_t last = end * pooled_.numel() - kLanes;
    const auto pool_lanes = [&](const T* from, auto lanes, std::int64_t to) {
      const auto over_pairs = [&](const auto& visit) {
        for (std::int64_t d = 0; d < slices; ++d) {
          for (std::int64_t h = 0; h < rows; ++h) {
            const T* const line = from + d * slice + h * in_row;
            const P a = P::load_partial(line, std::min(2 * lanes, kLanes));
            const P b = P::load_partial(line + kLanes, std::max(2 * lanes - kLanes, 0));
            visit(d * rows + h, even_lanes(a, b), odd_lanes(a, b));
          }
        }
      };
      pool(over_pairs, lanes, to);
    };
    std::int64_t to = begin * pooled_.numel();
    for (std::int64_t p = begin; p < end; ++p) {
      for (std::int64_t d = 0; d < pooled_.depth(); ++d) {
        const T* from = in + p * plane_.numel() + d * slices * slice;
        for (std::int64_t h = 0; h < pooled_.height(); ++h, from += rows * in_row, to += width) {
          for (std::int64_t o = 0; o < width; o += kLanes) {
            if (in_end - from >= 2 * o + reach && to + o <= last)
              pool_lanes(from + 2 * o, kAllLanes, to + o);
            else
              pool_lanes(from + 2 * o, lanes_left(width - o), to + o);
          }
        }
      }
    }
  }

  template <class Lanes>
  static void store_pairs(std::pair<P, P> pairs, Lanes lanes, T* to) {
    interleave_low(pairs.first, pairs.second).store_partial(to, std::min(2 * lanes, kLanes));
    interleave_high(pairs.first, pairs.second).store_partial(to + kLanes, std::max(2 * lanes - kLanes, 0));
  }

  const std::int64_t slices_, rows_;
  const Planes &plane_, &pooled_;
};

}  // namespace unspool::kernels::cpu
