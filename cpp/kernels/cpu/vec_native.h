// What the SIMD values of vec.h stand on: the width of a register, the compiler's vector types, and one
// function per register type and instruction set for what those types cannot say.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace unspool::kernels::cpu {

#if defined(__AVX512F__) && defined(__AVX512DQ__)
inline constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
inline constexpr int kVectorBytes = 32;
#else
inline constexpr int kVectorBytes = 16;
#endif

#if defined(__FMA__) || defined(__AVX512F__) || defined(__aarch64__)
inline constexpr bool kHasFma = true;
#else
inline constexpr bool kHasFma = false;
#endif

// The compiler's own vector types: Reg holds the values, Int the same lanes as signed integers of the same
// size.
template <class T>
struct Native;

template <>
struct Native<float> {
  using IntLane = std::int32_t;
  using UintLane = std::uint32_t;
  typedef float Reg __attribute__((vector_size(kVectorBytes)));
  typedef std::int32_t Int __attribute__((vector_size(kVectorBytes)));
  typedef std::uint32_t Uint __attribute__((vector_size(kVectorBytes)));
};

template <>
struct Native<double> {
  using IntLane = std::int64_t;
  using UintLane = std::uint64_t;
  typedef double Reg __attribute__((vector_size(kVectorBytes)));
  typedef std::int64_t Int __attribute__((vector_size(kVectorBytes)));
  typedef std::uint64_t Uint __attribute__((vector_size(kVectorBytes)));
};

