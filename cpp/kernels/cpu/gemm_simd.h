// The vector type of the matrix product at the instruction set this file is compiled for, and the handful of
// operations its kernels need. Only here may intrinsics and `#if` on the instruction set appear.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#if defined(__AVX512F__) || (defined(__AVX2__) && defined(__FMA__))
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace unspool::kernels::cpu::simd {

#if defined(__AVX512F__)
inline constexpr int kVectorBytes = 64;
inline constexpr int kAccumulators = 24;  // of 32 registers
inline constexpr bool kMaskedLoads = true;
#elif defined(__AVX2__) && defined(__FMA__)
inline constexpr int kVectorBytes = 32;
inline constexpr int kAccumulators = 12;  // of 16 registers
inline constexpr bool kMaskedLoads = true;
#elif defined(__aarch64__)
inline constexpr int kVectorBytes = 16;
inline constexpr int kAccumulators = 24;  // of 32 registers
inline constexpr bool kMaskedLoads = false;
#else
inline constexpr int kVectorBytes = 16;
inline constexpr int kAccumulators = 12;  // of 16 registers
inline constexpr bool kMaskedLoads = false;
#endif

template <class T>
struct VectorOf;
template <>
struct VectorOf<float> {
  typedef float Type __attribute__((vector_size(kVectorBytes)));
  typedef float Lane __attribute__((vector_size(16)));
};
template <>
struct VectorOf<double> {
  typedef double Type __attribute__((vector_size(kVectorBytes)));
  typedef double Lane __attribute__((vector_size(16)));
};

template <class T>
using Vector = typename VectorOf<T>::Type;
template <class T>
using Lane = typename VectorOf<T>::Lane;  // the 128 bits within which shuffles are cheap everywhere

template <class T>
inline constexpr int kWidth = kVectorBytes / static_cast<int>(sizeof(T));
template <class T>
inline constexpr int kLaneWidth = 16 / static_cast<int>(sizeof(T));
inline constexpr int kLanes = kVectorBytes / 16;

#define UNSPOOL_INLINE [[gnu::always_inline]] inline

// Before a loop of constant bounds over an array of vectors: unrolled whole, so that the array stays in
// registers. It compiles in a fraction of what unroll() below takes, which is for indices that must be
// constants.
#if defined(__clang__)
#define UNSPOOL_UNROLL _Pragma("unroll")
#else
#define UNSPOOL_UNROLL _Pragma("GCC unroll 32")
#endif

// Calls f(0), f(1), ..., f(N - 1) with constants, so that arrays of vectors indexed by them stay in
// registers.
template <int N, class F>
UNSPOOL_INLINE void unroll(F&& f) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, I>{}), ...);
  }(std::make_integer_sequence<int, N>{});
}

template <class T>
UNSPOOL_INLINE Vector<T> load(const T* from) {
  Vector<T> v;
  __builtin_memcpy(&v, from, sizeof(v));
  return v;
}

template <class T>
UNSPOOL_INLINE void store(T* to, Vector<T> v) {
  __builtin_memcpy(to, &v, sizeof(v));
}

// The vector stays in a register: g++ would rather read memory again for each of a few uses.
template <class V>
UNSPOOL_INLINE V keep(V v) {
#if defined(__AVX512F__)
  asm("" : "+v"(v));
#elif defined(__x86_64__)
  asm("" : "+x"(v));
#elif defined(__aarch64__)
  asm("" : "+w"(v));
#endif
  return v;
}

#if defined(__AVX512F__)

