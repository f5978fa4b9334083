// Elementary functions of vec.h values and of plain float and double: one include for all of them.
//
// Largest error found, in units in the last place, as float / double, over the levels with and without FMA.
// One-argument float functions were run over every 7th bit pattern with FMA, every 997th without, and over
// all of them where the error peaks; doubles over a million arguments against quadruple precision.
// Infinities, NaN, signed zeros and subnormal arguments and results are C's.
//
//   exp    1.2 / 1.2     tanh     1.6 / 1.4     sin, cos  1.6 / 1.6     erf      1.7 / 1.8
//   exp2   1.1 / 1.1     sigmoid  1.8 / 1.6     tan       3.7 / 3.3     erfc     2.8 / 3.2
//   expm1  1.7 / 1.9     sinh     2.3 / 2.4     asin      2.0 / 2.1     erfinv   3.3 / 3.3
//   log    1.2 / 0.8     cosh     1.6 / 1.6     acos      1.3 / 1.2     digamma  0.5 / 4.0, x > 0
//   log2   1.9 / 0.8     asinh    2.2 / 1.8     atan      1.5 / 2.1     lgamma   0.5 / the C library's
//   log10  1.6 / 0.7     acosh    2.5 / 2.6     atan2     1.5 / 2.0     pow      0.5 / the C library's
//   log1p  1.9 / 1.4     atanh    2.3 / 2.0     rsqrt     1.5 / 1.5     sqrt, reciprocal 0.5; fmod exact
//
// sin, cos and tan leave |x| > 32768 (float) and |x| > 2^20 (double) to the C library, lane by lane; digamma,
// and lgamma, pow and distant fmod of double, always go lane by lane. digamma is less exact next to its
// negative roots.
#pragma once

#include "kernels/cpu/vec.h"
#include "kernels/cpu/vec_math_exp.h"
#include "kernels/cpu/vec_math_gamma.h"
#include "kernels/cpu/vec_math_log.h"
#include "kernels/cpu/vec_math_special.h"
#include "kernels/cpu/vec_math_tanh.h"
#include "kernels/cpu/vec_math_trig.h"

namespace unspool::kernels::cpu {

inline Vec<float> reciprocal(Vec<float> x) { return 1.0f / x; }
inline Vec<double> reciprocal(Vec<double> x) { return 1.0 / x; }
inline Vec<float> rsqrt(Vec<float> x) { return 1.0f / sqrt(x); }
inline Vec<double> rsqrt(Vec<double> x) { return 1.0 / sqrt(x); }

// A scalar takes the road of a vector lane, so that both have the same bits.
template <FloatLane T>
inline T exp(T x) {
  return exp(Vec<T>(x))[0];
}
template <FloatLane T>
inline T exp2(T x) {
  return exp2(Vec<T>(x))[0];
}
template <FloatLane T>
inline T expm1(T x) {
  return expm1(Vec<T>(x))[0];
}
template <FloatLane T>
inline T log(T x) {
  return log(Vec<T>(x))[0];
}
template <FloatLane T>
inline T log2(T x) {
  return log2(Vec<T>(x))[0];
}
template <FloatLane T>
inline T log10(T x) {
  return log10(Vec<T>(x))[0];
}
template <FloatLane T>
inline T log1p(T x) {
  return log1p(Vec<T>(x))[0];
}
template <FloatLane T>
inline T sigmoid(T x) {
  return sigmoid(Vec<T>(x))[0];
}
template <FloatLane T>
inline T tanh(T x) {
  return tanh(Vec<T>(x))[0];
}
template <FloatLane T>
inline T sinh(T x) {
  return sinh(Vec<T>(x))[0];
}
template <FloatLane T>
inline T cosh(T x) {
  return cosh(Vec<T>(x))[0];
}
template <FloatLane T>
inline T asinh(T x) {
  return asinh(Vec<T>(x))[0];
}
template <FloatLane T>
inline T acosh(T x) {
  return acosh(Vec<T>(x))[0];
}
template <FloatLane T>
inline T atanh(T x) {
  return atanh(Vec<T>(x))[0];
}
template <FloatLane T>
inline T rsqrt(T x) {
  return rsqrt(Vec<T>(x))[0];
}
template <FloatLane T>
inline T reciprocal(T x) {
  return reciprocal(Vec<T>(x))[0];
}
template <FloatLane T>
inline T sin(T x) {
  return sin(Vec<T>(x))[0];
}
template <FloatLane T>
inline T cos(T x) {
  return cos(Vec<T>(x))[0];
}
template <FloatLane T>
inline T tan(T x) {
  return tan(Vec<T>(x))[0];
}
template <FloatLane T>
inline T asin(T x) {
  return asin(Vec<T>(x))[0];
}
template <FloatLane T>
inline T acos(T x) {
  return acos(Vec<T>(x))[0];
}
template <FloatLane T>
inline T atan(T x) {
  return atan(Vec<T>(x))[0];
}
template <FloatLane T>
inline T erf(T x) {
  return erf(Vec<T>(x))[0];
}
template <FloatLane T>
inline T erfc(T x) {
  return erfc(Vec<T>(x))[0];
}
template <FloatLane T>
inline T erfinv(T x) {
  return erfinv(Vec<T>(x))[0];
}
template <FloatLane T>
inline T lgamma(T x) {
  return lgamma(Vec<T>(x))[0];
}
template <FloatLane T>
inline T digamma(T x) {
  return digamma(Vec<T>(x))[0];
}
template <FloatLane T>
inline T pow(T x, std::type_identity_t<T> y) {
  return pow(Vec<T>(x), Vec<T>(y))[0];
}
template <FloatLane T>
inline T fmod(T x, std::type_identity_t<T> y) {
  return fmod(Vec<T>(x), Vec<T>(y))[0];
}
template <FloatLane T>
inline T atan2(T y, std::type_identity_t<T> x) {
  return atan2(Vec<T>(y), Vec<T>(x))[0];
}

}  // namespace unspool::kernels::cpu
