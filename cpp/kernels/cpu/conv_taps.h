// Taps of a kernel that meet nothing but padding wherever the kernel lies: of 3 x 3 on a single element, all
// but one; with a dilation as long as the image, all outer ones. The weights of the others are copied side by
// side, and the convolution is one with a smaller kernel.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/context.h"
#include "kernels/cpu/ranges.h"

namespace unspool::kernels::cpu {

// Along one axis: taps [first, first + count) of `all`.
struct TapRange {
  std::int64_t first = 0, count = 1, all = 1;
};

struct TapRanges {
  TapRange axis[3];

  std::int64_t all() const { return axis[0].all * axis[1].all * axis[2].all; }
  std::int64_t count() const { return axis[0].count * axis[1].count * axis[2].count; }
  bool is_part() const { return count() < all(); }

  // visit(place among all, place among those that count, how many side by side)
  template <class F>
  void each_run(const F& visit) const {
    std::int64_t to = 0;
    for (std::int64_t d = 0; d < axis[0].count; ++d) {
      for (std::int64_t h = 0; h < axis[1].count; ++h, to += axis[2].count) {
        const std::int64_t row = (axis[0].first + d) * axis[1].all + axis[1].first + h;
        visit(row * axis[2].all + axis[2].first, to, axis[2].count);
      }
    }
  }
};

// The taps that meet an element in [0, size) from some of `places`: place * stride + tap * dilation -
// padding. Taps are left out from the front only as far as there is padding for.
inline TapRange taps_that_meet(std::int64_t places, std::int64_t size, std::int64_t kernel,
                               std::int64_t stride, std::int64_t dilation, std::int64_t padding) {
  const auto meets = [&](std::int64_t tap) {
    const std::int64_t shift = tap * dilation - padding;
    const std::int64_t place = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    return place < places && place * stride + shift < size;
  };
  TapRange range{0, kernel, kernel};
  while (range.count > 1 && (range.first + 1) * dilation <= padding && !meets(range.first))
    ++range.first, --range.count;
  while (range.count > 1 && !meets(range.first + range.count - 1)) --range.count;
  return range;
}

// `rows` kernels, of which only those taps are kept.
template <class T>
void pick_taps(const Context& context, const T* from, std::int64_t rows, const TapRanges& taps, T* to) {
  over_ranges(context, rows, grain_of(taps.all()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      taps.each_run([&](std::int64_t place, std::int64_t kept, std::int64_t n) {
        std::copy_n(from + r * taps.all() + place, n, to + r * taps.count() + kept);
      });
    }
  });
}

// The same back, with zeros for all others.
template <class T>
void spread_taps(const Context& context, const T* from, std::int64_t rows, const TapRanges& taps, T* to) {
  over_ranges(context, rows, grain_of(taps.all()), [&](std::int64_t begin, std::int64_t end) {
    std::fill(to + begin * taps.all(), to + end * taps.all(), T(0));
    for (std::int64_t r = begin; r < end; ++r) {
      taps.each_run([&](std::int64_t place, std::int64_t kept, std::int64_t n) {
        std::copy_n(from + r * taps.count() + kept, n, to + r * taps.all() + place);
      });
    }
  });
}

}  // namespace unspool::kernels::cpu