UNSPOOL_INLINE Vector<float> broadcast(float x) { return _mm512_set1_ps(x); }
UNSPOOL_INLINE Vector<double> broadcast(double x) { return _mm512_set1_pd(x); }
UNSPOOL_INLINE Vector<float> fma(Vector<float> a, Vector<float> b, Vector<float> c) {
  return _mm512_fmadd_ps(a, b, c);
}
UNSPOOL_INLINE Vector<double> fma(Vector<double> a, Vector<double> b, Vector<double> c) {
  return _mm512_fmadd_pd(a, b, c);
}
UNSPOOL_INLINE __mmask16 low_bits(int count) { return static_cast<__mmask16>((1u << count) - 1u); }
UNSPOOL_INLINE Vector<float> load_partial(const float* from, int count) {
  return _mm512_maskz_loadu_ps(low_bits(count), from);
}
UNSPOOL_INLINE Vector<double> load_partial(const double* from, int count) {
  return _mm512_maskz_loadu_pd(static_cast<__mmask8>(low_bits(count)), from);
}
UNSPOOL_INLINE void store_partial(float* to, Vector<float> v, int count) {
  _mm512_mask_storeu_ps(to, low_bits(count), v);
}
UNSPOOL_INLINE void store_partial(double* to, Vector<double> v, int count) {
  _mm512_mask_storeu_pd(to, static_cast<__mmask8>(low_bits(count)), v);
}

// Lane l of the result is lane from[l] of the operand, or zero where that is negative.
inline constexpr bool kPicksLanes = true;
template <class T>
struct LanePick;
template <>
struct LanePick<float> {
  __m512i from;
  __mmask16 there;

  UNSPOOL_INLINE explicit LanePick(const std::int32_t* lanes)
      : from(_mm512_loadu_si512(lanes)), there(_mm512_cmpge_epi32_mask(from, _mm512_setzero_si512())) {}
  UNSPOOL_INLINE Vector<float> operator()(Vector<float> v) const {
    return _mm512_maskz_permutexvar_ps(there, from, v);
  }
};
template <>
struct LanePick<double> {
  __m512i from;
  __mmask8 there;

  UNSPOOL_INLINE explicit LanePick(const std::int32_t* lanes)
      : from(_mm512_cvtepi32_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(lanes)))),
        there(_mm512_cmpge_epi64_mask(from, _mm512_setzero_si512())) {}
  UNSPOOL_INLINE Vector<double> operator()(Vector<double> v) const {
    return _mm512_maskz_permutexvar_pd(there, from, v);
  }
};

#elif defined(__AVX2__) && defined(__FMA__)

UNSPOOL_INLINE Vector<float> broadcast(float x) { return _mm256_set1_ps(x); }
UNSPOOL_INLINE Vector<double> broadcast(double x) { return _mm256_set1_pd(x); }
UNSPOOL_INLINE Vector<float> fma(Vector<float> a, Vector<float> b, Vector<float> c) {
  return _mm256_fmadd_ps(a, b, c);
}
UNSPOOL_INLINE Vector<double> fma(Vector<double> a, Vector<double> b, Vector<double> c) {
  return _mm256_fmadd_pd(a, b, c);
}

alignas(64) inline constexpr std::int32_t kMasks[16] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                        0,  0,  0,  0,  0,  0,  0,  0};

UNSPOOL_INLINE __m256i low_mask(int words) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMasks + 8 - words));
}
UNSPOOL_INLINE Vector<float> load_partial(const float* from, int count) {
  return _mm256_maskload_ps(from, low_mask(count));
}
UNSPOOL_INLINE Vector<double> load_partial(const double* from, int count) {
  return _mm256_maskload_pd(from, low_mask(2 * count));
}
// In pieces, because masked stores are microcode on some processors.
UNSPOOL_INLINE void store_partial(float* to, Vector<float> v, int count) {
  if (count >= 8) return store(to, v);
  __m128 rest = _mm256_castps256_ps128(v);
  if (count & 4) {
    _mm_storeu_ps(to, rest);
    rest = _mm256_extractf128_ps(v, 1);
    to += 4;
  }
  if (count & 2) {
    _mm_storel_pi(reinterpret_cast<__m64*>(to), rest);
    rest = _mm_movehl_ps(rest, rest);
    to += 2;
  }
  if (count & 1) _mm_store_ss(to, rest);
}
UNSPOOL_INLINE void store_partial(double* to, Vector<double> v, int count) {
  if (count >= 4) return store(to, v);
  __m128d rest = _mm256_castpd256_pd128(v);
  if (count & 2) {
    _mm_storeu_pd(to, rest);
    rest = _mm256_extractf128_pd(v, 1);
    to += 2;
  }
  if (count & 1) _mm_store_sd(to, rest);
}

