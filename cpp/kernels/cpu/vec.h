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

#include "kernels/cpu/vec_native.h"

namespace unspool::kernels::cpu {

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
  // 1 / a for a that is neither so small nor so large that one of the two is no normal number, to half a unit
  // in the last place and a little; nothing is promised for others, NaN excepted. Faster than a division.
  friend Vec inverse(Vec a) { return native::inverse(a.v); }
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
