// Registers whose lanes are spread over two: every second lane of a pair, and two registers merged lane by
// lane.
#pragma once

#include <utility>

#include "kernels/cpu/vec.h"

namespace unspool::kernels::cpu {

namespace interleaving {

template <class T, std::size_t... I>
Vec<T> even(Vec<T> a, Vec<T> b, std::index_sequence<I...>) {
  return Vec<T>(__builtin_shufflevector(a.v, b.v, static_cast<int>(2 * I)...));
}
template <class T, std::size_t... I>
Vec<T> odd(Vec<T> a, Vec<T> b, std::index_sequence<I...>) {
  return Vec<T>(__builtin_shufflevector(a.v, b.v, static_cast<int>(2 * I + 1)...));
}
template <class T, std::size_t... I>
Vec<T> even_then_odd(Vec<T> a, Vec<T> b, std::index_sequence<I...>) {
  constexpr std::size_t kHalf = sizeof...(I) / 2;
  return Vec<T>(__builtin_shufflevector(a.v, b.v, static_cast<int>(2 * I + (I < kHalf ? 0 : 1))...));
}
template <class T, std::size_t kFirst, std::size_t... I>
Vec<T> merge(Vec<T> a, Vec<T> b, std::index_sequence<I...>) {
  constexpr std::size_t kLanes = sizeof...(I);
  return Vec<T>(
      __builtin_shufflevector(a.v, b.v, static_cast<int>(kFirst + I / 2 + (I % 2 == 0 ? 0 : kLanes))...));
}
template <class T>
using Lanes = std::make_index_sequence<static_cast<std::size_t>(Vec<T>::kLanes)>;

}  // namespace interleaving

// Of a pair that lies side by side: elements 0, 2, 4, ... and 1, 3, 5, ...
template <class T>
Vec<T> even_lanes(Vec<T> a, Vec<T> b) {
  return interleaving::even(a, b, interleaving::Lanes<T>{});
}
template <class T>
Vec<T> odd_lanes(Vec<T> a, Vec<T> b) {
  return interleaving::odd(a, b, interleaving::Lanes<T>{});
}
// The same as even_lanes where b was loaded one element early.
template <class T>
Vec<T> even_lanes_overlapping(Vec<T> a, Vec<T> b) {
  return interleaving::even_then_odd(a, b, interleaving::Lanes<T>{});
}
// a0 b0 a1 b1 ...: the first and the second register of the result.
template <class T>
Vec<T> interleave_low(Vec<T> a, Vec<T> b) {
  return interleaving::merge<T, 0>(a, b, interleaving::Lanes<T>{});
}
template <class T>
Vec<T> interleave_high(Vec<T> a, Vec<T> b) {
  return interleaving::merge<T, Vec<T>::kLanes / 2>(a, b, interleaving::Lanes<T>{});
}

}  // namespace unspool::kernels::cpu