// Lane l of the result is lane from[l] of the operand, or zero where that is negative.
inline constexpr bool kPicksLanes = true;
template <class T>
struct LanePick;
template <>
struct LanePick<float> {
  __m256i from;
  __m256 there;

  UNSPOOL_INLINE explicit LanePick(const std::int32_t* lanes)
      : from(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(lanes))),
        there(_mm256_castsi256_ps(_mm256_cmpgt_epi32(from, _mm256_set1_epi32(-1)))) {}
  UNSPOOL_INLINE Vector<float> operator()(Vector<float> v) const {
    return _mm256_and_ps(_mm256_permutevar8x32_ps(v, from), there);
  }
};
template <>
struct LanePick<double> {
  __m256i from;  // halves of lanes
  __m256d there;

  UNSPOOL_INLINE explicit LanePick(const std::int32_t* lanes) {
    const __m256i whole = _mm256_cvtepi32_epi64(_mm_loadu_si128(reinterpret_cast<const __m128i*>(lanes)));
    const __m256i low = _mm256_add_epi64(whole, whole);
    from = _mm256_or_si256(_mm256_and_si256(low, _mm256_set1_epi64x(0xffffffff)),
                           _mm256_slli_epi64(_mm256_add_epi64(low, _mm256_set1_epi64x(1)), 32));
    there = _mm256_castsi256_pd(_mm256_cmpgt_epi64(whole, _mm256_set1_epi64x(-1)));
  }
  UNSPOOL_INLINE Vector<double> operator()(Vector<double> v) const {
    const __m256 picked = _mm256_permutevar8x32_ps(_mm256_castpd_ps(v), from);
    return _mm256_and_pd(_mm256_castps_pd(picked), there);
  }
};

#else

