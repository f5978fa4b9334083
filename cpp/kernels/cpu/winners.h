// The contest for the maximum of a window, in all lanes of a register at once.
#pragma once

#include <cstdint>
#include <limits>

#include "kernels/cpu/narrow.h"
#include "kernels/cpu/vec.h"

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

}  // namespace unspool::kernels::cpu
