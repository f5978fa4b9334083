// The second logarithmic derivative of gamma, lane by lane: rare enough that no vector form is kept.
#pragma once

#include <cmath>
#include <limits>

#include "kernels/cpu/vec.h"

namespace unspool::kernels::cpu {

// Upwards by recurrence, then the asymptotic series (Abramowitz and Stegun 6.4.12).
inline double trigamma_positive(double x) {
  double sum = 0;
  while (x < 12) {
    sum += 1 / (x * x);
    x += 1;
  }
  const double z = 1 / (x * x);
  const double series =
      1.0 / 6 + z * (-1.0 / 30 +
                     z * (1.0 / 42 + z * (-1.0 / 30 + z * (5.0 / 66 + z * (-691.0 / 2730 + z * (7.0 / 6))))));
  return sum + (1 + (0.5 + z * x * series) / x) / x;
}

// Negative x by reflection, infinity at the poles.
inline double trigamma_scalar(double x) {
  constexpr double kPi = 3.14159265358979323846;
  if (x > 0 || x != x) return x == std::numeric_limits<double>::infinity() ? 0 : trigamma_positive(x);
  const double fraction = x - std::trunc(x);
  if (fraction == 0) return std::numeric_limits<double>::infinity();
  const double sine = std::sin(kPi * fraction);
  return kPi * kPi / (sine * sine) - trigamma_positive(1 - x);
}

template <class T>
[[gnu::noinline]] Vec<T> trigamma(Vec<T> x) {
  for (int i = 0; i < Vec<T>::kLanes; ++i)
    x.v[i] = static_cast<T>(trigamma_scalar(static_cast<double>(x[i])));
  return x;
}

}  // namespace unspool::kernels::cpu
