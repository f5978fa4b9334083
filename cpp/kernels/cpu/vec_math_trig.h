// Trigonometric functions of vec.h values: sin, cos, tan, asin, acos, atan, atan2. Coefficients are minimax
// fits made for these reductions. The accuracy of every function is listed in vec_math.h.
#pragma once

#include <cmath>

#include "kernels/cpu/vec.h"
#include "kernels/cpu/vec_math_exp.h"

namespace unspool::kernels::cpu {
namespace math {

template <class T>
struct TrigConstants;
template <>
struct TrigConstants<float> {
  static constexpr float kTwoOverPi = 0x1.45f306p-1f;
  static constexpr float kHalfPi = 0x1.921fb6p+0f, kHalfPiLow = -0x1.777a5cp-25f;
  static constexpr float kPi = 0x1.921fb6p+1f, kPiLow = -0x1.777a5cp-24f;
  static constexpr float kReducible = 32768.0f;  // from here on the C library reduces
  static constexpr float kSin[] = {-0x1.555556p-3f, 0x1.111168p-7f, -0x1.a04c8ep-13f, 0x1.78ec7p-19f};
  static constexpr float kCos[] = {0x1.55554ap-5f, -0x1.6c0c32p-10f, 0x1.99ec8ep-16f};
  static constexpr float kAsin[] = {0x1.5555ccp-3f, 0x1.3300dp-4f, 0x1.7498aep-5f, 0x1.8b2894p-6f,
                                    0x1.5a43f4p-5f};
  static constexpr float kAtan[] = {-0x1.55554p-2f,  0x1.99926ep-3f,  -0x1.2426bp-3f,
                                    0x1.c0cfe8p-4f,  -0x1.58d568p-4f, 0x1.dcf804p-5f,
                                    -0x1.0199bcp-5f, 0x1.6a6244p-7f,  -0x1.deafcp-10f};
};
template <>
struct TrigConstants<double> {
  static constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;
  static constexpr double kHalfPi = 0x1.921fb54442d18p+0, kHalfPiLow = 0x1.1a62633145c07p-54;
  static constexpr double kPi = 0x1.921fb54442d18p+1, kPiLow = 0x1.1a62633145c07p-53;
  static constexpr double kReducible = 0x1p20;
  static constexpr double kSin[] = {-0x1.5555555555555p-3, 0x1.1111111111089p-7,   -0x1.a01a01a0065dap-13,
                                    0x1.71de3a3f6b9a9p-19, -0x1.ae643c5d524ebp-26, 0x1.6114149e5a4f0p-33,
                                    -0x1.a51661413f0f8p-41};
  static constexpr double kCos[] = {0x1.555555555554cp-5,   -0x1.6c16c16c1522fp-10, 0x1.a01a019cc1dffp-16,
                                    -0x1.27e4f814ec263p-22, 0x1.1ee9f2fec4ec9p-29,  -0x1.8fb21bcebfdc6p-37};
  static constexpr double kAsinTop[] = {0x1.5555555555555p-3,  -0x1.8a7d77beb251bp-2, 0x1.3b476b8783b54p-2,
                                        -0x1.9173188dcefaap-4, 0x1.4b8b3ac9e13b9p-7,  -0x1.05eb4c31b9c40p-14};
  static constexpr double kAsinBottom[] = {1.0,
                                           -0x1.6177b3689f56bp+1,
                                           0x1.693be335a1483p+1,
                                           -0x1.4cf692896b5aep+0,
                                           0x1.0971c95452506p-2,
                                           -0x1.0ed2346870560p-6};
  static constexpr double kAtanTop[] = {-0x1.5555555555554p-2, -0x1.a0419a1f3f3bbp-1, -0x1.6e189a34152dbp-1,
                                        -0x1.18ec486c8f1bdp-2, -0x1.65d66ef2279d9p-5, -0x1.17d6da5aac201p-9,
                                        -0x1.3259131e407e1p-19};
  static constexpr double kAtanBottom[] = {1.0,
                                           0x1.84fe00643c34fp+1,
                                           0x1.c51c395f8c79bp+1,
                                           0x1.fa56035cfd104p+0,
                                           0x1.14f50b8bbbdb6p-1,
                                           0x1.0b2d57d739e6dp-4,
                                           0x1.455344bd03846p-9};
};

// The lanes of y that the mask names become f(x), by the scalar function.
template <class T>
[[gnu::noinline, gnu::cold]] Vec<T> patch_lanes(Vec<T> y, Mask<T> where, Vec<T> x, T (*f)(T)) {
  for (int i = 0; i < Vec<T>::kLanes; ++i) {
    if (where[i]) y.v[i] = f(x[i]);
  }
  return y;
}

// a = n pi/2 + r, |r| <= pi/4, for 0 <= a <= kReducible; the low bits of `quadrant` hold n.
template <class T>
struct Angle {
  Vec<T> r;
  typename Vec<T>::Uint quadrant;
};

// Three parts of 33 bits, so that n times each of the first two is exact, and the rest.
inline Vec<double> subtract_half_pis(Vec<double> a, Vec<double> n) {
  using V = Vec<double>;
  const V r = fma(n, V(-0x1.921fb544p+0), a);
  return fma(n, V(-0x1.3198a2e037073p-69), fma(n, V(-0x1.0b4611a6p-34), r));
}
inline Vec<float> subtract_half_pis(Vec<float> a, Vec<float> n) {
  using V = Vec<float>;
  if constexpr (kHasFma) {
    const V r = fma(n, V(-0x1.921fb6p+0f), a);  // exact
    return fma(n, V(0x1.ee59dap-50f), fma(n, V(0x1.777a5cp-25f), r));
  } else {
    const auto wide_a = widen(a), wide_n = widen(n);
    return narrow({subtract_half_pis(wide_a.low, wide_n.low), subtract_half_pis(wide_a.high, wide_n.high)});
  }
}

template <class T>
inline Angle<T> reduce_angle(Vec<T> a) {
  const Vec<T> rounder = Format<T>::kRounder;
  const Vec<T> shifted = fma(a, Vec<T>(TrigConstants<T>::kTwoOverPi), rounder);
  return {subtract_half_pis(a, shifted - rounder), unsigned_bits(shifted)};
}

template <class T>
inline Vec<T> sin_reduced(Vec<T> r, Vec<T> z) {
  return fma(r * z, polynomial(z, TrigConstants<T>::kSin), r);
}
template <class T>
inline Vec<T> cos_reduced(Vec<T> z) {
  return fma(z * z, polynomial(z, TrigConstants<T>::kCos), fma(z, Vec<T>(T(-0.5)), Vec<T>(T(1))));
}

// Bit 1 of the quadrant, moved to where the sign stands.
template <class T>
inline typename Vec<T>::Int quadrant_sign(typename Vec<T>::Uint quadrant) {
  constexpr int kSign = static_cast<int>(8 * sizeof(T)) - 1;
  return reinterpret_cast<typename Vec<T>::Int>(quadrant >> 1 << kSign);
}
template <class T>
inline Mask<T> is_odd(typename Vec<T>::Uint quadrant) {
  return -reinterpret_cast<typename Vec<T>::Int>(quadrant & 1);
}

template <class T>
inline Vec<T> sin_any(Vec<T> x) {
  using V = Vec<T>;
  const V a = abs(x);
  const auto [r, quadrant] = reduce_angle(a);
  const V z = r * r;
  const V y = select(is_odd<T>(quadrant), cos_reduced(z), sin_reduced(r, z));
  const V signed_y = V::from_bits(bits(y) ^ quadrant_sign<T>(quadrant) ^ sign_bit(x));
  const Mask<T> beyond = !(a <= TrigConstants<T>::kReducible);
  if (any(beyond)) [[unlikely]]
    return patch_lanes<T>(signed_y, beyond, x, [](T t) { return std::sin(t); });
  return signed_y;
}

template <class T>
inline Vec<T> cos_any(Vec<T> x) {
  using V = Vec<T>;
  const V a = abs(x);
  const auto [r, quadrant] = reduce_angle(a);
  const V z = r * r;
  const V y = select(is_odd<T>(quadrant), sin_reduced(r, z), cos_reduced(z));
  const V signed_y = V::from_bits(bits(y) ^ quadrant_sign<T>(quadrant + 1));
  const Mask<T> beyond = !(a <= TrigConstants<T>::kReducible);
  if (any(beyond)) [[unlikely]]
    return patch_lanes<T>(signed_y, beyond, x, [](T t) { return std::cos(t); });
  return signed_y;
}

template <class T>
inline Vec<T> tan_any(Vec<T> x) {
  using V = Vec<T>;
  const V a = abs(x);
  const auto [r, quadrant] = reduce_angle(a);
  const V z = r * r;
  const V s = sin_reduced(r, z), c = cos_reduced(z);
  const Mask<T> odd = is_odd<T>(quadrant);
  const V y = select(odd, -c, s) / select(odd, s, c);
  const V signed_y = V::from_bits(bits(y) ^ sign_bit(x));
  const Mask<T> beyond = !(a <= TrigConstants<T>::kReducible);
  if (any(beyond)) [[unlikely]]
    return patch_lanes<T>(signed_y, beyond, x, [](T t) { return std::tan(t); });
  return signed_y;
}

// (asin(s) - s) / s as a function of z = s^2 <= 1/4, and the same for atan with z <= 1.
inline Vec<float> asin_series(Vec<float> z) { return z * polynomial(z, TrigConstants<float>::kAsin); }
inline Vec<double> asin_series(Vec<double> z) {
  using C = TrigConstants<double>;
  return z * polynomial(z, C::kAsinTop) * inverse(polynomial(z, C::kAsinBottom));
}
inline Vec<float> atan_series(Vec<float> z) { return z * polynomial(z, TrigConstants<float>::kAtan); }
inline Vec<double> atan_series(Vec<double> z) {
  using C = TrigConstants<double>;
  return z * polynomial(z, C::kAtanTop) * inverse(polynomial(z, C::kAtanBottom));
}

// asin(s) with s = |x|, or s = sqrt((1 - |x|) / 2) where |x| > 1/2, when asin|x| = pi/2 - 2 asin(s).
template <class T>
struct HalfAsin {
  Vec<T> y;
  Mask<T> halved;
};
template <class T>
inline HalfAsin<T> half_asin(Vec<T> x) {
  const Vec<T> a = abs(x);
  const Mask<T> halved = a > T(0.5);
  const Vec<T> z = select(halved, (T(1) - a) * T(0.5), a * a);
  const Vec<T> s = select(halved, sqrt(z), a);
  return {fma(s, asin_series(z), s), halved};
}

template <class T>
inline Vec<T> asin_any(Vec<T> x) {
  using C = TrigConstants<T>;
  const auto [y, halved] = half_asin(x);
  return copysign(select(halved, (C::kHalfPi - (y + y)) + C::kHalfPiLow, y), x);
}

template <class T>
inline Vec<T> acos_any(Vec<T> x) {
  using C = TrigConstants<T>;
  const auto [y, halved] = half_asin(x);
  const Vec<T> twice = y + y;
  const Vec<T> outer = select(x < T(0), (C::kPi - twice) + C::kPiLow, twice);
  return select(halved, outer, C::kHalfPi - (copysign(y, x) - C::kHalfPiLow));
}

// atan(t) for 0 <= t <= 1, or pi/2 minus it.
template <class T>
inline Vec<T> atan_unit(Vec<T> t, Mask<T> complement) {
  using C = TrigConstants<T>;
  const Vec<T> y = fma(t, atan_series(t * t), t);
  return select(complement, (C::kHalfPi - y) + C::kHalfPiLow, y);
}

template <class T>
inline Vec<T> atan_any(Vec<T> x) {
  const Vec<T> a = abs(x);
  const Mask<T> inverted = a > T(1);
  return copysign(atan_unit(select(inverted, T(1) / a, a), inverted), x);
}

template <class T>
inline Vec<T> atan2_any(Vec<T> y, Vec<T> x) {
  using C = TrigConstants<T>;
  using V = Vec<T>;
  const V ax = abs(x), ay = abs(y);
  const Mask<T> steep = ay > ax;
  const V low = select(steep, ax, ay), high = select(steep, ay, ax);
  const V ratio = select(high == low, select(high == T(0), V(T(0)), V(T(1))), low / high);
  const V angle = atan_unit(ratio, steep);
  const Mask<T> left = Mask<T>(sign_bit(x) != 0);
  const V result = copysign(select(left, (C::kPi - angle) + C::kPiLow, angle), y);
  return select(isnan(x) | isnan(y), x + y, result);
}

}  // namespace math

inline Vec<float> sin(Vec<float> x) { return math::sin_any(x); }
inline Vec<double> sin(Vec<double> x) { return math::sin_any(x); }
inline Vec<float> cos(Vec<float> x) { return math::cos_any(x); }
inline Vec<double> cos(Vec<double> x) { return math::cos_any(x); }
inline Vec<float> tan(Vec<float> x) { return math::tan_any(x); }
inline Vec<double> tan(Vec<double> x) { return math::tan_any(x); }
inline Vec<float> asin(Vec<float> x) { return math::asin_any(x); }
inline Vec<double> asin(Vec<double> x) { return math::asin_any(x); }
inline Vec<float> acos(Vec<float> x) { return math::acos_any(x); }
inline Vec<double> acos(Vec<double> x) { return math::acos_any(x); }
inline Vec<float> atan(Vec<float> x) { return math::atan_any(x); }
inline Vec<double> atan(Vec<double> x) { return math::atan_any(x); }
inline Vec<float> atan2(Vec<float> y, Vec<float> x) { return math::atan2_any(y, x); }
inline Vec<double> atan2(Vec<double> y, Vec<double> x) { return math::atan2_any(y, x); }

}  // namespace unspool::kernels::cpu
