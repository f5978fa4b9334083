// The arithmetic family: sums, products, quotients, powers, rounding, extrema, bounds. Element by element,
// with broadcasting and type promotion.
#pragma once

#include "ops/elementwise.h"

namespace unspool::ops {

struct Add {
  static constexpr Record record = with_args(
      {operand("input"), operand("other"), keyword(real("alpha", 1))},
      binary("add", "input + alpha * other", "Sum. On bool tensors: logical or.", {kNothing, pass_on},
             {kNothing, [](Vjp& v) { return v.number("alpha") == 1 ? v.g() : v.g() * v.number("alpha"); }},
             Result::kPromoted, kAnyDtype));
  template <class P>
  static P body(P a, P b, P alpha) {
    return a + alpha * b;
  }
};

struct Sub {
  static constexpr Record record =
      with_args({operand("input"), operand("other"), keyword(real("alpha", 1))},
                binary("sub", "input - alpha * other", "Difference. Not defined for bool: use logical_xor.",
                       {kNothing, pass_on}, {kNothing, [](Vjp& v) { return v.g() * -v.number("alpha"); }}));
  template <class P>
  static P body(P a, P b, P alpha) {
    return a - alpha * b;
  }
};

struct Rsub {
  static constexpr Record record =
      with_args({tensor("input"), operand("other"), keyword(real("alpha", 1))},
                binary("rsub", "other - alpha * input", "Reversed difference.",
                       {kNothing, [](Vjp& v) { return v.g() * -v.number("alpha"); }}, {kNothing, pass_on}));
  template <class P>
  static P body(P a, P b, P alpha) {
    return b - alpha * a;
  }
};

struct Mul {
  static constexpr Record record =
      of_operands(binary("mul", "input * other", "Product. On bool tensors: logical and.",
                         {in(1), [](Vjp& v) { return v.g() * v.in(1); }},
                         {in(0), [](Vjp& v) { return v.g() * v.in(0); }}, Result::kPromoted, kAnyDtype));
  template <class P>
  static P body(P a, P b) {
    return a * b;
  }
};

struct TrueDivide {
  static constexpr Record record = of_operands(binary(
      "true_divide", "input / other", "Quotient; integers become float32.",
      {in(1), [](Vjp& v) { return v.g() / v.in(1); }},
      {in(0) | in(1), [](Vjp& v) { return -(v.g() * (v.in(0) / v.in(1) / v.in(1))); }}, Result::kFloating));
  template <class P>
  static P body(P a, P b) {
    return a / b;
  }
};

struct FloorDivide {
  static constexpr Record record = of_operands(binary(
      "floor_divide", "floor(input / other)", "Quotient rounded towards minus infinity, as Python's //.",
      kZeroRule, {kNothing, [](Vjp& v) { return zeros_like(v.g()); }}));
  template <class P>
  static P body(P a, P b) {
    return floor_div(a, b);
  }
};

struct TruncDivide {
  static constexpr Record record =
      at(kHidden, binary("trunc_divide", "trunc(input / other)", "Quotient rounded towards zero.", kZeroRule,
                         {kNothing, [](Vjp& v) { return zeros_like(v.g()); }}));
  template <class P>
  static P body(P a, P b) {
    return trunc_div(a, b);
  }
};

Tensor divide(const Call& call);

struct Div {
  static constexpr Record record{
      .name = "div",
      .kind = Kind::kComposite,
      .formula = "input / other",
      .doc =
          "Quotient. rounding_mode None gives the true quotient, 'trunc' rounds it towards zero, 'floor' "
          "towards "
          "minus infinity.",
      .args = {operand("input"), operand("other"), keyword(optional_text("rounding_mode"))},
      .has_in_place = true,
      .compose = [](const Call& call, std::span<Tensor> out) { out[0] = divide(call); }};
};

struct Remainder {
  static constexpr Record record = beside_a_tensor(
      binary("remainder", "input - floor(input / other) * other",
             "Remainder with the divisor's sign, as Python's %.", {kNothing, pass_on},
             {in(0) | in(1), [](Vjp& v) { return -(v.g() * call<FloorDivide>({v.in(0), v.in(1)})); }}));
  template <class P>
  static P body(P a, P b) {
    return floor_mod(a, b);
  }
};

struct Fmod {
  static constexpr Record record =
      binary("fmod", "input - trunc(input / other) * other",
             "Remainder with the dividend's sign, as C's fmod.", {kNothing, pass_on},
             {in(0) | in(1), [](Vjp& v) { return -(v.g() * call<TruncDivide>({v.in(0), v.in(1)})); }});
  template <class P>
  static P body(P a, P b) {
    return fmod(a, b);
  }
};

// Among the dtypes of a record: bool is computed in int64.
inline constexpr DtypeSet kBoolAsInteger = 1u << 15;

struct Square {
  static constexpr Record record = unary("square", "input ^ 2", "Square; of bool in int64.",
                                         {in(0), [](Vjp& v) { return v.g() * v.in(0) * 2; }},
                                         Result::kPromoted, kNumbers | kBoolAsInteger);
  template <class P>
  static P body(P x) {
    return x * x;
  }
};

struct Cube {
  static constexpr Record record =
      at(kHidden,
         unary("cube", "input ^ 3", "Third power.",
               {in(0), [](Vjp& v) { return v.g() * (square(v.in(0)) * 3); }}, Result::kPromoted, kNumbers));
  template <class P>
  static P body(P x) {
    return x * x * x;
  }
};

struct Power {
  static constexpr Record record = at(
      kHidden, binary("power", "input ^ other", "Power with a general exponent.",
                      {in(0) | in(1),
                       [](Vjp& v) {
                         const Operand x = v.in(0), y = v.in(1);
                         if (y.is_number()) {
                           // Through pow, whose small powers are products.
                           return y.number() == 0 ? zeros_like(v.g()) : v.g() * (pow(x, y.number() - 1) * y);
                         }
                         // The derivative of x^0 is 0 also where x^-1 is not finite.
                         return where(eq(y, 0), 0.0, v.g() * y * call<Power>({x, y - 1}));
                       }},
                      {in(0) | in(1) | out(), [](Vjp& v) {
                         const Operand x = v.in(0), y = v.in(1);
                         // 0^y is constant 0 for y > 0 (and its one-sided value at y = 0), where log(0) is
                         // not finite.
                         const Tensor is_flat =
                             x.is_number() && x.number() != 0 ? Tensor() : logical_and(eq(x, 0), ge(y, 0));
                         const Tensor slope = v.g() * v.out() * log(x);
                         return is_flat ? where(is_flat, 0.0, slope) : slope;
                       }}));
  template <class P>
  static P body(P a, P b) {
    return pow(a, b);
  }
};

Tensor raise(const Call& call);

struct Pow {
  static constexpr Record record{
      .name = "pow",
      .kind = Kind::kComposite,
      .formula = "input ^ exponent",
      .doc = "Power, element by element. Integers to negative integer powers raise; use a floating dtype.",
      .args = {operand("input"), operand("exponent")},
      .has_in_place = true,
      .compose = [](const Call& call, std::span<Tensor> out) { out[0] = raise(call); }};
};

struct Neg {
  static constexpr Record record =
      unary("neg", "-input", "Negation. Not defined for bool: use logical_not.",
            {kNothing, [](Vjp& v) { return neg(v.g()); }}, Result::kPromoted, kNumbers);
  template <class P>
  static P body(P x) {
    return -x;
  }
};

struct Positive {
  static constexpr Record record{.name = "positive",
                                 .kind = Kind::kComposite,
                                 .formula = "input",
                                 .doc = "The input itself. Not defined for bool.",
                                 .args = {tensor()},
                                 .compose = [](const Call& c, std::span<Tensor> out) {
                                   if (c[0].category() == Category::kBool) c.fail("not defined for bool");
                                   out[0] = c.tensor(0);
                                 }};
};

struct Abs {
  static constexpr Record record =
      unary("abs", "|input|", "Absolute value; its derivative at 0 is taken as 0.",
            {in(0), [](Vjp& v) { return v.g() * sign(v.in(0)); }}, Result::kPromoted, kNumbers);
  template <class P>
  static P body(P x) {
    return abs(x);
  }
};

struct Sign {
  static constexpr Record record =
      unary("sign", "sign(input)", "-1, 0 or 1; NaN stays NaN.", kZeroRule, Result::kPromoted);
  template <class P>
  static P body(P x) {
    return select(x > P(0), P(1), select(x < P(0), -P(1), select(x == x, P(0), x)));
  }
};

struct Reciprocal {
  static constexpr Record record = unary("reciprocal", "1 / input", "Reciprocal.",
                                         {out(), [](Vjp& v) { return -(v.g() * square(v.out())); }});
  template <class P>
  static P body(P x) {
    return P(1) / x;
  }
};

struct Floor {
  static constexpr Record record = unary("floor", "floor(input)", "The largest integer not above the input.",
                                         kZeroRule, Result::kPromoted, kNumbers);
  template <class P>
  static P body(P x) {
    return floor(x);
  }
};

struct Ceil {
  static constexpr Record record = unary("ceil", "ceil(input)", "The smallest integer not below the input.",
                                         kZeroRule, Result::kPromoted, kNumbers);
  template <class P>
  static P body(P x) {
    return ceil(x);
  }
};

struct Trunc {
  static constexpr Record record = unary("trunc", "trunc(input)", "The input without its fraction.",
                                         kZeroRule, Result::kPromoted, kNumbers);
  template <class P>
  static P body(P x) {
    return trunc(x);
  }
};

struct RoundHalfEven {
  static constexpr Record record =
      at(kHidden, unary("round_half_even", "round(input)", "The nearest integer, ties to even.", kZeroRule,
                        Result::kPromoted, kNumbers));
  template <class P>
  static P body(P x) {
    return round(x);
  }
};

Tensor round_decimals(const Call& call);

struct Round {
  static constexpr Record record{
      .name = "round",
      .kind = Kind::kComposite,
      .formula = "round(input * 10^decimals) / 10^decimals",
      .doc = "The nearest number with the given count of decimals, ties to even.",
      .args = {tensor(), keyword(integer("decimals", 0))},
      .has_in_place = true,
      .compose = [](const Call& call, std::span<Tensor> out) { out[0] = round_decimals(call); }};
};

struct Frac {
  static constexpr Record record =
      unary("frac", "input - trunc(input)", "The fraction, with the input's sign.", {kNothing, pass_on},
            Result::kPromoted, kFloats);
  template <class P>
  static P body(P x) {
    return x - trunc(x);
  }
};

// Where both are equal, each gets half of the cotangent; where one is NaN, as the result is, each gets all of
// it.
inline Tensor share(Vjp& v, const Tensor& loses) {
  return where(loses, 0.0, where(eq(v.in(0), v.in(1)), v.g() * 0.5, v.g()));
}

struct Maximum {
  static constexpr Record record = of_tensors(binary(
      "maximum", "max(input, other)", "The larger of two; NaN where either is NaN.",
      {in(0) | in(1), [](Vjp& v) { return share(v, lt(v.in(0), v.in(1))); }},
      {in(0) | in(1), [](Vjp& v) { return share(v, gt(v.in(0), v.in(1))); }}, Result::kPromoted, kAnyDtype));
  template <class P>
  static P body(P a, P b) {
    return max(a, b);
  }
};

struct Minimum {
  static constexpr Record record = of_tensors(binary(
      "minimum", "min(input, other)", "The smaller of two; NaN where either is NaN.",
      {in(0) | in(1), [](Vjp& v) { return share(v, gt(v.in(0), v.in(1))); }},
      {in(0) | in(1), [](Vjp& v) { return share(v, lt(v.in(0), v.in(1))); }}, Result::kPromoted, kAnyDtype));
  template <class P>
  static P body(P a, P b) {
    return min(a, b);
  }
};

struct Fmax {
  static constexpr Record record = of_tensors(binary(
      "fmax", "max(input, other)", "The larger of two; where one is NaN, the other.",
      {in(0) | in(1), [](Vjp& v) { return v.g() * logical_or(ge(v.in(0), v.in(1)), ne(v.in(1), v.in(1))); }},
      {in(0) | in(1),
       [](Vjp& v) { return v.g() * logical_not(logical_or(ge(v.in(0), v.in(1)), ne(v.in(1), v.in(1)))); }},
      Result::kPromoted, kAnyDtype));
  template <class P>
  static P body(P a, P b) {
    return select(a != a, b, select(b != b, a, max(a, b)));
  }
};

struct Fmin {
  static constexpr Record record = of_tensors(binary(
      "fmin", "min(input, other)", "The smaller of two; where one is NaN, the other.",
      {in(0) | in(1), [](Vjp& v) { return v.g() * logical_or(le(v.in(0), v.in(1)), ne(v.in(1), v.in(1))); }},
      {in(0) | in(1),
       [](Vjp& v) { return v.g() * logical_not(logical_or(le(v.in(0), v.in(1)), ne(v.in(1), v.in(1)))); }},
      Result::kPromoted, kAnyDtype));
  template <class P>
  static P body(P a, P b) {
    return select(a != a, b, select(b != b, a, min(a, b)));
  }
};

struct ClampMin {
  static constexpr Record record =
      with_args({tensor(), operand("min")},
                binary("clamp_min", "max(input, min)", "The input, but at least min.",
                       {in(0) | in(1), [](Vjp& v) { return where(ge(v.in(0), v.in(1)), v.g(), 0.0); }},
                       {in(0) | in(1), [](Vjp& v) { return where(lt(v.in(0), v.in(1)), v.g(), 0.0); }},
                       Result::kPromoted, kAnyDtype));
  template <class P>
  static P body(P x, P low) {
    return max(x, low);
  }
};

struct ClampMax {
  static constexpr Record record =
      with_args({tensor(), operand("max")},
                binary("clamp_max", "min(input, max)", "The input, but at most max.",
                       {in(0) | in(1), [](Vjp& v) { return where(le(v.in(0), v.in(1)), v.g(), 0.0); }},
                       {in(0) | in(1), [](Vjp& v) { return where(gt(v.in(0), v.in(1)), v.g(), 0.0); }},
                       Result::kPromoted, kAnyDtype));
  template <class P>
  static P body(P x, P high) {
    return min(x, high);
  }
};

// clamp of floating values by two numbers, in one pass.
struct ClampBoth {
  static constexpr Record record = with_args(
      {tensor(), real("min"), real("max")},
      at(kHidden, unary("clamp_both", "min(max(input, min), max)", "The input, held between two numbers.",
                        {in(0), [](Vjp& v) {
                           const Tensor is_inside =
                               ge(v.in(0), v.number("min")) & le(v.in(0), v.number("max"));
                           return where(is_inside, v.g(), 0.0);
                         }})));
  template <class P>
  static P body(P x, P low, P high) {
    return min(max(x, low), high);
  }
};

Tensor clamp_between(const Call& call);

struct Clamp {
  static constexpr Record record{
      .name = "clamp",
      .kind = Kind::kComposite,
      .formula = "min(max(input, min), max)",
      .doc = "The input held between min and max, either of which may be None; max wins where min > max.",
      .args = {tensor(), optional_operand("min"), optional_operand("max")},
      .has_in_place = true,
      .compose = [](const Call& call, std::span<Tensor> out) { out[0] = clamp_between(call); }};
};

struct Clip {
  static constexpr Record record = [] {
    Record r = Clamp::record;
    r.name = "clip";
    r.doc = "Alias of clamp.";
    return r;
  }();
};

using ArithmeticOps =
    OpList<Add, Sub, Rsub, Mul, TrueDivide, FloorDivide, TruncDivide, Remainder, Fmod, Square, Cube, Power,
           Neg, Abs, Sign, Reciprocal, Floor, Ceil, Trunc, RoundHalfEven, Frac, Maximum, Minimum, Fmax, Fmin,
           ClampMin, ClampMax, ClampBoth>;
using ArithmeticComposites = OpList<Div, Positive, Pow, Round, Clamp, Clip>;

}  // namespace unspool::ops
