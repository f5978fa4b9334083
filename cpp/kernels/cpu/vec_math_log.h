// Elementary functions of vec.h values that rest on the logarithm: log, log2, log10, log1p, asinh, acosh,
// atanh. Coefficients are minimax fits made for these reductions. The accuracy of every function is listed in
// vec_math.h.
#pragma once

#include "kernels/cpu/vec.h"
#include "kernels/cpu/vec_math_exp.h"

namespace unspool::kernels::cpu {
namespace math {

enum class LogBase { kE, kTwo, kTen };

template <class T>
struct LogConstants;
template <>
struct LogConstants<float> {
  static constexpr float kLow = 0x1.555556p-1f;  // mantissas are taken from [2/3, 4/3)
  static constexpr float kUnscale = 0x1p25f;     // lifts every subnormal number to a normal one
  static constexpr int kUnscaleBits = 25;
  static constexpr float kLn2 = 0x1.62e43p-1f, kLn2Low = -0x1.05c61p-29f;
  static constexpr float kLog10Of2High = 0x1.344p-2f, kLog10Of2Low = 0x1.3509f8p-18f;
  // log2(e) = 1 + rest and log10(e) = 1/2 + rest: times the first parts f stays exact.
  static constexpr float kLog2E = 0x1.715476p+0f, kLog2ERest = 0x1.c551dap-2f;
  static constexpr float kLog10E = 0x1.bcb7b2p-2f, kLog10ERest = -0x1.0d213ap-4f;
  // (log(1 + f) - f) / f^2
  static constexpr float kLog1p[] = {-0x1p-1f,        0x1.555506p-2f,  -0x1.fffefcp-3f,
                                     0x1.99d05ap-3f,  -0x1.559bacp-3f, 0x1.1ed45ep-3f,
                                     -0x1.f34b92p-4f, 0x1.1e7288p-3f,  -0x1.078952p-3f};
};
template <>
struct LogConstants<double> {
  static constexpr double kLow = 0x1.6a09e667f3bcdp-1;  // mantissas are taken from [sqrt(1/2), sqrt(2))
  static constexpr double kUnscale = 0x1p54;
  static constexpr int kUnscaleBits = 54;
  static constexpr double kLn2 = 0x1.62e42feep-1, kLn2Low = 0x1.a39ef35793c76p-33;
  static constexpr double kLog10Of2High = 0x1.34413509f8p-2, kLog10Of2Low = -0x1.80433b83b532ap-44;
  static constexpr double kLog2EHigh = 0x1.71547654p+0, kLog2ELow = -0x1.47d01e8882fp-32;
  static constexpr double kLog10EHigh = 0x1.bcb7b154p-2, kLog10ELow = -0x1.91af1cd59548bp-34;
  // (2 atanh(s) - 2 s) / s^3 in powers of s^2
  static constexpr double kAtanh[] = {0x1.5555555555593p-1, 0x1.999999997fae3p-2, 0x1.249249421971dp-2,
                                      0x1.c71c51e73647bp-3, 0x1.74664641c3008p-3, 0x1.39a0f3f4cb357p-3,
                                      0x1.2f0d91c2d5337p-3};
};

// x = 2^n (1 + f) for positive normal x.
template <class T>
struct LogParts {
  Vec<T> n, f;
};

template <class T>
inline LogParts<T> split_log(Vec<T> x) {
  using V = Vec<T>;
  using UintLane = typename V::UintLane;
  using F = Format<T>;
  constexpr UintLane kOne = UintLane{F::kBias} << F::kMantissaBits;
  constexpr UintLane kImplicitBit = UintLane{1} << F::kMantissaBits;
  const auto low = unsigned_bits(V(LogConstants<T>::kLow));
  const auto above = unsigned_bits(x) - low + kOne;  // the exponent field is n + bias
  constexpr T kRounder = T(kImplicitBit);            // or-ing a small integer into it adds the integer
  const V n =
      V::from_bits((above >> F::kMantissaBits) | unsigned_bits(V(kRounder))) - (kRounder + T(F::kBias));
  const V mantissa = V::from_bits((above & (kImplicitBit - 1)) + low);
  return {n, mantissa - T(1)};
}

// n log(2) + log(1 + f) in the given base, |f| about 0.41 at most.
template <LogBase kBase>
inline Vec<float> log_of_parts(Vec<float> n, Vec<float> f) {
  using C = LogConstants<float>;
  using V = Vec<float>;
  const V p = polynomial_by_pairs(f, C::kLog1p);
  if constexpr (kBase == LogBase::kE) return fma(n, V(C::kLn2), f + fma(n, V(C::kLn2Low), f * f * p));
  constexpr bool kTwo = kBase == LogBase::kTwo;
  const V factor = kTwo ? C::kLog2E : C::kLog10E, rest = kTwo ? C::kLog2ERest : C::kLog10ERest;
  const V second = fma(f, p * factor, rest);
  if constexpr (kTwo) return fma(f, second, n + f);
  return fma(n, V(C::kLog10Of2High), f * 0.5f) + fma(f, second, n * C::kLog10Of2Low);
}

template <LogBase kBase>
inline Vec<double> log_of_parts(Vec<double> n, Vec<double> f) {
  using C = LogConstants<double>;
  using V = Vec<double>;
  const V half_square = f * f * 0.5;
  const V s = f * inverse(f + 2.0);
  const V z = s * s;
  const V correction =
      s * fma(z, polynomial_by_pairs(z, C::kAtanh), half_square);  // log(1 + f) = f - half_square + this
  if constexpr (kBase == LogBase::kE) {
    return fma(n, V(C::kLn2), f - (half_square - fma(n, V(C::kLn2Low), correction)));
  }
  constexpr bool kTwo = kBase == LogBase::kTwo;
  const V factor_high = kTwo ? C::kLog2EHigh : C::kLog10EHigh,
          factor_low = kTwo ? C::kLog2ELow : C::kLog10ELow;
  const V high =
      V::from_bits(bits(f - half_square) & ~std::int64_t{0xffffffff});  // factor_high * high is exact
  const V low = (f - high) - half_square + correction;
  const V main = high * factor_high;
  const V rest = fma(low + high, factor_low, low * factor_high);
  const V whole = kTwo ? n : n * C::kLog10Of2High;
  const V sum = whole + main;
  const V lost = (whole - sum) + main;  // exact: |whole| >= |main| or whole is 0
  return sum + (lost + (kTwo ? rest : fma(n, V(C::kLog10Of2Low), rest)));
}

// Zero, negative, infinite, NaN and subnormal lanes; kept out of the common path.
template <LogBase kBase, class T>
[[gnu::noinline, gnu::cold]] Vec<T> log_special(Vec<T> x) {
  using C = LogConstants<T>;
  using V = Vec<T>;
  constexpr T kInfinity = std::numeric_limits<T>::infinity(), kNan = std::numeric_limits<T>::quiet_NaN();
  const Mask<T> subnormal = x < std::numeric_limits<T>::min();
  const auto [n, f] = split_log(select(subnormal, x * C::kUnscale, x));
  V y = log_of_parts<kBase>(select(subnormal, n - T(C::kUnscaleBits), n), f);
  y = select(x < kInfinity, y, x);
  return select(x > T(0), y, select(x == T(0), V(-kInfinity), select(x < T(0), V(kNan), x)));
}

template <LogBase kBase, class T>
inline Vec<T> log_any(Vec<T> x) {
  const Mask<T> plain = (x >= std::numeric_limits<T>::min()) & (x < std::numeric_limits<T>::infinity());
  if (!all(plain)) [[unlikely]]
    return log_special<kBase>(x);
  const auto [n, f] = split_log(x);
  return log_of_parts<kBase>(n, f);
}

template <class T>
inline Vec<T> log1p_any(Vec<T> x) {
  using V = Vec<T>;
  using F = Format<T>;
  constexpr T kInfinity = std::numeric_limits<T>::infinity(), kNan = std::numeric_limits<T>::quiet_NaN();
  const V n = split_log(x + T(1)).n;
  // 1 + f = (1 + x) / 2^n, from x itself, so that what 1 + x loses is kept. The factor is 2^(2 - n), which is
  // normal for every n, hence the quarters.
  const V shifted = Format<T>::kRounder + (T(F::kBias + 2) - n);
  const V factor = V::from_bits(unsigned_bits(shifted) << F::kMantissaBits);
  const V f = fma(x * T(0.25), factor, fma(factor, V(T(0.25)), V(T(-1))));
  V y = log_of_parts<LogBase::kE>(n, f);
  y = select(abs(x) < ExpConstants<T>::kTiny * ExpConstants<T>::kTiny, x, y);
  y = select(x < kInfinity, y, x);
  return select(x > T(-1), y, select(x == T(-1), V(-kInfinity), select(x < T(-1), V(kNan), x)));
}

// sign(x) log1p(|x| + x^2 / (1 + sqrt(1 + x^2))); from kLarge on log(2 |x|).
template <class T>
inline Vec<T> asinh_any(Vec<T> x) {
  using V = Vec<T>;
  constexpr T kLarge = T(1) / (ExpConstants<T>::kTiny * ExpConstants<T>::kTiny);
  const V a = abs(x);
  const Mask<T> large = a > kLarge;
  const V square = a * a;
  const V argument = a + square / (T(1) + sqrt(square + T(1)));
  const V y = log1p_any(select(large, a, argument));
  const V ln2 = LogConstants<T>::kLn2 + LogConstants<T>::kLn2Low;
  return copysign(select(large, y + ln2, y), x);
}

template <class T>
inline Vec<T> acosh_any(Vec<T> x) {
  using V = Vec<T>;
  constexpr T kLarge = T(1) / (ExpConstants<T>::kTiny * ExpConstants<T>::kTiny);
  const Mask<T> large = x > kLarge;
  const V t = x - T(1);
  const V y = log1p_any(select(large, x, t + sqrt(t * (x + T(1)))));
  const V ln2 = LogConstants<T>::kLn2 + LogConstants<T>::kLn2Low;
  return select(x < T(1), V(std::numeric_limits<T>::quiet_NaN()), select(large, y + ln2, y));
}

template <class T>
inline Vec<T> atanh_any(Vec<T> x) {
  const Vec<T> a = abs(x);
  const Vec<T> y = log1p_any((a + a) / (T(1) - a)) * T(0.5);
  return select(a < ExpConstants<T>::kTiny, x, copysign(y, x));
}

}  // namespace math

inline Vec<float> log(Vec<float> x) { return math::log_any<math::LogBase::kE>(x); }
inline Vec<double> log(Vec<double> x) { return math::log_any<math::LogBase::kE>(x); }
inline Vec<float> log2(Vec<float> x) { return math::log_any<math::LogBase::kTwo>(x); }
inline Vec<double> log2(Vec<double> x) { return math::log_any<math::LogBase::kTwo>(x); }
inline Vec<float> log10(Vec<float> x) { return math::log_any<math::LogBase::kTen>(x); }
inline Vec<double> log10(Vec<double> x) { return math::log_any<math::LogBase::kTen>(x); }
inline Vec<float> log1p(Vec<float> x) { return math::log1p_any(x); }
inline Vec<double> log1p(Vec<double> x) { return math::log1p_any(x); }
inline Vec<float> asinh(Vec<float> x) { return math::asinh_any(x); }
inline Vec<double> asinh(Vec<double> x) { return math::asinh_any(x); }
inline Vec<float> acosh(Vec<float> x) { return math::acosh_any(x); }
inline Vec<double> acosh(Vec<double> x) { return math::acosh_any(x); }
inline Vec<float> atanh(Vec<float> x) { return math::atanh_any(x); }
inline Vec<double> atanh(Vec<double> x) { return math::atanh_any(x); }

}  // namespace unspool::kernels::cpu
