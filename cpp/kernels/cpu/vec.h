// A register of floating-point lanes as one value: Vec<T>, its comparison result Mask<T>, and the operations
// that a machine has directly (arithmetic, fma, rounding, selection, reductions over lanes). The same names
// exist for plain scalars, so that the body of an operation is written once. The width follows the ISA level
// this file is compiled for; nothing here depends on which lane a value sits in. Elementary functions live in
// vec_math.h.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

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
// By halves, which take two thirds of the time of a whole register.
inline F sqrt(F a) {
  const __m256 low = _mm256_sqrt_ps(__builtin_shufflevector(a, a, 0, 1, 2, 3, 4, 5, 6, 7));
  const __m256 high = _mm256_sqrt_ps(__builtin_shufflevector(a, a, 8, 9, 10, 11, 12, 13, 14, 15));
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
inline D sqrt(D a) {
  const __m256d low = _mm256_sqrt_pd(__builtin_shufflevector(a, a, 0, 1, 2, 3));
  const __m256d high = _mm256_sqrt_pd(__builtin_shufflevector(a, a, 4, 5, 6, 7));
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
}
// min(a, b) = a < b ? a : b and max(a, b) = a > b ? a : b: the second operand when unordered.
inline F min(F a, F b) { return _mm512_maskz_min_ps(kAll16, a, b); }
inline D min(D a, D b) { return _mm512_maskz_min_pd(kAll8, a, b); }
inline F max(F a, F b) { return _mm512_maskz_max_ps(kAll16, a, b); }
inline D max(D a, D b) { return _mm512_maskz_max_pd(kAll8, a, b); }
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

template <class T>
struct Vec;

// The result of a lane-wise comparison: every lane is all ones or all zeros. Combines with & | ^ and ! (or
// ~); a generic body should write ! because ~ of a bool is true.
template <class T>
struct Mask {
  using Int = typename Native<T>::Int;
  using IntLane = typename Native<T>::IntLane;
  static constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));
  typedef std::int8_t Bytes __attribute__((vector_size(kVectorBytes / sizeof(T))));

  Int m;

  Mask() = default;
  Mask(Int lanes) : m(lanes) {}
  Mask(bool all) : m(Int{} - static_cast<IntLane>(all)) {}

  // One byte per lane: not 0 is true; stores write 0 or 1. The partial forms touch the first n bytes only.
  static Mask load(const bool* p) {
    Bytes b;
    std::memcpy(&b, p, sizeof(Bytes));
    return Int(__builtin_convertvector(b, Int) != Int{});
  }
  static Mask load_partial(const bool* p, int n) {
    Mask r(Int{});
    for (int i = 0; i < n; ++i) r.m[i] = -static_cast<IntLane>(p[i]);
    return r;
  }
  void store(bool* p) const { native::store_bytes(reinterpret_cast<std::uint8_t*>(p), m); }
  void store_partial(bool* p, int n) const {
    for (int i = 0; i < n; ++i) p[i] = m[i] != 0;
  }
  bool operator[](int i) const { return m[i] != 0; }

  friend Mask operator&(Mask a, Mask b) { return a.m & b.m; }
  friend Mask operator|(Mask a, Mask b) { return a.m | b.m; }
  friend Mask operator^(Mask a, Mask b) { return a.m ^ b.m; }
  friend Mask operator~(Mask a) { return ~a.m; }
  friend Mask operator!(Mask a) { return ~a.m; }
  friend bool any(Mask a) { return native::any(a.m); }
  friend bool all(Mask a) { return !native::any(~a.m); }

  // Lane by lane, a where the mask is set and b elsewhere; both are always evaluated.
  friend Vec<T> select(Mask c, Vec<T> a, Vec<T> b) { return native::blend(c.m, a.v, b.v); }
};

template <class T>
struct Vec {
  using Lane = T;
  using Reg = typename Native<T>::Reg;
  using Int = typename Native<T>::Int;
  using Uint = typename Native<T>::Uint;
  using IntLane = typename Native<T>::IntLane;
  using UintLane = typename Native<T>::UintLane;
  static constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

  Reg v;

  Vec() = default;
  Vec(Reg lanes) : v(lanes) {}
  // Every lane the same. Implicit from T and from integers; a double for float lanes must be written
  // Vec<float>(c), because c * x would mean another rounding for the scalar float that shares the body.
  Vec(T value) : v(value - Reg{}) {}  // minus +0 keeps the sign of -0, and folds away
  template <std::integral S>
  Vec(S value) : Vec(static_cast<T>(value)) {}
  template <std::floating_point S>
    requires(!std::same_as<S, T>)
  explicit Vec(S value) : Vec(static_cast<T>(value)) {}

