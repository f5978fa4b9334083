// Modified Bessel functions of the first kind, orders 0 and 1, a vector at a time: up to 8 by their power
// series in x^2 / 4, whose terms are all positive; beyond by Chebyshev series of 64 sqrt(x) exp(-x) I(x) in
// 16 / x - 1, fitted to 40 digits.
#pragma once

#include <array>
#include <cstddef>
#include <limits>

#include "kernels/cpu/vec_math.h"

namespace unspool::kernels::cpu {
namespace bessel_i {

inline constexpr int kFarTerms = 21;
inline constexpr double kFar[2][kFarTerms] = {
    {0.4022452055070544,     0.0033691164782556943,   6.889758346916825e-05,   2.8913705208347567e-06,
     2.0489185894690638e-07, 2.266668990498178e-08,   3.3962320257083865e-09,  4.94060238822497e-10,
     1.1889147107846439e-11, -3.1499165279632416e-11, -1.3215811840447713e-11, -1.7941785315068062e-12,
     7.180124451383666e-13,  3.8527783827421426e-13,  1.54008621752141e-14,    -4.150569347287222e-14,
     -9.554846698828307e-15, 3.8116806693526224e-15,  1.7725601330565263e-15,  -3.425485619677219e-16,
     -2.8276239805165836e-16},
    {0.38928811750914005,     -0.009761097491361469,   -0.00011058893876262371, -3.882564808877691e-06,
     -2.512236237870209e-07,  -2.6314688468895196e-08, -3.835380385964237e-09,  -5.589743462196584e-10,
     -1.8974958123505413e-11, 3.2526035830154884e-11,  1.4125807436613782e-11,  2.0356285441470896e-12,
     -7.198551776245908e-13,  -4.0835511110921974e-13, -2.1015418427726643e-14, 4.272440016711951e-14,
     1.0420276984128802e-14,  -3.8144030724370075e-15, -1.8803547755107825e-15, 3.3082023109209285e-16,
     2.96262899764595e-16}};

// Terms that count in the precision of T.
template <class T>
inline constexpr int kNearCount = sizeof(T) == 8 ? 35 : 23;
template <class T>
inline constexpr int kFarCount = sizeof(T) == 8 ? kFarTerms : 10;

// 1 / (k! (k + order)!)
template <class T>
constexpr std::array<T, kNearCount<T>> near_terms(int order) {
  std::array<T, kNearCount<T>> terms{};
  double term = 1;
  for (std::size_t k = 0; k < terms.size(); ++k) {
    terms[k] = static_cast<T>(term);
    term /= static_cast<double>(k + 1) * (static_cast<double>(k + 1) + order);
  }
  return terms;
}

template <class T>
constexpr std::array<T, kFarCount<T>> far_terms(int order) {
  std::array<T, kFarCount<T>> terms{};
  for (std::size_t k = 0; k < terms.size(); ++k) terms[k] = static_cast<T>(64 * kFar[order][k]);
  return terms;
}

}  // namespace bessel_i

template <int kOrder, class T>
[[gnu::noinline]] Vec<T> modified_bessel_i(Vec<T> x) {
  using P = Vec<T>;
  static constexpr auto kNear = bessel_i::near_terms<T>(kOrder);
  static constexpr auto kFar = bessel_i::far_terms<T>(kOrder);
  const P size = abs(x), end(T(8)), infinity(std::numeric_limits<T>::infinity());
  const P near = select(size > end, P(T(0)), x), y = near * near * P(T(0.25));
  P series(T(0));
  for (std::size_t k = kNear.size(); k-- > 0;) series = fma(series, y, P(kNear[k]));
  if (kOrder == 1) series = series * near * P(T(0.5));

  // Clenshaw's recurrence (1955).
  const P far = select(size > end, size, end), t = P(T(16)) / far - P(T(1)), twice = t + t;
  P last(T(0)), before(T(0));
  for (std::size_t k = kFar.size() - 1; k > 0; --k) {
    const P next = fma(twice, last, P(kFar[k]) - before);
    before = last;
    last = next;
  }
  P raised = fma(t, last, P(kFar[0]) - before) / sqrt(far);
  if (kOrder == 1) raised = select(x < P(T(0)), -raised, raised);
  // In factors of about one size, because exp(x) overflows sooner than the product.
  const P root = exp(far * P(T(0.5))) * P(T(0.125));
  P beyond = raised * root * root;
  beyond = select(size == infinity, kOrder == 1 ? x : size, beyond);
  return select(size > end, beyond, series);
}

}  // namespace unspool::kernels::cpu
