// Lanes from anywhere in a plane: out[i] = plane[at[i]], and 0 where at[i] is negative.
#pragma once

#include <cstdint>

#include "kernels/cpu/vec.h"

namespace unspool::kernels::cpu {

template <class T, class I>
inline Vec<T> gather_or_zero(const T* plane, const I* at) {
  Vec<T> r(T(0));
  for (int i = 0; i < Vec<T>::kLanes; ++i) {
    if (at[i] >= 0) r.v[i] = plane[at[i]];
  }
  return r;
}

#if defined(__AVX512F__) && defined(__AVX512DQ__)

template <>
inline Vec<float> gather_or_zero(const float* plane, const std::int32_t* at) {
  const __m512i i = _mm512_loadu_si512(at);
  const __mmask16 inside = static_cast<__mmask16>(~_mm512_movepi32_mask(i));
  return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), inside, i, plane, sizeof(float));
}
template <>
inline Vec<double> gather_or_zero(const double* plane, const std::int64_t* at) {
  const __m512i i = _mm512_loadu_si512(at);
  const __mmask8 inside = static_cast<__mmask8>(~_mm512_movepi64_mask(i));
  return _mm512_mask_i64gather_pd(_mm512_setzero_pd(), inside, i, plane, sizeof(double));
}

#elif defined(__AVX2__)

template <>
inline Vec<float> gather_or_zero(const float* plane, const std::int32_t* at) {
  const __m256i i = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  const __m256 inside = _mm256_castsi256_ps(_mm256_xor_si256(i, _mm256_set1_epi32(-1)));
  return _mm256_mask_i32gather_ps(_mm256_setzero_ps(), plane, i, inside, sizeof(float));
}
template <>
inline Vec<double> gather_or_zero(const double* plane, const std::int64_t* at) {
  const __m256i i = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  const __m256d inside = _mm256_castsi256_pd(_mm256_xor_si256(i, _mm256_set1_epi32(-1)));
  return _mm256_mask_i64gather_pd(_mm256_setzero_pd(), plane, i, inside, sizeof(double));
}

#endif

}  // namespace unspool::kernels::cpu