  static Vec load(const T* p) {
    Vec r;
    std::memcpy(&r.v, p, sizeof(Reg));
    return r;
  }
  void store(T* p) const { std::memcpy(p, &v, sizeof(Reg)); }
  // The first n lanes, 0 <= n <= kLanes; memory behind them is not touched, and missing lanes read as 0.
  static Vec load_partial(const T* p, int n) { return n >= kLanes ? load(p) : Vec(native::load_first(p, n)); }
  void store_partial(T* p, int n) const {
    if (n >= kLanes)
      store(p);
    else
      native::store_first(p, n, v);
  }
  T operator[](int i) const { return v[i]; }

  friend Vec operator+(Vec a, Vec b) { return a.v + b.v; }
  friend Vec operator-(Vec a, Vec b) { return a.v - b.v; }
  friend Vec operator*(Vec a, Vec b) { return a.v * b.v; }
  friend Vec operator/(Vec a, Vec b) { return a.v / b.v; }
  friend Vec operator-(Vec a) { return -a.v; }
  Vec& operator+=(Vec b) { return *this = *this + b; }
  Vec& operator-=(Vec b) { return *this = *this - b; }
  Vec& operator*=(Vec b) { return *this = *this * b; }
  Vec& operator/=(Vec b) { return *this = *this / b; }

  friend Mask<T> operator<(Vec a, Vec b) { return Int(a.v < b.v); }
  friend Mask<T> operator<=(Vec a, Vec b) { return Int(a.v <= b.v); }
  friend Mask<T> operator>(Vec a, Vec b) { return Int(a.v > b.v); }
  friend Mask<T> operator>=(Vec a, Vec b) { return Int(a.v >= b.v); }
  friend Mask<T> operator==(Vec a, Vec b) { return Int(a.v == b.v); }
  friend Mask<T> operator!=(Vec a, Vec b) { return Int(a.v != b.v); }

  // a * b + c with one rounding where the level has the instruction, with two where it has not.
  friend Vec fma(Vec a, Vec b, Vec c) { return native::fma(a.v, b.v, c.v); }
  friend Vec sqrt(Vec a) { return native::sqrt(a.v); }
  friend Vec floor(Vec a) { return native::round<native::kDown>(a.v); }
  friend Vec ceil(Vec a) { return native::round<native::kUp>(a.v); }
  friend Vec trunc(Vec a) { return native::round<native::kToZero>(a.v); }
  friend Vec round(Vec a) { return native::round<native::kToEven>(a.v); }  // halves to even

  friend Int bits(Vec a) { return reinterpret_cast<Int>(a.v); }
  friend Uint unsigned_bits(Vec a) { return reinterpret_cast<Uint>(a.v); }  // for arithmetic that may wrap
  friend Vec abs(Vec a) { return from_bits(bits(a) & std::numeric_limits<IntLane>::max()); }
  friend Vec copysign(Vec a, Vec sign) {
    return from_bits((bits(a) & std::numeric_limits<IntLane>::max()) | sign_bit(sign));
  }
  friend Int sign_bit(Vec a) { return bits(a) & std::numeric_limits<IntLane>::min(); }

  // NaN in either operand gives NaN.
  friend Vec min(Vec a, Vec b) { return select(a != a, a, native::min(a.v, b.v)); }
  friend Vec max(Vec a, Vec b) { return select(a != a, a, native::max(a.v, b.v)); }

  friend Mask<T> isnan(Vec a) { return a != a; }
  friend Mask<T> isinf(Vec a) { return abs(a) == std::numeric_limits<T>::infinity(); }
  friend Mask<T> isfinite(Vec a) { return abs(a) < std::numeric_limits<T>::infinity(); }

  static Vec from_bits(Int i) { return reinterpret_cast<Reg>(i); }
  static Vec from_bits(Uint i) { return reinterpret_cast<Reg>(i); }
};

template <class T>
inline Mask<T> mask_from_bools(const bool* p) {
  return Mask<T>::load(p);
}
template <class T>
inline void mask_to_bools(Mask<T> mask, bool* p) {
  mask.store(p);
}

