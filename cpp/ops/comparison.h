// Comparisons, tests, logic and selection by a mask.
#pragma once

#include <limits>

#include "ops/elementwise.h"

namespace unspool::ops {

constexpr Record comparison(Text name, Text formula, Text doc) {
  Record record = binary(name, formula, doc, kNoRule, kNoRule, Result::kBool, kAnyDtype);
  record.has_in_place = true;
  return record;
}

struct Eq {
  static constexpr Record record =
      comparison("eq", "input == other", "Equality, element by element; gives bool.");
  template <class P>
  static auto body(P a, P b) {
    return a == b;
  }
};

struct Ne {
  static constexpr Record record =
      comparison("ne", "input != other", "Inequality, element by element; gives bool.");
  template <class P>
  static auto body(P a, P b) {
    return a != b;
  }
};

struct Lt {
  static constexpr Record record =
      comparison("lt", "input < other", "Less than, element by element; gives bool.");
  template <class P>
  static auto body(P a, P b) {
    return a < b;
  }
};

struct Le {
  static constexpr Record record =
      comparison("le", "input <= other", "Less or equal, element by element; gives bool.");
  template <class P>
  static auto body(P a, P b) {
    return a <= b;
  }
};

struct Gt {
  static constexpr Record record =
      comparison("gt", "input > other", "Greater than, element by element; gives bool.");
  template <class P>
  static auto body(P a, P b) {
    return a > b;
  }
};

struct Ge {
  static constexpr Record record =
      comparison("ge", "input >= other", "Greater or equal, element by element; gives bool.");
  template <class P>
  static auto body(P a, P b) {
    return a >= b;
  }
};

struct LogicalAnd {
  static constexpr Record record =
      of_tensors(comparison("logical_and", "input and other", "Both are nonzero; gives bool."));
  template <class P>
  static auto body(P a, P b) {
    const auto first = a != P(0), second = b != P(0);
    return first & second;
  }
};

struct LogicalOr {
  static constexpr Record record =
      of_tensors(comparison("logical_or", "input or other", "Either is nonzero; gives bool."));
  template <class P>
  static auto body(P a, P b) {
    const auto first = a != P(0), second = b != P(0);
    return first | second;
  }
};

struct LogicalXor {
  static constexpr Record record =
      of_tensors(comparison("logical_xor", "input xor other", "Exactly one is nonzero; gives bool."));
  template <class P>
  static auto body(P a, P b) {
    const auto first = a != P(0), second = b != P(0);
    return first ^ second;
  }
};

struct LogicalNot {
  static constexpr Record record = [] {
    Record r = unary("logical_not", "not input", "The input is zero; gives bool.", kNoRule, Result::kBool);
    r.has_in_place = true;
    return r;
  }();
  template <class P>
  static auto body(P x) {
    return x == P(0);
  }
};

struct IsNan {
  static constexpr Record record =
      unary("isnan", "input != input", "Not a number; gives bool.", kNoRule, Result::kBool);
  template <class P>
  static auto body(P x) {
    return x != x;
  }
};

struct IsInf {
  static constexpr Record record =
      unary("isinf", "|input| == inf", "Positive or negative infinity; gives bool.", kNoRule, Result::kBool);
  template <class P>
  static auto body(P x) {
    const auto is_number = x == x, has_no_difference = x - x != P(0);
    return is_number & has_no_difference;
  }
};

struct IsFinite {
  static constexpr Record record =
      unary("isfinite", "|input| < inf", "Neither infinite nor NaN; gives bool.", kNoRule, Result::kBool);
  template <class P>
  static auto body(P x) {
    return x - x == P(0);
  }
};

struct SignBit {
  static constexpr Record record = unary(
      "signbit", "input < 0", "The sign bit is set (true of -0.0); gives bool.", kNoRule, Result::kBool);
  template <class P>
  static auto body(P x) {
    return copysign(P(1), x) < P(0);
  }
};

constexpr Record bitwise(Text name, Text formula, Text doc) {
  return beside_a_tensor(binary(name, formula, doc, kNoRule, kNoRule, Result::kPromoted, kIntegers | kBools));
}

struct BitwiseAnd {
  static constexpr Record record =
      bitwise("bitwise_and", "input & other", "Bitwise and; logical on bool tensors.");
  template <class P>
  static P body(P a, P b) {
    return bit_and(a, b);
  }
};

struct BitwiseOr {
  static constexpr Record record =
      bitwise("bitwise_or", "input | other", "Bitwise or; logical on bool tensors.");
  template <class P>
  static P body(P a, P b) {
    return bit_or(a, b);
  }
};

struct BitwiseXor {
  static constexpr Record record =
      bitwise("bitwise_xor", "input ^ other", "Bitwise xor; logical on bool tensors.");
  template <class P>
  static P body(P a, P b) {
    return bit_xor(a, b);
  }
};

struct BitwiseNot {
  static constexpr Record record =
      unary("bitwise_not", "~input", "Bitwise complement; logical not on bool tensors.", kNoRule,
            Result::kPromoted, kIntegers | kBools);
  template <class P>
  static P body(P x) {
    return bit_not(x);
  }
};

struct WhereOp {
  static constexpr Record record = [] {
    Record r = binary("where", "condition ? input : other",
                      "Elements of input where the condition holds, else of other.", kNoRule, kNoRule,
                      Result::kPromoted, kAnyDtype);
    r.args = {tensor("condition"), operand("input"), operand("other")};
    r.where = kTop;
    r.first_is_mask = true;
    r.has_in_place = false;
    r.vjp = {kNoRule,
             {in(0), [](Vjp& v) { return where(v.in(0), v.g(), 0.0); }},
             {in(0), [](Vjp& v) { return where(v.in(0), 0.0, v.g()); }}};
    return r;
  }();
  template <class M, class P>
  static P body(M condition, P a, P b) {
    return select(condition, a, b);
  }
};

struct WhereMethod {
  static constexpr Record record{
      .name = "where_method",
      .python = "where",
      .where = kMethod,
      .kind = Kind::kComposite,
      .formula = "condition ? input : other",
      .doc = "Elements of this tensor where the condition holds, else of other.",
      .args = {tensor(), tensor("condition"), operand("other")},
      .compose = [](const Call& call, std::span<Tensor> out) { out[0] = where(call[1], call[0], call[2]); }};
};

Tensor masked_fill(const Call& call);
void change_masked_fill(const Call& call, const Tensor& target);

struct MaskedFill {
  static constexpr Record record{
      .name = "masked_fill",
      .kind = Kind::kComposite,
      .formula = "mask ? value : input",
      .doc = "The input with `value` (a number or a 0-d tensor) wherever the bool mask holds.",
      .args = {tensor(), tensor("mask"), operand("value")},
      .has_in_place = true,
      .compose = [](const Call& call, std::span<Tensor> out) { out[0] = masked_fill(call); },
      .change = change_masked_fill};
};

Tensor fill(const Call& c);

struct Fill {
  static constexpr Record record{
      .name = "fill",
      .where = kTop,
      .kind = Kind::kComposite,
      .formula = "value everywhere",
      .doc = "A tensor like input with one value (a number or a 0-d tensor) everywhere.",
      .args = {tensor(), operand("value")},
      .compose = [](const Call& c, std::span<Tensor> out) { out[0] = fill(c); }};
};

struct IsClose {
  static constexpr Record record{
      .name = "isclose",
      .kind = Kind::kComposite,
      .formula = "|input - other| <= atol + rtol * |other|",
      .doc =
          "Whether two tensors agree within tolerances; gives bool. Infinities agree with themselves, NaN "
          "with NaN "
          "only when equal_nan is set.",
      .args = {tensor(), tensor("other"), real("rtol", 1e-5), real("atol", 1e-8), flag("equal_nan", false)},
      .compose = [](const Call& call, std::span<Tensor> out) {
        for (const char* tolerance : {"rtol", "atol"}) {
          if (!(call.number(tolerance) >= 0)) {
            call.fail(tolerance, " must be greater than or equal to zero, got ", call.number(tolerance));
          }
        }
        const Dtype type = call[0].impl().dtype;
        if (type != call[1].impl().dtype) {
          call.fail("input is ", name(type), " but other is ", name(call[1].impl().dtype),
                    "; convert one with .to()");
        }
        // Whole numbers are compared in double precision; their differences could wrap.
        const bool exact = !is_floating(type);
        const Tensor a = exact ? to(call.tensor(0), Dtype::kFloat64) : call.tensor(0);
        const Tensor b = exact ? to(call.tensor(1), Dtype::kFloat64) : call.tensor(1);
        const Operand gap = abs(a - b);
        Tensor close = le(gap, abs(b) * call.number("rtol") + call.number("atol"));
        close = (close & lt(gap, std::numeric_limits<double>::infinity())) | eq(a, b);
        if (call.flag("equal_nan")) close = close | (ne(a, a) & ne(b, b));
        out[0] = close;
      }};
};

struct FiniteOr {
  static constexpr Record record = with_args(
      {tensor(), real("nan"), real("posinf"), real("neginf")},
      at(kHidden, unary("finite_or", "input, NaN -> nan, inf -> posinf, -inf -> neginf",
                        "The input, with numbers in place of what is not finite.",
                        {in(0), [](Vjp& v) { return where(eq(v.in(0) - v.in(0), 0), v.g(), 0.0); }})));
  template <class P>
  static P body(P x, P nan, P high, P low) {
    const P infinity(std::numeric_limits<double>::infinity());
    return select(x != x, nan, select(x == infinity, high, select(x == -infinity, low, x)));
  }
};

Tensor replace_non_finite(const Call& call);

struct NanToNum {
  static constexpr Record record{
      .name = "nan_to_num",
      .kind = Kind::kComposite,
      .formula = "input, NaN -> nan, inf -> posinf, -inf -> neginf",
      .doc =
          "Replaces NaN by `nan` and infinities by the given numbers, by default the dtype's largest and "
          "smallest.",
      .args = {tensor(), optional_real("nan"), optional_real("posinf"), optional_real("neginf")},
      .has_in_place = true,
      .compose = [](const Call& call, std::span<Tensor> out) { out[0] = replace_non_finite(call); }};
};

struct Lerp {
  static constexpr Record record{
      .name = "lerp",
      .kind = Kind::kElementwise,
      .formula = "input + weight * (end - input)",
      .doc = "Linear interpolation between input and end.",
      .args = {tensor(), operand("end"), operand("weight")},
      .dtypes = kFloats,
      .has_in_place = true,
      .vjp = {{in(2),
               [](Vjp& v) {
                 return v.g() * (v.in(2).is_number() ? Operand(1 - v.in(2).number()) : Operand(1 - v.in(2)));
               }},
              {in(2), [](Vjp& v) { return v.g() * v.in(2); }},
              {in(0) | in(1), [](Vjp& v) { return v.g() * (v.in(1) - v.in(0)); }}}};
  // Each end is reached exactly: the form changes sides at one half.
  template <class P>
  static P body(P a, P b, P w) {
    return select(abs(w) < P(0.5), a + w * (b - a), b - (b - a) * (P(1) - w));
  }
};

struct Addcmul {
  static constexpr Record record{
      .name = "addcmul",
      .kind = Kind::kElementwise,
      .formula = "input + value * tensor1 * tensor2",
      .doc = "Adds a scaled product of two tensors.",
      .args = {tensor(), operand("tensor1"), operand("tensor2"), keyword(real("value", 1))},
      .dtypes = kNumbers,
      .has_in_place = true,
      .vjp = {{kNothing, pass_on},
              {in(2), [](Vjp& v) { return v.g() * (v.in(2) * v.number("value")); }},
              {in(1), [](Vjp& v) { return v.g() * (v.in(1) * v.number("value")); }}}};
  template <class P>
  static P body(P x, P a, P b, P value) {
    return x + value * a * b;
  }
};

struct Addcdiv {
  static constexpr Record record{
      .name = "addcdiv",
      .kind = Kind::kElementwise,
      .formula = "input + value * tensor1 / tensor2",
      .doc = "Adds a scaled quotient of two tensors.",
      .args = {tensor(), operand("tensor1"), operand("tensor2"), keyword(real("value", 1))},
      .dtypes = kFloats,
      .has_in_place = true,
      .vjp = {
          {kNothing, pass_on},
          {in(2), [](Vjp& v) { return v.g() * v.number("value") / v.in(2); }},
          {in(1) | in(2), [](Vjp& v) { return -(v.g() * v.number("value") * v.in(1) / square(v.in(2))); }}}};
  template <class P>
  static P body(P x, P a, P b, P value) {
    return x + value * (a / b);
  }
};

using ComparisonOps = OpList<Eq, Ne, Lt, Le, Gt, Ge, LogicalAnd, LogicalOr, LogicalXor, LogicalNot, IsNan,
                             IsInf, IsFinite, SignBit>;
using BitwiseOps = OpList<BitwiseAnd, BitwiseOr, BitwiseXor, BitwiseNot>;
using SelectionOps = OpList<WhereOp, Lerp, Addcmul, Addcdiv, FiniteOr>;
using SelectionComposites = OpList<WhereMethod, MaskedFill, Fill, IsClose, NanToNum>;

}  // namespace unspool::ops
