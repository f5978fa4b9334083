// The logarithm of the gamma function's magnitude. Floats are computed in double lanes, which leave the
// result correctly rounded almost always; doubles go to the C library. The accuracy is in vec_math.h.
#pragma once

#include <cmath>
#include <limits>

#include "kernels/cpu/vec.h"
#include "kernels/cpu/vec_math_exp.h"
#include "kernels/cpu/vec_math_log.h"
#include "kernels/cpu/vec_math_special.h"
#include "kernels/cpu/vec_math_trig.h"

namespace unspool::kernels::cpu {
namespace math {

// log|gamma(x)|, without the global sign that std::lgamma writes.
inline double log_gamma(double x) {
#if defined(__GLIBC__)
  int sign;
  return ::lgamma_r(x, &sign);
#else
  return std::lgamma(x);
#endif
}

struct LogGammaConstants {
  // log gamma(2 + t) / t in powers of t, |t| <= 1/2: (-1)^k (zeta(k) - 1) / k
  static constexpr double kAroundTwo[] = {
      0x1.b0ee6072093cep-2,   0x1.4a34cc4a60fa6p-2,  -0x1.13e001a557607p-4,  0x1.51322ac7d8483p-6,
      -0x1.e404fc218f5f2p-8,  0x1.7add6eadb6c30p-9,  -0x1.38ac5c2bf8e08p-10, 0x1.0b36af86396e9p-11,
      -0x1.d3fd4c76d2fc8p-13, 0x1.a127b0f17d65ap-14, -0x1.78de5bd7c81efp-15, 0x1.580dcee66eb02p-16,
      -0x1.3cbc963ce2243p-17, 0x1.2597a39f34aacp-18, -0x1.11b2eb7679541p-19, 0x1.0064cdeb22f0fp-20,
      -0x1.e2600d93cfd2fp-22, 0x1.c76bbb3f07a4dp-23, -0x1.af5a6cbbf8a97p-24, 0x1.99b93c2070b0fp-25,
      -0x1.862c734df3eacp-26, 0x1.7469daccfadcdp-27};
  // log gamma(x) - ((x - 1/2) log x - x + kHalfLog2Pi) by 1 / x in powers of its square: B(2k) / 2k (2k - 1)
  static constexpr double kSeries[] = {1.0 / 12,   -1.0 / 360,      1.0 / 1260, -1.0 / 1680,
                                       1.0 / 1188, -691.0 / 360360, 1.0 / 156};
  static constexpr double kHalfLog2Pi = 0x1.d67f1c864beb5p-1, kInversePi = 0x1.45f306dc9c883p-2;
  static constexpr double kSeriesFrom = 7.5;
};

// For x >= 0, as exact as a float needs, relative to the result also where that is next to zero. The
// recurrence gamma(x + 1) = x gamma(x) leads to arguments near 2, from both sides; large ones have the
// asymptotic series.
inline Vec<double> log_gamma_positive(Vec<double> x) {
  using V = Vec<double>;
  using C = LogGammaConstants;
  // gamma(x) = gamma(near) factor, or divided by it where x is small.
  const Mask<double> tiny = x < 0.5, small = x < 1.5, large = x >= C::kSeriesFrom;
  V near = x + select(tiny, V(2.0), select(small, V(1.0), V(0.0)));
  V factor = select(tiny, x * (x + 1.0), select(small, x, V(1.0)));
  for (int i = 0; i < 5; ++i) {
    const Mask<double> above = near >= 2.5;
    const V below = near - 1.0;
    factor = select(above, factor * below, factor);
    near = select(above, below, near);
  }
  const V logarithm = log_any<LogBase::kE>(select(large, x, factor));
  const V t = near - 2.0;
  const V around_two = fma(t, polynomial(t, C::kAroundTwo), select(small, -logarithm, logarithm));
  const V inverse = 1.0 / x;
  const V series =
      fma(x - 0.5, logarithm, C::kHalfLog2Pi - x) + inverse * polynomial(inverse * inverse, C::kSeries);
  return select(large, series, around_two);
}

// Negative x by reflection: gamma(x) gamma(1 - x) = pi / sin(pi x), infinite at the poles.
inline Vec<double> log_gamma_wide(Vec<double> x) {
  using V = Vec<double>;
  using C = LogGammaConstants;
  constexpr double kPi = 0x1.921fb54442d18p+1, kInfinity = std::numeric_limits<double>::infinity();
  const Mask<double> negative = x < 0.0;
  V y = log_gamma_positive(select(negative, 1.0 - x, x));
  if (any(negative)) {
    const V sine = sin_any(abs(x - round(x)) * kPi);
    y = select(negative, -log_any<LogBase::kE>(sine * C::kInversePi) - y, y);
  }
  return select(abs(x) == kInfinity, V(kInfinity), y);
}

}  // namespace math

inline Vec<float> lgamma(Vec<float> x) {
  const Wide wide = widen(x);
  return narrow({math::log_gamma_wide(wide.low), math::log_gamma_wide(wide.high)});
}
inline Vec<double> lgamma(Vec<double> x) { return math::each_lane(x, math::log_gamma); }

}  // namespace unspool::kernels::cpu
