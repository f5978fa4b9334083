// Elementary functions of vec.h values and of plain float and double: one include for all of them.
#pragma once

#include "kernels/cpu/vec.h"
#include "kernels/cpu/vec_math_exp.h"
#include "kernels/cpu/vec_math_log.h"
#include "kernels/cpu/vec_math_special.h"
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
