// Folds over one row of consecutive elements, for kernels that go through a row several times (softmax,
// attention).
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "kernels/cpu/fold.h"

namespace unspool::kernels::cpu {

template <class T>
struct MaxStep : SumStep<T> {
  static Vec<T> identity() { return Vec<T>(-std::numeric_limits<T>::infinity()); }
  static Vec<T> combine(Vec<T> a, Vec<T> b) { return max(a, b); }
};

// The fold of map(i, lanes) over a row, in blocks.
template <class T, class Step, class Map>
Vec<T> fold_row(const Step& step, std::int64_t n, const Map& map) {
  using P = Vec<T>;
  if (n <= kFoldBlock) return P(combine_lanes(step, fold_chains<P>(step, n, map)));
  Pairwise<P> partial;
  for (std::int64_t start = 0; start < n; start += kFoldBlock) {
    partial.push(step, fold_chains<P>(step, std::min(kFoldBlock, n - start),
                                      [&](std::int64_t i, auto lanes) { return map(start + i, lanes); }));
  }
  return P(combine_lanes(step, partial.total(step)));
}

}  // namespace unspool::kernels::cpu
