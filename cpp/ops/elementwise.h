// Shorthands by which the element-wise families declare their records.
#pragma once

#include <string_view>

#include "ops/api.h"
#include "ops/args.h"
#include "ops/record.h"

namespace unspool::ops {

using Text = std::string_view;

// Broadcasts the shapes and promotes the dtypes.
void infer_elementwise(Inference& c);

// Raises TypeError where all operands are numbers.
void expect_a_tensor(Inference& c);

// f(input); integers become float32 unless `result` says otherwise.
constexpr Record unary(Text name, Text formula, Text doc, Rule rule, Result result = Result::kFloating,
                       DtypeSet dtypes = kAnyDtype) {
  Record record{.name = name, .kind = Kind::kElementwise, .formula = formula, .doc = doc, .args = {tensor()}};
  record.result = result;
  record.dtypes = result == Result::kFloating ? kFloats : dtypes;
  record.has_in_place = result != Result::kBool;
  if (rule.cotangent) record.vjp = {rule};
  return record;
}

// f(input, other) in the promoted dtype; `other` may be a number.
constexpr Record binary(Text name, Text formula, Text doc, Rule first, Rule second,
                        Result result = Result::kPromoted, DtypeSet dtypes = kNumbers) {
  Record record{.name = name, .kind = Kind::kElementwise, .formula = formula, .doc = doc};
  record.args = {tensor("input"), operand("other")};
  record.result = result;
  record.dtypes = result == Result::kFloating ? kFloats : dtypes;
  record.has_in_place = result != Result::kBool;
  if (first.cotangent || second.cotangent) record.vjp = {first, second};
  return record;
}

// The derivative kernel of an activation: f'(saved) * grad, linear in grad.
constexpr Record backward_of(Text name, Text formula, Text doc, Rule grad, Rule saved) {
  Record record = binary(name, formula, doc, grad, saved, Result::kFloating);
  record.where = kHidden;
  record.args = {tensor("grad"), tensor("saved")};
  record.has_in_place = false;
  return record;
}

// Neither operand is a number.
constexpr Record of_tensors(Record record) {
  record.args = {tensor("input"), tensor("other")};
  return record;
}
// Either operand may be a number.
constexpr Record of_operands(Record record) {
  record.args = {operand("input"), operand("other")};
  return record;
}
constexpr Record checked(void (*check)(Inference&), Record record) {
  record.infer = check;
  return record;
}
// Either operand may be a number, but not both: in what dtype would the result be?
constexpr Record beside_a_tensor(Record record) { return checked(expect_a_tensor, of_operands(record)); }
constexpr Record at(int where, Record record) {
  record.where = where;
  return record;
}
constexpr Record with_args(Args args, Record record) {
  record.args = args;
  return record;
}

inline constexpr Rule kNoRule{};
// The function is piecewise constant.
inline constexpr Rule kZeroRule{kNothing, [](Vjp& v) { return zeros_like(v.g()); }};

}  // namespace unspool::ops
