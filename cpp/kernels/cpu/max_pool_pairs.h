// Max pooling by windows two wide that tile the plane, both ways, a register of windows at a time; and the
// contest for the maximum that all windows share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "kernels/cpu/interleave.h"
#include "kernels/cpu/narrow.h"
#include "kernels/cpu/planes.h"
#include "kernels/cpu/window.h"

namespace unspool::kernels::cpu {

using Place = std::uint8_t;

// For every lane the largest value so far and its place in the window. The first of equals stays; of NaNs the
// last one does.
template <class T>
struct Winners {
  using Int = typename Vec<T>::Int;
  Vec<T> best;
  Int place;

  explicit Winners(std::int64_t first) : Winners(Vec<T>(-std::numeric_limits<T>::infinity()), first) {}
  Winners(Vec<T> value, std::int64_t first) : best(value), place(in_all_lanes(first)) {}

  void challenge(Vec<T> value, std::int64_t there) { challenge(value, in_all_lanes(there)); }
  void challenge(Vec<T> value, Int there) {
    const Mask<T> wins = (value > best) | isnan(value);
    best = select(wins, value, best);
    place = wins.m ? there : place;
  }
  // Those of the places from `first` on.
  void challenge(const Winners& others, std::int64_t first) {
    challenge(others.best, others.place + static_cast<typename Vec<T>::IntLane>(first));
  }
  void store(int lanes, T* out, Place* to) const {
    best.store_partial(out, lanes);
    store_narrow<T>(place, to, lanes);
  }

 private:
  static Int in_all_lanes(std::int64_t n) { return Int{} + static_cast<typename Vec<T>::IntLane>(n); }
};

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
      : w_(w), plane_(plane), pooled_(pooled) {}

  // Planes [begin, end).
  void pool(const T* in, T* out, Place* place, std::int64_t begin, std::int64_t end) const {
    if (w_.kernel[0] == 1 && w_.kernel[1] == 2)
      pool_rows<2>(in, out, place, begin, end);
    else
      pool_rows<0>(in, out, place, begin, end);
  }

  void send_back(const T* grad, const Place* place, T* out, std::int64_t begin, std::int64_t end) const {
    const std::int64_t kernel[2] = {w_.kernel[0], w_.kernel[1]}, width = pooled_.width();
    const T* const grad_end = grad + pooled_.count * pooled_.numel();
    const T* const out_end = out + end * plane_.numel();
    out += begin * plane_.numel();
    const auto spread_row = [&](std::int64_t at, std::int64_t first, T* to) {
      const T* const from = grad + at;
      for (std::int64_t o = 0; o < width; o += kLanes) {
        if (grad_end - from >= o + kLanes && out_end - to >= 2 * (o + kLanes))
          spread_lanes(from + o, place + at + o, first, kAllLanes, to + 2 * o);
        else
          spread_lanes(from + o, place + at + o, first, lanes_left(width - o), to + 2 * o);
      }
      for (std::int64_t i = 2 * width; i < plane_.width(); ++i) to[i] = T(0);
    };
    for (std::int64_t p = begin; p < end; ++p) {
      for (std::int64_t d = 0; d < plane_.depth(); ++d) {
        std::int64_t at = (p * pooled_.depth() + d / kernel[0]) * pooled_.height() * width;
        const std::int64_t tiled = d / kernel[0] < pooled_.depth() ? pooled_.height() : 0;
        for (std::int64_t h = 0; h < tiled; ++h, at += width) {
          for (std::int64_t k = 0; k < kernel[1]; ++k, out += plane_.width())
            spread_row(at, 2 * (d % kernel[0] * kernel[1] + k), out);
        }
        const std::int64_t rest = (plane_.height() - tiled * kernel[1]) * plane_.width();
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

  struct Block {
    std::int64_t slices, rows, slice, row;
  };

  static int lanes_left(std::int64_t n) { return static_cast<int>(std::min<std::int64_t>(kLanes, n)); }

  // kRows is the height of windows of depth 1, or 0 for windows of any size.
  template <int kRows>
  void pool_rows(const T* in, T* out, Place* place, std::int64_t begin, std::int64_t end) const {
    const std::int64_t rows = w_.kernel[1], height = rows * plane_.width(), width = pooled_.width();
    const std::int64_t slice = plane_.height() * plane_.width();
    const Block block{w_.kernel[0], rows, slice, plane_.width()};
    const std::int64_t reach = (block.slices - 1) * slice + (rows - 1) * plane_.width() + 2 * kLanes;
    const T* const in_end = in + pooled_.count * plane_.numel();
    const T* const out_end = out + end * pooled_.numel();
    out += begin * pooled_.numel(), place += begin * pooled_.numel();
    for (std::int64_t p = begin; p < end; ++p) {
      for (std::int64_t d = 0; d < pooled_.depth(); ++d) {
        const T* from = in + p * plane_.numel() + d * block.slices * slice;
        for (std::int64_t h = 0; h < pooled_.height(); ++h, from += height, out += width, place += width) {
          for (std::int64_t o = 0; o < width; o += kLanes) {
            if (in_end - from >= 2 * o + reach && out_end - out >= o + kLanes)
              pool_lanes<kRows>(block, from + 2 * o, kAllLanes, out + o, place + o);
            else
              pool_lanes<kRows>(block, from + 2 * o, lanes_left(width - o), out + o, place + o);
          }
        }
      }
    }
  }

  template <int kRows, class Lanes>
  static void pool_lanes(const Block& block, const T* from, Lanes lanes, T* out, Place* place) {
    const auto pair = [&](const T* line) {
      const P a = P::load_partial(line, std::min(2 * lanes, kLanes));
      const P b = P::load_partial(line + kLanes, std::max(2 * lanes - kLanes, 0));
      return std::pair{even_lanes(a, b), odd_lanes(a, b)};
    };
    const auto [first, second] = pair(from);
    Winners<T> winners(first, 0);
    winners.challenge(second, 1);
    typename P::Int code = typename P::Int{} + 2;
    const std::int64_t slices = kRows ? 1 : block.slices, rows = kRows ? kRows : block.rows;
    for (std::int64_t d = 0; d < slices; ++d) {
      for (std::int64_t h = d == 0 ? 1 : 0; h < rows; ++h, code += 2) {
        const auto [left, right] = pair(from + d * block.slice + h * block.row);
        winners.challenge(left, code);
        winners.challenge(right, code + 1);
      }
    }
    winners.store(lanes, out, place);
  }

  // Windows meet a row of the plane with two places, `first` and the next.
  template <class Lanes>
  static void spread_lanes(const T* grad, const Place* place, std::int64_t first, Lanes lanes, T* to) {
    const auto code = load_narrow<T>(place, lanes) - static_cast<typename P::IntLane>(first);
    const P g = P::load_partial(grad, lanes);
    const P left = select(Mask<T>(code == 0), g, P(0)), right = select(Mask<T>(code == 1), g, P(0));
    interleave_low(left, right).store_partial(to, std::min(2 * lanes, kLanes));
    interleave_high(left, right).store_partial(to + kLanes, std::max(2 * lanes - kLanes, 0));
  }

  const Window& w_;
  const Planes &plane_, &pooled_;
};

}  // namespace unspool::kernels::cpu
