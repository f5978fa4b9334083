// The regularized incomplete gamma functions P and Q = 1 - P in double precision, by what converges where:
// the series of P below the mean, the continued fraction of Q above it, and for large a near the mean Temme's
// uniform expansion (https://dlmf.nist.gov/8.11.E4, https://dlmf.nist.gov/8.9.E2,
// https://dlmf.nist.gov/8.12).
#pragma once

#include <cmath>
#include <limits>
#include <numbers>

#include "kernels/cpu/vec_math_special.h"

namespace unspool::kernels::cpu::incomplete_gamma {

// ln(1 + u) - u for u > -1, without cancellation near 0.
inline double log1p_minus(double u) {
  if (std::abs(u) > 0.4) return std::log1p(u) - u;
  const double r = u / (2 + u), square = r * r;
  double sum = 0;
  for (int k = 35; k >= 3; k -= 2) sum = sum * square + 1.0 / k;
  return 2 * r * square * sum - r * u;
}

// x^a exp(-x) / Gamma(a + 1).
inline double leading(double a, double x) {
  if (a < 10) return std::exp(a * std::log(x) - x - math::log_gamma(a + 1));
  // By Stirling's series, in which the large terms of the exponent have cancelled.
  const double s = 1 / (a * a);
  const double correction =
      (1.0 / 12 +
       s * (-1.0 / 360 + s * (1.0 / 1260 + s * (-1.0 / 1680 + s * (1.0 / 1188 + s * (-691.0 / 360360)))))) /
      a;
  return std::exp(a * log1p_minus((x - a) / a) - correction) / std::sqrt(2 * std::numbers::pi * a);
}

inline double series(double a, double x) {
  double term = 1, sum = 1;
  for (double n = a + 1; term > sum * 1e-17; n += 1) {
    term *= x / n;
    sum += term;
  }
  return sum * leading(a, x);
}

// Q where P is near 1 and Q needs its own digits: 1 minus the alternating series of P, for a < 1 and small x.
inline double small_upper(double a, double x) {
  const double exponent = a * std::log(x) - math::log_gamma(a + 1);
  double term = 1, sum = 0;
  for (int n = 1; n < 40; ++n) {
    term *= -x / n;
    sum += term * a / (a + n);
  }
  return -std::expm1(exponent) - sum * std::exp(exponent);
}

// Lentz' evaluation of the continued fraction.
inline double fraction(double a, double x) {
  constexpr double kTiny = 1e-300;
  double b = x + 1 - a, c = 1 / kTiny, d = 1 / b, value = d;
  for (int k = 1; k < 100000; ++k) {
    const double n = k, factor = n * (a - n);
    b += 2;
    d = factor * d + b;
    c = b + factor / c;
    d = 1 / (std::abs(d) < kTiny ? kTiny : d);
    c = std::abs(c) < kTiny ? kTiny : c;
    const double change = c * d;
    value *= change;
    if (std::abs(change - 1) < 1e-16) break;
  }
  return value * a * leading(a, x);
}

// Q (or P, where `lower`) for a of 10,000 and more and x near a, from the first terms of the expansion's
// coefficients in powers of eta.
inline double uniform(double a, double x, bool lower) {
  constexpr double kFirst[] = {-1.0 / 3,   1.0 / 12,        -2.0 / 135,  1.0 / 864,
                               1.0 / 2835, -139.0 / 777600, 1.0 / 25515, -571.0 / 261273600};
  constexpr double kSecond[] = {-1.0 / 540, -1.0 / 288, 1.0 / 378, -77.0 / 77760, 1.0 / 4860};
  constexpr double kThird[] = {25.0 / 6048, -139.0 / 51840};
  const double u = (x - a) / a, half_square = -log1p_minus(u);
  const double eta = std::copysign(std::sqrt(2 * half_square), u);
  const auto polynomial = [eta](const auto& coefficients, int count) {
    double sum = 0;
    for (int k = count; k-- > 0;) sum = sum * eta + coefficients[k];
    return sum;
  };
  const double rest = (polynomial(kFirst, 8) + (polynomial(kSecond, 5) + polynomial(kThird, 2) / a) / a) *
                      std::exp(-a * half_square) / std::sqrt(2 * std::numbers::pi * a);
  const double z = eta * std::sqrt(a / 2);
  return lower ? std::erfc(-z) / 2 - rest : std::erfc(z) / 2 + rest;
}

// P where `lower`, otherwise Q.
inline double regularized(double a, double x, bool lower) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  if (!(a >= 0 && x >= 0) || (a == 0 && x == 0) || (std::isinf(a) && std::isinf(x))) return kNaN;
  if (x == 0 || std::isinf(a)) return lower ? 0 : 1;
  if (a == 0 || std::isinf(x)) return lower ? 1 : 0;
  if (a >= 1e4 && std::abs(x - a) < 0.1 * a) return uniform(a, x, lower);
  if (a > 1e15) return (x < a) == lower ? 0 : 1;
  if (x < a + 1) {
    if (!lower && a < 1 && x < 1.5) return small_upper(a, x);
    const double p = series(a, x);
    return lower ? p : 1 - p;
  }
  const double q = fraction(a, x);
  return lower ? 1 - q : q;
}

}  // namespace unspool::kernels::cpu::incomplete_gamma
