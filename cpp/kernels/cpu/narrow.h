// Small whole numbers, one for each lane of a register, kept in memory as one byte per lane.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/cpu/vec.h"

namespace unspool::kernels::cpu {

template <class T>
struct BytesOf {
  typedef std::uint8_t Lanes __attribute__((vector_size(kVectorBytes / sizeof(T))));
};

#if defined(__AVX2__) && !defined(__AVX512F__)

// The compiler's own conversions take the lanes apart.
template <class T>
typename BytesOf<T>::Lanes narrowed(typename Vec<T>::Int lanes) {
  auto all = reinterpret_cast<__m256i>(lanes);
  if constexpr (sizeof(T) == 8)
    all = _mm256_permutevar8x32_epi32(all, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6));
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
  const __m128i bytes = _mm_packus_epi16(words, words);
  typename BytesOf<T>::Lanes result;
  std::memcpy(&result, &bytes, sizeof result);
  return result;
}

template <class T>
typename Vec<T>::Int widened(typename BytesOf<T>::Lanes lanes) {
  using Whole = std::conditional_t<sizeof(T) == 4, std::int64_t, std::int32_t>;
  Whole bytes;
  std::memcpy(&bytes, &lanes, sizeof bytes);
  if constexpr (sizeof(T) == 4)
    return reinterpret_cast<typename Vec<T>::Int>(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(bytes)));
  else
    return reinterpret_cast<typename Vec<T>::Int>(_mm256_cvtepu8_epi64(_mm_cvtsi32_si128(bytes)));
}

#else

template <class T>
typename BytesOf<T>::Lanes narrowed(typename Vec<T>::Int lanes) {
  return __builtin_convertvector(lanes, typename BytesOf<T>::Lanes);
}

template <class T>
typename Vec<T>::Int widened(typename BytesOf<T>::Lanes lanes) {
  return __builtin_convertvector(lanes, typename Vec<T>::Int);
}

#endif

#if defined(__AVX512BW__) && defined(__AVX512VL__)

// Writes the first n lanes, each of 0 to 255.
template <class T>
void store_narrow(typename Vec<T>::Int lanes, std::uint8_t* to, int n) {
  if constexpr (sizeof(T) == 4)
    _mm512_mask_cvtepi32_storeu_epi8(to, native::first16(n), reinterpret_cast<__m512i>(lanes));
  else
    _mm512_mask_cvtepi64_storeu_epi8(to, native::first8(n), reinterpret_cast<__m512i>(lanes));
}

// Reads the first n lanes; the others are 0.
template <class T>
typename Vec<T>::Int load_narrow(const std::uint8_t* from, int n) {
  if constexpr (sizeof(T) == 4)
    return reinterpret_cast<typename Vec<T>::Int>(
        _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(native::first16(n), from)));
  else
    return reinterpret_cast<typename Vec<T>::Int>(
        _mm512_cvtepu8_epi64(_mm_maskz_loadu_epi8(native::first8(n), from)));
}

#else

// Writes the first n lanes, each of 0 to 255.
template <class T>
void store_narrow(typename Vec<T>::Int lanes, std::uint8_t* to, int n) {
  const auto bytes = narrowed<T>(lanes);
  if (n == Vec<T>::kLanes) {
    std::memcpy(to, &bytes, sizeof bytes);
    return;
  }
  for (int i = 0; i < n; ++i) to[i] = bytes[i];
}

// Reads the first n lanes; the others are 0.
template <class T>
typename Vec<T>::Int load_narrow(const std::uint8_t* from, int n) {
  typename BytesOf<T>::Lanes bytes{};
  if (n == Vec<T>::kLanes) {
    std::memcpy(&bytes, from, sizeof bytes);
  } else {
    for (int i = 0; i < n; ++i) bytes[i] = from[i];
  }
  return widened<T>(bytes);
}

#endif

}  // namespace unspool::kernels::cpu
