// Kernels of the special functions, most of them lane by lane: rare enough that no vector form is kept.
#include "ops/special.h"

#include <math.h>

#include "kernels/cpu/bessel.h"
#include "kernels/cpu/bessel_i.h"
#include "kernels/cpu/elementwise.h"
#include "kernels/cpu/families.h"
#include "kernels/cpu/incomplete_gamma.h"

namespace unspool::kernels::cpu {
namespace {

template <class T>
[[gnu::noinline]] Vec<T> each_lane(Vec<T> x, double (*f)(double)) {
  for (int i = 0; i < Vec<T>::kLanes; ++i) x.v[i] = static_cast<T>(f(static_cast<double>(x[i])));
  return x;
}

template <class T>
[[gnu::noinline]] Vec<T> each_lane(Vec<T> a, Vec<T> x, bool lower) {
  for (int i = 0; i < Vec<T>::kLanes; ++i) {
    a.v[i] = static_cast<T>(
        incomplete_gamma::regularized(static_cast<double>(a[i]), static_cast<double>(x[i]), lower));
  }
  return a;
}

double k0e(double x) { return scaled_bessel_k(0, x); }
double k1e(double x) { return scaled_bessel_k(1, x); }

}  // namespace

template <class T>
Vec<T> igamma(Vec<T> a, Vec<T> x) {
  return each_lane(a, x, true);
}
template <class T>
Vec<T> igammac(Vec<T> a, Vec<T> x) {
  return each_lane(a, x, false);
}
template <class T>
Vec<T> bessel_j0(Vec<T> x) {
  return each_lane(x, ::j0);
}
template <class T>
Vec<T> bessel_j1(Vec<T> x) {
  return each_lane(x, ::j1);
}
template <class T>
Vec<T> bessel_y0(Vec<T> x) {
  return each_lane(x, ::y0);
}
template <class T>
Vec<T> bessel_y1(Vec<T> x) {
  return each_lane(x, ::y1);
}
template <class T>
Vec<T> bessel_i0(Vec<T> x) {
  return modified_bessel_i<0>(x);
}
template <class T>
Vec<T> bessel_i1(Vec<T> x) {
  return modified_bessel_i<1>(x);
}
template <class T>
Vec<T> bessel_k0e(Vec<T> x) {
  return each_lane(x, k0e);
}
template <class T>
Vec<T> bessel_k1e(Vec<T> x) {
  return each_lane(x, k1e);
}

std::span<const Kernel> special_kernels() { return ElementwiseKernels<ops::SpecialOps>::table; }

}  // namespace unspool::kernels::cpu
