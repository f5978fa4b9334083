// Folds of inputs whose memory runs along a kept dimension that is not the last: their outputs are computed
// in the order of that memory and put where they belong. Each output folds the same elements in the same
// order.
#pragma once

#include <cstdlib>
#include <utility>

#include "kernels/cpu/folding.h"
#include "kernels/cpu/layout.h"

namespace unspool::kernels::cpu {

class KeptOrder {
 public:
  static bool suits(const View& view, const Folding& f) {
    int last = view.ndim - 1;
    while (last > 0 && view.sizes[last] == 1) --last;
    if (last <= 0 || view.strides[last] == 0 || view.strides[last] == 1) return false;
    while (last >= 0 && (f.is_reduced(last) || view.sizes[last] == 1)) --last;
    if (last <= 0 || view.strides[last] == 1) return false;
    for (int d = 0; d < last; ++d) {
      if (!f.is_reduced(d) && view.strides[d] == 1 && view.sizes[d] >= kSmallest) return true;
    }
    return false;
  }

  KeptOrder(const View& view, const Folding& f)
      : input_{view.data, sizes_, strides_, view.ndim, view.dtype, false},
        places_(sizes_, 0),
        folding_(sorted(view, f), f.reduced_dims) {
    places_.ensure_row();
  }
  KeptOrder(const KeptOrder&) = delete;

  const View& input() const { return input_; }
  const Folding& folding() const { return folding_; }

  // Between `n` outputs one behind the other in this order, from the given one on, and their places in `all`.
  template <class T>
  void spread(T* all, const T* outputs, std::int64_t first, std::int64_t n) const {
    walk(first, n, [&](std::int64_t place, std::int64_t step, std::int64_t at, std::int64_t part) {
      for (std::int64_t i = 0; i < part; ++i) all[place + i * step] = outputs[at + i];
    });
  }
  template <class T>
  void collect(T* outputs, const T* all, std::int64_t first, std::int64_t n) const {
    walk(first, n, [&](std::int64_t place, std::int64_t step, std::int64_t at, std::int64_t part) {
      for (std::int64_t i = 0; i < part; ++i) outputs[at + i] = all[place + i * step];
    });
  }

 private:
  static constexpr std::int64_t kSmallest = 4;  // elements along the memory for which the order pays

  template <class F>
  void walk(std::int64_t first, std::int64_t n, const F& move) const {
    Cursor cursor(places_, first);
    for (std::int64_t at = 0; at < n;) {
      const std::int64_t part = std::min(n - at, cursor.left_in_row());
      move(cursor.offset[0], places_.row_stride(0), at, part);
      cursor.advance(part);
      at += part;
    }
  }

  // Sorts the kept dimensions among their positions, the one that moves most in memory first.
  const View& sorted(const View& view, const Folding& f) {
    int kept[kMaxDims], order[kMaxDims], count = 0;
    std::int64_t distance[kMaxDims], outputs = 1;
    for (int d = 0; d < view.ndim; ++d) {
      sizes_[d] = view.sizes[d];
      strides_[d] = view.strides[d];
      if (!f.is_reduced(d) && view.sizes[d] != 1) kept[count++] = d;
    }
    for (int i = count - 1; i >= 0; --i) {
      distance[kept[i]] = outputs;
      outputs *= view.sizes[kept[i]];
    }
    for (int i = 0; i < count; ++i) {
      order[i] = kept[i];
      for (int e = i; e > 0 && std::abs(view.strides[order[e - 1]]) < std::abs(view.strides[order[e]]); --e)
        std::swap(order[e - 1], order[e]);
    }
    std::int64_t sizes[kMaxDims], steps[kMaxDims];
    for (int i = 0; i < count; ++i) {
      sizes[i] = sizes_[kept[i]] = view.sizes[order[i]];
      strides_[kept[i]] = view.strides[order[i]];
      steps[i] = distance[order[i]];
    }
    places_ = Joint(View{nullptr, sizes, steps, count, view.dtype, false});
    return input_;
  }

  std::int64_t sizes_[kMaxDims], strides_[kMaxDims];
  View input_;
  Joint places_;  // of the outputs
  Folding folding_;
};

}  // namespace unspool::kernels::cpu
