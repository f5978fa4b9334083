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
template <std::size_t kFirst, class T, std::size_t... I>
Vec<T> merge(Vec<T> a, Vec<T> b, std::index_sequence<I...>) {
  constexpr std::size_t kLanes = sizeof...(I);
  return Vec<T>(
      __builtin_shufflevector(a.v, b.v, static_cast<int>(kFirst + I / 2 + (I % 2 == 0 ? 0 : kLanes))...));
}
#if defined(__AVX2__) && !defined(__AVX512F__)

// Shuffles within halves of registers cost less than those across, which the compiler would take.
inline Vec<float> even(Vec<float> a, Vec<float> b, std::make_index_sequence<8>) {
  const auto halves = reinterpret_cast<__m256d>(_mm256_shuffle_ps(a.v, b.v, 0x88));
  return reinterpret_cast<__m256>(_mm256_permute4x64_pd(halves, 0xd8));
}
inline Vec<float> odd(Vec<float> a, Vec<float> b, std::make_index_sequence<8>) {
  const auto halves = reinterpret_cast<__m256d>(_mm256_shuffle_ps(a.v, b.v, 0xdd));
  return reinterpret_cast<__m256>(_mm256_permute4x64_pd(halves, 0xd8));
}
template <std::size_t kFirst>
Vec<float> merge(Vec<float> a, Vec<float> b, std::make_index_sequence<8>) {
  return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a.v, b.v), _mm256_unpackhi_ps(a.v, b.v),
                                kFirst == 0 ? 0x20 : 0x31);
}
inline Vec<double> even(Vec<double> a, Vec<double> b, std::make_index_sequence<4>) {
  return _mm256_permute4x64_pd(_mm256_unpacklo_pd(a.v, b.v), 0xd8);
}
inline Vec<double> odd(Vec<double> a, Vec<double> b, std::make_index_sequence<4>) {
  return _mm256_permute4x64_pd(_mm256_unpackhi_pd(a.v, b.v), 0xd8);
}
template <std::size_t kFirst>
Vec<double> merge(Vec<double> a, Vec<double> b, std::make_index_sequence<4>) {
  return _mm256_permute2f128_pd(_mm256_unpacklo_pd(a.v, b.v), _mm256_unpackhi_pd(a.v, b.v),
                                kFirst == 0 ? 0x20 : 0x31);
}

#endif

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
  return interleaving::merge<0>(a, b, interleaving::Lanes<T>{});
}
template <class T>
Vec<T> interleave_high(Vec<T> a, Vec<T> b) {
  return interleaving::merge<Vec<T>::kLanes / 2>(a, b, interleaving::Lanes<T>{});
}

}  // namespace unspool::kernels::cpu