// The two halves of a float register as doubles, and back.
struct Wide {
  Vec<double> low, high;
};
inline Wide widen(Vec<float> a) {
  typedef float Half __attribute__((vector_size(kVectorBytes / 2)));
  Half half[2];
  std::memcpy(half, &a.v, sizeof half);
  using D = Native<double>::Reg;
  return {Vec<double>(__builtin_convertvector(half[0], D)), Vec<double>(__builtin_convertvector(half[1], D))};
}
inline Vec<float> narrow(Wide a) {
  typedef float Half __attribute__((vector_size(kVectorBytes / 2)));
  const Half half[2] = {__builtin_convertvector(a.low.v, Half), __builtin_convertvector(a.high.v, Half)};
  Vec<float> r;
  std::memcpy(&r.v, half, sizeof half);
  return r;
}

// The lanes in a fixed tree: the upper half onto the lower half, again and again.
template <class T, class Combine>
inline T reduce_tree(Vec<T> a, Combine combine) {
  T lane[Vec<T>::kLanes];
  a.store(lane);
  for (int half = Vec<T>::kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lane[i] = combine(lane[i], lane[i + half]);
  }
  return lane[0];
}

// Scalars under the same names. Where the vector form has its own rounding or NaN rule, the scalar follows
// it.

template <class T>
concept FloatLane = std::same_as<T, float> || std::same_as<T, double>;
template <class T>
concept ScalarLane = FloatLane<T> || std::integral<T>;

template <ScalarLane A, ScalarLane B>
inline std::common_type_t<A, B> select(bool c, A a, B b) {
  using R = std::common_type_t<A, B>;
  return c ? static_cast<R>(a) : static_cast<R>(b);
}
template <ScalarLane T>
inline T min(T a, std::type_identity_t<T> b) {
  return a != a || a < b ? a : b;
}
template <ScalarLane T>
inline T max(T a, std::type_identity_t<T> b) {
  return a != a || a > b ? a : b;
}
template <std::integral T>
inline T abs(T a) {
  if constexpr (std::is_signed_v<T>)
    return a < 0 ? static_cast<T>(0 - static_cast<std::make_unsigned_t<T>>(a)) : a;
  else
    return a;
}
template <FloatLane T>
inline T abs(T a) {
  return abs(Vec<T>(a))[0];
}
template <FloatLane T>
inline T sqrt(T a) {
  return sqrt(Vec<T>(a))[0];
}
template <FloatLane T>
inline T floor(T a) {
  return floor(Vec<T>(a))[0];
}
template <FloatLane T>
inline T ceil(T a) {
  return ceil(Vec<T>(a))[0];
}
template <FloatLane T>
inline T trunc(T a) {
  return trunc(Vec<T>(a))[0];
}
template <FloatLane T>
inline T round(T a) {
  return round(Vec<T>(a))[0];
}
template <FloatLane T>
inline T copysign(T a, std::type_identity_t<T> b) {
  return copysign(Vec<T>(a), Vec<T>(b))[0];
}
template <FloatLane T>
inline T fma(T a, std::type_identity_t<T> b, std::type_identity_t<T> c) {
  return fma(Vec<T>(a), Vec<T>(b), Vec<T>(c))[0];
}
template <std::integral T>
inline T floor(T a) {
  return a;
}
template <std::integral T>
inline T ceil(T a) {
  return a;
}
template <std::integral T>
inline T trunc(T a) {
  return a;
}
template <std::integral T>
inline T round(T a) {
  return a;
}
template <ScalarLane T>
inline bool isnan(T a) {
  return a != a;
}
template <FloatLane T>
inline bool isinf(T a) {
  return a == std::numeric_limits<T>::infinity() || a == -std::numeric_limits<T>::infinity();
}
template <std::integral T>
inline bool isinf(T) {
  return false;
}
template <ScalarLane T>
inline bool isfinite(T a) {
  return !isnan(a) && !isinf(a);
}

template <class T>
inline T reduce_add(Vec<T> a) {
  return reduce_tree(a, [](T x, T y) { return x + y; });
}
template <class T>
inline T reduce_max(Vec<T> a) {
  return reduce_tree(a, [](T x, T y) { return max(x, y); });
}
template <class T>
inline T reduce_min(Vec<T> a) {
  return reduce_tree(a, [](T x, T y) { return min(x, y); });
}
template <ScalarLane T>
inline T reduce_add(T a) {
  return a;
}
template <ScalarLane T>
inline T reduce_max(T a) {
  return a;
}
template <ScalarLane T>
inline T reduce_min(T a) {
  return a;
}

}  // namespace unspool::kernels::cpu
