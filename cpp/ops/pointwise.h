// Exponentials, logarithms, roots, trigonometry and other elementary functions of one or two real arguments.
#pragma once

#include <numbers>

#include "ops/elementwise.h"

namespace unspool::ops {

struct Exp {
  static constexpr Record record =
      unary("exp", "exp(input)", "Exponential.", {out(), [](Vjp& v) { return v.g() * v.out(); }});
  template <class P>
  static P body(P x) {
    return exp(x);
  }
};

struct Exp2 {
  static constexpr Record record = unary("exp2", "2 ^ input", "Power of two.",
                                         {out(), [](Vjp& v) { return v.g() * v.out() * std::numbers::ln2; }});
  template <class P>
  static P body(P x) {
    return exp2(x);
  }
};

struct Expm1 {
  static constexpr Record record = unary("expm1", "exp(input) - 1", "Exponential minus one, accurate near 0.",
                                         {out(), [](Vjp& v) { return v.g() * (v.out() + 1); }});
  template <class P>
  static P body(P x) {
    return expm1(x);
  }
};

struct Log {
  static constexpr Record record =
      unary("log", "ln(input)", "Natural logarithm.", {in(0), [](Vjp& v) { return v.g() / v.in(0); }});
  template <class P>
  static P body(P x) {
    return log(x);
  }
};

struct Log2 {
  static constexpr Record record =
      unary("log2", "log2(input)", "Logarithm to base 2.",
            {in(0), [](Vjp& v) { return v.g() / (v.in(0) * std::numbers::ln2); }});
  template <class P>
  static P body(P x) {
    return log2(x);
  }
};

struct Log10 {
  static constexpr Record record =
      unary("log10", "log10(input)", "Logarithm to base 10.",
            {in(0), [](Vjp& v) { return v.g() / (v.in(0) * std::numbers::ln10); }});
  template <class P>
  static P body(P x) {
    return log10(x);
  }
};

struct Log1p {
  static constexpr Record record =
      unary("log1p", "ln(1 + input)", "Logarithm of one plus the input, accurate near 0.",
            {in(0), [](Vjp& v) { return v.g() / (v.in(0) + 1); }});
  template <class P>
  static P body(P x) {
    return log1p(x);
  }
};

struct Sqrt {
  static constexpr Record record =
      unary("sqrt", "input ^ (1/2)", "Square root.", {out(), [](Vjp& v) { return v.g() / (v.out() * 2); }});
  template <class P>
  static P body(P x) {
    return sqrt(x);
  }
};

struct Rsqrt {
  static constexpr Record record =
      unary("rsqrt", "input ^ (-1/2)", "Reciprocal of the square root.",
            {out(), [](Vjp& v) { return v.g() * (v.out() * square(v.out())) * -0.5; }});
  template <class P>
  static P body(P x) {
    return P(1) / sqrt(x);
  }
};

struct Sin {
  static constexpr Record record = unary("sin", "sin(input)", "Sine of an angle in radians.",
                                         {in(0), [](Vjp& v) { return v.g() * cos(v.in(0)); }});
  template <class P>
  static P body(P x) {
    return sin(x);
  }
};

struct Cos {
  static constexpr Record record = unary("cos", "cos(input)", "Cosine of an angle in radians.",
                                         {in(0), [](Vjp& v) { return -(v.g() * sin(v.in(0))); }});
  template <class P>
  static P body(P x) {
    return cos(x);
  }
};

struct Tan {
  static constexpr Record record = unary("tan", "tan(input)", "Tangent of an angle in radians.",
                                         {out(), [](Vjp& v) { return v.g() * (square(v.out()) + 1); }});
  template <class P>
  static P body(P x) {
    return tan(x);
  }
};

struct Asin {
  static constexpr Record record = unary("asin", "arcsin(input)", "Inverse sine, in radians.",
                                         {in(0), [](Vjp& v) { return v.g() * rsqrt(1 - square(v.in(0))); }});
  template <class P>
  static P body(P x) {
    return asin(x);
  }
};

struct Acos {
  static constexpr Record record =
      unary("acos", "arccos(input)", "Inverse cosine, in radians.",
            {in(0), [](Vjp& v) { return -(v.g() * rsqrt(1 - square(v.in(0)))); }});
  template <class P>
  static P body(P x) {
    return acos(x);
  }
};

struct Atan {
  static constexpr Record record = unary("atan", "arctan(input)", "Inverse tangent, in radians.",
                                         {in(0), [](Vjp& v) { return v.g() / (square(v.in(0)) + 1); }});
  template <class P>
  static P body(P x) {
    return atan(x);
  }
};

// Of the angle of (x, y) by y or x: part / (x^2 + y^2), and 0 at the origin.
inline Tensor angle_slope(const Operand& part, const Operand& y, const Operand& x) {
  const Tensor square_sum = square(y) + square(x);
  return part / where(eq(square_sum, 0), 1.0, square_sum);
}

struct Atan2 {
  static constexpr Record record = of_tensors(
      binary("atan2", "arctan(input / other)",
             "Angle of the point (other, input), in radians, over all four quadrants.",
             {in(0) | in(1), [](Vjp& v) { return v.g() * angle_slope(v.in(1), v.in(0), v.in(1)); }},
             {in(0) | in(1), [](Vjp& v) { return -(v.g() * angle_slope(v.in(0), v.in(0), v.in(1))); }},
             Result::kFloating));
  template <class P>
  static P body(P y, P x) {
    return atan2(y, x);
  }
};

struct Sinh {
  static constexpr Record record =
      unary("sinh", "sinh(input)", "Hyperbolic sine.", {in(0), [](Vjp& v) { return v.g() * cosh(v.in(0)); }});
  template <class P>
  static P body(P x) {
    return sinh(x);
  }
};

struct Cosh {
  static constexpr Record record = unary("cosh", "cosh(input)", "Hyperbolic cosine.",
                                         {in(0), [](Vjp& v) { return v.g() * sinh(v.in(0)); }});
  template <class P>
  static P body(P x) {
    return cosh(x);
  }
};

struct TanhBackward {
  static constexpr Record record =
      backward_of("tanh_backward", "grad * (1 - saved^2)", "Cotangent of tanh from its output.",
                  {in(1), [](Vjp& v) { return call<TanhBackward>({v.g(), v.in(1)}); }},
                  {in(0) | in(1), [](Vjp& v) { return v.g() * v.in(0) * v.in(1) * -2; }});
  template <class P>
  static P body(P g, P y) {
    return g * (P(1) - y * y);
  }
};

struct Tanh {
  static constexpr Record record =
      unary("tanh", "tanh(input)", "Hyperbolic tangent.",
            {out(), [](Vjp& v) { return call<TanhBackward>({v.g(), v.out()}); }});
  template <class P>
  static P body(P x) {
    return tanh(x);
  }
};

struct Asinh {
  static constexpr Record record = unary("asinh", "arsinh(input)", "Inverse hyperbolic sine.",
                                         {in(0), [](Vjp& v) { return v.g() * rsqrt(square(v.in(0)) + 1); }});
  template <class P>
  static P body(P x) {
    return asinh(x);
  }
};

struct Acosh {
  static constexpr Record record =
      unary("acosh", "arcosh(input)", "Inverse hyperbolic cosine.",
            {in(0), [](Vjp& v) { return v.g() * (rsqrt(v.in(0) - 1) * rsqrt(v.in(0) + 1)); }});
  template <class P>
  static P body(P x) {
    return acosh(x);
  }
};

struct Atanh {
  static constexpr Record record = unary("atanh", "artanh(input)", "Inverse hyperbolic tangent.",
                                         {in(0), [](Vjp& v) { return v.g() / (1 - square(v.in(0))); }});
  template <class P>
  static P body(P x) {
    return atanh(x);
  }
};

inline constexpr double kTwoOverSqrtPi = 2 * std::numbers::inv_sqrtpi;

struct Erf {
  static constexpr Record record = unary(
      "erf", "erf(input)", "Error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to the input.",
      {in(0), [](Vjp& v) { return v.g() * (exp(-square(v.in(0))) * kTwoOverSqrtPi); }});
  template <class P>
  static P body(P x) {
    return erf(x);
  }
};

struct Erfc {
  static constexpr Record record =
      unary("erfc", "1 - erf(input)", "Complementary error function.",
            {in(0), [](Vjp& v) { return v.g() * (exp(-square(v.in(0))) * -kTwoOverSqrtPi); }});
  template <class P>
  static P body(P x) {
    return erfc(x);
  }
};

struct Erfinv {
  static constexpr Record record =
      unary("erfinv", "erf^-1(input)", "Inverse of the error function on (-1, 1).",
            {out(), [](Vjp& v) { return v.g() * (exp(square(v.out())) * (1 / kTwoOverSqrtPi)); }});
  template <class P>
  static P body(P x) {
    return erfinv(x);
  }
};

struct Sigmoid;

struct SigmoidBackward {
  static constexpr Record record =
      backward_of("sigmoid_backward", "grad * saved * (1 - saved)", "Cotangent of sigmoid from its output.",
                  {in(1), [](Vjp& v) { return call<SigmoidBackward>({v.g(), v.in(1)}); }},
                  {in(0) | in(1), [](Vjp& v) { return v.g() * v.in(0) * (1 - v.in(1) * 2); }});
  template <class P>
  static P body(P g, P y) {
    return g * ((P(1) - y) * y);
  }
};

struct Sigmoid {
  static constexpr Record record =
      at(kTop | kMethod | kFunctional,
         unary("sigmoid", "1 / (1 + exp(-input))", "Logistic function.",
               {out(), [](Vjp& v) { return call<SigmoidBackward>({v.g(), v.out()}); }}));
  template <class P>
  static P body(P x) {
    return sigmoid(x);
  }
};

struct LogOddsBackward {
  static constexpr Record record =
      backward_of("log_odds_backward", "grad / (saved * (1 - saved))", "Cotangent of log_odds.",
                  {in(1), [](Vjp& v) { return call<LogOddsBackward>({v.g(), v.in(1)}); }},
                  {in(0) | in(1), [](Vjp& v) {
                     const Tensor slope = call<LogOddsBackward>({v.in(0), v.in(1)});
                     return v.g() * call<LogOddsBackward>({slope * (v.in(1) * 2 - 1), v.in(1)});
                   }});
  template <class P>
  static P body(P g, P x) {
    return g / (x * (P(1) - x));
  }
};

// logit without bounds.
struct LogOdds {
  static constexpr Record record =
      at(kHidden, unary("log_odds", "ln(input / (1 - input))", "Inverse of sigmoid.",
                        {in(0), [](Vjp& v) { return call<LogOddsBackward>({v.g(), v.in(0)}); }}));
  template <class P>
  static P body(P x) {
    return log(x / (P(1) - x));
  }
};

Tensor logit_of(const Call& call);

struct Logit {
  static constexpr Record record{
      .name = "logit",
      .kind = Kind::kComposite,
      .formula = "ln(input / (1 - input))",
      .doc = "Inverse of sigmoid. With eps, the input is first held in [eps, 1 - eps].",
      .args = {tensor(), optional_real("eps")},
      .has_in_place = true,
      .compose = [](const Call& call, std::span<Tensor> out) { out[0] = logit_of(call); }};
};

struct Hypot {
  static constexpr Record record = of_tensors(binary(
      "hypot", "(input^2 + other^2) ^ (1/2)", "Length of the hypotenuse.",
      {in(0) | out(), [](Vjp& v) { return v.g() * (v.in(0) / v.out()); }},
      {in(1) | out(), [](Vjp& v) { return v.g() * (v.in(1) / v.out()); }}, Result::kPromoted, kFloats));
  template <class P>
  static P body(P a, P b) {
    const P x = abs(a), y = abs(b);
    const P large = max(x, y), small = min(x, y);
    const P ratio = small / large;
    const P length = large * sqrt(P(1) + ratio * ratio);
    // 0/0 and inf/inf: the larger one is the answer already; but infinity beats NaN, as in C.
    const P infinity = P(std::numeric_limits<double>::infinity());
    return select((x == infinity) | (y == infinity), infinity, select(large == P(0), large, length));
  }
};

struct Copysign {
  static constexpr Record record =
      binary("copysign", "|input| * sign(other)", "The input's magnitude with the other's sign bit.",
             {in(0) | out(), [](Vjp& v) { return v.g() * where(eq(v.in(0), 0), 0.0, v.out() / v.in(0)); }},
             kZeroRule, Result::kFloating);
  template <class P>
  static P body(P a, P b) {
    return copysign(a, b);
  }
};

struct Logaddexp {
  static constexpr Record record = of_tensors(binary(
      "logaddexp", "ln(exp(input) + exp(other))", "Logarithm of a sum of exponentials, without overflow.",
      {in(0) | in(1), [](Vjp& v) { return v.g() * sigmoid(v.in(0) - v.in(1)); }},
      {in(0) | in(1), [](Vjp& v) { return v.g() * sigmoid(v.in(1) - v.in(0)); }}, Result::kPromoted,
      kFloats));
  template <class P>
  static P body(P a, P b) {
    const P high = max(a, b);
    const P sum = high + log1p(exp(-abs(a - b)));
    // Equal infinities have an undefined difference; the result is that infinity.
    return select(a == b, high + log(P(2)), sum);
  }
};

struct Xlogy {
  static constexpr Record record = beside_a_tensor(
      binary("xlogy", "input * ln(other)",
             "Product with a logarithm, 0 where the input is 0 (NaN where the other is NaN).",
             {in(0) | in(1),
              [](Vjp& v) { return v.g() * where(eq(v.in(0), 0) & le(v.in(1), 0), 0.0, log(v.in(1))); }},
             {in(0) | in(1), [](Vjp& v) { return v.g() * v.in(0) / v.in(1); }}, Result::kFloating));
  template <class P>
  static P body(P x, P y) {
    return select(y != y, y, select(x == P(0), P(0), x * log(y)));
  }
};

struct Lgamma {
  static constexpr Record record =
      unary("lgamma", "ln|Gamma(input)|", "Logarithm of the gamma function's magnitude.",
            {in(0), [](Vjp& v) { return v.g() * digamma(v.in(0)); }});
  template <class P>
  static P body(P x) {
    return lgamma(x);
  }
};

struct Digamma {
  static constexpr Record record =
      unary("digamma", "d/dinput ln Gamma(input)", "Logarithmic derivative of gamma.",
            {in(0), [](Vjp& v) { return v.g() * zeta(2.0, v.in(0)); }});
  template <class P>
  static P body(P x) {
    return digamma(x);
  }
};

struct Zeta {
  static constexpr Record record =
      at(kHidden, beside_a_tensor(binary(
                      "zeta", "sum over k >= 0 of (other + k) ^ -input", "Hurwitz zeta function.",
                      {0,
                       [](Vjp&) -> Tensor {
                         fail(ErrorKind::kNotImplemented,
                              "zeta: only the derivative by other is implemented; detach input");
                       }},
                      {in(0) | in(1), [](Vjp& v) { return -(v.g() * v.in(0) * zeta(v.in(0) + 1, v.in(1))); }},
                      Result::kFloating)));
  template <class P>
  static P body(P s, P q) {
    return zeta(s, q);
  }
};

using PointwiseOps =
    OpList<Exp, Exp2, Expm1, Log, Log2, Log10, Log1p, Sqrt, Rsqrt, Sin, Cos, Tan, Asin, Acos, Atan, Atan2,
           Sinh, Cosh, Tanh, TanhBackward, Asinh, Acosh, Atanh, Erf, Erfc, Erfinv, LogOdds, LogOddsBackward,
           Sigmoid, SigmoidBackward, Hypot, Copysign, Logaddexp, Xlogy, Lgamma, Digamma, Zeta>;
using PointwiseComposites = OpList<Logit>;

}  // namespace unspool::ops
