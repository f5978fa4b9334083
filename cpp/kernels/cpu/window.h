// Windows that slide over planes: which input elements each output sees, and how a register of neighbouring
// outputs reads them.
#pragma once

#include <algorithm>
#include <type_traits>

#include "kernels/cpu/interleave.h"
#include "kernels/cpu/planes.h"
#include "kernels/kernel.h"

namespace unspool::kernels::cpu {

// A window of one size moved by a constant stride. Dimensions in the order depth, height, width.
struct Window {
  int spatial;
  std::int64_t kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, padding[3] = {0, 0, 0}, dilation[3] = {1, 1, 1};

  // Attributes from `first` on: kernel, stride, padding and, where a window has it, dilation.
  Window(const KernelCall& call, std::size_t first, bool has_dilation)
      : spatial(static_cast<int>(call.attrs[first].dims().size())) {
    for (int d = 0; d < spatial; ++d) {
      const auto at = static_cast<std::size_t>(d);
      const int place = 3 - spatial + d;
      kernel[place] = call.attrs[first].dims()[at];
      stride[place] = call.attrs[first + 1].dims()[at];
      padding[place] = call.attrs[first + 2].dims()[at];
      if (has_dilation) dilation[place] = call.attrs[first + 3].dims()[at];
    }
  }

  std::int64_t volume() const { return kernel[0] * kernel[1] * kernel[2]; }
  // Where the window of output o begins, possibly before the edge.
  std::int64_t start(int d, std::int64_t o) const { return o * stride[d] - padding[d]; }
};

// The taps of one dimension of a window that lie inside of the plane: taps [begin, end) at positions
// start + tap * dilation.
struct Taps {
  std::int64_t start, begin, end;

  Taps(const Window& w, int d, std::int64_t o, std::int64_t size) : start(w.start(d, o)) {
    const std::int64_t step = w.dilation[d];
    begin = start < 0 ? (-start + step - 1) / step : 0;
    end = start >= size ? 0 : std::min(w.kernel[d], (size - start + step - 1) / step);
  }
};

// The outputs [begin, end) along the width whose windows lie inside of the row.
struct Interior {
  std::int64_t begin, end;

  Interior(const Window& w, std::int64_t in_width, std::int64_t out_width) {
    const std::int64_t room = in_width + w.padding[2] - w.dilation[2] * (w.kernel[2] - 1) - 1;
    const std::int64_t fits = room < 0 ? 0 : room / w.stride[2] + 1;
    begin = std::min((w.padding[2] + w.stride[2] - 1) / w.stride[2], out_width);
    end = std::clamp(fits, begin, out_width);
  }
};

// Calls visit(values, tap) for the taps of `lanes` neighbouring outputs, the first of which begins at p.
// kStride is the stride if that is 1 or 2, else 0; nothing behind the last element that an output needs is
// read.
template <int kStride, class T, class Count, class Lanes, class F>
void visit_taps(const T* p, Count taps, std::int64_t dilation, std::int64_t stride, Lanes lanes,
                const F& visit) {
  using P = Vec<T>;
  constexpr int kLanes = P::kLanes;
  if constexpr (kStride == 1) {
    for (std::int64_t k = 0; k < taps; ++k) visit(P::load_partial(p + k * dilation, lanes), k);
  } else if constexpr (kStride == 2) {
    std::int64_t k = 0;
    for (; dilation == 1 && k + 1 < taps; k += 2) {
      const P a = P::load_partial(p + k, std::min(2 * lanes, kLanes));
      const P b = P::load_partial(p + k + kLanes, std::max(2 * lanes - kLanes, 0));
      visit(even_lanes(a, b), k);
      visit(odd_lanes(a, b), k + 1);
    }
    for (; k < taps; ++k) {
      const T* from = p + k * dilation;
      if (lanes == kLanes) {
        visit(even_lanes_overlapping(P::load(from), P::load(from + kLanes - 1)), k);
        continue;
      }
      const P a = P::load_partial(from, std::min(2 * lanes - 1, kLanes));
      const P b = P::load_partial(from + kLanes, std::max(2 * lanes - 1 - kLanes, 0));
      visit(even_lanes(a, b), k);
    }
  } else {
    T lane[kLanes] = {};
    for (std::int64_t k = 0; k < taps; ++k) {
      for (int i = 0; i < lanes; ++i) lane[i] = p[k * dilation + i * stride];
      visit(P::load(lane), k);
    }
  }
}

// Calls run(first output, lanes) for registers that cover [begin, end): all of them full where there is room,
// the last one then overlaps its neighbour. Full ones have their lanes as a constant, which spares them
// masks.
template <class T, class F>
void over_registers(std::int64_t begin, std::int64_t end, const F& run) {
  constexpr std::integral_constant<int, Vec<T>::kLanes> kLanes;
  if (end - begin < kLanes) {
    if (begin < end) run(begin, static_cast<int>(end - begin));
    return;
  }
  for (std::int64_t o = begin; o < end; o += kLanes) run(std::min<std::int64_t>(o, end - kLanes), kLanes);
}

}  // namespace unspool::kernels::cpu
