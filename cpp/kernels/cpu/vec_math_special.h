// Special functions of vec.h values (erf, erfc, erfinv, digamma) and the functions of two arguments
// pow and fmod. Coefficients are minimax fits made for these reductions. The accuracy of every function is in
// vec_math.h.
#pragma once

#include <cmath>

#include "kernels/cpu/vec.h"
#include "kernels/cpu/vec_math_exp.h"
#include "kernels/cpu/vec_math_log.h"

namespace unspool::kernels::cpu {
namespace math {

template <class T>
struct ErfConstants;
template <>
struct ErfConstants<float> {
  static constexpr float kSmallBelow = 1.125f;
  // erf(x) / x - 1 in powers of x^2
  static constexpr float kSmall[] = {0x1.06eba8p-3f, -0x1.812744p-2f,  0x1.ce2e9cp-4f,  -0x1.b8216p-6f,
                                     0x1.55d692p-8f, -0x1.b95cc8p-11f, 0x1.c63966p-14f, -0x1.1dc952p-17f};
  static constexpr int kSquarings = 2;
  static constexpr float kOneFrom = 4.0f;
  // erfc(x)^(1/4), the root that the squarings undo, from kSmallBelow to kOneFrom
  static constexpr float kRoot[] = {0x1.016a2ep+0f, -0x1.3c4f9cp-2f, -0x1.03064ep-4f, -0x1.9eedd8p-5f,
                                    0x1.0f35e8p-4f, -0x1.6c6a7ap-6f, 0x1.a88e3ep-9f,  -0x1.792a42p-13f};
  static constexpr float kTailFrom = 0.875f, kZeroFrom = 10.1f;  // of erfc; its underflow to 0
  static constexpr int kLowBits = 12;  // of the significand, for an exact square of the rest
  // x exp(x^2) erfc(x) - 1/2 in powers of u = 1 / x, as a quotient, from kTailFrom on
  static constexpr float kTop[] = {0x1.06e616p-4f, 0x1.d5f036p-3f, 0x1.72292cp-3f, -0x1.05792cp-1f,
                                   -0x1.940326p+0f};
  static constexpr float kBottom[] = {0x1p+0f, 0x1.c92bfp+1f, 0x1.d0a19ap+2f, 0x1.d32e64p+2f, 0x1.94e00ap+1f};
};
template <>
struct ErfConstants<double> {
  static constexpr double kSmallBelow = 1.125;
  static constexpr int kSquarings = 3;
  static constexpr double kOneFrom = 5.93;
  static constexpr double kRoot[] = {0x1.fffffa5a7fe26p-1,   -0x1.20dca5873b058p-3,  -0x1.1d3b9656edd71p-4,
                                     -0x1.0fa73098e8ee3p-9,  0x1.ae105caa1bbbap-8,   0x1.c56921bb6f083p-13,
                                     -0x1.181d15bad5f3ep-11, 0x1.96aaf86dd0497p-14,  -0x1.bc75a10d4d3f6p-19,
                                     -0x1.065855bc6bb51p-18, 0x1.458d6c7a57f3dp-19,  -0x1.c9805e7ec934dp-21,
                                     0x1.9e3c8c5307bd4p-23,  -0x1.ff16b56976fd8p-26, 0x1.b66c16b34ad1dp-29,
                                     -0x1.ff26c9444d031p-33, 0x1.7174ece0cdadbp-37,  -0x1.f7936484f512ep-43};
  static constexpr double kTailFrom = 1.0, kZeroFrom = 27.3;
  static constexpr int kLowBits = 27;
  static constexpr double kSmall[] = {0x1.06eba8214db68p-3,   -0x1.812746b0379c8p-2,  0x1.ce2f21a041c84p-4,
                                      -0x1.b82ce31250c6dp-6,  0x1.565bcd075b299p-8,   -0x1.c02db2e6cad89p-11,
                                      0x1.f9a30a30a0016p-14,  -0x1.f4d05b00862a7p-17, 0x1.b9cdff7907f59p-20,
                                      -0x1.5e9f03879960fp-23, 0x1.f2f30d7732327p-27,  -0x1.2b82262594fe7p-30,
                                      0x1.cc6cd4707a4b4p-35};
  static constexpr double kTop[] = {0x1.06eba82153c53p-4,  0x1.a9579cc096b38p-1,  0x1.589956d199feap+2,
                                    0x1.567f8f1fef1c7p+4,  0x1.a7ba4ab1013c2p+5,  0x1.0919d424dab0cp+6,
                                    -0x1.2a9f2bb9fdf7dp+5, -0x1.3de9cdc42740dp+8, -0x1.1cb1bb9e7a2p+9,
                                    -0x1.a7561f8a21463p+8};
  static constexpr double kBottom[] = {0x1p+0,
                                       0x1.9e257f5a878dap+3,
                                       0x1.611b7d0bdfbdcp+6,
                                       0x1.865c1e04ad4eep+8,
                                       0x1.2da08526060f9p+10,
                                       0x1.4cd652b5fe961p+11,
                                       0x1.03b43f03d941bp+12,
                                       0x1.12555334d5eecp+12,
                                       0x1.6203f406327bap+11,
                                       0x1.a7561ca5e90ebp+9};
};

// Away from 0 the difference from 1 is a power of a polynomial: cheaper than an exponential.
template <class T>
inline Vec<T> erf_any(Vec<T> x) {
  using C = ErfConstants<T>;
  using V = Vec<T>;
  const V a = at_most(abs(x), C::kOneFrom);
  const V near = fma(x, polynomial(x * x, C::kSmall), x);
  V p = polynomial(a, C::kRoot);
  for (int i = 1; i < C::kSquarings; ++i) p = p * p;
  return select(a < C::kSmallBelow, near, copysign(fma(-p, p, V(T(1))), x));
}

// x * x - square, where square is x * x rounded.
template <class T>
inline Vec<T> square_rest(Vec<T> x, Vec<T> square) {
  if constexpr (kHasFma) return fma(x, x, -square);
  using IntLane = typename Vec<T>::IntLane;
  constexpr IntLane kLowPart = (IntLane{1} << ErfConstants<T>::kLowBits) - 1;
  const Vec<T> high = Vec<T>::from_bits(bits(x) & ~kLowPart), low = x - high;
  return ((high * high - square) + high * low * T(2)) + low * low;
}

// erfc(a), kTailFrom <= a <= kZeroFrom: exp(-a^2), with the square in two parts, times a rational function
// of 1 / a.
template <class T>
inline Vec<T> erfc_large(Vec<T> a) {
  using C = ErfConstants<T>;
  using V = Vec<T>;
  const V square = a * a;
  const auto [r, n, biased] = reduce_exp(-square, 2 * Format<T>::kBias);
  const V corrected = r - square_rest(a, square);
  const V tail = fma(corrected * corrected, polynomial(corrected, ExpConstants<T>::kExpm1), corrected);
  const V u = inverse(a);
  const V quotient = fma(u, polynomial(u, C::kTop) * inverse(polynomial(u, C::kBottom)), u * T(0.5));
  return scale(fma(quotient, tail, quotient), n, biased);
}

template <class T>
inline Vec<T> erfc_any(Vec<T> x) {
  using C = ErfConstants<T>;
  const Vec<T> a = abs(x);
  const Vec<T> near = fma(-x, polynomial(x * x, C::kSmall), T(1) - x);
  const Vec<T> far = erfc_large(clamp_for(a, C::kTailFrom, C::kZeroFrom));
  return select(a < C::kTailFrom, near, select(x < T(0), T(2) - far, far));
}

template <class T>
struct ErfinvConstants;
template <>
struct ErfinvConstants<float> {
  // erfinv(x) / x - 1 in powers of 9/16 - x^2, |x| <= 3/4
  static constexpr float kCenterTop[] = {0x1.5a5b6p-4f, -0x1.3427bap-2f, -0x1.b852bp-1f, -0x1.2e311cp-2f};
  static constexpr float kCenterBottom[] = {0x1p+0f, 0x1.8c1c4cp+1f, 0x1.3ce88ep+1f, 0x1.a8e72ap-2f};
  // erfinv(x) - s in powers of s = sqrt(-log(1 - x))
  static constexpr float kTailTop[] = {-0x1.536bap-6f, -0x1.b3930ap-1f, -0x1.6cdc7p-1f, -0x1.1b0f4p-6f,
                                       0x1.873b24p-12f};
  static constexpr float kTailBottom[] = {0x1p+0f, 0x1.213e62p+0f, 0x1.d3017cp+0f, 0x1.cfb612p-2f};
};
template <>
struct ErfinvConstants<double> {
  static constexpr double kCenterTop[] = {0x1.5a5b5f9cc7c0bp-4,  0x1.834ed8e393fb1p-5, -0x1.ac39f2ac20187p+0,
                                          -0x1.4cdc00441d7c8p+2, -0x1.85c46d78cb3cp+2, -0x1.8a45e4f35409ep+1,
                                          -0x1.342e0ff770a0ap-1, -0x1.e80976c50438bp-6};
  static constexpr double kCenterBottom[] = {0x1p+0,
                                             0x1.cd9a7ce9caef2p+2,
                                             0x1.4432e0934cc1ap+4,
                                             0x1.c088bc8054f7cp+4,
                                             0x1.3e5bcab5ee26p+4,
                                             0x1.b6aab685f9f59p+2,
                                             0x1.ee566ccc434bfp-1,
                                             0x1.214b42411ba16p-5};
  static constexpr double kTailTop[] = {-0x1.0e1ba972af826p-10, -0x1.fa64d0a58d888p-1, -0x1.1c94f1fb5a23p+1,
                                        -0x1.99f7a4ec62dd2p+1,  -0x1.92bf8e1011c1ap+1, -0x1.481b98009474p+0,
                                        -0x1.38d14a10e8f41p-3,  -0x1.16950cc5d235p-8,  -0x1.a0a236f6b5c8bp-18,
                                        0x1.013829d7e8a3dp-26};
  static constexpr double kTailBottom[] = {0x1p+0,
                                           0x1.873d734263046p+1,
                                           0x1.83f71bc98390ap+2,
                                           0x1.f406931f69943p+2,
                                           0x1.c64d52fe50bd1p+2,
                                           0x1.098256b205deep+2,
                                           0x1.057cb8a335074p+0,
                                           0x1.4ec0ab9bae17ap-4,
                                           0x1.93e41277e4f21p-10};
};

template <class T>
inline Vec<T> erfinv_any(Vec<T> x) {
  using C = ErfinvConstants<T>;
  using V = Vec<T>;
  const V a = abs(x);
  const V t = T(0.5625) - a * a;
  const V s = sqrt(-log_any<LogBase::kE>(T(1) - a));
  const Mask<T> center = a <= T(0.75);
  const V top = select(center, a * polynomial(t, C::kCenterTop), polynomial(s, C::kTailTop));
  const V bottom = select(center, polynomial(t, C::kCenterBottom), polynomial(s, C::kTailBottom));
  const V y =
      select(a == T(1), V(std::numeric_limits<T>::infinity()), select(center, a, s) + top * inverse(bottom));
  return copysign(y, x);
}

// Lane by lane through a scalar function.
template <class T>
[[gnu::noinline]] Vec<T> each_lane(Vec<T> x, double (*f)(double)) {
  for (int i = 0; i < Vec<T>::kLanes; ++i) x.v[i] = static_cast<T>(f(static_cast<double>(x[i])));
  return x;
}
template <class T>
[[gnu::noinline]] Vec<T> each_lane(Vec<T> x, Vec<T> y, T (*f)(T, T)) {
  for (int i = 0; i < Vec<T>::kLanes; ++i) x.v[i] = f(x[i], y[i]);
  return x;
}

struct DigammaConstants {
  // psi(1 + t) = (1 + t - root) top(t) / bottom(t) for 0 <= t <= 1
  static constexpr double kRoot = 0x1.762d86356be3fp+0, kRootLow = 0x1.b86a722197829p-54;
  static constexpr double kTop[] = {0x1.4018e9a62525ep+0, 0x1.deb827396aca3p+0, 0x1.f2db891a02e96p-1,
                                    0x1.bdcdf153dd1d0p-3, 0x1.4a9c84436041ap-6, 0x1.35f4a670edcabp-11,
                                    0x1.2cb71411314b9p-20};
  static constexpr double kBottom[] = {1.0,
                                       0x1.16ec6b8d18a52p+1,
                                       0x1.aabcff4b5c286p+0,
                                       0x1.25b24fd387c67p-1,
                                       0x1.781bb3183aa69p-4,
                                       0x1.94c63c856cc38p-8,
                                       0x1.0159e6073081ep-13};
  // Bernoulli numbers B(2k) / 2k of the asymptotic series
  static constexpr double kSeries[] = {1.0 / 12,  -1.0 / 120,     1.0 / 252, -1.0 / 240,
                                       1.0 / 132, -691.0 / 32760, 1.0 / 12,  -3617.0 / 8160};
  static constexpr double kSeriesFrom = 10.0;
};

template <std::size_t N>
constexpr double polynomial_scalar(double x, const double (&c)[N]) {
  double sum = c[N - 1];
  for (std::size_t i = N - 1; i-- > 0;) sum = sum * x + c[i];
  return sum;
}

// psi(x) for x > 0: the recurrence leads to [1, 2], large x have the asymptotic series.
inline double digamma_positive(double x) {
  using C = DigammaConstants;
  if (x >= C::kSeriesFrom) {
    const double inverse = 1.0 / x, z = inverse * inverse;
    return std::log(x) - (0.5 * inverse + z * polynomial_scalar(z, C::kSeries));
  }
  double shift = 0.0;
  while (x > 2.0) {
    x -= 1.0;
    shift += 1.0 / x;
  }
  if (x < 1.0) {
    shift = -1.0 / x;
    x += 1.0;
  }
  const double t = x - 1.0;
  const double factor = (x - C::kRoot) - C::kRootLow;
  return factor * (polynomial_scalar(t, C::kTop) / polynomial_scalar(t, C::kBottom)) + shift;
}

// Poles: an infinity of the opposite sign at the two zeros, NaN at negative integers. Negative x by
// reflection.
inline double digamma_scalar(double x) {
  constexpr double kPi = 0x1.921fb54442d18p+1;
  if (x > 0.0 || x != x) return x == std::numeric_limits<double>::infinity() ? x : digamma_positive(x);
  if (x == 0.0) return std::copysign(std::numeric_limits<double>::infinity(), -x);
  const double fraction = x - std::nearbyint(x);
  if (!(fraction != 0.0)) return std::numeric_limits<double>::quiet_NaN();
  const double f = std::abs(fraction);  // cot(pi f) = tan(pi (1/2 - f)), whose argument is exact near 1/2
  const double cotangent = f > 0.25 ? std::tan(kPi * (0.5 - f)) : 1.0 / std::tan(kPi * f);
  return digamma_positive(1.0 - x) - kPi * std::copysign(cotangent, fraction);
}

// x to the power y, in double lanes: log2 and exp2 of double leave float a correctly rounded result almost
// always.
inline Vec<double> pow_wide(Vec<double> x, Vec<double> y) {
  using V = Vec<double>;
  constexpr double kInfinity = std::numeric_limits<double>::infinity(),
                   kNan = std::numeric_limits<double>::quiet_NaN();
  const V a = abs(x), half = y * 0.5;
  V power = exp2_any(y * log_any<LogBase::kTwo>(a));
  power = select((a == 1.0) & (abs(y) == kInfinity), V(1.0), power);
  const Mask<double> whole = trunc(y) == y;
  const Mask<double> odd = whole & (trunc(half) != half);
  power = select((x < 0.0) & !whole & (a < kInfinity) & !isnan(y), V(kNan), power);
  power = select(odd, copysign(power, x), power);
  return select((y == 0.0) | (x == 1.0), V(1.0), power);
}

// The exact remainder of truncating division where the quotient is below the limit, and a mask of those
// lanes.
struct Remainder {
  Vec<double> value;
  Mask<double> done;
};
inline Remainder fmod_near(Vec<double> x, Vec<double> y, double limit) {
  const Vec<double> a = abs(x), b = abs(y), quotient = trunc(a / b);
  Vec<double> r = fma(-quotient, b, a);  // exact; one b too low where the division rounded up to an integer
  r = select(r < 0.0, r + b, r);
  r = select(quotient == 0.0, a, r);  // also for infinite b
  return {copysign(r, x), quotient < limit};
}
inline Vec<double> fmod_wide(Vec<double> x, Vec<double> y, double limit) {
  const auto [value, done] = fmod_near(x, y, limit);
  if (all(done)) [[likely]]
    return value;
  return select(done, value, each_lane<double>(x, y, [](double a, double b) { return std::fmod(a, b); }));
}

}  // namespace math

inline Vec<float> erf(Vec<float> x) { return math::erf_any(x); }
inline Vec<double> erf(Vec<double> x) { return math::erf_any(x); }

inline Vec<float> erfc(Vec<float> x) { return math::erfc_any(x); }
inline Vec<double> erfc(Vec<double> x) { return math::erfc_any(x); }

inline Vec<float> erfinv(Vec<float> x) { return math::erfinv_any(x); }
inline Vec<double> erfinv(Vec<double> x) { return math::erfinv_any(x); }

inline Vec<float> digamma(Vec<float> x) { return math::each_lane(x, math::digamma_scalar); }
inline Vec<double> digamma(Vec<double> x) { return math::each_lane(x, math::digamma_scalar); }

inline Vec<float> pow(Vec<float> x, Vec<float> y) {
  const Wide wide_x = widen(x), wide_y = widen(y);
  return narrow({math::pow_wide(wide_x.low, wide_y.low), math::pow_wide(wide_x.high, wide_y.high)});
}
inline Vec<double> pow(Vec<double> x, Vec<double> y) {
  return math::each_lane<double>(x, y, [](double a, double b) { return std::pow(a, b); });
}

inline Vec<float> fmod(Vec<float> x, Vec<float> y) {
  const Wide wide_x = widen(x), wide_y = widen(y);
  constexpr double kExact = 0x1p29;  // quotient times a float divisor fits a double
  return narrow(
      {math::fmod_wide(wide_x.low, wide_y.low, kExact), math::fmod_wide(wide_x.high, wide_y.high, kExact)});
}
inline Vec<double> fmod(Vec<double> x, Vec<double> y) {
  return math::fmod_wide(x, y, kHasFma ? 0x1p53 : 1.0);
}

}  // namespace unspool::kernels::cpu
