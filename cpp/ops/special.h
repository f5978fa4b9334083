// Special functions that few models need: incomplete gamma functions and Bessel functions. Most of their
// kernels work element by element in double precision.
#pragma once

#include <limits>

#include "ops/elementwise.h"
#include "ops/pointwise.h"

namespace unspool::ops {

// d P(a, x) / dx.
inline Tensor gamma_density(const Tensor& a, const Tensor& x) {
  return exp(call<Xlogy>({a - 1, x}) - x - call<Lgamma>({a}));
}

inline constexpr Rule kOnlyOtherRule{
    kNothing, [](Vjp&) -> Tensor {
      fail(ErrorKind::kNotImplemented,
           "igamma, igammac: only the derivative by other is implemented; detach input");
    }};

struct Igamma {
  static constexpr Record record = of_tensors(binary(
      "igamma", "integral from 0 to other of t^(input - 1) exp(-t) dt / Gamma(input)",
      "Regularized lower incomplete gamma function; differentiable by other.", kOnlyOtherRule,
      {in(0) | in(1), [](Vjp& v) { return v.g() * gamma_density(v.x(0), v.x(1)); }}, Result::kFloating));
  template <class P>
  static P body(P a, P x) {
    return igamma(a, x);
  }
};

struct Igammac {
  static constexpr Record record = of_tensors(binary(
      "igammac", "integral from other to infinity of t^(input - 1) exp(-t) dt / Gamma(input)",
      "Regularized upper incomplete gamma function; differentiable by other.", kOnlyOtherRule,
      {in(0) | in(1), [](Vjp& v) { return -(v.g() * gamma_density(v.x(0), v.x(1))); }}, Result::kFloating));
  template <class P>
  static P body(P a, P x) {
    return igammac(a, x);
  }
};

// Their derivatives: https://dlmf.nist.gov/10.6 and https://dlmf.nist.gov/10.29.
constexpr Record bessel(Text name, Text formula, Text doc, Rule rule) {
  Record record = at(kHidden, unary(name, formula, doc, rule));
  record.has_in_place = false;
  return record;
}

struct BesselJ1;
struct BesselJ0 {
  static constexpr Record record =
      bessel("bessel_j0", "J0(input)", "Bessel function of the first kind of order 0.",
             {in(0), [](Vjp& v) { return -(v.g() * call<BesselJ1>({v.in(0)})); }});
  template <class P>
  static P body(P x) {
    return bessel_j0(x);
  }
};

struct BesselJ1 {
  static constexpr Record record =
      bessel("bessel_j1", "J1(input)", "Bessel function of the first kind of order 1.",
             {in(0) | out(), [](Vjp& v) {
                // J1(x) / x is 1/2 at 0, where its own slope is 0.
                const Tensor at_zero = eq(v.in(0), 0.0);
                const Tensor ratio = where(at_zero, 0.5, v.out() / where(at_zero, 1.0, v.in(0)));
                return v.g() * (call<BesselJ0>({v.in(0)}) - ratio);
              }});
  template <class P>
  static P body(P x) {
    return bessel_j1(x);
  }
};

struct BesselY1;
struct BesselY0 {
  static constexpr Record record =
      bessel("bessel_y0", "Y0(input)", "Bessel function of the second kind of order 0.",
             {in(0), [](Vjp& v) { return -(v.g() * call<BesselY1>({v.in(0)})); }});
  template <class P>
  static P body(P x) {
    return bessel_y0(x);
  }
};

struct BesselY1 {
  static constexpr Record record =
      bessel("bessel_y1", "Y1(input)", "Bessel function of the second kind of order 1.",
             {in(0) | out(), [](Vjp& v) { return v.g() * (call<BesselY0>({v.in(0)}) - v.out() / v.in(0)); }});
  template <class P>
  static P body(P x) {
    return bessel_y1(x);
  }
};

struct BesselI1;
struct BesselI0 {
  static constexpr Record record =
      bessel("bessel_i0", "I0(input)", "Modified Bessel function of the first kind of order 0.",
             {in(0), [](Vjp& v) { return v.g() * call<BesselI1>({v.in(0)}); }});
  template <class P>
  static P body(P x) {
    return bessel_i0(x);
  }
};

struct BesselI1 {
  static constexpr Record record =
      bessel("bessel_i1", "I1(input)", "Modified Bessel function of the first kind of order 1.",
             {in(0) | out(), [](Vjp& v) {
                // I1(x) / x is 1/2 at 0, where its own slope is 0, and nothing beside I0(x) where both are
                // infinite.
                const Tensor at_zero = eq(v.in(0), 0.0),
                             is_finite = lt(abs(v.out()), std::numeric_limits<double>::infinity());
                const Tensor ratio = where(at_zero, 0.5, v.out() / where(at_zero, 1.0, v.in(0)));
                return v.g() * (call<BesselI0>({v.in(0)}) - where(is_finite, ratio, 0.0));
              }});
  template <class P>
  static P body(P x) {
    return bessel_i1(x);
  }
};

struct BesselK1e;
struct BesselK0e {
  static constexpr Record record = bessel(
      "bessel_k0e", "exp(input) K0(input)", "Modified Bessel function of the second kind of order 0, scaled.",
      {in(0) | out(), [](Vjp& v) { return v.g() * (v.out() - call<BesselK1e>({v.in(0)})); }});
  template <class P>
  static P body(P x) {
    return bessel_k0e(x);
  }
};

struct BesselK1e {
  static constexpr Record record = bessel(
      "bessel_k1e", "exp(input) K1(input)", "Modified Bessel function of the second kind of order 1, scaled.",
      {in(0) | out(),
       [](Vjp& v) { return v.g() * (v.out() - call<BesselK0e>({v.in(0)}) - v.out() / v.in(0)); }});
  template <class P>
  static P body(P x) {
    return bessel_k1e(x);
  }
};

using SpecialOps =
    OpList<Igamma, Igammac, BesselJ0, BesselJ1, BesselY0, BesselY1, BesselI0, BesselI1, BesselK0e, BesselK1e>;

}  // namespace unspool::ops
