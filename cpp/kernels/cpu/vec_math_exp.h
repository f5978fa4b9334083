// Elementary functions of vec.h values that rest on the exponential: exp, exp2, expm1, sigmoid, sinh, cosh.
// Coefficients are minimax fits made for these reductions. The accuracy of every function is listed in
// vec_math.h.
#pragma once

#include <cstddef>
#include <utility>

#include "kernels/cpu/vec.h"

namespace unspool::kernels::cpu {

// Where the fields of an IEEE number lie.
template <class T>
struct Format;
template <>
struct Format<float> {
  static constexpr int kMantissaBits = 23, kBias = 127;
  static constexpr float kRounder = 0x1.8p23f;  // adding it rounds to an integer that stands in the low bits
};
template <>
struct Format<double> {
  static constexpr int kMantissaBits = 52, kBias = 1023;
  static constexpr double kRounder = 0x1.8p52;
};

namespace math {

template <class T, std::size_t N, std::size_t... I>
inline Vec<T> horner(Vec<T> x, const T (&c)[N], std::index_sequence<I...>) {
  Vec<T> sum = c[N - 1];
  ((sum = fma(sum, x, Vec<T>(c[N - 2 - I]))), ...);
  return sum;
}

// c[0] + c[1] x + c[2] x^2 + ..., with the fewest operations.
template <class T, std::size_t N>
inline Vec<T> polynomial(Vec<T> x, const T (&c)[N]) {
  return horner(x, c, std::make_index_sequence<N - 1>());
}

// The same by pairs, then pairs of pairs: a few operations more in a much shorter chain, for functions whose
// chain is long already.
template <class T, std::size_t N>
inline Vec<T> polynomial_by_pairs(Vec<T> x, const T (&c)[N]) {
  Vec<T> part[(N + 1) / 2];
  for (std::size_t i = 0; i < N / 2; ++i) part[i] = fma(Vec<T>(c[2 * i + 1]), x, Vec<T>(c[2 * i]));
  if constexpr (N % 2 == 1) part[N / 2] = Vec<T>(c[N - 1]);
  Vec<T> power = x;
  for (std::size_t count = (N + 1) / 2; count > 1; count = (count + 1) / 2) {
    power = power * power;
    for (std::size_t i = 0; i < count / 2; ++i) part[i] = fma(part[2 * i + 1], power, part[2 * i]);
    if (count % 2 == 1) part[count / 2] = part[count - 1];
  }
  return part[0];
}

template <class T>
struct ExpConstants;
template <>
struct ExpConstants<float> {
  static constexpr float kLog2E = 0x1.715476p+0f;
  static constexpr float kLn2High = 0x1.63p-1f, kLn2Low = -0x1.bd0106p-13f;  // n * high is exact
  static constexpr float kExpMin = -104.0f, kExpMax = 89.0f;                 // beyond: 0 and infinity
  static constexpr float kExp2Min = -151.0f, kExp2Max = 129.0f;
  static constexpr float kExpm1Min = -18.0f, kHalfExpMax = 89.5f;  // sinh and cosh overflow before the latter
  static constexpr float kSigmoidSmall = -16.0f;
  static constexpr float kTiny = 0x1p-13f;  // x^3 is invisible next to x
  static constexpr float kExp[] = {1.0f,           1.0f,           0x1p-1f,       0x1.55548ep-3f,
                                   0x1.5554d8p-5f, 0x1.123bf6p-7f, 0x1.6d5f5p-10f};
  static constexpr float kExp2[] = {1.0f,          0x1.62e43p-1f,   0x1.ebfbe2p-3f, 0x1.c6af72p-5f,
                                    0x1.3b28dp-7f, 0x1.5f0df8p-10f, 0x1.4523d4p-13f};
  static constexpr float kExpm1[] = {0x1p-1f, 0x1.5554b4p-3f, 0x1.55559p-5f, 0x1.122532p-7f, 0x1.6c84cp-10f};
};
template <>
struct ExpConstants<double> {
  static constexpr double kLog2E = 0x1.71547652b82fep+0;
  static constexpr double kLn2High = 0x1.62e42feep-1, kLn2Low = 0x1.a39ef35793c76p-33;
  static constexpr double kExpMin = -746.0, kExpMax = 710.0;
  static constexpr double kExp2Min = -1076.0, kExp2Max = 1025.0;
  static constexpr double kExpm1Min = -38.0, kHalfExpMax = 710.6;
  static constexpr double kSigmoidSmall = -36.0;
  static constexpr double kTiny = 0x1p-27;
  static constexpr double kExp[] = {1.0,
                                    1.0,
                                    0x1.000000000000cp-1,
                                    0x1.555555555555dp-3,
                                    0x1.555555554fddfp-5,
                                    0x1.111111110e4ebp-7,
                                    0x1.6c16c18614ed1p-10,
                                    0x1.a01a01b639c8ep-13,
                                    0x1.a019958ac0a1bp-16,
                                    0x1.71dde9ae9037cp-19,
                                    0x1.28b12a83f3bf5p-22,
                                    0x1.af76849dc6caep-26};
  static constexpr double kExp2[] = {1.0,
                                     0x1.62e42fefa39efp-1,
                                     0x1.ebfbdff82c5a5p-3,
                                     0x1.c6b08d704a188p-5,
                                     0x1.3b2ab6fb9ff27p-7,
                                     0x1.5d87fe788782ap-10,
                                     0x1.4309130f3e9fdp-13,
                                     0x1.ffcbfce1e804bp-17,
                                     0x1.62bfc69b5c9a1p-20,
                                     0x1.b5241513cd47cp-24,
                                     0x1.e61d0de947320p-28,
                                     0x1.eb127667176d0p-32};
  static constexpr double kExpm1[] = {0x1p-1,
                                      0x1.5555555555559p-3,
                                      0x1.555555555554ep-5,
                                      0x1.111111110f64ep-7,
                                      0x1.6c16c16c1a2f8p-10,
                                      0x1.a01a01b0092b3p-13,
                                      0x1.a01a0190ca39dp-16,
                                      0x1.71ddf7fa9c140p-19,
                                      0x1.27e50d20b809fp-22,
                                      0x1.af5f5a2e03946p-26,
                                      0x1.1f23d13c9a600p-29};
};

// One-sided clamps; NaN stays NaN, because the native forms give their second operand when unordered.
template <class T>
inline Vec<T> at_least(Vec<T> x, T low) {
  return native::max(Vec<T>(low).v, x.v);
}
template <class T>
inline Vec<T> at_most(Vec<T> x, T high) {
  return native::min(Vec<T>(high).v, x.v);
}
template <class T>
inline Vec<T> clamp_for(Vec<T> x, T low, T high) {
  return at_least(at_most(x, high), low);
}

// x = n ln2 + r with |r| <= ln2 / 2; the low bits of `biased` hold n + offset, so that they shift into an
// exponent.
template <class T>
struct Reduced {
  Vec<T> r, n;
  typename Vec<T>::Uint biased;
};

template <class T>
inline Reduced<T> reduce_exp(Vec<T> x, int offset) {
  using C = ExpConstants<T>;
  const Vec<T> rounder = Format<T>::kRounder + static_cast<T>(offset);
  const Vec<T> shifted = fma(x, Vec<T>(C::kLog2E), rounder);
  const Vec<T> n = shifted - rounder;
  return {fma(n, Vec<T>(-C::kLn2Low), fma(n, Vec<T>(-C::kLn2High), x)), n, unsigned_bits(shifted)};
}

// y * 2^n, rounded once. The low bits of `biased` hold n + 2 bias.
template <class T>
inline Vec<T> scale(Vec<T> y, [[maybe_unused]] Vec<T> n, [[maybe_unused]] typename Vec<T>::Uint biased) {
#if defined(__AVX512F__) && defined(__AVX512DQ__)
  return native::scale(y.v, n.v);
#else
  // By two factors, so that neither overflows and a subnormal result is the only one that is rounded.
  using V = Vec<T>;
  const auto half = biased >> 1;
  return y * V::from_bits(half << Format<T>::kMantissaBits) *
         V::from_bits((biased - half) << Format<T>::kMantissaBits);
#endif
}

// y * 2^n where the low bits of `biased` hold n + bias, for n that give a normal factor.
template <class T>
inline Vec<T> power_of_two(typename Vec<T>::Uint biased) {
  return Vec<T>::from_bits(biased << Format<T>::kMantissaBits);
}

template <class T>
inline Vec<T> exp_any(Vec<T> x) {
  using C = ExpConstants<T>;
  const auto [r, n, biased] = reduce_exp(clamp_for(x, C::kExpMin, C::kExpMax), 2 * Format<T>::kBias);
  return scale(polynomial(r, C::kExp), n, biased);
}

// exp(x) 2^shift for x where that is a normal number: no clamping, one factor.
template <class T>
inline Vec<T> exp_moderate(Vec<T> x, int shift = 0) {
  const auto [r, n, biased] = reduce_exp(x, Format<T>::kBias + shift);
  return polynomial(r, ExpConstants<T>::kExp) * power_of_two<T>(biased);
}

template <class T>
inline Vec<T> exp2_any(Vec<T> x) {
  using C = ExpConstants<T>;
  const Vec<T> rounder = Format<T>::kRounder + static_cast<T>(2 * Format<T>::kBias);
  const Vec<T> clamped = clamp_for(x, C::kExp2Min, C::kExp2Max);
  const Vec<T> shifted = clamped + rounder, n = shifted - rounder;
  return scale(polynomial(clamped - n, C::kExp2), n, unsigned_bits(shifted));
}

// (exp(x) - 1) 2^shift, shift < 0, without overflow before the true result overflows.
template <class T>
inline Vec<T> expm1_scaled(Vec<T> x, int shift) {
  using C = ExpConstants<T>;
  using V = Vec<T>;
  const auto [r, n, biased] =
      reduce_exp(clamp_for(x, C::kExpm1Min, C::kHalfExpMax), Format<T>::kBias + shift);
  const V p = fma(r * r, polynomial(r, C::kExpm1), r);
  const V s = power_of_two<T>(biased);
  return fma(s, p, s - V(std::ldexp(T(1), shift)));
}

template <class T>
inline Vec<T> expm1_any(Vec<T> x) {
  const Vec<T> y = expm1_scaled(x, -2) * T(4);
  return select(abs(x) < ExpConstants<T>::kTiny * ExpConstants<T>::kTiny, x, y);
}

// Where exp(x) is invisible next to 1 but not its square next to itself.
template <class T>
[[gnu::noinline, gnu::cold]] Vec<T> sigmoid_small(Vec<T> x) {
  const Vec<T> e = exp_any(x);
  return fma(-e, e, e);
}

// 1 / (1 + exp(-x)) with exp(-x) = 2^n (1 + tail): 1 + 2^n is exact, or 2^n is invisible next to 1.
template <class T>
inline Vec<T> sigmoid_any(Vec<T> x) {
  using C = ExpConstants<T>;
  using V = Vec<T>;
  const auto [r, n, biased] = reduce_exp(at_least(-x, C::kExpm1Min), Format<T>::kBias);
  const V tail = fma(r * r, polynomial(r, C::kExpm1), r);
  const V power = power_of_two<T>(biased);
  const V y = inverse(fma(power, tail, power + T(1)));
  const Mask<T> small = x < C::kSigmoidSmall;
  if (any(small)) [[unlikely]]
    return select(small, sigmoid_small(x), y);
  return y;
}

template <class T>
inline Vec<T> sinh_any(Vec<T> x) {
  const Vec<T> g = expm1_scaled(abs(x), -2);
  const Vec<T> y = (g + g / fma(g, Vec<T>(T(4)), Vec<T>(T(1)))) * T(2);
  return select(abs(x) < ExpConstants<T>::kTiny, x, copysign(y, x));
}

template <class T>
inline Vec<T> cosh_any(Vec<T> x) {
  const Vec<T> a = at_most(abs(x), ExpConstants<T>::kHalfExpMax);
  const Vec<T> e = exp_moderate(a, -2);
  return fma(e, Vec<T>(T(2)), T(0.125) / e);
}

}  // namespace math

inline Vec<float> exp(Vec<float> x) { return math::exp_any(x); }
inline Vec<double> exp(Vec<double> x) { return math::exp_any(x); }
inline Vec<float> exp2(Vec<float> x) { return math::exp2_any(x); }
inline Vec<double> exp2(Vec<double> x) { return math::exp2_any(x); }
inline Vec<float> expm1(Vec<float> x) { return math::expm1_any(x); }
inline Vec<double> expm1(Vec<double> x) { return math::expm1_any(x); }
inline Vec<float> sigmoid(Vec<float> x) { return math::sigmoid_any(x); }
inline Vec<double> sigmoid(Vec<double> x) { return math::sigmoid_any(x); }
inline Vec<float> sinh(Vec<float> x) { return math::sinh_any(x); }
inline Vec<double> sinh(Vec<double> x) { return math::sinh_any(x); }
inline Vec<float> cosh(Vec<float> x) { return math::cosh_any(x); }
inline Vec<double> cosh(Vec<double> x) { return math::cosh_any(x); }

}  // namespace unspool::kernels::cpu
