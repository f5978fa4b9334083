// Modified Bessel functions of the second kind in double precision, times exp(x). Those of J and Y are the C
// library's.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace unspool::kernels::cpu {

// exp(x) K_order(x), order 0 or 1: the integral over t > 0 of exp(x - x cosh t) cosh(order t)
// (https://dlmf.nist.gov/10.32.E9) by the trapezoidal rule, whose error falls off exponentially.
inline double scaled_bessel_k(int order, double x) {
  if (!(x >= 0)) return std::numeric_limits<double>::quiet_NaN();
  if (x == 0) return std::numeric_limits<double>::infinity();
  if (x < 1e-9) return (1 + x) * (order == 0 ? -std::log(x / 2) - std::numbers::egamma : 1 / x);
  if (x > 1e17) return std::sqrt(std::numbers::pi / (2 * x));
  const double step = std::min(0.17, 0.6 / std::sqrt(x));
  double sum = 0.5;
  for (int k = 1;; ++k) {
    const double t = step * k, s = std::sinh(t / 2);
    const double term = std::exp(-2 * x * s * s) * (order == 0 ? 1 : std::cosh(t));
    sum += term;
    if (term < 1e-18 * sum && x * std::sinh(t) > order) return sum * step;
  }
}

}  // namespace unspool::kernels::cpu
