// Running over consecutive elements a packet at a time, the last one partial, with one body for both.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/cpu/lane.h"

namespace unspool::kernels::cpu {

// How many lanes of a packet are meant: all of them (a constant) or the first few.
template <class P>
using AllLanes = std::integral_constant<int, P::kLanes>;

template <class P, class T>
P load_lanes(const T* p, AllLanes<P>) {
  return P::load(p);
}
template <class P, class T>
P load_lanes(const T* p, int n) {
  return P::load_partial(p, n);
}
template <class P, class T>
void store_lanes(T* p, P value, AllLanes<P>) {
  value.store(p);
}
template <class P, class T>
void store_lanes(T* p, P value, int n) {
  value.store_partial(p, n);
}

// body(i, lanes) for i = 0, kLanes, ... below n.
template <class P, class F>
void each_packet(std::int64_t n, F&& body) {
  std::int64_t i = 0;
  for (; i + P::kLanes <= n; i += P::kLanes) body(i, AllLanes<P>{});
  if constexpr (P::kLanes > 1) {
    if (i < n) body(i, static_cast<int>(n - i));
  }
}

}  // namespace unspool::kernels::cpu