// What vector extensions cannot say: one overload per register type and instruction set.
namespace native {

using F = Native<float>::Reg;
using D = Native<double>::Reg;
using FI = Native<float>::Int;
using DI = Native<double>::Int;

#if defined(__AVX512F__) && defined(__AVX512DQ__)

// The masked forms, because g++ 12 warns about its own unmasked ones; the full mask folds away.
inline constexpr __mmask16 kAll16 = 0xffff;
inline constexpr __mmask8 kAll8 = 0xff;
inline F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
inline D fma(D a, D b, D c) { return _mm512_fmadd_pd(a, b, c); }
// min(a, b) = a < b ? a : b and max(a, b) = a > b ? a : b: the second operand when unordered.
inline F min(F a, F b) { return _mm512_maskz_min_ps(kAll16, a, b); }
inline D min(D a, D b) { return _mm512_maskz_min_pd(kAll8, a, b); }
inline F max(F a, F b) { return _mm512_maskz_max_ps(kAll16, a, b); }
inline D max(D a, D b) { return _mm512_maskz_max_pd(kAll8, a, b); }
// Square roots from the machine's estimate of their inverse: Newton's steps for the root and for half of its
// inverse, then what is left of `a`. Half of the time of the machine's own, and beside its divisions. Every
// result is the correctly rounded one: for float all 2^32 arguments were compared, for double those whose
// roots are nearest to the middle of two numbers. Arguments that the estimate does not serve (tiny, infinite,
// NaN, negative) are known by what is left.
template <class R>
struct Root {
  R value, left;
};
template <int kSteps, class R>
inline Root<R> root_of(R a, R estimate, R half) {
  R root = a * estimate, half_inverse = estimate * half;
  for (int i = 0; i < kSteps; ++i) {
    const R rest = fma(-root, half_inverse, half);
    root = fma(root, rest, root), half_inverse = fma(half_inverse, rest, half_inverse);
  }
  const R left = fma(-root, root, a);
  return {fma(left, half_inverse, root), left};
}
inline F sqrt(F a) {
  const auto [root, left] =
      root_of<1>(a, _mm512_maskz_rsqrt14_ps(kAll16, max(a, 0x1p-100f - F{})), 0.5f - F{});
  const F size_left =
      reinterpret_cast<F>(reinterpret_cast<FI>(left) & std::numeric_limits<std::int32_t>::max());
  if (_mm512_cmp_ps_mask(size_left, a * 0x1p-18f, _CMP_LE_OQ) != kAll16) [[unlikely]]
    return _mm512_maskz_sqrt_ps(kAll16, a);
  return root;
}
inline D sqrt(D a) {
  const auto [root, left] = root_of<2>(a, _mm512_maskz_rsqrt14_pd(kAll8, max(a, 0x1p-900 - D{})), 0.5 - D{});
  const D size_left =
      reinterpret_cast<D>(reinterpret_cast<DI>(left) & std::numeric_limits<std::int64_t>::max());
  if (_mm512_cmp_pd_mask(size_left, a * 0x1p-45, _CMP_LE_OQ) != kAll8) [[unlikely]]
    return _mm512_maskz_sqrt_pd(kAll8, a);
  return root;
}
// 1 / a where both are normal numbers, within 0.53 units in the last place: the machine's estimate and one
// step of Newton's (two for double).
inline F inverse(F a) {
  const F first = _mm512_maskz_rcp14_ps(kAll16, a);
  return fma(first, fma(-a, first, 1.0f - F{}), first);
}
inline D inverse(D a) {
  const D one = 1.0 - D{}, first = _mm512_maskz_rcp14_pd(kAll8, a);
  const D second = fma(first, fma(-a, first, one), first);
  return fma(second, fma(-a, second, one), second);
}
template <int kMode>
inline F round(F a) {
  return _mm512_maskz_roundscale_ps(kAll16, a, kMode | _MM_FROUND_NO_EXC);
}
template <int kMode>
inline D round(D a) {
  return _mm512_maskz_roundscale_pd(kAll8, a, kMode | _MM_FROUND_NO_EXC);
}
// a 2^n for whole n, rounded once.
inline F scale(F a, F n) { return _mm512_maskz_scalef_ps(kAll16, a, n); }
inline D scale(D a, D n) { return _mm512_maskz_scalef_pd(kAll8, a, n); }
// Lane by lane, the entry of `table` that the low four bits of `index` name.
inline F look_up(F table, Native<float>::Uint index) {
  return _mm512_maskz_permutexvar_ps(kAll16, reinterpret_cast<__m512i>(index), table);
}
inline F blend(FI m, F a, F b) { return m ? a : b; }
inline D blend(DI m, D a, D b) { return m ? a : b; }
inline bool any(FI m) { return _mm512_movepi32_mask(reinterpret_cast<__m512i>(m)) != 0; }
inline bool any(DI m) { return _mm512_movepi64_mask(reinterpret_cast<__m512i>(m)) != 0; }
inline __mmask16 first16(int n) { return static_cast<__mmask16>((1u << n) - 1u); }
inline __mmask8 first8(int n) { return static_cast<__mmask8>((1u << n) - 1u); }
inline F load_first(const float* p, int n) { return _mm512_maskz_loadu_ps(first16(n), p); }
inline D load_first(const double* p, int n) { return _mm512_maskz_loadu_pd(first8(n), p); }
inline void store_first(float* p, int n, F a) { _mm512_mask_storeu_ps(p, first16(n), a); }
inline void store_first(double* p, int n, D a) { _mm512_mask_storeu_pd(p, first8(n), a); }
inline constexpr int kToEven = _MM_FROUND_TO_NEAREST_INT, kDown = _MM_FROUND_TO_NEG_INF,
                     kUp = _MM_FROUND_TO_POS_INF, kToZero = _MM_FROUND_TO_ZERO;

#elif defined(__AVX__)

#if defined(__FMA__)
inline F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
inline D fma(D a, D b, D c) { return _mm256_fmadd_pd(a, b, c); }
#else
inline F fma(F a, F b, F c) { return a * b + c; }
inline D fma(D a, D b, D c) { return a * b + c; }
#endif
inline F sqrt(F a) { return _mm256_sqrt_ps(a); }
inline D sqrt(D a) { return _mm256_sqrt_pd(a); }
inline F min(F a, F b) { return _mm256_min_ps(a, b); }
inline D min(D a, D b) { return _mm256_min_pd(a, b); }
inline F max(F a, F b) { return _mm256_max_ps(a, b); }
inline D max(D a, D b) { return _mm256_max_pd(a, b); }
template <int kMode>
inline F round(F a) {
  return _mm256_round_ps(a, kMode | _MM_FROUND_NO_EXC);
}
template <int kMode>
inline D round(D a) {
  return _mm256_round_pd(a, kMode | _MM_FROUND_NO_EXC);
}
inline F blend(FI m, F a, F b) { return _mm256_blendv_ps(b, a, reinterpret_cast<__m256>(m)); }
inline D blend(DI m, D a, D b) { return _mm256_blendv_pd(b, a, reinterpret_cast<__m256d>(m)); }
inline bool any(FI m) { return _mm256_movemask_ps(reinterpret_cast<__m256>(m)) != 0; }
inline bool any(DI m) { return _mm256_movemask_pd(reinterpret_cast<__m256d>(m)) != 0; }
inline __m256i first(FI, int n) { return reinterpret_cast<__m256i>(FI{0, 1, 2, 3, 4, 5, 6, 7} < n); }
inline __m256i first(DI, int n) { return reinterpret_cast<__m256i>(DI{0, 1, 2, 3} < std::int64_t{n}); }
inline F load_first(const float* p, int n) { return _mm256_maskload_ps(p, first(FI{}, n)); }
inline D load_first(const double* p, int n) { return _mm256_maskload_pd(p, first(DI{}, n)); }
inline void store_first(float* p, int n, F a) { _mm256_maskstore_ps(p, first(FI{}, n), a); }
inline void store_first(double* p, int n, D a) { _mm256_maskstore_pd(p, first(DI{}, n), a); }
inline constexpr int kToEven = _MM_FROUND_TO_NEAREST_INT, kDown = _MM_FROUND_TO_NEG_INF,
                     kUp = _MM_FROUND_TO_POS_INF, kToZero = _MM_FROUND_TO_ZERO;

#else

template <class R, class T>
inline R load_some(const T* p, int n) {
  R a{};
  for (int i = 0; i < n; ++i) a[i] = p[i];
  return a;
}
template <class R, class T>
inline void store_some(T* p, int n, R a) {
  for (int i = 0; i < n; ++i) p[i] = a[i];
}
inline F load_first(const float* p, int n) { return load_some<F>(p, n); }
inline D load_first(const double* p, int n) { return load_some<D>(p, n); }
inline void store_first(float* p, int n, F a) { store_some(p, n, a); }
inline void store_first(double* p, int n, D a) { store_some(p, n, a); }

#if defined(__SSE4_1__)

inline F fma(F a, F b, F c) { return a * b + c; }
inline D fma(D a, D b, D c) { return a * b + c; }
inline F sqrt(F a) { return _mm_sqrt_ps(a); }
inline D sqrt(D a) { return _mm_sqrt_pd(a); }
inline F min(F a, F b) { return _mm_min_ps(a, b); }
inline D min(D a, D b) { return _mm_min_pd(a, b); }
inline F max(F a, F b) { return _mm_max_ps(a, b); }
inline D max(D a, D b) { return _mm_max_pd(a, b); }
template <int kMode>
inline F round(F a) {
  return _mm_round_ps(a, kMode | _MM_FROUND_NO_EXC);
}
template <int kMode>
inline D round(D a) {
  return _mm_round_pd(a, kMode | _MM_FROUND_NO_EXC);
}
inline F blend(FI m, F a, F b) { return _mm_blendv_ps(b, a, reinterpret_cast<__m128>(m)); }
inline D blend(DI m, D a, D b) { return _mm_blendv_pd(b, a, reinterpret_cast<__m128d>(m)); }
inline bool any(FI m) { return _mm_movemask_ps(reinterpret_cast<__m128>(m)) != 0; }
inline bool any(DI m) { return _mm_movemask_pd(reinterpret_cast<__m128d>(m)) != 0; }
inline constexpr int kToEven = _MM_FROUND_TO_NEAREST_INT, kDown = _MM_FROUND_TO_NEG_INF,
                     kUp = _MM_FROUND_TO_POS_INF, kToZero = _MM_FROUND_TO_ZERO;

#else

inline constexpr int kToEven = 0, kDown = 1, kUp = 2, kToZero = 3;
inline F blend(FI m, F a, F b) {
  return reinterpret_cast<F>((reinterpret_cast<FI>(a) & m) | (reinterpret_cast<FI>(b) & ~m));
}
inline D blend(DI m, D a, D b) {
  return reinterpret_cast<D>((reinterpret_cast<DI>(a) & m) | (reinterpret_cast<DI>(b) & ~m));
}
inline F min(F a, F b) { return blend(a < b, a, b); }
inline D min(D a, D b) { return blend(a < b, a, b); }
inline F max(F a, F b) { return blend(a > b, a, b); }
inline D max(D a, D b) { return blend(a > b, a, b); }

#if defined(__aarch64__)

inline F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }
inline D fma(D a, D b, D c) { return vfmaq_f64(c, a, b); }
inline F sqrt(F a) { return vsqrtq_f32(a); }
inline D sqrt(D a) { return vsqrtq_f64(a); }
template <int kMode>
inline F round(F a) {
  return kMode == kToEven ? vrndnq_f32(a)
         : kMode == kDown ? vrndmq_f32(a)
         : kMode == kUp   ? vrndpq_f32(a)
                          : vrndq_f32(a);
}
template <int kMode>
inline D round(D a) {
  return kMode == kToEven ? vrndnq_f64(a)
         : kMode == kDown ? vrndmq_f64(a)
         : kMode == kUp   ? vrndpq_f64(a)
                          : vrndq_f64(a);
}
inline bool any(FI m) { return vmaxvq_u32(reinterpret_cast<uint32x4_t>(m)) != 0; }
inline bool any(DI m) { return vmaxvq_u32(reinterpret_cast<uint32x4_t>(m)) != 0; }

