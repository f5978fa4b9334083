// The Hurwitz zeta function: in registers for the small whole orders that derivatives of digamma ask for, and
// lane by lane for all others.
#pragma once

#include <cmath>
#include <limits>

#include "kernels/cpu/vec.h"

namespace unspool::kernels::cpu {

// B_2k / (2k)!
inline constexpr double kZetaBernoulli[] = {1.0 / 12,         -1.0 / 720,     1.0 / 30240,
                                            -1.0 / 1209600,   1.0 / 47900160, -691.0 / 1307674368000,
                                            1.0 / 74724249600};
inline constexpr double kMostWholeOrder = 8;

// zeta_right for whole s from 2 to kMostWholeOrder, q a number or a register of them: the same steps, with
// powers by multiplication.
template <class V>
V zeta_whole(int s, V q) {
  const V far(static_cast<double>(s + 10)), one(1.0), zero(0.0);
  const auto power_of = [s](V inverse) {
    V power = inverse * inverse;
    for (int i = 2; i < s; ++i) power = power * inverse;
    return power;
  };
  V sum = zero;
  for (int k = 0; k < s + 10; ++k) {
    const auto is_near = q < far;
    sum = sum + select(is_near, power_of(one / q), zero);
    q = select(is_near, q + one, q);
  }
  const V inverse = one / q;
  V power = power_of(inverse);
  V rest = power * q * V(1.0 / (s - 1)) + power * V(0.5);
  double factor = s;
  for (int k = 0; k < 7; ++k) {
    power = power * inverse;
    rest = rest + V(kZetaBernoulli[k] * factor) * power;
    power = power * inverse;
    factor *= (s + 2 * k + 1) * (s + 2 * k + 2);
  }
  return select(power_of(inverse) == zero, sum, sum + rest);
}

// Sum over k >= 0 of (q + k) ^ -s for s > 1 and q > 0: term by term until the rest is nothing, or far enough
// for the Euler-Maclaurin formula (https://dlmf.nist.gov/25.11.E5 with a = q and all of its corrections).
inline double zeta_right(double s, double q) {
  if (s >= 2 && s <= kMostWholeOrder && s == std::floor(s)) return zeta_whole(static_cast<int>(s), q);
  double sum = 0;
  for (; q < s + 10; q += 1) {
    const double term = std::pow(q, -s);
    sum += term;
    if (term <= sum * 1e-17) return sum;
  }
  double power = std::pow(q, -s);
  if (power == 0) return sum;
  sum += power * q / (s - 1) + power / 2;
  double factor = s;
  for (int k = 0; k < 7; ++k) {
    power /= q;
    sum += kZetaBernoulli[k] * factor * power;
    power /= q;
    factor *= (s + 2 * k + 1) * (s + 2 * k + 2);
  }
  return sum;
}

// Infinite at s = 1 and at q = 0, -1, ...; no number for s < 1, nor for q < 0 where s is no integer.
inline double zeta_scalar(double s, double q) {
  if (s != s || q != q) return s + q;
  if (s == 1) return std::numeric_limits<double>::infinity();
  if (s < 1) return std::numeric_limits<double>::quiet_NaN();
  if (q > 0) return zeta_right(s, q);
  if (q == std::floor(q)) return std::numeric_limits<double>::infinity();
  if (s != std::floor(s)) return std::numeric_limits<double>::quiet_NaN();
  // The terms below zero, counted from the one next to it, are a piece of the same sum. The distance to zero
  // is exact: 1 - right would lose most of a small one.
  const double right = q - std::floor(q);
  const double left = zeta_right(s, std::ceil(q) - q) - zeta_right(s, 1 - q);
  return zeta_right(s, right) + (std::fmod(s, 2) == 0 ? left : -left);
}

inline Vec<double> zeta_right(int s, Vec<double> q) { return zeta_whole(s, q); }
inline Vec<float> zeta_right(int s, Vec<float> q) {
  const Wide wide = widen(q);
  return narrow({zeta_whole(s, wide.low), zeta_whole(s, wide.high)});
}

template <class T>
[[gnu::noinline]] Vec<T> zeta(Vec<T> s, Vec<T> q) {
  const T order = s[0];
  const bool is_small = order >= 2 && order <= T(kMostWholeOrder) && order == std::floor(order);
  if (is_small && all((s == Vec<T>(order)) & (q > Vec<T>(T(0))))) {
    return zeta_right(static_cast<int>(order), q);
  }
  for (int i = 0; i < Vec<T>::kLanes; ++i)
    s.v[i] = static_cast<T>(zeta_scalar(static_cast<double>(s[i]), static_cast<double>(q[i])));
  return s;
}

}  // namespace unspool::kernels::cpu
