// Rows of binary16 numbers converted to and from float, by the processor's own instructions where it has
// them: the values are those of tensor/half.h, rounded to the nearest, ties to even.
#pragma once

#include <cstdint>

#include "tensor/half.h"

#if defined(__AVX512F__) && defined(__AVX512VL__) && defined(__AVX512BW__)
#include <immintrin.h>
#define UNSPOOL_HALF_LANES 16
#elif defined(__F16C__) && defined(__AVX2__)
#include <immintrin.h>
#define UNSPOOL_HALF_LANES 8
#endif

namespace unspool::kernels::cpu {

#if UNSPOOL_HALF_LANES == 16

inline void widen_lanes(float* to, const Half* from) {
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  _mm512_storeu_ps(to, _mm512_maskz_cvtph_ps(static_cast<__mmask16>(-1), halves));
}

inline void narrow_lanes(Half* to, const float* from) {
  constexpr auto kAll = static_cast<__mmask16>(-1);
  constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  const __m512 x = _mm512_loadu_ps(from);
  const __m256i halves = _mm512_maskz_cvt_roundps_ph(kAll, x, kNearest);
  // NaNs keep their sign and nothing else.
  const __m256i sign = _mm256_and_si256(halves, _mm256_set1_epi16(static_cast<short>(0x8000)));
  const __m256i nan = _mm256_or_si256(sign, _mm256_set1_epi16(0x7e00));
  const __mmask16 is_nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_mask_mov_epi16(halves, is_nan, nan));
}

#elif UNSPOOL_HALF_LANES == 8

inline void widen_lanes(float* to, const Half* from) {
  _mm256_storeu_ps(to, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
}

inline void narrow_lanes(Half* to, const float* from) {
  const __m256 x = _mm256_loadu_ps(from);
  const __m128i halves = _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  // NaNs keep their sign and nothing else.
  const __m128i sign = _mm_and_si128(halves, _mm_set1_epi16(static_cast<short>(0x8000)));
  const __m128i nan = _mm_or_si128(sign, _mm_set1_epi16(0x7e00));
  const __m256i wide = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  const __m128i is_nan = _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_blendv_epi8(halves, nan, is_nan));
}

#endif

inline void convert_halves(float* to, const Half* from, std::int64_t n) {
  std::int64_t i = 0;
#ifdef UNSPOOL_HALF_LANES
  for (; i + UNSPOOL_HALF_LANES <= n; i += UNSPOOL_HALF_LANES) widen_lanes(to + i, from + i);
#endif
  for (; i < n; ++i) to[i] = to_float(from[i]);
}

inline void convert_halves(Half* to, const float* from, std::int64_t n) {
  std::int64_t i = 0;
#ifdef UNSPOOL_HALF_LANES
  for (; i + UNSPOOL_HALF_LANES <= n; i += UNSPOOL_HALF_LANES) narrow_lanes(to + i, from + i);
#endif
  for (; i < n; ++i) to[i] = to_half(from[i]);
}

#undef UNSPOOL_HALF_LANES

}  // namespace unspool::kernels::cpu