template <class T>
UNSPOOL_INLINE Vector<T> broadcast(T x) {
  return x - Vector<T>{};
}
#if defined(__aarch64__)
UNSPOOL_INLINE Vector<float> fma(Vector<float> a, Vector<float> b, Vector<float> c) {
  return (Vector<float>)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
UNSPOOL_INLINE Vector<double> fma(Vector<double> a, Vector<double> b, Vector<double> c) {
  return (Vector<double>)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
}
#else
template <class V>
UNSPOOL_INLINE V fma(V a, V b, V c) {
  return a * b + c;
}
#endif
template <class T>
UNSPOOL_INLINE Vector<T> load_partial(const T* from, int count) {
  Vector<T> v{};
  for (int l = 0; l < kWidth<T>; ++l) {
    if (l < count) v[l] = from[l];
  }
  return v;
}
template <class T>
UNSPOOL_INLINE void store_partial(T* to, Vector<T> v, int count) {
  for (int l = 0; l < kWidth<T>; ++l) {
    if (l < count) to[l] = v[l];
  }
}

// Lane l of the result is lane from[l] of the operand, or zero where that is negative: here one by one.
inline constexpr bool kPicksLanes = false;
template <class T>
struct LanePick {
  const std::int32_t* from;

  UNSPOOL_INLINE explicit LanePick(const std::int32_t* lanes) : from(lanes) {}
  UNSPOOL_INLINE Vector<T> operator()(Vector<T> v) const {
    Vector<T> picked{};
    for (int l = 0; l < kWidth<T>; ++l) {
      if (from[l] >= 0) picked[l] = v[from[l]];
    }
    return picked;
  }
};

#endif

// A vector whose lane l is the 16 bytes at from(l).
template <class T, class From>
UNSPOOL_INLINE Vector<T> gather_lanes(From&& from) {
  Vector<T> v;
  Lane<T> lanes[kLanes];
  unroll<kLanes>([&](auto l) __attribute__((always_inline)) { __builtin_memcpy(&lanes[l], from(l), 16); });
  if constexpr (kLanes == 1) {
    v = lanes[0];
  } else if constexpr (kLanes == 2) {
    [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
      v = __builtin_shufflevector(lanes[0], lanes[1], I...);
    }(std::make_integer_sequence<int, kWidth<T>>{});
  } else {
    [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
      const auto low = __builtin_shufflevector(lanes[0], lanes[1], I...);
      const auto high = __builtin_shufflevector(lanes[2], lanes[3], I...);
      v = [&]<int... J>(std::integer_sequence<int, J...>) __attribute__((always_inline)) {
        return __builtin_shufflevector(low, high, J...);
      }(std::make_integer_sequence<int, kWidth<T>>{});
    }(std::make_integer_sequence<int, kWidth<T> / 2>{});
  }
  return v;
}

// Element i of the result comes from x or y as lane_index says, within each 128-bit lane.
template <class T, class Index>
UNSPOOL_INLINE Vector<T> shuffle_lanes(Vector<T> x, Vector<T> y, Index) {
  constexpr int kPerLane = kLaneWidth<T>;
  return [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    return __builtin_shufflevector(x, y,
                                   ((I / kPerLane) * kPerLane + Index::at(I % kPerLane) % kPerLane +
                                    (Index::at(I % kPerLane) / kPerLane) * kWidth<T>)...);
  }(std::make_integer_sequence<int, kWidth<T>>{});
}

// Transposes the square of kLaneWidth<T> vectors inside each lane.
template <class T>
UNSPOOL_INLINE void transpose_lanes(Vector<T> (&v)[kLaneWidth<T>]) {
  if constexpr (kLaneWidth<T> == 2) {
    struct Low {
      static constexpr int at(int i) { return i == 0 ? 0 : 2; }
    };
    struct High {
      static constexpr int at(int i) { return i == 0 ? 1 : 3; }
    };
    const Vector<T> low = shuffle_lanes<T>(v[0], v[1], Low{}), high = shuffle_lanes<T>(v[0], v[1], High{});
    v[0] = low, v[1] = high;
  } else {
    struct UnpackLow {
      static constexpr int at(int i) { return i / 2 + (i % 2) * 4; }
    };
    struct UnpackHigh {
      static constexpr int at(int i) { return 2 + i / 2 + (i % 2) * 4; }
    };
    struct LowHalves {
      static constexpr int at(int i) { return i < 2 ? i : i + 2; }
    };
    struct HighHalves {
      static constexpr int at(int i) { return i < 2 ? i + 2 : i + 4; }
    };
    const Vector<T> t0 = shuffle_lanes<T>(v[0], v[1], UnpackLow{}),
                    t1 = shuffle_lanes<T>(v[0], v[1], UnpackHigh{});
    const Vector<T> t2 = shuffle_lanes<T>(v[2], v[3], UnpackLow{}),
                    t3 = shuffle_lanes<T>(v[2], v[3], UnpackHigh{});
    v[0] = shuffle_lanes<T>(t0, t2, LowHalves{}), v[1] = shuffle_lanes<T>(t0, t2, HighHalves{});
    v[2] = shuffle_lanes<T>(t1, t3, LowHalves{}), v[3] = shuffle_lanes<T>(t1, t3, HighHalves{});
  }
}

// The sum of all lanes of v, one lane wide.
template <class T>
UNSPOOL_INLINE Lane<T> fold_lanes(Vector<T> v) {
  Lane<T> lanes[kLanes];
  __builtin_memcpy(lanes, &v, sizeof(v));
  if constexpr (kLanes == 1) return lanes[0];
  if constexpr (kLanes == 2) return lanes[0] + lanes[1];
  if constexpr (kLanes == 4) return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

}  // namespace unspool::kernels::cpu::simd