#else  // any other machine: the compiler's vectors and the C library, lane by lane

template <class R, class Function>
inline R each(R a, Function function) {
  for (unsigned i = 0; i < sizeof(R) / sizeof(a[0]); ++i) a[i] = function(a[i]);
  return a;
}
template <class I>
inline bool any_lane(I m) {
  bool found = false;
  for (unsigned i = 0; i < sizeof(I) / sizeof(m[0]); ++i) found |= m[i] != 0;
  return found;
}
template <int kMode, class T>
inline T round_one(T a) {
  return kMode == kToEven ? std::nearbyint(a)
         : kMode == kDown ? std::floor(a)
         : kMode == kUp   ? std::ceil(a)
                          : std::trunc(a);
}
inline F fma(F a, F b, F c) { return a * b + c; }
inline D fma(D a, D b, D c) { return a * b + c; }
inline F sqrt(F a) {
  return each(a, [](float x) { return std::sqrt(x); });
}
inline D sqrt(D a) {
  return each(a, [](double x) { return std::sqrt(x); });
}
template <int kMode>
inline F round(F a) {
  return each(a, [](float x) { return round_one<kMode>(x); });
}
template <int kMode>
inline D round(D a) {
  return each(a, [](double x) { return round_one<kMode>(x); });
}
inline bool any(FI m) { return any_lane(m); }
inline bool any(DI m) { return any_lane(m); }

#endif
#endif
#endif

#if !defined(__AVX512F__) || !defined(__AVX512DQ__)
inline F inverse(F a) { return 1.0f / a; }
inline D inverse(D a) { return 1.0 / a; }
#endif

// Writes one byte per lane, 0 or 1.
template <class I>
inline void store_bytes(std::uint8_t* p, I m) {
  for (unsigned i = 0; i < sizeof(I) / sizeof(m[0]); ++i) p[i] = m[i] != 0;
}
#if defined(__AVX2__) && !defined(__AVX512F__)
template <>
inline void store_bytes(std::uint8_t* p, FI m) {
  const __m256i lanes = reinterpret_cast<__m256i>(m);
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  _mm_storeu_si64(p, _mm_and_si128(_mm_packs_epi16(words, words), _mm_set1_epi8(1)));
}
#endif

}  // namespace native

}  // namespace unspool::kernels::cpu
